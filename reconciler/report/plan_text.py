"""A plan as text: what cannot be known, the changes by action, what is blocked and why, price, one summary line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import assert_never

from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import BindingChange, Blocked, Change, Exceeded, FieldChange, Note, Plan
from reconciler.report.layout import (
    BLANK,
    MOST,
    REASONS,
    Line,
    Span,
    address,
    aligned,
    columns,
    count,
    line,
    more,
    padded,
    page,
    shown,
)
from reconciler.report.plan_words import (
    TITLES,
    changes_phrase,
    cost_phrase,
    left_out_phrase,
    limit_phrase,
    limit_way,
    sections,
    summary_line,
    users_phrase,
)
from reconciler.report.redact import masked_change, masked_plan

_MARKS = {
    Action.RESTORE: ("^", "cyan"),
    Action.PATCH: ("~", "yellow"),
    Action.CREATE: ("+", "green"),
    Action.CREATE_USER: ("+", "green"),
    Action.ARCHIVE: ("-", "red"),
}
_NARROW = 60
"""Below this width old and new stand below each other."""


def change_lines(change: Change, *, width: int, nested: bool = False) -> Iterator[Line]:
    """Yield the lines of `change`; `nested` is a user below the customer that is created with it."""
    indent = 6 if nested else 2
    yield _head(change, indent, nested=nested)
    inner = indent + 4
    match change.action:
        case Action.PATCH:
            yield from _compared(change.fields, width, inner)
        case Action.RESTORE:
            if change.otherwise is not None:
                yield line("if the API does not know it (404), it is created with:", indent=inner)
                yield from _valued(change.fields, inner + 2)
        case Action.CREATE:
            yield from _valued(change.fields, inner)
        case Action.CREATE_USER:
            # Its e-mail stands in its address.
            yield from _valued(tuple(one for one in change.fields if one.name != "email"), inner)
            if change.unless_listed:
                yield line("unless the customer has it already, which its restore will show", indent=inner)
        case Action.ARCHIVE:
            pass
        case _:
            assert_never(change.action)


def facts(change: Change, *, nested: bool = False) -> str:
    """Return its id, reason, payment methods and place, as far as there are any; safe to show."""
    known = [] if nested else [REASONS[change.reason]]
    if change.id is not None:
        known.insert(0, visible(change.id))
    if change.payment_methods is not None:
        known.append(count(change.payment_methods, "payment method"))
    where = visible(str(change.source)) if change.source else ""
    return "  ".join(filter(None, (", ".join(known), where)))


def _head(change: Change, indent: int, *, nested: bool) -> Line:
    """Return the first line: mark, address, facts."""
    mark, style = _MARKS[change.action]
    text = visible(change.address.email or "") if nested else address(change.address)
    rest = facts(change, nested=nested)
    return Line((Span(f"{mark} ", style), Span(text, f"bold {style}"), Span(f"  {rest}" if rest else "")), indent)


def _valued(fields: tuple[FieldChange, ...], indent: int) -> Iterator[Line]:
    """Yield each field with its value, the values below each other."""
    size = max((columns(one.name) for one in fields), default=0)
    for one in fields:
        yield line(f"{padded(visible(one.name), size)}  {shown(one.after)}", indent=indent, hang=size + 2)


def _compared(fields: tuple[FieldChange, ...], width: int, indent: int) -> Iterator[Line]:
    """Yield each field's old and new value: side by side where all fit, else below each other."""
    rows = [(visible(one.name), shown(one.before), shown(one.after), one.cause.value) for one in fields]
    names, befores, afters, causes = (
        [max(map(columns, cells), default=0) for cells in zip(*rows, strict=True)] if rows else [0, 0, 0, 0]
    )
    beside = width >= _NARROW and indent + names + befores + afters + causes + len("   ->   ()") <= width
    for name, before, after, cause in rows:
        if beside:
            yield Line(
                (
                    Span(f"{padded(name, names)}  "),
                    Span(padded(before, befores), "red"),
                    Span(" -> "),
                    Span(after, "green"),
                    Span(" " * (afters - columns(after)) + f"  ({cause})"),
                ),
                indent,
            )
        else:
            yield line(f"{name} ({cause})", indent=indent)
            yield line(f"- {before}", "red", indent=indent + 2)
            yield line(f"+ {after}", "green", indent=indent + 2)


_NAMED = 5
"""So many customers stand by name above the question for consent."""


def plan_text(plan: Plan, *, width: int, color: bool, redact: bool = False) -> str:
    """Return `plan` as text of at most `width` columns; `redact` masks personal values."""
    shown_plan = masked_plan(plan) if redact else plan
    return page(_lines(shown_plan, width), width=width, color=color)


def needed_text(needed: Sequence[Change], *, width: int, color: bool, redact: bool = False) -> str:
    """Return the changes that are needed and were not approved, as text of at most `width` columns."""
    shown = [masked_change(one) if redact else one for one in needed[:MOST]]
    lines = (row for one in shown for row in change_lines(one, width=width))
    title = "Needed since the plan was saved, not approved, so not done"
    return page(chain([BLANK], _section(title, lines, len(needed), "yellow")), width=width, color=color)


