"""One customer as declared, live and recorded, and why it is planned as it is; the ledger's customers as a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from reconciler.api.times import rfc3339
from reconciler.escape import visible
from reconciler.kinds import CUSTOMER
from reconciler.kinds.kind import canonical_email
from reconciler.model.core import Action, DesiredCustomer, DesiredUser, LiveCustomer, LiveUser
from reconciler.model.ledger import Binding
from reconciler.model.plan import Plan
from reconciler.model.reports import Explanation, LastMove, Remark, Row
from reconciler.report.history import binding_json, change_json, in_run, masked_intent, moment, why
from reconciler.report.layout import BLANK, EMPTY, Line, Span, address, aligned, count, line, page, shown
from reconciler.report.messages.explanations import outcome_text, remark_json, remark_text
from reconciler.report.plan_text import outcome_lines
from reconciler.report.redact import masked, masked_address, masked_plan

_OUTCOME = ("changes", "bindings", "limits", "blocked", "notes")


def explanation_text(told: Explanation, *, width: int, color: bool, redact: bool = False) -> str:
    """Return an explanation as text of at most `width` columns: a section a question, the outcome last."""
    return page(_lines(_masked(told) if redact else told, width), width=width, color=color)


def explanation_json(told: Explanation, plan: Mapping[str, Any], *, redact: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON; `plan` is its outcome in the public form of a plan, masked if need be."""
    one = _masked(told) if redact else told
    evidence = {"declared": one.declared, "identity": one.identity, "presence": one.presence}
    return {
        "address": str(one.address),
        **{name: [remark_text(said) for said in remarks] for name, remarks in evidence.items()},
        "evidence": {name: list(map(remark_json, remarks)) for name, remarks in evidence.items()},
        "fields": [
            {
                "name": row.name,
                **dict(row.sides),
                "rule": remark_text(row.rule),
                "then": outcome_text(row),
                "cause": row.cause,
                "outcome": row.then,
                **remark_json(row.rule),
            }
            for row in one.fields
        ],
        "archiving": [
            {
                "rule": check.rule,
                "archives": check.rule.archives,
                "holds": check.holds,
                "why": remark_text(check.why),
                **remark_json(check.why),
            }
            for check in one.archiving
        ],
        "archived": _move_json(one.archived),
        "activated": _move_json(one.activated),
        "users": [asdict(user) for user in one.users],
        **{name: plan.get(name, []) for name in _OUTCOME},
    }


def _masked(told: Explanation) -> Explanation:
    """Return `told` with personal values masked."""
    return replace(
        told,
        archived=_masked_move(told.archived),
        activated=_masked_move(told.activated),
        address=masked_address(told.address),
        fields=tuple(_masked_row(row) for row in told.fields),
        users=tuple(replace(user, email=masked("email", user.email)) for user in told.users),
        outcome=masked_plan(told.outcome),
    )


def _masked_move(move: LastMove | None) -> LastMove | None:
    """Return a create, an archive or a restore with its values masked."""
    return None if move is None else replace(move, intent=masked_intent(move.intent))


def _move_json(move: LastMove | None) -> dict[str, Any] | None:
    """Return a create, an archive or a restore as the history has it."""
    return None if move is None else change_json(move.intent, move.run, move.entry)


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
            yield Line((Span(row.name, "bold"), Span(f"  {outcome_text(row)}")), indent=2)
            yield line("; ".join(f"{side} {shown(value)}" for side, value in row.sides), indent=4)
            yield line(remark_text(row.rule), indent=4)
        yield BLANK
    if told.shelved:
        yield line("Why is it archived?", "bold")
        if told.archived is None:
            yield line("not recorded: the ledger does not say when or why Reconciler archived it", indent=2)
        else:
            yield from _moved("archived", told.archived)
        yield BLANK
    if told.activated is not None:
        yield line("Why is it active?", "bold")
        yield from _moved(_ACTIVATED[told.activated.intent.action], told.activated)
        yield BLANK
    if told.archiving:
        yield line("May it be archived?", "bold")
        for check in told.archiving:
            answer = "yes" if check.holds else "no"
            title = check.rule if check.rule.archives else f"kept: {check.rule}"
            yield line(f"{title}: {answer}. {visible(remark_text(check.why))}", indent=2)
        yield line("`undo`, `duplicates`, and `seed --reset` archive by plans of their own.", indent=2)
        yield BLANK
    if told.users:
        yield line("Its users", "bold")
        for user in told.users:
            listed = {None: "live: not read", True: "live", False: "not live"}[user.listed]
            facts = (
                f"declared at {user.source}" if user.source else "not declared, so never changed",
                "recorded" if user.recorded else "not recorded",
                listed,
            )
            yield line(visible(f"{user.email}: {', '.join(facts)}"), indent=2)
        yield BLANK
    yield from _outcome(told.outcome, width)


