"""Drift as plain values: one with everything in it, and one of nothing but text from elsewhere."""

from __future__ import annotations

from datetime import date

from plan_values import DEMO, at

from reconciler.errors import Source
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef
from reconciler.model.plan import Blocked, Unknown
from reconciler.model.reasons import BlockedReason, FieldValue, UnknownKind
from reconciler.model.reports import Drift, DriftFinding, DriftKind, DriftReason, Ignored, Moved, Pending, Remark, Rule

WHY = (Remark(DriftReason.NOT_AS_APPLIED),)
APPEARED = (Remark(DriftReason.APPEARED, {"created_at": "2026-01-05T09:30:00Z"}),)
GONE = (Remark(DriftReason.HIDDEN_OR_GONE),)
STEADY = Drift(DEMO, "default", managed=40, live=40)

_ACME = DriftFinding(
    DriftKind.CHANGED,
    Address("acme"),
    CustomerId("cus_1"),
    WHY,
    (
        Moved("city", "Boston", "Dover", "Boston", Cause.DRIFT),
        Moved("state", None, "DE", None, Cause.UNKNOWN),
        Moved("name", "Acme", "Acme Inc.", "Acme Corp", Cause.BOTH),
    ),
    at(7),
)
_HOOLI = DriftFinding(DriftKind.CHANGED, Address("hooli"), CustomerId("cus_7"), WHY)
_RULE = Rule("hoo*", date(2026, 1, 31), "support is at it", Source("drift.yaml", 2, 3))

WHOLE = Drift(
    DEMO,
    "billing-west",
    findings=(
        DriftFinding(
            DriftKind.UNMANAGED, Address("stark"), CustomerId("cus_5"), (Remark(DriftReason.RESTORED_UNDECLARED),)
        ),
        _ACME,
        DriftFinding(
            DriftKind.DUPLICATED,
            Address("globex/west"),
            None,
            (Remark(DriftReason.DUPLICATED, {"customers": 2}),),
            ids=(CustomerId("cus_2"), CustomerId("cus_3")),
        ),
        DriftFinding(
            DriftKind.GONE, Address("lost"), CustomerId("cus_8"), (Remark(DriftReason.HIDDEN_OR_GONE),), source=at(4)
        ),
    ),
    pending=(Pending(Action.PATCH, Address("umbrella"), ("city", "state"), at(9)),),
    blocked=(Blocked(Address("soylent"), BlockedReason.EMAIL_MISSING, field="email", source=at(30)),),
    ignored=(Ignored(_HOOLI, _RULE),),
    expired=(Rule("old-*", date(2025, 1, 31), "a migration", Source("drift.yaml", 5, 3)),),
    unknown=(Unknown(UnknownKind.NO_LEDGER),),
    unobservable=(Unknown(UnknownKind.ARCHIVES_INVISIBLE),),
    managed=6,
    live=8,
)


def changed(number: int, value: str = "x" * 80) -> Drift:
    """Return the drift of so many customers, each with one field."""
    moved = (Moved("city", "Boston", value, "Boston", Cause.DRIFT),)
    found = tuple(
        DriftFinding(DriftKind.CHANGED, Address(f"c{one}"), CustomerId(f"cus_{one}"), WHY, moved, at(one + 1))
        for one in range(number)
    )
    return Drift(DEMO, "default", found, managed=number, live=number)


def hostile_drift(value: str) -> Drift:
    """Return a drift in which all that comes from elsewhere is `value`."""
    whom, where, one = Address(value, value), Source(value, 1, 1), CustomerId(value)
    moved = (Moved(value, value, value, value, Cause.DRIFT), Moved(value, None, value, None, Cause.UNKNOWN))
    parts = {"field": value, "live": FieldValue(value, value), "declared": FieldValue("country", value)}
    rule = Rule(value, date(2026, 1, 31), value, where)
    why = (Remark(DriftReason.APPEARED, {"created_at": value}),)
    findings = tuple(DriftFinding(kind, whom, one, why, moved, where, (one, one)) for kind in DriftKind)
    return Drift(
        EnvironmentRef(value, value, value),
        value,
        findings=findings,
        pending=(Pending(Action.PATCH, whom, (value,), where),),
        blocked=(Blocked(whom, BlockedReason.FIELD_FIXED, parts=parts, field=value, source=where, ids=(one,)),),
        ignored=(Ignored(findings[0], rule),),
        expired=(rule,),
        unknown=(Unknown(UnknownKind.RESTORES_UNCERTAIN, {"customers": value}),),
        unobservable=(Unknown(UnknownKind.RESTORES_INVISIBLE, {"customers": value}),),
    )
