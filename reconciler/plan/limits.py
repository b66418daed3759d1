"""
What a plan is held against apart from its content: limits, approvals, change windows, runs of bounded length.

What the policy's `allow` permits for a time is judged by the server's clock, as windows are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, inf

from reconciler.errors import Source
from reconciler.model.core import Action, Live, Reason
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import AllowLine, Change, Exceeded, Fit, Note, Plan
from reconciler.model.policy import UNBOUNDED, Allowance, Prune, Share, Terms, Waiver, Window
from reconciler.model.reasons import NoteKind, ReasonParts

WINDOWS = "windows"
"""The name of the limit."""

APPROVAL = "require_approval_for"
"""The name of the rule of which a missing approval is a row."""

ALLOWED_FOR_DAYS = 7
"""How long what a plan proposes to allow would hold."""

LONG_DAYS = 90
"""What is allowed for longer is noted."""

_JUDGED = {NoteKind.ALLOWED, NoteKind.ALLOWED_ACTION, NoteKind.ALLOWED_LONG, NoteKind.ALLOW_ENDED}


@dataclass(frozen=True, slots=True)
class Judgment:
    """What the policy says of changes; the fields are those of `Plan`."""

    limits: tuple[Exceeded, ...] = ()
    approvals: tuple[Exceeded, ...] = ()
    allow: AllowLine | None = None
    notes: tuple[Note, ...] = ()

    def of(self, plan: Plan) -> Plan:
        """Return `plan` under this judgment, in place of an earlier one."""
        notes = tuple(note for note in plan.notes if note.kind not in _JUDGED)
        return replace(
            plan, limits=self.limits, approvals=self.approvals, allow=self.allow, notes=(*self.notes, *notes)
        )


def judge(changes: Iterable[Change], records: Records, live: Live, declared: int, terms: Terms) -> Judgment:
    """
    Return which limits `changes` exceed and which approvals they lack, and which windows are closed to them.

    Archives and restores are a share of the active customers that the ledger binds (with `prune: all`: of the live
    ones); all changes together a share of the larger of declared and live. Of restores only those count that undo
    what others did. All is judged as of the listing's time.
    """
    counted, today = list(changes), day_of(live.read_at)
    limits: list[Exceeded] = []
    notes: list[Note] = []
    for name, share, planned, base in _measured(counted, records, live, declared, terms):
        allowed, waiver = share.of(base), _widest(name, base, terms, today)
        most = allowed if waiver is None else max(allowed, waiver.shares[name].of(base))
        if planned > most:
            flag = f"--{name.replace('_', '-')} {planned}"
            limits.append(Exceeded(name, planned, most, flag, terms.places.get(name)))
        elif waiver is not None and planned > allowed:
            notes.append(
                Note(NoteKind.ALLOWED, parts={"rule": name, "planned": planned, "limit": allowed, **_of(waiver)})
            )
    missing = unapproved(counted, terms, today)
    for action in dict.fromkeys(terms.approval):
        approving = [one for one in _holding(terms, today) if action in one.approve]
        waiver = max(approving, key=lambda one: one.until, default=None)
        planned = sum(change.action is action for change in counted)
        if waiver is not None and planned and action not in terms.approved:
            parts = {"action": action.value, "planned": planned, **_of(waiver)}
            notes.append(Note(NoteKind.ALLOWED_ACTION, parts=parts))
    allow = allow_line(limits, missing, terms, today)
    shut = closed(counted, terms.windows, live.read_at)
    return Judgment((*limits, *shut), missing, allow, (*notes, *_dated(terms, today)))


def unapproved(changes: Iterable[Change], terms: Terms, today: date) -> tuple[Exceeded, ...]:
    """Return a row for each action of `changes` that the policy wants approved and that nothing approves `today`."""
    if not terms.approval:
        return ()
    counted = Counter(change.action for change in changes)
    given = terms.approved.union(*(one.approve for one in _holding(terms, today)))
    source = terms.places.get(APPROVAL)
    return tuple(
        Exceeded(APPROVAL, counted[action], 0, f"--approve {action.value}", source, action)
        for action in dict.fromkeys(terms.approval)
        if counted[action] and action not in given
    )


def ended(plan: Plan, today: date) -> tuple[Note, ...]:
    """Return the notes of `plan` that something is allowed which no longer is `today`."""
    return tuple(
        note
        for note in plan.notes
        if note.kind in (NoteKind.ALLOWED, NoteKind.ALLOWED_ACTION) and str(note.parts["until"]) < today.isoformat()
    )


def day_of(seconds: float) -> date:
    """Return the day, in UTC, of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date()