_ACTIVATED = {Action.CREATE: "created", Action.RESTORE: "restored"}


def _moved(verb: str, move: LastMove) -> Iterator[Line]:
    """Yield when a customer was created, archived or restored, why, in which run, and by whom."""
    intent = move.intent
    yield line(f"{verb} {moment(rfc3339(intent.opened_at))}: {why(intent, move.run, move.entry)}", indent=2)
    yield line(in_run(intent.run, move.run), indent=2)


def _outcome(plan: Plan, width: int) -> Iterator[Line]:
    """Yield what the plan does."""
    yield line("So the plan", "bold")
    if not (plan.changes or plan.blocked):
        yield line("does nothing to it", indent=2)
    yield from outcome_lines(plan, width)


def _said(title: str, remarks: Iterable[Remark]) -> Iterator[Line]:
    """Yield a section of remarks; nothing where there are none."""
    rows = [line(visible(remark_text(one)), indent=2) for one in remarks]
    if rows:
        yield line(title, "bold")
        yield from rows
        yield BLANK


Fields = Mapping[str, str | None] | Mapping[str, str]

_ABSENT = "-"
_SIDES = ("declared", "live", "applied", "observed")


@dataclass(frozen=True, slots=True)
class CustomerView:
    """
    All that is known of one customer; None where there is nothing, or it was not asked for.

    `users` are the live ones, `payment_methods` how many there are.
    """

    external_id: str
    declared: DesiredCustomer | None = None
    live: LiveCustomer | None = None
    recorded: Binding | None = None
    users: tuple[LiveUser, ...] | None = None
    payment_methods: int | None = None


def customer_text(view: CustomerView, *, width: int, color: bool, redact: bool = False) -> str:
    """
    Return one customer as text: its fields by side, then users and payment methods.

    `-` is where a side says nothing of a field. `applied` is what the ledger says we wrote, `observed`
    what the server then held.
    """
    return page(_customer(view, width, redact=redact), width=width, color=color)


