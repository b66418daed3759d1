"""A plan as one HTML file."""

from __future__ import annotations

from typing import Any

from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import BindingChange, Change, Exceeded, FieldChange, Note, Plan
from reconciler.report.html_page import blocked_entry, entry, html_page
from reconciler.report.layout import REASONS, address, count, shown
from reconciler.report.messages.plan import note_text
from reconciler.report.plan_text import (
    ALLOW,
    NEEDS_APPROVAL,
    OVER_LIMIT,
    TITLES,
    allow_place,
    cost_phrase,
    left_out_phrase,
    limit_phrase,
    limit_way,
    summary_line,
    users_phrase,
)
from reconciler.report.redact import masked_plan

_LOOKS = {Action.PATCH: "warn", Action.ARCHIVE: "bad"}
_KINDS = {"blocked": ("Blocked", "warn")} | {
    action.value: (TITLES[action], _LOOKS.get(action, "")) for action in Action
}
_KINDS |= {Action.CREATE_USER.value: ("Create user", "")}
_TABLES = {
    Action.PATCH.value: (("Before", "old"), ("After", "new"), ("Cause", "cause")),
    "": (("Value", "new"),),
}


def plan_html(plan: Plan, *, redact: bool = False) -> str:
    """Return `plan` as a whole HTML document; `redact` masks personal values."""
    whole = masked_plan(plan) if redact else plan
    return html_page(
        "plan.html",
        [*map(blocked_entry, whole.blocked), *map(_change, whole.changes)],
        kinds=_KINDS,
        tables=_TABLES,
        environment=whole.environment,
        project=whole.project,
        unknown=whole.unknown,
        summary=summary_line(whole),
        cost=cost_phrase(whole.cost),
        refusals=[
            (title, [*map(_limit, rows), *allow])
            for title, rows, allow in (
                (OVER_LIMIT, whole.limits, _allow(whole)),
                (NEEDS_APPROVAL, whole.approvals, [] if whole.limits else _allow(whole)),
            )
            if rows
        ],
        bindings=[_binding(one) for one in whole.bindings],
        notes=[
            *map(_note, whole.notes),
            *(("", text) for text in (users_phrase(whole), left_out_phrase(whole)) if text),
        ],
    )


def _change(change: Change) -> dict[str, Any]:
    """Return a change as an entry."""
    compared = change.action is Action.PATCH
    return entry(
        change.action.value,
        address(change.address),
        ids=[change.id],
        source=change.source,
        facts=_facts(change),
        said=_said(change),
        fields=[_field(one, compared=compared) for one in change.fields],
    )


def _facts(change: Change) -> list[str]:
    """Return why a change is planned, and how many payment methods the customer has, where they were counted."""
    methods = change.payment_methods
    return [REASONS[change.reason], *([] if methods is None else [count(methods, "payment method")])]


def _said(change: Change) -> list[str]:
    """Return on what a change depends."""
    if change.otherwise is not None:
        return ["If the API returns 404, it is created with:"]
    if change.unless_listed:
        return ["Unless the customer already has it, which the restore will show."]
    return []


def _field(one: FieldChange, *, compared: bool) -> tuple[str, ...]:
    """Return one field: name and new value, where it is `compared` with the old value and the cause."""
    if not compared:
        return visible(one.name), shown(one.after)
    return visible(one.name), shown(one.before), shown(one.after), one.cause.value


def _limit(one: Exceeded) -> tuple[str, str, str]:
    """Return a limit: what is exceeded, what allows it, and the option to copy."""
    way = "to allow it once:" if one.flag else limit_way(one)
    return visible(limit_phrase(one)), visible(way), visible(one.flag)


def _allow(plan: Plan) -> list[tuple[str, str, str]]:
    """Return what to write to let the plan through: where, and the line to copy."""
    return [] if plan.allow is None else [(ALLOW, visible(f"{allow_place(plan.allow)}:"), visible(plan.allow.line))]


def _binding(one: BindingChange) -> tuple[str, str, str, str]:
    """Return a binding: what happens, to whom, which id, and the former key."""
    return one.action.value, address(one.address), visible(one.id), shown(one.origin) if one.origin else ""


def _note(note: Note) -> tuple[str, str]:
    """Return a note: what it is about, and its text."""
    return (address(note.address) if note.address else ""), visible(note_text(note))
