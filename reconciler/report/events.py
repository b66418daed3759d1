"""
The events of a run as a stream for machines: one JSON object a line. `schema/events.schema.json` has every key.

The union is closed. A reader ignores events and keys that it does not know; a stream without `run_ended`
is that of a run that was refused, or died.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.escape import inert
from reconciler.model.core import Action, Status
from reconciler.model.ledger import Run
from reconciler.model.plan import Change, Outcome, Plan
from reconciler.report.redact import masked_change, masked_outcome, uncited

FORMAT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class PlanMade:
    """What is planned, before anybody is asked and anything refused; so many `needed` changes were not approved."""

    plan: Plan
    needed: int = 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run begins: it has a name in the history now."""

    run: Run
    changes: int


@dataclass(frozen=True, slots=True)
class ChangeStarted:
    """A change is taken up."""

    change: Change


@dataclass(frozen=True, slots=True)
class ChangeEnded:
    """A change has ended; `done` of `total` have."""

    outcome: Outcome
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is sent for so long, because creates are in doubt."""

    in_doubt: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """The server said 429 to a request (`POST /customers`); it is sent again."""

    request: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended: how, and why early if it did."""

    run: Run
    outcomes: Sequence[Outcome]
    halt: str


Event = PlanMade | RunStarted | ChangeStarted | ChangeEnded | Waiting | Throttled | RunEnded


def event_line(event: Event, *, at: str, redact: bool = False) -> str:
    r"""
    Return an event as a line of JSON, in ASCII; `at` is the time, RFC 3339 UTC.

    >>> event_line(Throttled("GET /customers"), at="2026-01-05T08:00:00.000000Z")
    '{"event":"throttled","at":"2026-01-05T08:00:00.000000Z","request":"GET /customers"}\n'
    """
    name, document = _event(event, redact=redact)
    # Written as bytes, past the stream that makes text inert.
    return inert(json.dumps({"event": name, "at": at, **document}, separators=(",", ":"))) + "\n"


def _event(event: Event, *, redact: bool) -> tuple[str, dict[str, Any]]:
    """Return an event's name, and its keys."""
    match event:
        case PlanMade(plan, needed):
            return "plan_made", _plan(plan) | {"needed_since": needed}
        case RunStarted(run, changes):
            named = {"run": run.id, "command": run.command, "changes": changes}
            return "run_started", {"format_version": FORMAT_VERSION, **named}
        case ChangeStarted(change):
            return "change_started", _change(masked_change(change) if redact else change)
        case ChangeEnded(outcome, done, total):
            shown = masked_outcome(outcome) if redact else outcome
            document = _change(shown.change) | {"id": shown.change.id if shown.id is None else shown.id}
            ended = {"status": shown.status.value, "message": shown.message, "done": done, "total": total}
            return "change_ended", document | ended
        case Waiting(in_doubt, wait_s):
            return "waiting", {"because": "in_doubt", "changes": in_doubt, "seconds": wait_s}
        case Throttled(request):
            return "throttled", {"request": request}
        case RunEnded(run, outcomes, halt):
            return "run_ended", {
                "run": run.id,
                "outcome": run.outcome,
                "halt": uncited(halt) if redact else halt,
                "requests": run.requests,
                **{status.value: sum(one.status is status for one in outcomes) for status in Status},
            }
        case _:
            assert_never(event)


def _plan(plan: Plan) -> dict[str, Any]:
    """Return a plan in numbers."""
    return {
        "format_version": FORMAT_VERSION,
        "environment": plan.environment.name,
        **{action.value: plan.count(action) for action in Action},
        "blocked": len(plan.blocked),
        "over_limits": len(plan.limits),
        "requests": plan.cost.requests,
        "seconds": plan.cost.seconds,
    }


def _change(change: Change) -> dict[str, Any]:
    """Return what a change is, without its values."""
    return {
        "action": change.action.value,
        "address": str(change.address),
        "external_id": change.address.external_id,
        "id": change.id,
    }
