from __future__ import annotations

from dataclasses import replace

import pytest
from world import REF

from reconciler.model import (
    Action,
    Address,
    Change,
    CustomerId,
    FieldChange,
    Live,
    LiveCustomer,
    Reason,
)
from reconciler.plan.presence import Sight
from reconciler.plan.stale import first_stale, remaining
from reconciler.plans import Plan
from reconciler.records import Records

ONE = CustomerId("cus_1")
ACME = LiveCustomer(ONE, "acme", "2026-01-01T00:00:00Z", {"city": "Boston"})


def change(action: Action, customer: CustomerId | None = ONE, *fields: FieldChange) -> Change:
    return Change(action, Address("acme"), customer, Reason.DECLARED, fields=fields)


PATCH = change(Action.PATCH, ONE, FieldChange("city", "Boston", "New York"))
CREATE = change(Action.CREATE, None, FieldChange("name", "", "Acme"))


def stale(changed: Change, *listed: LiveCustomer) -> tuple[Change, str] | None:
    live = Live(listed={one.id: one for one in listed})
    return first_stale(Plan(REF, "default", changes=(changed,)), Records(), Sight(live, None, 10.0))


@pytest.mark.parametrize(
    ("changed", "listed", "why"),
    [
        (PATCH, (ACME,), None),
        (PATCH, (replace(ACME, fields={"city": "Albany"}),), "has another city now"),
        (PATCH, (replace(ACME, fields={"city": " Boston "}),), None),
        (PATCH, (), "is not active any more"),
        (CREATE, (), None),
        (CREATE, (ACME,), "was created meanwhile"),
        (change(Action.ARCHIVE), (ACME,), None),
        (change(Action.ARCHIVE), (), "is not active any more"),
        (change(Action.RESTORE), (), None),
        (change(Action.RESTORE), (ACME,), "is active already"),
        (change(Action.CREATE_USER), (ACME,), None),
        (change(Action.CREATE_USER), (), "is not active any more"),
    ],
)
def test_a_change_is_held_against_what_is_live(
    changed: Change, listed: tuple[LiveCustomer, ...], why: str | None
) -> None:
    assert stale(changed, *listed) == (None if why is None else (changed, why))


def test_a_patch_after_a_restore_of_the_same_plan_is_not_held_against_the_archived_customer() -> None:
    plan = Plan(REF, "default", changes=(change(Action.RESTORE), PATCH))
    assert first_stale(plan, Records(), Sight(Live(), None, 10.0)) is None


def test_what_an_earlier_run_of_the_plan_did_is_left_out() -> None:
    plan = Plan(REF, "default", changes=(CREATE, PATCH))
    assert remaining(plan, {(Action.CREATE, Address("acme"))}).changes == (PATCH,)
    assert remaining(plan, set()) == plan
