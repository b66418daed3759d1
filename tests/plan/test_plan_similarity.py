"""What two rows of one company may look like, and what never makes two companies one."""

from __future__ import annotations

import pytest
from plan_values import TERMS, account, customer, declared, ledger, there

from reconciler.plan.make import make_plan
from reconciler.plan.similarity import MAYBE, SURE, Party, likeness, party, similar

ACME = {
    "name": "Acme Water Works Inc",
    "email": "info@acme.example",
    "street_address": "50 State Street",
    "postal_code": "05602",
}


def score(one: Party, other: Party) -> float:
    found = likeness(one, other)
    return 0.0 if found is None else found.score


@pytest.mark.parametrize(
    "written",
    [
        {"name": "ACME WATER WORKS"},
        {"name": "The Acme Water Works, LLC"},
        {"name": "Acme Water-Works Incorporated"},
        {"name": "Works Water Acme"},
        {"name": "A.C.M.E. Water Works"},
        {"name": "Acmé Water Works"},
        {"name": "Acme Watr Works"},
        {"email": "billing@acme.example"},
        {"email": "acme@gmail.com"},
        {"street_address": "50 State St., Suite 3", "postal_code": "05602-2957"},
        {"street_address": "1 Elm Street", "postal_code": "05401"},
        {"name": "Globex"},
        {"name": "Globex", "email": "pay@acme.example"},
        {"name": "Acme Water Works", "email": "a@other.example", "street_address": "50 STATE STREET"},
    ],
    ids=str,
)
def test_one_company_written_otherwise_is_sure(written: dict[str, str]) -> None:
    other = {**ACME, **written}
    if written.get("email", "").endswith("other.example"):
        other["name"] = ACME["name"]
    found = similar({"ours": party(ACME)}, {"theirs": party(other)})
    assert [(one.right, one.sure) for one in found] == [("theirs", True)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"name": "Library"}, {"name": "Friends of the Library", "email": "a@friends.example"}),
        ({"name": "Post 12"}, {"name": "Post 13", "email": "a@post.example"}),
        ({"name": "Holdings I"}, {"name": "Holdings II", "email": "a@two.example"}),
        ({"name": "Acme"}, {"name": "Acme", "email": "x@x.example", "street_address": "1 Elm St"}),
        ({"email": "a@gmail.com"}, {"email": "b@gmail.com", "name": "Globex", "street_address": "1 Elm St"}),
        ({}, {"name": "Globex", "email": "x@x.example"}),
    ],
    ids=str,
)
def test_what_agrees_in_one_thing_alone_is_not_sure(ours: dict[str, str], theirs: dict[str, str]) -> None:
    left, right = {**ACME, **ours}, {**ACME, **theirs}
    assert score(party(left), party(right)) < SURE
    assert not any(one.sure for one in similar({"a": party(left)}, {"b": party(right)}))


def test_two_eins_are_two_companies_whatever_else_agrees() -> None:
    assert likeness(party({**ACME, "ein": "12-3456789"}), party({**ACME, "ein": "98-7654321"})) is None
    assert score(party({**ACME, "ein": "12-3456789"}), party({**ACME, "ein": "123456789"})) > SURE
    assert score(party({**ACME, "ein": "12-3456789"}), party({**ACME, "ein": "00-0000000"})) > SURE


def test_empty_values_agree_with_nothing() -> None:
    nobody = party({"name": "", "email": None, "street_address": " ", "postal_code": ""})
    assert (score(nobody, nobody), similar({"a": nobody}, {"b": nobody})) == (0.0, ())


@pytest.mark.parametrize(
    "text", ["PO Box 455", "P.O. BOX 455", "P. O. Box 455", "Post Office Box 455", "po bx 455"], ids=str
)
def test_a_post_office_box_is_one_however_it_is_written(text: str) -> None:
    one, other = ({**ACME, "email": "", "street_address": street} for street in ("PO BOX 455", text))
    assert score(party(one), party(other)) > SURE


def test_two_that_are_equally_alike_are_both_maybe() -> None:
    twice = {"one": party(ACME), "two": party({**ACME, "name": "Acme Water Works Ltd"})}
    for found in (similar({"ours": party(ACME)}, twice), similar(twice, {"theirs": party(ACME)})):
        assert [(one.sure, one.likeness.score >= MAYBE) for one in found] == [(False, True)] * 2


def test_an_email_domain_that_many_have_tells_little() -> None:
    moved = {**ACME, "name": "Acme Water", "street_address": "1 Elm Street"}
    pair = {"ours": party(ACME)}, {"theirs": party(moved)}
    assert [one.sure for one in similar(*pair)] == [True]
    group = {f"site {number}": party({"name": f"Site {number}", "email": "x@acme.example"}) for number in range(9)}
    assert not any(one.sure for one in similar(pair[0], {**pair[1], **group}))


@pytest.mark.parametrize(
    "theirs",
    [
        {"postal_code": "10001"},
        {"street_address": "50 Elm Road"},
        {"street_address": "Elm Road"},
    ],
    ids=str,
)
def test_an_address_agrees_only_with_its_number_its_postal_code_and_its_street(theirs: dict[str, str]) -> None:
    ours = {**ACME, "name": "Globex", "email": "pay@globex.example"}
    other = {**ACME, "name": "Initech", "email": "pay@initech.example"}
    assert score(party(ours), party({**other, **theirs})) <= 0 < score(party(ours), party(other))


def test_where_one_side_is_empty_nobody_is_similar() -> None:
    assert similar({}, {"theirs": party(ACME)}) == similar({"ours": party(ACME)}, {}) == ()


def test_a_pair_that_is_known_to_be_two_leaves_each_to_others() -> None:
    right = {"first": party(ACME), "second": party({**ACME, "name": "Acme Water Works Ltd"})}
    found = similar({"ours": party(ACME)}, right, are_apart=lambda _, theirs: theirs == "first")
    assert [(one.right, one.sure) for one in found] == [("second", True)]


def test_a_create_is_blocked_beside_who_is_sure_to_be_it_and_says_what_agrees() -> None:
    theirs = {"name": "ACME WATER WORKS", "street_address": "50 State St", "postal_code": "05602"}
    plan = make_plan(
        declared(customer("acme", fields=ACME)), account(there("cus_1", "", **theirs)), ledger(), TERMS
    ).plan
    assert (plan.changes, [one.ids for one in plan.blocked]) == ((), [("cus_1",)])


def test_three_thousand_of_each_side_that_share_every_word_are_compared_in_proportion() -> None:
    left = {f"l{number}": party({"name": "One Name", "postal_code": "05602"}) for number in range(3_000)}
    right = {f"r{number}": party({"name": "One Name", "postal_code": "05602"}) for number in range(3_000)}
    assert similar(left, right) == ()
