"""Why a customer is planned as it is, as text and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.api.times import rfc3339
from reconciler.escape import visible
from reconciler.model.plan import Plan
from reconciler.model.reports import Explanation, Row
from reconciler.report.history import change_json, in_run, masked_intent, moment, why
from reconciler.report.layout import BLANK, Line, Part, line, page
from reconciler.report.plan_text import outcome_lines
from reconciler.report.redact import masked, masked_address, masked_plan
from reconciler.report.words import address, shown

_OUTCOME = ("changes", "bindings", "limits", "blocked", "notes")


def explanation_text(told: Explanation, *, width: int, color: bool, redact: bool = False) -> str:
    """Return an explanation as text of at most `width` columns: a section a question, the outcome last."""
    return page(_lines(_masked(told) if redact else told, width), width=width, color=color)


def explanation_json(told: Explanation, plan: Mapping[str, Any], *, redact: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON; `plan` is its outcome in the public form of a plan, masked if need be."""
    one = _masked(told) if redact else told
    return {
        "address": str(one.address),
        "declared": list(one.declared),
        "identity": list(one.identity),
        "presence": list(one.presence),
        "fields": [
            {
                "name": row.name,
                **dict(row.sides),
                "rule": row.rule,
                "then": row.then,
                "cause": None if row.cause is None else row.cause.value,
            }
            for row in one.fields
        ],
        "archiving": [
            {"rule": check.rule, "archives": check.archives, "holds": check.holds, "why": check.why}
            for check in one.archiving
        ],
        "archived": None if one.archived is None else change_json(one.archived.intent, one.archived.run),
        "users": [
            {"email": user.email, "source": user.source, "recorded": user.recorded, "listed": user.listed}
            for user in one.users
        ],
        **{name: plan.get(name, []) for name in _OUTCOME},
    }


def _masked(told: Explanation) -> Explanation:
    """Return `told` with personal values masked."""
    archived = told.archived
    return replace(
        told,
        archived=None if archived is None else replace(archived, intent=masked_intent(archived.intent)),
        address=masked_address(told.address),
        fields=tuple(_masked_row(row) for row in told.fields),
        users=tuple(replace(user, email=masked("email", user.email)) for user in told.users),
        outcome=masked_plan(told.outcome),
    )


def _masked_row(row: Row) -> Row:
    """Return a row of the table with its values masked; what is empty stays."""
    return replace(row, sides=tuple((side, masked(row.name, value) if value else value) for side, value in row.sides))


def _lines(told: Explanation, width: int) -> Iterator[Line]:
    """Yield the lines of an explanation."""
    yield line(address(told.address), "bold")
    yield BLANK
    yield from _said("Is it declared?", told.declared)
    yield from _said("Who is it?", told.identity)
    yield from _said("Is it active?", told.presence)
    if told.fields:
        yield line("What differs?", "bold")
        for row in told.fields:
            yield Line((Part(row.name, "bold"), Part(f"  {row.then}")), indent=2)
            yield line("; ".join(f"{side} {shown(value)}" for side, value in row.sides), indent=4)
            yield line(row.rule, indent=4)
        yield BLANK
    if told.shelved:
        yield line("Why is it archived?", "bold")
        yield from _archived(told)
        yield BLANK
    if told.archiving:
        yield line("May it be archived?", "bold")
        for check in told.archiving:
            answer = "yes" if check.holds else "no"
            title = check.rule if check.archives else f"kept: {check.rule}"
            yield line(f"{title}: {answer}; {visible(check.why)}", indent=2)
        yield line("undo, duplicates and seed --reset archive by plans of their own", indent=2)
        yield BLANK
    if told.users:
        yield line("Its users", "bold")
        for user in told.users:
            listed = {None: "live: not asked", True: "live", False: "not live"}[user.listed]
            facts = (
                f"declared at {user.source}" if user.source else "not declared, so never touched",
                "recorded" if user.recorded else "not recorded",
                listed,
            )
            yield line(visible(f"{user.email}: {', '.join(facts)}"), indent=2)
        yield BLANK
    yield from _outcome(told.outcome, width)


def _archived(told: Explanation) -> Iterator[Line]:
    """Yield when we archived it, in which run, and why."""
    if told.archived is None:
        yield line("the ledger does not have when this tool archived it, nor why", indent=2)
        return
    intent = told.archived.intent
    yield line(f"archived {moment(rfc3339(intent.opened_at))}: {why(intent) or 'the ledger has no reason'}", indent=2)
    yield line(in_run(intent.run, told.archived.run), indent=2)


def _outcome(plan: Plan, width: int) -> Iterator[Line]:
    """Yield what the plan does."""
    yield line("So the plan", "bold")
    if not (plan.changes or plan.blocked):
        yield line("does nothing to it", indent=2)
    yield from outcome_lines(plan, width)


def _said(title: str, sentences: Iterable[str]) -> Iterator[Line]:
    """Yield a section of sentences; nothing where there are none."""
    rows = [line(visible(text), indent=2) for text in sentences]
    if rows:
        yield line(title, "bold")
        yield from rows
        yield BLANK
