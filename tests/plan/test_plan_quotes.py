"""Whatever a note or a blocked item quotes, `--redact` can mask, as its values are named."""

from __future__ import annotations

import json

import plan_cases
import pytest
from plan_values import TERMS, account, bound, customer, declared, ledger, there

from reconciler.kinds.wire import with_record
from reconciler.model.ledger import Binding, Trouble
from reconciler.model.plan import Blocked
from reconciler.plan.make import make_plan
from reconciler.plan.saved_plan import plan_to_json
from reconciler.report.redact import masked_plan


@pytest.mark.parametrize(
    ("case", "personal"),
    [
        ("a-field-that-leaves-the-yaml-is-released-with-a-note", ["Boston"]),
        ("a-value-that-the-server-did-not-take-stays-blocked", ["Boston", "New York"]),
        ("a-field-that-came-back-twice-is-blocked-with-the-values-seen", ["Boston", "Lynn", "Salem"]),
        ("another-e-mail-is-blocked-with-a-way-out", ["old@acme.example", "new@acme.example"]),
        ("a-users-changed-name-is-blocked-with-a-way-out", ["Roe", "Doe", "jane@acme.example"]),
    ],
)
def test_a_masked_plan_shows_no_value_that_its_texts_quoted(case: str, personal: list[str]) -> None:
    plan = plan_cases.drafted(plan_cases.CASES / case).plan
    shown = json.dumps(plan_to_json(plan))
    masked = json.dumps(plan_to_json(plan, mask=masked_plan))

    assert [value for value in personal if value not in shown] == []
    assert [value for value in personal if value in masked] == []


def blocked(row: Binding, declared_city: str, live_city: str) -> Blocked:
    desired = declared(customer("acme", fields={"name": "acme", "city": declared_city}))
    (one,) = make_plan(desired, account(there("cus_1", "acme", city=live_city)), ledger(row), TERMS).plan.blocked
    return one


def test_a_value_that_is_quoted_with_escapes_is_named_in_that_form_too() -> None:
    odd = "L'A\u202eq\"uila"
    trouble = {"city": Trouble(refused=("Rome", odd))}
    row = with_record(bound("acme", "cus_1"), {"name": "acme"}, {"name": "acme"}, trouble)

    one = blocked(row, "Rome", odd)

    assert one.reason == f"the server keeps {odd!r} and does not take 'Rome'"
    assert one.values == (("city", "Rome"), ("city", odd), ("city", repr(odd)[1:-1]))


def test_a_blocked_clear_says_empty() -> None:
    trouble = {"city": Trouble(refused=("", "Rome"))}
    row = with_record(bound("acme", "cus_1"), {"name": "acme"}, {"name": "acme"}, trouble)

    assert blocked(row, "", "Rome").reason == "the server keeps 'Rome' and does not take empty"