def _measured(
    changes: Sequence[Change], records: Records, live: Live, declared: int, terms: Terms
) -> Iterator[tuple[str, Share, int, int]]:
    """Yield each limit there is: its name, what it is, how many changes count for it, and what it is a share of."""
    if terms.reset:
        return
    archives = sum(change.action is Action.ARCHIVE for change in changes)
    restores = sum(
        change.action is Action.RESTORE and change.reason in (Reason.ELSEWHERE, Reason.HIDDEN_OR_GONE)
        for change in changes
    )
    active = sum(row.state is BindingState.ACTIVE for row in records.bindings.values())
    base = len(live.listed) if terms.prune is Prune.ALL else active
    yield "max_archives", terms.max_archives, archives, base
    yield "max_restores", terms.max_restores, restores, base
    if terms.max_changes is not None:
        yield "max_changes", terms.max_changes, len(changes), max(declared, len(live.listed))


def _holding(terms: Terms, today: date) -> list[Waiver]:
    """Return what is allowed `today`."""
    return [one for one in terms.allow if today <= one.until]


def _widest(name: str, base: int, terms: Terms, today: date) -> Waiver | None:
    """Return what allows the most of a limit `today`; None where nothing does, or an option sets the limit."""
    if name in terms.by_option:
        return None
    found = [one for one in _holding(terms, today) if name in one.shares]
    return max(found, key=lambda one: one.shares[name].of(base), default=None)


def _of(waiver: Waiver) -> ReasonParts:
    """Return the parts of a note that are a waiver's."""
    return {"at": _place(waiver), "until": waiver.until.isoformat(), "reason": waiver.reason}


def _place(waiver: Waiver) -> tuple[Source, ...]:
    return () if waiver.source is None else (waiver.source,)


def _dated(terms: Terms, today: date) -> Iterator[Note]:
    """Yield what is to be said of the days of what is allowed: that they are over, or far away."""
    for one in terms.allow:
        parts: ReasonParts = {"at": _place(one), "until": one.until.isoformat()}
        days = (one.until - today).days
        if days < 0:
            yield Note(NoteKind.ALLOW_ENDED, parts=parts)
        elif days > LONG_DAYS:
            yield Note(NoteKind.ALLOWED_LONG, parts={**parts, "days": days})


def allow_line(limits: Iterable[Exceeded], missing: Sequence[Exceeded], terms: Terms, today: date) -> AllowLine | None:
    """Return what to write to allow what exceeds `limits` and is `missing`; None where it is nothing, or nowhere."""
    keys = [f"{row.name}: {row.planned}" for row in limits if row.name not in (WINDOWS, *terms.by_option)]
    if missing:
        keys.append(f"approve: [{', '.join(str(row.action) for row in missing)}]")
    if not keys or terms.policy_at is None:
        return None
    until = today + timedelta(days=ALLOWED_FOR_DAYS)
    mapping = f'{{{", ".join(keys)}, until: {until.isoformat()}, reason: "..."}}'
    path = ("environments", terms.environment.name, "policy")
    if (there := terms.places.get("allow")) is not None:
        return AllowLine(f"- {mapping}", ".".join((*path, "allow")), there)
    line = f"allow: {mapping}"
    for key in reversed(terms.policy_lacks):
        line = f"{key}: {{{line}}}"
    return AllowLine(line, ".".join(path[: len(path) - len(terms.policy_lacks)]), terms.policy_at)