def customer_json(view: CustomerView, *, redact: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON; a side that is not there is null."""
    sides = _sides(view, redact=redact)
    return {
        "external_id": view.external_id,
        "declared": None
        if view.declared is None
        else {
            "id": view.declared.id,
            "archived": view.declared.archived,
            "protect": view.declared.protect,
            "ignore_changes": sorted(view.declared.ignore_changes),
            "distinct_from": list(view.declared.distinct_from),
            "source": str(view.declared.source),
            "fields": sides["declared"],
            "users": _users_json(view.declared.users, redact=redact),
        },
        "live": None
        if view.live is None
        else {
            "id": view.live.id,
            "external_id": view.live.external_id,
            "created_at": view.live.created_at,
            "synced": view.live.synced,
            "fields": sides["live"],
            "users": None if view.users is None else _users_json(view.users, redact=redact),
            "payment_methods": view.payment_methods,
        },
        "recorded": None
        if view.recorded is None
        else {**binding_json(view.recorded), "applied": sides["applied"], "observed": sides["observed"]},
    }


def bindings_text(bindings: Iterable[Binding], *, width: int, color: bool) -> str:
    """Return the ledger's customers, one a line where the width allows, and how many there are."""
    rows = [
        (
            shown(one.external_id),
            visible(one.id or _ABSENT),
            one.state.value,
            "protected" if one.protected else "",
            visible(one.project),
            visible(one.source) or _ABSENT,
        )
        for one in bindings
    ]
    titles = ("KEY", "ID", "STATE", "", "PROJECT", "FILE")
    table = aligned([titles, *rows], width=width) if rows else []
    if table is None:
        table = [line("  ".join(filter(None, row))) for row in rows]
    return page([*table, line(f"{count(len(rows), 'customer')}.", "bold")], width=width, color=color)


def _customer(view: CustomerView, width: int, *, redact: bool) -> Iterator[Line]:
    yield line(shown(view.external_id), "bold")
    yield from _facts(view, width)
    sides = _sides(view, redact=redact)
    # A live customer that lacks a field holds it empty; the other sides then say nothing of it.
    lacking = {side: EMPTY if side == "live" and view.live else _ABSENT for side in _SIDES}
    rows = [
        (name, *(shown(sides[side][name]) if name in sides[side] else lacking[side] for side in _SIDES))
        for name in (field.name for field in CUSTOMER.fields)
        if any(name in values for values in sides.values())
    ]
    if rows:
        yield BLANK
        yield from _table(rows, ("field", *_SIDES), width)
    users = _users(view)
    if users:
        yield BLANK
        named = [
            (shown(masked("email", email) if redact else email), *(_user(side, redact=redact) for side in both))
            for email, *both in users
        ]
        yield from _table(named, ("user", "declared", "live" if view.users is not None else "live (not read)"), width)


def _facts(view: CustomerView, width: int) -> Iterator[Line]:
    """Yield what each side says of the customer as a whole."""
    rows = [("declared", _declared(view)), ("live", _live(view)), ("recorded", _recorded(view))]
    if view.payment_methods is not None:
        rows.append(("payment methods", str(view.payment_methods)))
    yield from aligned(rows, width=width, indent=2) or [line(f"{name}: {text}", indent=2) for name, text in rows]


def _declared(view: CustomerView) -> str:
    """Return where the customer is declared, and what is said of it in addition to its fields."""
    one = view.declared
    if one is None:
        return "no"
    ignored, others = ", ".join(sorted(one.ignore_changes)), ", ".join(map(shown, one.distinct_from))
    facts = (
        str(one.source),
        one.archived and "archived",
        one.protect and "protected",
        ignored and f"ignores {ignored}",
        others and f"distinct from {others}",
    )
    return _joined(facts)


def _live(view: CustomerView) -> str:
    """Return the live customer's id and what is unusual about it."""
    one = view.live
    if one is None:
        return "not seen"
    other = one.external_id != view.external_id and f"external_id {shown(one.external_id)}"
    return _joined((one.id, f"created {one.created_at}", other, one.synced and "synced by an integration"))


def _recorded(view: CustomerView) -> str:
    """Return how the ledger holds the customer."""
    one = view.recorded
    if one is None:
        return "no"
    return _joined((one.id, one.state, one.protected and "protected", f"project {one.project}", one.source))


def _joined(facts: Iterable[str | bool | None]) -> str:
    """Return those facts that hold, safe to show."""
    return ", ".join(visible(fact) for fact in facts if isinstance(fact, str) and fact)


def _table(rows: Sequence[tuple[str, ...]], titles: tuple[str, ...], width: int) -> Iterator[Line]:
    """Yield `rows` under `titles`; where they do not fit, each row as a list of what its columns hold."""
    table = aligned([titles, *rows], width=width, indent=2)
    if table is not None:
        yield from table
        return
    for first, *rest in rows:
        yield line(first, "bold", indent=2)
        for title, cell in zip(titles[1:], rest, strict=True):
            yield line(f"{title}: {cell}", indent=4)


def _user(fields: Fields | None, *, redact: bool) -> str:
    """Return one side's names of a user."""
    if fields is None:
        return _ABSENT
    return " ".join(visible(value) for value in _values(fields, redact=redact).values() if value) or EMPTY


def _sides(view: CustomerView, *, redact: bool) -> dict[str, dict[str, str | None]]:
    """Return the fields by side; empty where the side is not there."""
    recorded = view.recorded
    sides: dict[str, Fields] = {
        "declared": view.declared.fields if view.declared else {},
        "live": view.live.fields if view.live else {},
        "applied": recorded.applied() if recorded else {},
        "observed": recorded.observed() if recorded else {},
    }
    return {side: _values(fields, redact=redact) for side, fields in sides.items()}


def _users(view: CustomerView) -> list[tuple[str, Fields | None, Fields | None]]:
    """Return each user's email and its fields as declared and live, None where a side has it not."""
    declared = {canonical_email(one.email): one for one in (view.declared.users if view.declared else ())}
    live = {canonical_email(one.email): one for one in view.users or ()}
    return [
        (
            (declared.get(key) or live[key]).email,
            declared[key].fields if key in declared else None,
            live[key].fields if key in live else None,
        )
        for key in sorted({*declared, *live})
    ]


def _users_json(users: Iterable[DesiredUser | LiveUser], *, redact: bool) -> list[dict[str, str | None]]:
    """Return users as values for JSON: the email beside the fields."""
    return [
        {"email": masked("email", one.email) if redact else one.email, **_values(one.fields, redact=redact)}
        for one in users
    ]


def _values(fields: Fields, *, redact: bool) -> dict[str, str | None]:
    """Return `fields` as they may be shown."""
    return {name: masked(name, value) if redact and value else value for name, value in fields.items()}
