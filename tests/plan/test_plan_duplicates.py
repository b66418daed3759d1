"""What is there twice, which one is kept and why, and what is archived of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_values import TERMS, account, bound, ledger, there

from reconciler.errors import ReconcilerError
from reconciler.model.core import Action, Address, CustomerId, ListPaymentMethods, ListUsers, Live, LiveUser, Reason
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import Change
from reconciler.model.reasons import KeepReason
from reconciler.plan.deduplicate import Choice, found_twice, make_single
from reconciler.plan.draft import Draft

ONE, TWO, THREE = CustomerId("cus_1"), CustomerId("cus_2"), CustomerId("cus_3")
PAIR = (there("cus_1", "acme"), there("cus_2", "acme"))
NO_ROWS = ledger()
KNOWN = replace(TERMS, lists_archived=False)


def read(*customers: object, users: Mapping[str, int] | None = None, methods: Mapping[str, int] | None = None) -> Live:
    """Return an account of which users and payment methods were counted."""
    live = account(*customers)  # type: ignore[arg-type]
    counted = {
        one: tuple(LiveUser(f"u{number}", f"u{number}@acme.example", {}) for number in range((users or {}).get(one, 0)))
        for one in live.listed
    }
    return replace(live, users=counted, payment_methods={one: (methods or {}).get(one, 0) for one in live.listed})


def single(live: Live, records: Records = NO_ROWS, *keep: CustomerId, **terms: object) -> Draft:
    """Return the plan that keeps one of each."""
    return make_single(Choice(frozenset(keep)), live, records, replace(KNOWN, **terms))  # type: ignore[arg-type]


def kept(live: Live, records: Records = NO_ROWS) -> tuple[str, KeepReason]:
    """Return the one to keep of the one group, and why."""
    (group,) = found_twice(Choice(), live, records, KNOWN).groups
    return group.kept.customer.id, group.why


def test_of_several_with_one_external_id_all_but_one_are_archived() -> None:
    plan = single(read(*PAIR)).plan
    assert plan.changes == (Change(Action.ARCHIVE, Address("acme"), TWO, Reason.DUPLICATE, payment_methods=0),)


def test_users_and_payment_methods_of_the_duplicates_alone_are_read_first() -> None:
    live = replace(account(*PAIR, there("cus_3", "globex")), payment_methods={})
    assert single(live).reads == (ListUsers(ONE), ListPaymentMethods(ONE), ListUsers(TWO), ListPaymentMethods(TWO))


def test_the_bound_one_is_kept_before_all_others() -> None:
    live = read(*PAIR, users={"cus_1": 1}, methods={"cus_1": 1})
    assert kept(live, ledger(bound("acme", "cus_2"))) == ("cus_2", KeepReason.BOUND)


def test_the_one_with_payment_methods_is_kept_before_the_one_with_users() -> None:
    assert kept(read(*PAIR, users={"cus_1": 3}, methods={"cus_2": 1})) == ("cus_2", KeepReason.PAYMENT_METHODS)


def test_the_one_with_users_is_kept_before_the_oldest() -> None:
    assert kept(read(*PAIR, users={"cus_2": 1})) == ("cus_2", KeepReason.USERS)


def test_the_oldest_is_kept_where_nothing_else_tells() -> None:
    younger = replace(PAIR[0], created_at="2025-06-01T00:00:00Z")
    assert kept(read(younger, PAIR[1])) == ("cus_2", KeepReason.OLDEST)


def test_the_user_says_which_one_to_keep() -> None:
    assert [change.id for change in single(read(*PAIR), ledger(), TWO).plan.changes] == [ONE]


def test_a_bound_customer_is_not_archived() -> None:
    plan = single(read(*PAIR), ledger(bound("acme", "cus_1")), TWO).plan
    assert (plan.changes, plan.blocked[0].ids) == ((), (TWO, ONE))


@pytest.mark.parametrize("keep", [(ONE, TWO), (THREE,), (CustomerId("cus_9"),)])
def test_what_cannot_be_kept_is_an_error(keep: tuple[CustomerId, ...]) -> None:
    with pytest.raises(ReconcilerError):
        single(read(*PAIR, there("cus_3", "globex")), ledger(), *keep)


def test_a_protected_external_id_is_blocked() -> None:
    plan = single(read(*PAIR), protect=("ac*",)).plan
    assert (plan.changes, len(plan.blocked)) == ((), 1)


def test_limits_hold_for_duplicates() -> None:
    live = read(*PAIR, there("cus_3", "acme"))
    assert [(row.planned, row.allowed) for row in single(live).plan.limits] == [(2, 1)]


def test_one_that_we_archived_and_that_is_listed_still_is_no_duplicate() -> None:
    row = replace(bound("acme", "cus_1"), state=BindingState.ARCHIVED)
    assert found_twice(Choice(), read(*PAIR), ledger(row), TERMS).groups == ()


def test_one_that_an_earlier_run_archived_as_a_duplicate_is_none_any_more() -> None:
    choice = Choice(archived=frozenset({TWO}))
    assert found_twice(choice, read(*PAIR), ledger(), TERMS).groups == ()
    assert len(found_twice(choice, read(*PAIR), ledger(), KNOWN).groups) == 1


def test_one_that_is_listed_and_answers_nothing_else_is_no_duplicate() -> None:
    assert found_twice(Choice(), replace(read(*PAIR), got={TWO: None}), ledger(), TERMS).groups == ()


def test_customers_without_an_external_id_are_no_duplicates() -> None:
    live = read(there("cus_1", "", name="One"), there("cus_2", "", name="Two"))
    found = found_twice(Choice(), live, ledger(), KNOWN)
    assert (found.groups, found.twins) == ((), ())


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("ein", "12-3456789", "123456789"),
        ("email", "Billing@acme.example", "billing@acme.example"),
        ("name", "ACME Corp", "Acme corp"),
    ],
)
def test_customers_that_agree_are_likely_twins(name: str, one: str, other: str) -> None:
    live = read(there("cus_1", "a", **{name: one}), there("cus_2", "b", **{name: other}))
    (twins,) = found_twice(Choice(), live, ledger(), KNOWN).twins
    assert (twins.fields, [customer.id for customer in twins.customers]) == (((name, one),), [ONE, TWO])


def test_twins_that_agree_in_more_are_one_group_and_come_first() -> None:
    live = read(
        there("cus_1", "a", name="One", ein="11-1111111"),
        there("cus_2", "b", name="Two", ein="11-1111111"),
        there("cus_3", "c", name="Same", ein="22-2222222"),
        there("cus_4", "d", name="Same", ein="22-2222222"),
    )
    twins = found_twice(Choice(), live, ledger(), KNOWN).twins
    assert [[name for name, _ in one.fields] for one in twins] == [["ein", "name"], ["ein"]]


def test_twins_are_never_archived() -> None:
    live = read(there("cus_1", "a", name="Same"), there("cus_2", "b", name="Same"))
    assert single(live).plan.changes == ()


def test_those_that_share_an_external_id_are_not_shown_as_twins_too() -> None:
    assert found_twice(Choice(), read(*PAIR), ledger(), KNOWN).twins == ()


def test_an_ein_of_zeros_makes_no_twins() -> None:
    live = read(there("cus_1", "a", ein="00-0000000"), there("cus_2", "b", ein="00-0000000"))
    assert found_twice(Choice(), live, ledger(), KNOWN).twins == ()


def test_twins_that_are_written_otherwise_are_found_and_those_without_an_external_id_come_first() -> None:
    keyed = {"name": "Globex", "ein": "12-3456789"}
    live = account(
        there("cus_1", "a", **keyed),
        there("cus_2", "b", **keyed),
        there("cus_3", "c", name="Acme Water, Inc.", street_address="5 Ash Street", postal_code="05602"),
        there("cus_4", "", name="ACME WATER", street_address="5 ASH ST", postal_code="05602-1111", ein="98-7654321"),
    )
    first, second = found_twice(Choice(), live, ledger(), KNOWN).twins
    assert (first.alike, [one.id for one in first.customers]) == (("name", "address"), ["cus_3", "cus_4"])
    assert (second.alike, [name for name, _ in second.fields]) == ((), ["ein", "name"])
    assert first.score > second.score
