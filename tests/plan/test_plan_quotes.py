"""Whatever a note or a blocked item quotes, `--redact` can mask, as its values are named."""

from __future__ import annotations

import json

import plan_cases
import pytest
from plan_values import TERMS, account, bound, customer, declared, ledger, there

from reconciler.kinds.wire import with_record
from reconciler.model.ledger import Binding, Trouble
from reconciler.model.plan import Blocked
from reconciler.model.reasons import quoted_values
from reconciler.plan.make import make_plan
from reconciler.report.messages.plan import blocked_wording
from reconciler.report.plan_json import plan_to_json


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
    masked = json.dumps(plan_to_json(plan, redact=True))

    assert [value for value in personal if value not in shown] == []
    assert [value for value in personal if value in masked] == []


def blocked(row: Binding, declared_city: str, live_city: str) -> Blocked:
    desired = declared(customer("acme", fields={"name": "acme", "city": declared_city}))
    (one,) = make_plan(desired, account(there("cus_1", "acme", city=live_city)), ledger(row), TERMS).plan.blocked
    return one


def test_an_odd_value_is_shown_with_escapes_and_named_as_it_is() -> None:
    odd = "L'A\u202eq\"uila"
    trouble = {"city": Trouble(refused=("Rome", odd))}
    row = with_record(bound("acme", "cus_1"), {"name": "acme"}, {"name": "acme"}, trouble)

    one = blocked(row, "Rome", odd)

    assert blocked_wording(one).what == "The server keeps 'L'A\\u202eq\"uila' and does not accept 'Rome'."
    assert quoted_values(one.parts) == (("city", odd), ("city", "Rome"))


def test_a_blocked_clear_says_empty() -> None:
    trouble = {"city": Trouble(refused=("", "Rome"))}
    row = with_record(bound("acme", "cus_1"), {"name": "acme"}, {"name": "acme"}, trouble)

    said = blocked_wording(blocked(row, "", "Rome")).what
    assert said == "The server keeps 'Rome' and does not accept empty."
