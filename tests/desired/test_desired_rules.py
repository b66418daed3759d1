"""Rules across fields and customers, and of moved and forget."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_cases import load, problems, warnings

from reconciler.errors import Source
from reconciler.model.core import Move

NOBODY = "declare the key that the customer has now, and remove the line that moves it away from there"
ACME = "customers:\n  acme: {name: Acme, email: a@acme.example}\n"


def test_a_customer_without_an_email_is_a_warning(tmp_path: Path) -> None:
    assert warnings(tmp_path, "customers:\n  acme: {name: Acme}\n  empty: {email: null}\n") == [
        f"customers.yaml:{line}:3: customers.{key}: warning: it has no email; "
        f"invoices need one, and the API sets it only at creation"
        for line, key in ((2, "acme"), (3, "empty"))
    ]


def test_a_customer_that_is_wanted_archived_needs_no_email(tmp_path: Path) -> None:
    assert warnings(tmp_path, "customers:\n  acme: {archived: true}\n", required=["email", "city"]) == []


@pytest.mark.parametrize("name", ["", "null", '""', '" "'])
@pytest.mark.parametrize("where", ["customers: {acme: {email: a@x.example, name: %s}}\n", "defaults: {name: %s}\n"])
def test_a_blank_name_is_an_error_in_a_file_its_defaults_and_an_overlay(tmp_path: Path, where: str, name: str) -> None:
    text = where % name
    found = [*problems(tmp_path, text if "customers" in text else text + ACME)]
    files = {"customers.yaml": ACME, "over.yaml": text if "customers" in text else text + "customers: {acme: {}}\n"}
    found += problems(tmp_path, files, overlays=["over.yaml"])
    assert [one.partition("; ")[2] for one in found] == [
        "a customer cannot be billed without a name: write it, or remove the line"
    ] * 2


DOUBTED = """\
customers:
  acme:
    name: ${NAME}
    city: $CITY
    state: NULL
    country: None
    email: billing@x.example
    users:
      $WHO@x.example: {first_name: nil}
  ${KEY}: {name: Ke$ha, email: a@x.example}
  nil: {name: A, email: a@x.example}
  ~: {name: A, email: a@x.example}
defaults: {sub_premise: none}
moved:
  - from: ${OLD}
    to: acme
forget: [None]
"""
QUOTED = """\
customers:
  acme:
    name: "${NAME}"
    city: '$CITY'
    state: "NULL"
    country: |-
      None
    email: billing@x.example
    users:
      "$WHO@x.example": {first_name: "nil"}
  "${KEY}": {name: US$ 5, email: a@x.example}
  "nil": {name: A, email: a@x.example, city: null, state: ~}
