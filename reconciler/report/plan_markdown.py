"""
A plan as Markdown, for a comment on a pull request.

It is cut to a size by whole entries, and says how many it left out. Values are in code only (`report.markdown`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.escape import MAX_BYTES, visible
from reconciler.model.core import Action
from reconciler.model.plan import BindingChange, Change, Exceeded, FieldChange, Note, Plan
from reconciler.report.layout import address, shown
from reconciler.report.markdown import Section, blocked_entry, code, prose, report, report_head
from reconciler.report.messages.plan import note_text
from reconciler.report.plan_text import (
    ALLOW,
    NEEDS_APPROVAL,
    OVER_LIMIT,
    TITLES,
    allow_place,
    cost_phrase,
    facts,
    left_out_phrase,
    limit_phrase,
    limit_way,
    sections,
    summary_line,
    users_phrase,
)
from reconciler.report.redact import masked_plan

_DANGER = (Action.ARCHIVE, Action.RESTORE, Action.PATCH, Action.CREATE, Action.CREATE_USER)


def plan_markdown(plan: Plan, *, max_bytes: int = MAX_BYTES, redact: bool = False) -> str:
    """
    Return `plan` as CommonMark with `<details>`, of at most `max_bytes` of UTF-8 (`LEAST_BYTES` or more).

    First is what cannot be known, then the plan in one line.
    """
    whole = masked_plan(plan) if redact else plan
    cost = cost_phrase(whole.cost)
    head = report_head(whole.unknown, summary_line(whole), whole.environment, whole.project, cost=cost)
    return report(head, list(_sections(whole)), max_bytes)


def _sections(plan: Plan) -> Iterator[Section]:
    """Yield the sections, the most dangerous first."""
    allow = [] if plan.allow is None else [f"- {ALLOW}: {prose(allow_place(plan.allow))}: {code(plan.allow.line)}\n"]
    yield Section(OVER_LIMIT, _limits(plan.limits, allow), len(plan.limits), opened=True)
    yield Section(
        NEEDS_APPROVAL, _limits(plan.approvals, [] if plan.limits else allow), len(plan.approvals), opened=True
    )
    yield Section("Blocked", [blocked_entry(one) for one in plan.blocked], opened=True)
    members = dict(sections(plan))
    for action in _DANGER:
        if rows_of := members.get(action):
            number = sum(change.action is action for change, _ in rows_of)
            entries = [_change(change, nested=nested) for change, nested in rows_of]
            yield Section(TITLES[action], entries, number, diff=True)
    yield Section("In the ledger only", [_binding(one) for one in plan.bindings])
    notes = [_note(note) for note in plan.notes]
    notes += [f"- {prose(text)}\n" for text in (users_phrase(plan), left_out_phrase(plan)) if text]
    yield Section("Notes", notes)


def _limits(limits: tuple[Exceeded, ...], last: list[str]) -> list[str]:
    """Return what is exceeded; then the `last` entries."""
    return [*map(_limit, limits), *last] if limits else []


def _limit(one: Exceeded) -> str:
    """Return a limit, and what allows it; an option whole, as it is to be copied."""
    way = f"to allow it once: {code(one.flag)}" if one.flag else prose(limit_way(one))
    return f"- {prose(limit_phrase(one))}; {way}\n"


def _binding(one: BindingChange) -> str:
    """Return what happens in the ledger, to whom, which id."""
    origin = "" if one.origin is None else f"{code(one.origin)} to "
    return f"- {one.action} {origin}{code(str(one.address))}, id {code(one.id)}\n"


def _note(note: Note) -> str:
    """Return a note, with what it is about."""
    about = "" if note.address is None else f"{code(str(note.address))}: "
    return f"- {about}{prose(note_text(note))}\n"


def _change(change: Change, *, nested: bool) -> str:
    """Return a change as lines of a diff, each with a line feed."""
    mark = {Action.PATCH: " ", Action.ARCHIVE: "-"}.get(change.action, "+")
    indent = "    " if nested else ""
    name = visible(change.address.email or "") if nested else address(change.address)
    rows = [f"{mark} {indent}{name}  {facts(change, nested=nested)}".rstrip()]
    rows += (f"{sign}   {indent}{text}" for sign, text in _fields(change))
    return "".join(row + "\n" for row in rows)


def _fields(change: Change) -> Iterable[tuple[str, str]]:
    """Yield the lines below a change, each with its sign."""
    if change.otherwise is not None:
        yield "+", "if the API returns 404, it is created with:"
    for one in change.fields:
        if change.action is Action.PATCH:
            yield "-", f"{visible(one.name)}: {shown(one.before)}"
            yield "+", f"{visible(one.name)}: {shown(one.after)}  ({one.cause})"
        elif not _told_already(change, one):
            yield "+", f"{visible(one.name)}: {shown(one.after)}"
    if change.unless_listed:
        yield "+", "unless the customer already has it, which the restore will show"


def _told_already(change: Change, one: FieldChange) -> bool:
    """Say whether a field is a user's email, which is in its address."""
    return change.action is Action.CREATE_USER and one.name == "email"
