"""
A plan in words that all its forms share, and as text: changes, what is blocked and why, price, one summary line.

The most important is last, where a terminal ends: blocked, limits, price, summary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from math import ceil
from typing import assert_never

from reconciler.escape import visible
from reconciler.model.core import Action, Live
from reconciler.model.ledger import Learned
from reconciler.model.plan import (
    AllowLine,
    BindingAction,
    BindingChange,
    Blocked,
    Change,
    Cost,
    Exceeded,
    FieldChange,
    Note,
    Plan,
)
from reconciler.report.layout import (
    BLANK,
    MOST,
    REASONS,
    Line,
    Span,
    address,
    aligned,
    at,
    columns,
    count,
    duration,
    line,
    more,
    padded,
    page,
    shown,
)
from reconciler.report.messages.plan import blocked_wording, note_text, unknown_text
from reconciler.report.redact import masked_change, masked_plan


def reading_requests(learned: Learned) -> int | None:
    """
    Return how many requests a token and one listing take by what the last one held; None where none is known.

    Ranges are cut so that they take one more together, nearly always.

    >>> reading_requests(Learned(longest_page=100, listed=5_950)), reading_requests(Learned())
    (61, None)
    """
    if not learned.longest_page:
        return None
    return 1 + max(1, ceil(learned.listed / learned.longest_page)) + bool(learned.cuts)


def again_requests(customers: int, longest_page: int) -> int:
    """
    Return how many requests it takes to list the account once more, in one; a full last page is asked for another.

    >>> again_requests(350, 100), again_requests(300, 100), again_requests(0, 0)
    (4, 4, 1)
    """
    return 1 if not longest_page else max(1, ceil(customers / longest_page) + (customers % longest_page == 0))


def about_requests(requests: int, rate_per_s: float) -> str:
    """
    Return how many requests something takes, and how long at a rate.

    >>> about_requests(61, 5.0)
    'about 61 requests, 12.2 s at 5 per second'
    """
    return f"about {count(requests, 'request')}, {duration(requests / rate_per_s)} at {rate_per_s:g} per second"


def again_price(live: Live, rate_per_s: float) -> str:
    """Return what it costs to list the account once more, in one line; without a limit nothing worth a line: ""."""
    if not rate_per_s:
        return ""
    requests = again_requests(len(live.listed), live.longest_page)
    price = about_requests(requests, rate_per_s)
    return f"listing the account once more, to prove that new customers do not exist: {price}"


def reading_price(learned: Learned, users: int, rate_per_s: float, *, alone: int | None = None) -> str:
    """
    Return what reading the account costs, in one line; the users of that many customers are listed as well.

    `alone` is how many targets are read instead of it, None for the account. Without a limit, which only an emulator
    has, it costs nothing worth a line, nor where no target needs to be read: "".

    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0)
    'reading the account: about 61 requests, 12.2 s at 5 per second'
    >>> reading_price(Learned(longest_page=100, listed=5_950), 0, 5.0, alone=2)
    'reading 2 targets alone: about 3 requests, 0.6 s at 5 per second, and not the 61 of the account'
    >>> reading_price(Learned(), 0, 5.0)
    'reading the account: its size is still unknown'
    """
    account = reading_requests(learned)
    if not rate_per_s or alone == 0:
        return ""
    if account is None:
        return "reading the account: its size is still unknown"
    requests = users + (1 + alone if alone else account)
    price = about_requests(requests, rate_per_s)
    if alone:
        return f"reading {count(alone, 'target')} alone: {price}, and not the {account + users} of the account"
    return f"reading the account: {price}"


OVER_LIMIT = "Over a limit, so nothing is sent"
NEEDS_APPROVAL = "Needs approval"
ALLOW = "to allow it in the repository"

TITLES = {
    Action.RESTORE: "Restore",
    Action.PATCH: "Patch",
    Action.CREATE: "Create",
    Action.CREATE_USER: "Create users for existing customers",
    Action.ARCHIVE: "Archive",
}


_BINDINGS = {
    BindingAction.ADOPT: "adoption",
    BindingAction.MOVE: "move",
    BindingAction.FORGET: "forgotten key",
    BindingAction.RELEASE: "release",
}


def summary_line(plan: Plan) -> str:
    """
    Return the plan in one line.

    >>> from reconciler.model.core import EnvironmentRef
    >>> summary_line(Plan(EnvironmentRef("demo", "https://api.example", ""), "default", unchanged=40))
    'No changes. 40 customers are as declared.'
    """
    narrowed = _narrowed(plan)
    if plan.empty and not plan.blocked:
        as_declared = f" {count(plan.unchanged, 'customer is', 'customers are')} as declared." if plan.unchanged else ""
        if plan.bindings:
            return f"No changes to the account.{as_declared} Run apply to record {bindings_phrase(plan)}.{narrowed}"
        return f"No changes.{as_declared}{narrowed}"
    parts = [", ".join(_planned(plan)) or "no changes"]
    parts += [
        f"{number} {word}" for number, word in ((len(plan.blocked), "blocked"), (plan.unchanged, "unchanged")) if number
    ]
    return f"Plan: {'; '.join(parts)}.{narrowed}"


def _narrowed(plan: Plan) -> str:
    """Return how many customers a plan of what changed since a commit is about, after a space; "" for any other."""
    if plan.since is None:
        return ""
    return f" {plan.since.planned:,} of {count(plan.since.customers, 'customer')} planned."


def _planned(plan: Plan) -> Iterator[str]:
    """Yield how many changes of each action there are; nothing for an action without any."""
    for action in (Action.CREATE, Action.CREATE_USER, Action.PATCH, Action.ARCHIVE, Action.RESTORE):
        if number := plan.count(action):
            yield (
                f"{count(number, 'user')} to create" if action is Action.CREATE_USER else f"{number} to {action.value}"
            )


def bindings_phrase(plan: Plan) -> str:
    """
    Return in a few words what a plan changes in the ledger alone.

    >>> from reconciler.model.plan import BindingChange
    >>> from reconciler.model.core import Address, CustomerId, EnvironmentRef
    >>> one = BindingChange(BindingAction.ADOPT, Address("acme"), CustomerId("cus_1"))
    >>> bindings_phrase(Plan(EnvironmentRef("demo", "", ""), "default", bindings=(one,)))
    '1 adoption'
    """
    numbers = Counter(one.action for one in plan.bindings)
    return ", ".join(count(numbers[action], noun) for action, noun in _BINDINGS.items() if numbers[action])


def changes_phrase(plan: Plan) -> str:
    """
    Return in a few words what a plan sends, and its price.

    >>> from reconciler.model.core import Address, EnvironmentRef, Reason
    >>> one = Change(Action.ARCHIVE, Address("acme"), None, Reason.DECLARED)
    >>> changes_phrase(Plan(EnvironmentRef("demo", "", ""), "default", changes=(one,), cost=Cost(1, 3, 5.0)))
    '1 to archive; 1 request, 0.2 s'
    """
    time = f", {duration(plan.cost.seconds)}" if plan.cost.rate_per_s else ""
    return f"{', '.join(_planned(plan))}; {count(plan.cost.requests, 'request')}{time}"


def limit_phrase(limit: Exceeded) -> str:
    """
    Return what a plan exceeds, in words; not made visible.

    >>> limit_phrase(Exceeded("max_archives", 3, 1, "--max-archives 3"))
    'max_archives: 3 planned, 1 allowed'
    """
    written = f" ({limit.source})" if limit.source is not None else ""
    if limit.rule:
        return f"{limit.name}{written}: {limit.action} only {limit.rule}, {limit.planned} planned"
    if limit.action is not None:
        return f"{limit.name}{written}: {limit.action}, {limit.planned} planned"
    return f"{limit.name}{written}: {limit.planned} planned, {limit.allowed} allowed"


def limit_way(limit: Exceeded) -> str:
    """
    Return what allows it, in words.

    >>> limit_way(Exceeded("windows", 3, 0, "", None, Action.ARCHIVE, "mon-fri", "2026-01-05T08:00:00Z"))
    'it opens at 2026-01-05T08:00:00Z'
    """
    if limit.flag:
        return f"to allow it once: {limit.flag}"
    return f"it opens at {limit.opens_at}" if limit.opens_at else "it does not open in the next two weeks"


def allow_phrase(allow: AllowLine) -> str:
    """
    Return what to write into the project file, and where, in words; not made visible.

    >>> from reconciler.errors import Source
    >>> allow_phrase(AllowLine("allow: {…}", "environments.demo.policy", Source("reconciler.yaml", 4, 5)))
    'add to environments.demo.policy (reconciler.yaml:4:5): allow: {…}'
    """
    return f"{allow_place(allow)}: {allow.line}"


def allow_place(allow: AllowLine) -> str:
    """Return where the line is to be written; the list may be a mapping as yet."""
    listed = "the list " if allow.line.startswith("-") else ""
    return f"add to {listed}{allow.under or 'the project file'} ({allow.at})"


def users_phrase(plan: Plan) -> str:
    """Return what creating users brings about; "" where the plan creates none."""
    users = plan.count(Action.CREATE_USER)
    if not users:
        return ""
    return f"{count(users, 'user is', 'users are')} created: each probably gets an email from the vendor"


def left_out_phrase(plan: Plan) -> str:
    """Return how many customers the plan does not judge, and why; "" for none."""
    if not plan.out_of_scope:
        return ""
    left_out = count(plan.out_of_scope, "managed customer is", "managed customers are")
    return f"{left_out} left out: from another project, or from a file that was not read"


def cost_phrase(cost: Cost) -> str:
    """
    Return the price in requests and time.

    >>> cost_phrase(Cost(12, 3, 5.0))
    'Cost: 12 requests, 2.4 s at 5/s; 3 more for the token and planning.'
    """
    rest = f"; {cost.overhead} more for the token and planning" if cost.overhead else ""
    if not cost.requests:
        return f"Cost: nothing to send{rest}.{_fit(cost)}"
    time = f"{duration(cost.seconds)} at {cost.rate_per_s:g}/s" if cost.rate_per_s else "at no limit"
    return f"Cost: {count(cost.requests, 'request')}, {time}{rest}.{_fit(cost)}"


def sections(plan: Plan) -> Iterator[tuple[Action, list[tuple[Change, bool]]]]:
    """
    Yield each action that there is with its changes, in their order.

    True marks a user that is with the create of its customer, and not in a section of its own.
    """
    new = {change.address.external_id for change in plan.changes if change.action is Action.CREATE}
    members: dict[Action, list[tuple[Change, bool]]] = {action: [] for action in Action}
    for change in plan.changes:
        nested = change.action is Action.CREATE_USER and change.address.external_id in new
        members[Action.CREATE if nested else change.action].append((change, nested))
    yield from ((action, rows) for action, rows in members.items() if rows)


def _fit(cost: Cost) -> str:
    """Return in how many runs the plan fits, "" where that was not asked."""
    if cost.fit is None:
        return ""
    bounds = [] if cost.fit.max_requests is None else [count(cost.fit.max_requests, "request")]
    bounds += [] if cost.fit.max_duration_s is None else [duration(cost.fit.max_duration_s)]
    if not cost.fit.windows:
        return f" It fits in no window of {' and '.join(bounds)}: {cost.overhead} go before the first change."
    return f" It fits in {count(cost.fit.windows, 'window')} of {' and '.join(bounds)}."


_MARKS = {
    Action.RESTORE: ("^", "cyan"),
    Action.PATCH: ("~", "yellow"),
    Action.CREATE: ("+", "green"),
    Action.CREATE_USER: ("+", "green"),
    Action.ARCHIVE: ("-", "red"),
}
_NARROW = 60
"""Below this width old and new are below each other."""


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
                yield line("if the API returns 404, it is created with:", indent=inner)
                yield from _valued(change.fields, inner + 2)
        case Action.CREATE:
            yield from _valued(change.fields, inner)
        case Action.CREATE_USER:
            # Its e-mail stands in its address.
            yield from _valued(tuple(one for one in change.fields if one.name != "email"), inner)
            if change.unless_listed:
                yield line("unless the customer already has it, which the restore will show", indent=inner)
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
"""How many customers are by name above the question for consent."""


def plan_text(plan: Plan, *, width: int, color: bool, redact: bool = False) -> str:
    """Return `plan` as text of at most `width` columns; `redact` masks personal values."""
    shown_plan = masked_plan(plan) if redact else plan
    return page(_lines(shown_plan, width), width=width, color=color)


def plan_brief(plan: Plan, *, redact: bool = False) -> str:
    """Return one line a change, however long, then what is blocked or over a limit, and the summary."""
    one = masked_plan(plan) if redact else plan
    lines = [change_brief(change) for change in one.changes]
    lines += [
        f"{row.action.value} {address(row.address)}: {visible(row.id)}, in the ledger only" for row in one.bindings
    ]
    lines += map(blocked_brief, one.blocked)
    lines += [f"over a limit: {visible(f'{limit_phrase(row)}; {limit_way(row)}')}" for row in one.limits]
    lines += [f"needs approval: {visible(f'{limit_phrase(row)}; {limit_way(row)}')}" for row in one.approvals]
    lines += [] if one.allow is None else [f"{ALLOW}: {visible(allow_phrase(one.allow))}"]
    lines += [f"unknown: {visible(unknown_text(row))}" for row in one.unknown]
    return "".join(f"{row}\n" for row in (*lines, summary_line(one)))


def blocked_brief(row: Blocked) -> str:
    """Return what is blocked in one line."""
    field = f" {visible(row.field)}" if row.field else ""
    return f"blocked {address(row.address)}{field}: {visible(blocked_wording(row).text)}{at(row.source)}"


def change_brief(change: Change) -> str:
    """Return a change in one line."""
    if change.action is Action.PATCH:
        said = "; ".join(f"{visible(row.name)} {shown(row.before)} -> {shown(row.after)}" for row in change.fields)
    else:
        said = facts(replace(change, source=None))
    return f"{change.action.value.replace('_', ' ')} {address(change.address)}: {said}{at(change.source)}"


def needed_text(needed: Sequence[Change], *, width: int, color: bool, redact: bool = False) -> str:
    """Return the changes that are needed and were not approved, as text of at most `width` columns."""
    shown = [masked_change(one) if redact else one for one in needed[:MOST]]
    lines = (row for one in shown for row in change_lines(one, width=width))
    title = "Needed since the plan was saved, not approved, and not made"
    return page(chain([BLANK], _section(title, lines, len(needed), "yellow")), width=width, color=color)


def question_text(plan: Plan, dangers: Sequence[Action], *, width: int) -> str:
    """Return what is above the question for consent: where, how much, and whom the `dangers` concern."""
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
    for one in plan.unknown:
        yield line(f"Unknown: {visible(unknown_text(one))}", "yellow")
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
    limits, approvals = _limits(plan.limits, _allow(plan)), _limits(plan.approvals, () if plan.limits else _allow(plan))
    yield from _section(NEEDS_APPROVAL, approvals, len(plan.approvals), "red")
    yield from _section(OVER_LIMIT, limits, len(plan.limits), "red")


def _changes(plan: Plan, width: int) -> Iterator[Line]:
    """Yield the changes, one section an action; the users of a new customer are below it."""
    for action, entries in sections(plan):
        number = sum(change.action is action for change, _ in entries)
        shown = (one for change, inside in entries[:MOST] for one in change_lines(change, width=width, nested=inside))
        lines = chain(_groups([change for change, _ in entries]), shown)
        yield from _section(TITLES[action], lines, number, entries=len(entries))


def _groups(changes: Sequence[Change]) -> Iterator[Line]:
    """Yield how often each field, or each reason, is in changes of which only the first are shown."""
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

    `entries` is how many it has where that is not the `number` of its title: more than `MOST` are not all shown.
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
    for note in notes:
        about = "" if note.address is None else f"{address(note.address)}: "
        yield line(about + visible(note_text(note)), indent=2)


def _warnings(plan: Plan) -> Iterator[Line]:
    """Yield what every plan of its kind warns of."""
    users, left_out = users_phrase(plan), left_out_phrase(plan)
    if users:
        yield line(users, "yellow", indent=2)
    if left_out:
        yield line(left_out, indent=2)


def _blocked(blocked: tuple[Blocked, ...]) -> Iterator[Line]:
    """Yield what is blocked: whom and where, why, how to fix it, the ids."""
    for one in blocked:
        field = f" {visible(one.field)}" if one.field else ""
        where = f"  {visible(str(one.source))}" if one.source else ""
        yield Line((Span("! ", "yellow"), Span(address(one.address), "bold"), Span(field + where)), indent=2)
        wording = blocked_wording(one)
        yield line(visible(wording.what), indent=6)
        yield line(f"to fix this: {visible(wording.fix)}", indent=6)
        if one.ids:
            yield line(f"ids: {', '.join(map(visible, one.ids))}", indent=6)


def _limits(limits: tuple[Exceeded, ...], last: Iterable[Line]) -> Iterator[Line]:
    """Yield the limits that are exceeded, each with where it is written and what allows it; then the `last` lines."""
    for one in limits:
        text = f"{limit_phrase(one)}; {limit_way(one)}"
        yield Line((Span("! ", "red"), Span(visible(text))), indent=2)
    yield from last


def _allow(plan: Plan) -> Iterator[Line]:
    """Yield what to write to let the plan through: where, and the line on one of its own, as it is to be copied."""
    if plan.allow is not None:
        yield line(f"{ALLOW}: {visible(allow_place(plan.allow))}:", indent=4)
        yield line(visible(plan.allow.line), indent=6)