defaults: {sub_premise: "none"}
forget: ["None"]
"""


def test_a_plain_text_that_a_template_or_a_program_left_is_a_warning_wherever_it_stands(tmp_path: Path) -> None:
    template, none = "looks like a template that was not expanded", "this is the text"
    assert [one.partition("; ")[0].removeprefix("customers.yaml:") for one in warnings(tmp_path, DOUBTED)] == [
        f"3:11: customers.acme.name: warning: '${{NAME}}' {template}",
        f"4:11: customers.acme.city: warning: '$CITY' {template}",
        "5:12: customers.acme.state: warning: NULL is read as null: empty",
        f"6:14: customers.acme.country: warning: {none} 'None'",
        f"9:7: customers.acme.users.$WHO@x.example: warning: '$WHO@x.example' {template}",
        f"9:36: customers.acme.users.$WHO@x.example.first_name: warning: {none} 'nil'",
        f"10:3: customers.${{KEY}}: warning: '${{KEY}}' {template}",
        "11:3: customers.nil: warning: the key is the text 'nil'",
        "12:3: customers.~: warning: the key is the text '~'",
        f"13:25: defaults.sub_premise: warning: {none} 'none'",
        f"15:11: moved[0].from: warning: '${{OLD}}' {template}",
        f"17:10: forget[0]: warning: {none} 'None'",
    ]


def test_the_same_texts_in_quotes_are_meant(tmp_path: Path) -> None:
    assert warnings(tmp_path, QUOTED) == []


def test_strict_makes_an_error_of_a_text_that_seems_not_to_be_meant(tmp_path: Path) -> None:
    text = "customers:\n  acme: {name: $NAME, email: a@x.example}\n"
    (found,) = problems(tmp_path, text, strict=True)
    assert found.startswith("customers.yaml:2:16: customers.acme.name: '$NAME' looks like a template")


def test_an_overlay_is_read_with_the_same_doubts(tmp_path: Path) -> None:
    files = {"customers.yaml": ACME, "over.yaml": "customers: {acme: {city: $CITY}}\n"}
    (found,) = warnings(tmp_path, files, overlays=["over.yaml"])
    assert found.startswith("over.yaml:1:26: customers.acme.city: warning: '$CITY' looks like a template")


def test_strict_makes_a_warning_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "customers:\n  acme: {name: Acme}\n", strict=True) == [
        "customers.yaml:2:3: customers.acme: it has no email; invoices need one, and the API sets it only at creation"
    ]


@pytest.mark.parametrize("city", ["", ", city: null", ", city: ''", ", city: ' '"])
def test_a_field_that_the_policy_requires_must_not_be_empty(tmp_path: Path, city: str) -> None:
    text = f"customers:\n  acme: {{email: a@b.example{city}}}\n"
    assert problems(tmp_path, text, required=["city", "email"]) == [
        "customers.yaml:2:3: customers.acme: it has no city, which the policy requires; write `city:`"
    ]


def test_a_required_field_may_come_from_defaults(tmp_path: Path) -> None:
    assert warnings(tmp_path, "defaults: {city: Boston}\n" + ACME, required=["city"]) == []


def test_the_policy_asks_nothing_of_a_customer_of_another_environment(tmp_path: Path) -> None:
    assert warnings(tmp_path, "customers:\n  acme: {name: Acme}\n", required=["city"], exclude=["acme"]) == []


@pytest.mark.parametrize(
    "address",
    [
        "country: USA, state: NY, postal_code: 02134",
        "country: us, state: new york, postal_code: 02134-1000",
        "country: United States, state: PR",
        "country: Canada, state: Ontario, postal_code: K1A 0B1",
        "country: CAN, state: qc, postal_code: k1a0b1",
        "country: CA, state: Québec",
        "country: France, state: Bretagne, postal_code: x",
        "state: Nowhere, postal_code: x",
        "country: USA, state: null, postal_code: ''",
    ],
)
def test_states_and_postal_codes_that_are_right_or_cannot_be_judged(tmp_path: Path, address: str) -> None:
    assert warnings(tmp_path, f"customers:\n  acme: {{email: a@b.example, {address}}}\n") == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("country: USA, state: ON", "state: warning: 'ON' is not a state of the United States"),
        ("country: CA, state: NY", "state: warning: 'NY' is not a province of Canada"),
        ("country: USA, postal_code: 2134", "postal_code: warning: '2134' is not a postal code of the United States"),
        ("country: Canada, postal_code: D1A 0B1", "postal_code: warning: 'D1A 0B1' is not a postal code of Canada"),
    ],
)
def test_a_state_or_a_postal_code_that_the_country_lacks_is_a_warning(
    tmp_path: Path, address: str, message: str
) -> None:
    (found,) = warnings(tmp_path, f"customers:\n  acme: {{email: a@b.example, {address}}}\n")
    assert found.partition(": customers.acme.")[2].partition(";")[0] == message


def test_what_is_wrong_in_defaults_is_said_once_and_there(tmp_path: Path) -> None:
    text = "defaults: {country: USA, state: XX}\ncustomers:\n"
    text += "".join(f"  c{number}: {{email: a@b.example}}\n" for number in range(3))
    (found,) = warnings(tmp_path, text)
    assert found.startswith("customers.yaml:1:33: defaults.state: warning: 'XX' is not a state")


def test_users_with_one_email_in_another_case_are_an_error_that_names_both(tmp_path: Path) -> None:
    text = "customers:\n  acme:\n    email: a@b.example\n    users:\n      J@b.example: {}\n      j@B.example: {}\n"
    hint = "email addresses are compared without case"
    assert problems(tmp_path, text) == [
        (
            f"customers.yaml:6:7: customers.acme.users.j@B.example: the user is declared twice, "
            f"first at customers.yaml:5:7 as 'J@b.example'; {hint}"
        )
    ]


def test_a_user_without_content_is_an_error(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "customers:\n  acme: {email: a@b.example, users: {j@b.example: }}\n")
    assert found.endswith("this is empty; write {} for a user without names, or remove the line")


def test_a_customer_that_is_archived_may_have_users(tmp_path: Path) -> None:
    text = "customers:\n  acme: {archived: true, users: {j@b.example: {}}}\n"
    assert [user.email for user in load(tmp_path, text).desired.customers["acme"].users] == ["j@b.example"]


def test_a_field_that_is_written_and_unmanaged_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "customers:\n  acme: {email: a@b.example, unmanaged: [email, city]}\n") == [
        (
            "customers.yaml:2:41: customers.acme.unmanaged: 'email' is set "
            "in this customer's entry, and is also unmanaged; "
            "remove one of the two; unmanaged is for fields from defaults"
        )
    ]


def test_one_id_for_two_customers_is_an_error_that_names_both(tmp_path: Path) -> None:
    text = "customers:\n  a: {email: a@b.example, id: cus_1}\n  b: {email: b@b.example, id: cus_1}\n"
    assert problems(tmp_path, text) == [
        (
            "customers.yaml:3:31: customers.b.id: the id 'cus_1' is given to two customers, "
            "first at customers.yaml:2:27; an id belongs to one customer; remove one of the two"
        )
    ]


def test_an_id_where_there_are_several_environments_is_an_error(tmp_path: Path) -> None:
    text = "customers:\n  acme: {email: a@b.example, id: cus_1}\n"
    assert problems(tmp_path, text, pins_allowed=False) == [
        (
            "customers.yaml:2:34: customers.acme.id: an id belongs to one environment, "
            "and this file is read for several; write it in an overlay of the environment whose customer it is"
        )
    ]


def test_moved_and_forget_stand_in_the_result_with_their_places(tmp_path: Path) -> None:
    desired = load(tmp_path, ACME + "moved:\n  - {from: old, to: acme}\nforget: [hooli]\n").desired
    assert desired.moved == (Move("old", "acme", Source("customers.yaml", 4, 5)),)
    assert desired.forget == {"hooli": Source("customers.yaml", 5, 10)}


@pytest.mark.parametrize(
    ("lines", "way", "hint"),
    [
        ("[{from: a, to: b}, {from: b, to: a}]", "a → b → a", NOBODY),
        ("[{from: x, to: x}]", "x → x", NOBODY),
        ("[{from: a, to: b}, {from: b, to: c}, {from: c, to: a}]", "a → b → c → a", NOBODY),
        (
            "[{from: a, to: acme}, {from: acme, to: a}]",
            "a → acme → a",
            "'acme' is declared: remove the line with `from: acme`",
        ),
        (
            "[{from: b, to: acme}, {from: acme, to: b}]",
            "b → acme → b",
            "moves cannot swap keys: remove these lines, and run `reconciler state move` for each account",
        ),
    ],
)
def test_moves_in_a_circle_are_one_error(tmp_path: Path, lines: str, way: str, hint: str) -> None:
    also = "  b: {email: b@b.example}\n" if "b → acme" in way else ""
    (found,) = problems(tmp_path, f"{ACME}{also}moved: {lines}\n")
    place = "customers.yaml:4:9" if also else "customers.yaml:3:9"
    assert found == f"{place}: moved[0]: these moves form a circle: {way}; {hint}"


@pytest.mark.parametrize(
    "lines",
    [
        "[{from: a, to: b}, {from: b, to: acme}]",
        "[{from: b, to: acme}, {from: a, to: b}]",
        "[{from: a, to: acme}, {from: b, to: acme}]",
        "[{from: a, to: b}, {from: b, to: acme}, {from: a, to: b}]",
    ],
)
def test_chains_and_several_former_keys_are_kept_line_by_line(tmp_path: Path, lines: str) -> None:
    desired = load(tmp_path, f"{ACME}moved: {lines}\n").desired
    assert set(desired.former_keys()["acme"]) == {"a", "b"}
    assert {move.origin for move in desired.moved} == {"a", "b"}


def test_a_chain_to_a_key_of_another_environment_is_left_out(tmp_path: Path) -> None:
    text = f"{ACME}  c: {{email: c@x.example}}\nmoved: [{{from: a, to: b}}, {{from: b, to: c}}]\n"
    assert load(tmp_path, text, exclude=["c"]).desired.moved == ()


def test_a_chain_that_ends_at_no_declared_key_is_one_error(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME + "moved: [{from: a, to: b}, {from: b, to: acne}]\n") == [
        "customers.yaml:3:41: moved[1].to: 'acne' is not declared; did you mean 'acme'?"
    ]


def test_a_move_to_what_is_not_declared_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME + "moved: [{from: old, to: acne}]\n") == [
        "customers.yaml:3:25: moved[0].to: 'acne' is not declared; did you mean 'acme'?"
    ]


def test_a_move_from_what_is_still_declared_is_an_error(tmp_path: Path) -> None:
    text = ACME + "  old: {email: o@b.example}\nmoved: [{from: old, to: acme}]\n"
    assert problems(tmp_path, text) == [
        (
            "customers.yaml:4:16: moved[0].from: 'old' is still declared, at customers.yaml:3:3; "
            "if that entry is the moved customer, remove it; if it is a new customer, "
            "remove this line once every environment has been applied with it"
        )
    ]


def test_one_key_that_moves_to_two_is_an_error_that_names_both(tmp_path: Path) -> None:
    text = ACME + "  b: {email: b@b.example}\nmoved: [{from: x, to: acme}, {from: x, to: b}]\n"
    assert problems(tmp_path, text) == [
        (
            "customers.yaml:4:37: moved[1].from: 'x' moves to two keys, 'acme' at customers.yaml:4:10 and 'b' here; "
            "keep the line to the key that 'x' has now; the other is a new customer"
        )
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Acme", "acme"),
        ("acme", "'acme '"),
        ("two words", "'two  words'"),
        ("café", "cafe\u0301"),
        ("00123", "123"),
        ("123", "123.0"),
    ],
)
def test_keys_that_are_nearly_equal_are_a_warning_that_names_both(tmp_path: Path, one: str, other: str) -> None:
    text = f"customers:\n  {one}: {{email: a@x.example}}\n  {other}: {{email: b@x.example}}\n"
    (found,) = warnings(tmp_path, text)
    assert found.startswith("customers.yaml:3:3: customers.")
    assert f"warning: it is almost the same as the key '{one}' at customers.yaml:2:3: only case, whitespace" in found
    assert found.endswith(f"write `distinct_from: [{one}]`")


def test_of_keys_that_are_nearly_equal_each_later_one_is_named_once(tmp_path: Path) -> None:
    keys = ("acme", "Acme", "ACME", "other")
    text = "customers:\n" + "".join(f"  {key}: {{email: a@x.example}}\n" for key in keys)
    assert [one.split(": ")[1] for one in warnings(tmp_path, text)] == ["customers.Acme", "customers.ACME"]


@pytest.mark.parametrize("name", ["acme", "Acme"])
def test_keys_that_are_declared_distinct_are_no_warning(tmp_path: Path, name: str) -> None:
    said = {"acme": "", "Acme": ""} | {name: f", distinct_from: [{'Acme' if name == 'acme' else 'acme'}]"}
    text = "customers:\n" + "".join(f"  {key}: {{email: a@x.example{more}}}\n" for key, more in said.items())
    assert warnings(tmp_path, text) == []


def test_a_customer_is_not_distinct_from_itself(tmp_path: Path) -> None:
    text = "customers:\n  acme: {email: a@x.example, id: cus_1, distinct_from: [cus_1, other, acme]}\n"
    hint = "name other customers"
    assert problems(tmp_path, text) == [
        f"customers.yaml:2:56: customers.acme.distinct_from: '{name}' is this customer itself; {hint}"
        for name in ("acme", "cus_1")
    ]


def test_to_forget_what_is_declared_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME + "forget: [acme]\n") == [
        (
            "customers.yaml:3:10: forget[0]: 'acme' is declared, at customers.yaml:2:3; "
            "to stop managing it, remove the entry too"
        )
    ]


def test_no_key_is_called_unknown_where_a_file_cannot_be_read(tmp_path: Path) -> None:
    files = {"a.yaml": "customers: {x: y: z}\n", "b.yaml": ACME + "moved: [{from: old, to: other}]\n"}
    assert [one.split(":")[0] for one in problems(tmp_path, files, "a.yaml", "b.yaml")] == ["a.yaml"]
