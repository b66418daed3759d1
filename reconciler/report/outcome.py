"""What became of each change, and why a change of a saved plan was not applied, as text and JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.escape import visible
from reconciler.model.core import Action, Reason, Status
from reconciler.model.ledger import Run
from reconciler.model.plan import Change, Outcome, Plan, Stale, StaleReason
from reconciler.model.reasons import Ending, ending_json
from reconciler.report.layout import BLANK, MOST, REASONS, Line, Span, address, count, duration, line, more, page
from reconciler.report.messages.failures import ending_text, outcome_text
from reconciler.report.messages.plan import blocked_wording
from reconciler.report.plan_text import blocked_brief, change_brief
from reconciler.report.redact import masked_address, masked_blocked, masked_change, masked_ending, masked_outcome

_WHY = {
    StaleReason.BLOCKED: "{blocked}",
    StaleReason.CUSTOMER: "it is now for another customer: {id}",
    StaleReason.DECLARED: "it is declared again",
    StaleReason.FIELDS: "changed since the plan was saved: {names}",
    StaleReason.FORGOTTEN: "it is now under `forget:`",
    StaleReason.INSTEAD: "{action} is needed instead",
    StaleReason.LEFT_OUT: "--target or --exclude leaves it out",
    StaleReason.MOVED: "its key is now {names}",
    StaleReason.NOT_DECLARED: "no file that was read declares it",
    StaleReason.NOT_NEEDED: "it is no longer needed",
    StaleReason.NOT_READ: "the file of its entry was not read: {names}",
    StaleReason.PAYMENT_METHODS: "it now has {methods}, and had {then} when the plan was saved",
    StaleReason.REASON: "its reason is now different: {why}",
    StaleReason.UNKNOWN: "the ledger does not have it",
    StaleReason.WAITS: "it needs {action} first, which is not in the plan",
}


def stale_text(stale: Sequence[Stale], *, width: int, redact: bool = False) -> str:
    """Return a line for each change that is stale, as text of at most `width` columns."""
    lines = []
    for one in stale[:MOST]:
        where = masked_address(one.change.address) if redact else one.change.address
        lines.append(line(f"stale: {_verb(one.change)} {address(where)}: {visible(_why(one, redact=redact))}"))
    if len(stale) > MOST:
        lines.append(line(f"... and {len(stale) - MOST} more"))
    return page(lines, width=width, color=False)


def _verb(change: Change) -> str:
    return change.action.value.replace("_", " ")


def _why(one: Stale, *, redact: bool) -> str:
    """Return why a change is stale."""
    now, blocked = one.now or one.change, one.blocked
    if redact and blocked is not None:
        blocked = masked_blocked(blocked)
    return _WHY[one.reason].format(
        action=_verb(now),
        blocked="" if blocked is None else blocked_wording(blocked).what,
        id=now.id or "a new one",
        methods=count(now.payment_methods or 0, "payment method"),
        names=", ".join(one.names) or "none",
        then=one.change.payment_methods or 0,
        why=REASONS[now.reason],
    )


_TITLES = {
    Status.DONE: ("Done", "green"),
    Status.SKIPPED: ("Skipped", "yellow"),
    Status.FAILED: ("Failed", "red"),
    Status.IN_DOUBT: ("In doubt: it may have happened; the next run finds out", "magenta"),
}
_ARCHIVE_HINT = (
    "If the API refuses an archive, fix the cause in the dashboard, such as open invoices, and apply "
    "again. To leave the customer as it is, remove its entry, put its external_id under `forget:`, and apply."
)


def outcomes_text(
    outcomes: Sequence[Outcome],
    *,
    requests: int,
    seconds: float,
    width: int,
    color: bool,
    remaining: int = 0,
    interrupted: bool = False,
    redact: bool = False,
) -> str:
    """
    Return what an apply did, as text of at most `width` columns.

    `requests` and `seconds` are those of the whole run; `remaining` is how many changes it did not begin,
    because it was stopped. Of a run that its user interrupted, only what failed or is in doubt is listed.
    `redact` masks personal values.
    """
    shown_outcomes = [masked_outcome(one) for one in outcomes] if redact else outcomes
    if interrupted:
        return page(_interrupted(shown_outcomes, remaining), width=width, color=color)
    lines = _lines(shown_outcomes, requests=requests, seconds=seconds, remaining=remaining)
    return page(lines, width=width, color=color)


def outcomes_brief(
    plan: Plan,
    outcomes: Sequence[Outcome],
    *,
    requests: int,
    seconds: float,
    remaining: int = 0,
    needed: Sequence[Change] = (),
    stale: Sequence[Stale] = (),
    redact: bool = False,
) -> str:
    """Return one line a change as it ended, however long, then what was not made and why, and the summary."""
    rows = [masked_outcome(one) for one in outcomes] if redact else outcomes
    lines = [_brief(one) for one in rows]
    for one in stale:
        change = masked_change(one.change) if redact else one.change
        lines.append(f"stale {_verb(change)} {address(change.address)}: {visible(_why(one, redact=redact))}")
    lines += [f"needed {change_brief(masked_change(one) if redact else one)}" for one in needed]
    lines += [blocked_brief(masked_blocked(one) if redact else one) for one in plan.blocked]
    last = _summary(_counts(outcomes), requests=requests, seconds=seconds, remaining=remaining)
    return "".join(f"{row}\n" for row in (*lines, last))


def _brief(one: Outcome) -> str:
    """Return how a change ended in one line."""
    created = f" ({visible(one.id)})" if one.id is not None and one.change.id is None else ""
    said = f": {visible(outcome_text(one))}" if outcome_text(one) else ""
    return f"{one.status.value.replace('_', ' ')} {change_brief(one.change)}{created}{said}"


def outcomes_json(
    outcomes: Sequence[Outcome],
    *,
    run: Run,
    halt: Ending | None,
    blocked: int,
    requests: int,
    seconds: float,
    remaining: int = 0,
    needed: Sequence[Change] = (),
    stale: Sequence[Stale] = (),
    redact: bool = False,
) -> dict[str, Any]:
    """
    Return the same as a value for JSON, as `schema/result.schema.json` has it.

    `halt` is why the run stopped early, None where it did not; `blocked` counts what the plan could not do, `needed`
    are changes that were needed and not approved, `stale` those that were approved and are not planned again as saved.
    """
    rows = [masked_outcome(one) for one in outcomes] if redact else outcomes
    return {
        "format_version": "1",
        "run": run.id,
        "command": run.command,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome,
        "halt": ending_text(masked_ending(halt) if redact else halt),
        "halted": ending_json(masked_ending(halt) if redact else halt),
        "outcomes": [
            {
                **_named(one.change),
                "id": one.change.id if one.id is None else one.id,
                "status": one.status.value,
                "message": outcome_text(one),
                **ending_json(one.ending),
            }
            for one in rows
        ],
        "needed_since": [
            {**_named(one), "reason": one.reason.value} for one in (map(masked_change, needed) if redact else needed)
        ],
        "stale": [_stale(one, redact=redact) for one in stale],
        "summary": {
            **{status.value: number for status, number in _counts(outcomes).items()},
            "blocked": blocked,
            "remaining": remaining,
            "requests": requests,
            "seconds": round(seconds, 3),
        },
    }


def _named(change: Change) -> dict[str, Any]:
    """Return what a change does, and to whom."""
    return {
        "action": change.action.value,
        "address": str(change.address),
        "external_id": change.address.external_id,
        "id": change.id,
    }


def _stale(one: Stale, *, redact: bool) -> dict[str, Any]:
    """Return a change of a saved plan that is not planned again as it was saved."""
    named = _named(masked_change(one.change) if redact else one.change)
    return {**named, "reason": one.reason.value, "message": _why(one, redact=redact)}


def _interrupted(outcomes: Sequence[Outcome], remaining: int) -> Iterator[Line]:
    """Yield what failed or is in doubt, how far the run came, and how to go on."""
    for status in (Status.FAILED, Status.IN_DOUBT):
        yield from _section([one for one in outcomes if one.status is status], status)
    done = _counts(outcomes)[Status.DONE]
    yield line(f"Interrupted: {done} of {count(len(outcomes), 'change')} done, {remaining} not sent.", "bold")
    yield line("To resume, run the same command again: what is done is not repeated.")


def _lines(outcomes: Sequence[Outcome], *, requests: int, seconds: float, remaining: int) -> Iterator[Line]:
    """Yield a section a status, and the summary."""
    for status in _TITLES:
        yield from _section([one for one in outcomes if one.status is status], status)
    yield line(_summary(_counts(outcomes), requests=requests, seconds=seconds, remaining=remaining), "bold")


def _section(members: Sequence[Outcome], status: Status) -> Iterator[Line]:
    """Yield a title and the outcomes below it; nothing where there are none."""
    title, style = _TITLES[status]
    if members:
        yield line(f"{title} ({len(members)})", f"bold {style}")
        for one in members[:MOST]:
            yield from _outcome(one, style)
        if rest := more(len(members), "apply --format json, or later `reconciler history`"):
            yield line(rest, indent=2)
        if status is Status.FAILED and any(map(_archived_by_a_file, members)):
            yield line(_ARCHIVE_HINT, indent=2)
        yield BLANK


def _archived_by_a_file(one: Outcome) -> bool:
    """Say whether a change is the archive of what the files say, which each plan makes again."""
    reasons = (Reason.DECLARED, Reason.ENTRY_GONE, Reason.OWNED)
    return one.change.action is Action.ARCHIVE and one.change.reason in reasons


def _outcome(one: Outcome, style: str) -> Iterator[Line]:
    """Yield one outcome: what, whom, which id, and the message below it."""
    customer = one.change.id if one.id is None else one.id
    facts = f"  {visible(customer)}" if customer else ""
    yield Line((Span(f"{_verb(one.change)} ", style), Span(address(one.change.address)), Span(facts)), indent=2)
    if said := outcome_text(one):
        yield line(visible(said), indent=6)


def _summary(counts: dict[Status, int], *, requests: int, seconds: float, remaining: int) -> str:
    """Return what was done in one line."""
    named = {Status.DONE: "done", Status.FAILED: "failed", Status.SKIPPED: "skipped", Status.IN_DOUBT: "in doubt"}
    parts = [f"{counts[status]} {word}" for status, word in named.items() if counts[status]]
    if remaining:
        parts.append(f"{remaining} not started")
    return f"Apply: {', '.join(parts) or 'nothing done'}; {count(requests, 'request')}, {duration(seconds)}."


def _counts(outcomes: Sequence[Outcome]) -> dict[Status, int]:
    """Return how many changes ended in each way."""
    counts = dict.fromkeys(Status, 0)
    for one in outcomes:
        counts[one.status] += 1
    return counts
