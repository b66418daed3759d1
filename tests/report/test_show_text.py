from __future__ import annotations

import json
from dataclasses import replace

from reconciler.errors import Source
from reconciler.model.core import CustomerId, DesiredCustomer, DesiredUser, LiveCustomer, LiveUser
from reconciler.model.ledger import Binding, BindingState, Via
from reconciler.report.show import CustomerView, binding_json, bindings_text, customer_json, customer_text

ACME = CustomerId("cus_1")
CREATED = "2026-01-02T03:04:05Z"
BOUND = Binding(
    "acme",
    ACME,
    "acme",
    CREATED,
    BindingState.ACTIVE,
    "west",
    "west.yaml",
    protected=True,
    via=Via.CREATED,
    applied_json='{"city":"Boston","country":"USA"}',
    observed_json='{"city":"Boston","country":"US"}',
)
VIEW = CustomerView(
    "acme",
    declared=DesiredCustomer(
        "acme",
        {"city": "New York", "country": "USA", "sub_premise": None},
        Source("west.yaml", 7, 3),
        (DesiredUser("jane@acme.example", {"first_name": "Jane"}, Source("west.yaml", 9)),),
        ignore_changes=frozenset({"country"}),
    ),
    live=LiveCustomer(ACME, "old", CREATED, {"city": "Boston", "country": "US"}, integration_id="crm-1"),
    recorded=BOUND,
    users=(
        LiveUser("u1", "Jane@acme.example", {"first_name": "Jane", "last_name": "Doe"}),
        LiveUser("u2", "zoe@acme.example", {}),
    ),
    payment_methods=2,
)


def test_a_customer_stands_side_by_side_at_80_columns() -> None:
    assert customer_text(VIEW, width=80, color=False) == (
        "acme\n"
        "  declared: west.yaml:7:3, ignores country\n"
        "  live: cus_1, created 2026-01-02T03:04:05Z, external_id old, synced by an\n"
        "    integration\n"
        "  recorded: cus_1, active, protected, project west, west.yaml\n"
        "  payment methods: 2\n"
        "\n"
        "  field        declared  live     applied  observed\n"
        "  sub_premise  (empty)   (empty)  -        -\n"
        "  city         New York  Boston   Boston   Boston\n"
        "  country      USA       US       USA      US\n"
        "\n"
        "  user               declared  live\n"
        "  jane@acme.example  Jane      Jane Doe\n"
        "  zoe@acme.example   -         (empty)\n"
    )


def test_a_customer_stands_field_by_field_at_40_columns() -> None:
    view = replace(VIEW, declared=replace(VIEW.declared, fields={"city": "New York"}), recorded=None, users=None)
    assert customer_text(view, width=40, color=False) == (
        "acme\n"
        "  declared: west.yaml:7:3, ignores\n"
        "    country\n"
        "  live: cus_1, created\n"
        "    2026-01-02T03:04:05Z, external_id\n"
        "    old, synced by an integration\n"
        "  recorded: no\n"
        "  payment methods: 2\n"
        "\n"
        "  city\n"
        "    declared: New York\n"
        "    live: Boston\n"
        "    applied: -\n"
        "    observed: -\n"
        "  country\n"
        "    declared: -\n"
        "    live: US\n"
        "    applied: -\n"
        "    observed: -\n"
        "\n"
        "  jane@acme.example\n"
        "    declared: Jane\n"
        "    live (not read): -\n"
    )


def test_a_customer_that_nobody_knows_is_said_to_be_so() -> None:
    assert customer_text(CustomerView("none"), width=80, color=False) == (
        "none\n  declared  no\n  live      not seen\n  recorded  no\n"
    )


def test_redacted_a_customer_shows_no_personal_value() -> None:
    shown = customer_text(VIEW, width=80, color=False, redact=True) + json.dumps(customer_json(VIEW, redact=True))
    assert [value for value in ("Boston", "New York", "Jane", "jane", "zoe", "Doe") if value in shown] == []
    assert "  country      USA       US       USA      US\n" in shown


def test_a_customer_as_json_has_null_for_a_side_that_is_not_there() -> None:
    assert customer_json(replace(VIEW, declared=None, recorded=None)) == {
        "external_id": "acme",
        "declared": None,
        "live": {
            "id": "cus_1",
            "external_id": "old",
            "created_at": CREATED,
            "synced": True,
            "fields": {"city": "Boston", "country": "US"},
            "users": [
                {"email": "Jane@acme.example", "first_name": "Jane", "last_name": "Doe"},
                {"email": "zoe@acme.example"},
            ],
            "payment_methods": 2,
        },
        "recorded": None,
    }


def test_the_ledgers_customers_stand_in_a_table() -> None:
    other = replace(BOUND, external_id=" b\n", id=CustomerId("cus_22"), state=BindingState.ARCHIVED, protected=False)
    assert bindings_text([BOUND, other], width=80, color=False) == (
        "KEY     ID      STATE                PROJECT  FILE\n"
        "acme    cus_1   active    protected  west     west.yaml\n"
        '" b\\n"  cus_22  archived             west     west.yaml\n'
        "2 customers.\n"
    )


def test_the_ledgers_customers_stand_one_by_one_where_a_table_does_not_fit() -> None:
    assert bindings_text([BOUND], width=40, color=False) == (
        "acme  cus_1  active  protected  west\n  west.yaml\n1 customer.\n"
    )


def test_an_empty_ledger_has_no_customers() -> None:
    assert bindings_text([], width=80, color=False) == "0 customers.\n"


def test_a_bound_customer_as_json() -> None:
    assert binding_json(BOUND) == {
        "external_id": "acme",
        "id": "cus_1",
        "live_external_id": "acme",
        "created_at": CREATED,
        "state": "active",
        "protected": True,
        "via": "created",
        "project": "west",
        "source": "west.yaml",
    }


def test_hostile_live_text_never_gets_through_raw() -> None:
    hostile = "\x1b[31m\u202e\n"
    live = LiveCustomer(CustomerId(hostile), hostile, hostile, {"city": hostile})
    view = CustomerView(hostile, live=live, users=(LiveUser(hostile, hostile, {"first_name": hostile}),))
    assert set(customer_text(view, width=80, color=False)) & set("\x1b\u202e") == set()