def question_text(plan: Plan, dangers: Sequence[Action], *, width: int) -> str:
    """Return what stands above the question for consent: where, how much, and whom the `dangers` concern."""
    where = f"{visible(plan.environment.name)} ({visible(plan.environment.base_url)})"
    lines = [line(f"{where}: {changes_phrase(plan)}")]
    for action in dangers:
        changes = [change for change in plan.changes if change.action is action]
        names = ", ".join(address(change.address) for change in changes[:_NAMED])
        rest = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
        paying = sum(bool(change.payment_methods) for change in changes)
        methods = f"; {count(paying, 'has', 'have')} payment methods" if paying else ""
        lines.append(line(f"{action.value}: {names}{rest}{methods}", indent=2))
    return page(lines, width=width, color=False)


def _lines(plan: Plan, width: int) -> Iterator[Line]:
    """Yield the lines of a plan."""
    for text in plan.unknown:
        yield line(f"Not known: {visible(text)}", "yellow")
    where = f"{visible(plan.environment.name)} ({visible(plan.environment.base_url)})"
    yield line(f"Environment {where}, project {visible(plan.project)}", "bold")
    yield BLANK
    yield from outcome_lines(plan, width)
    yield line(cost_phrase(plan.cost))
    yield line(summary_line(plan), "bold")


def outcome_lines(plan: Plan, width: int) -> Iterator[Line]:
    """Yield the lines of all that a plan changes, notes, blocks and exceeds, a blank one after each section."""
    yield from _changes(plan, width)
    yield from _section("In the ledger only", _bindings(plan.bindings[:MOST], width), len(plan.bindings))
    warnings = list(_warnings(plan))
    notes = len(plan.notes) + len(warnings)
    yield from _section("Notes", chain(_notes(plan.notes[: MOST - len(warnings)]), warnings), notes)
    yield from _section("Blocked", _blocked(plan.blocked[:MOST]), len(plan.blocked), "yellow")
    yield from _section("Over a limit, so nothing is sent", _limits(plan.limits), len(plan.limits), "red")


def _changes(plan: Plan, width: int) -> Iterator[Line]:
    """Yield the changes, one section an action; the users of a new customer stand below it."""
    for action, entries in sections(plan):
        number = sum(change.action is action for change, _ in entries)
        shown = (one for change, inside in entries[:MOST] for one in change_lines(change, width=width, nested=inside))
        lines = chain(_groups([change for change, _ in entries]), shown)
        yield from _section(TITLES[action], lines, number, entries=len(entries))


def _groups(changes: Sequence[Change]) -> Iterator[Line]:
    """Yield how often each field, or each reason, stands in changes of which only the first are shown."""
    if len(changes) <= MOST:
        return
    fields = Counter(field.name for change in changes if change.action is Action.PATCH for field in change.fields)
    reasons = Counter(REASONS[change.reason] for change in changes)
    parts = (f"{name} {number}" for name, number in (fields or reasons).most_common())
    yield line(f"{'fields' if fields else 'reasons'}: {', '.join(parts)}", indent=2)


def _section(
    title: str, lines: Iterable[Line], number: int, style: str = "", *, entries: int | None = None
) -> Iterator[Line]:
    """
    Yield a section and a blank line after it; nothing where it has nothing.

    `entries` is how many it has where that is not the `number` of its title: of more than `MOST` it says so.
    """
    if not number:
        return
    yield line(f"{title} ({number})", f"bold {style}".strip())
    yield from lines
    if rest := more(number if entries is None else entries, "plan --format json, or saved with --out FILE"):
        yield line(rest, indent=2)
    yield BLANK


def _bindings(bindings: tuple[BindingChange, ...], width: int) -> Iterable[Line]:
    """Return one line a binding: what happens, to whom, which id."""
    rows = []
    for binding in bindings:
        origin = "" if binding.origin is None else f"{visible(binding.origin)} -> "
        rows.append((binding.action.value, origin + address(binding.address), visible(binding.id)))
    if not rows:
        return []
    return aligned(rows, width=width, indent=2) or [line(" ".join(row), indent=2) for row in rows]


def _notes(notes: tuple[Note, ...]) -> Iterator[Line]:
    """Yield one line a note."""
    for note in notes:
        about = "" if note.address is None else f"{address(note.address)}: "
        yield line(about + visible(note.text), indent=2)


def _warnings(plan: Plan) -> Iterator[Line]:
    """Yield what every plan of its kind warns of."""
    users, left_out = users_phrase(plan), left_out_phrase(plan)
    if users:
        yield line(users, "yellow", indent=2)
    if left_out:
        yield line(left_out, indent=2)


def _blocked(blocked: tuple[Blocked, ...]) -> Iterator[Line]:
    """Yield what is blocked: whom and where, why, the way out, the ids."""
    for one in blocked:
        field = f" {visible(one.field)}" if one.field else ""
        where = f"  {visible(str(one.source))}" if one.source else ""
        yield Line((Span("! ", "yellow"), Span(address(one.address), "bold"), Span(field + where)), indent=2)
        yield line(visible(one.reason), indent=6)
        yield line(f"way out: {visible(one.hint)}", indent=6)
        if one.ids:
            yield line(f"ids: {', '.join(map(visible, one.ids))}", indent=6)


def _limits(limits: tuple[Exceeded, ...]) -> Iterator[Line]:
    """Yield the limits that are exceeded, each with where it is written and what allows it."""
    for one in limits:
        text = f"{limit_phrase(one)}; {limit_way(one)}"
        yield Line((Span("! ", "red"), Span(visible(text))), indent=2)