_MINUTE_S = 60
_DAY_S = 86_400
_LOOKED_AHEAD_DAYS = 15
"""A window of one weekday that a change of the clocks leaves out opens a week later."""


def closed(changes: Iterable[Change], windows: Sequence[Window], now_s: float) -> tuple[Exceeded, ...]:
    """
    Return a row for each action of `changes` that is named by windows of which none is open.

    `now_s` is in seconds since 1970. An action that no window names is always allowed.
    """
    if not windows:
        return ()
    counted = Counter(change.action for change in changes)
    rows = (_closed(action, counted[action], windows, now_s) for action in Action if counted[action])
    return tuple(row for row in rows if row is not None)


def is_open(window: Window, now_s: float) -> bool:
    """
    Say whether `window` is open, by what the clocks of its zone show.

    So a minute that the clocks leave out in spring is never open, and one that they show twice is open twice.
    """
    shown = datetime.fromtimestamp(now_s, window.zone)
    minute, day = shown.hour * 60 + shown.minute, shown.weekday()
    if window.opens < window.closes:
        return day in window.days and window.opens <= minute < window.closes
    evening = day in window.days and minute >= window.opens
    return evening or ((day - 1) % 7 in window.days and minute < window.closes)


def opens_at(windows: Sequence[Window], now_s: float) -> float | None:
    """Return the first full minute after `now_s` at which one of `windows` is open; None for none in two weeks."""
    first = (int(now_s) // _MINUTE_S + 1) * _MINUTE_S
    minutes = range(first, first + _LOOKED_AHEAD_DAYS * _DAY_S, _MINUTE_S)
    return next((minute for minute in minutes if any(is_open(one, minute) for one in windows)), None)


def _closed(action: Action, planned: int, windows: Sequence[Window], now_s: float) -> Exceeded | None:
    """Return that no window is open to `action`, None where one is, or none names it."""
    named = [window for window in windows if action in window.actions]
    if not named or any(is_open(window, now_s) for window in named):
        return None
    opens_s = opens_at(named, now_s)
    return Exceeded(
        WINDOWS,
        planned,
        0,
        "",
        named[0].source,
        action,
        " or ".join(window.said for window in named),
        "" if opens_s is None else datetime.fromtimestamp(opens_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


SPACING = 1.005
"""How much further apart requests leave than the rate says; see `api.limit.HAIR`."""


def with_fit(plan: Plan, allowance: Allowance, lag_s: float) -> Plan:
    """
    Return `plan` with its cost saying in how many runs under `allowance` it fits; `plan` itself without a bound.

    Each run pays the overhead again. One that creates keeps a request, and the lag bound `lag_s`, to settle a
    create whose answer is lost.
    """
    if allowance == UNBOUNDED:
        return plan
    cost = plan.cost
    creates = any(change.action in (Action.CREATE, Action.CREATE_USER) for change in plan.changes)
    most = inf if allowance.max_requests is None else allowance.max_requests - creates
    if allowance.max_duration_s is not None and cost.rate_per_s:
        most = min(most, int((allowance.max_duration_s - lag_s * creates) * cost.rate_per_s / SPACING))
    room = most - cost.overhead
    windows = ceil(cost.requests / room) if room > 0 else 0
    fit = Fit(max(windows, int(not cost.requests)), allowance.max_requests, allowance.max_duration_s)
    return replace(plan, cost=replace(cost, fit=fit))


MANY_CREATES = 20
"""More creates than these are seldom meant in production: a ledger or an external_id that was lost looks so."""


def dangers(plan: Plan, *, production: bool, disposable: bool) -> tuple[Action, ...]:
    """
    Return the actions of `plan` that a person should name: archives, restores, and many creates in production.

    An archive ends what someone pays, a restore begins it again, and a create may be the second of one customer.
    In a `disposable` environment nothing is dangerous.
    """
    if disposable:
        return ()
    found = [action for action in (Action.ARCHIVE, Action.RESTORE) if plan.count(action)]
    if production and plan.count(Action.CREATE) > MANY_CREATES:
        found.append(Action.CREATE)
    return tuple(found)
