"""A plan that does not keep its word is not shown: it is refused as our bug, with a report that can be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler import __version__
from reconciler.errors import PlanFaulty
from reconciler.model.core import Address, Desired, Live
from reconciler.model.ledger import Learned, Records
from reconciler.model.plan import Plan
from reconciler.model.policy import Terms
from reconciler.plan.saved_plan import as_text, plan_to_json
from reconciler.plan.trial import TrialFailure, try_plan
from reconciler.report.redact import masked_address, masked_plan

_SHOWN = 3
"""So many faults stand in the message; the report has all."""


def tried_first(plan: Plan, desired: Desired, live: Live, records: Records, terms: Terms, learned: Learned) -> None:
    """Raise PlanFaulty where `plan`, made of the rest, would not do in memory what it says."""
    faults = try_plan(plan, desired, live, records, terms, learned)
    if not faults:
        return
    shown = "; ".join(f"{masked_address(fault.address)}: {fault.text}" for fault in faults[:_SHOWN])
    more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
    raise PlanFaulty(
        f"this is a bug in reconciler {__version__}: the plan, tried in memory, does not do what it says; "
        f"nothing was sent: {shown}{more}",
        "`--exclude` leaves these customers out until it is mended",
        report=_report(plan, faults),
    )


def _report(plan: Plan, faults: Sequence[TrialFailure]) -> str:
    """Return the faults and what the plan holds of their customers as JSON, every personal value masked."""
    keys = {fault.address.external_id for fault in faults}

    def about(address: Address | None) -> bool:
        return address is not None and address.external_id in keys

    part = replace(
        plan,
        changes=tuple(one for one in plan.changes if about(one.address)),
        bindings=tuple(one for one in plan.bindings if about(one.address)),
        blocked=tuple(one for one in plan.blocked if about(one.address)),
        notes=tuple(one for one in plan.notes if about(one.address)),
    )
    rows = [
        {"address": str(masked_address(fault.address)), "fault": fault.text, "after_changes": fault.done}
        for fault in faults
    ]
    return as_text({"reconciler": __version__, "faults": rows, "plan": plan_to_json(part, mask=masked_plan)})
