"""What a plan is held against apart from its content: changes in number, runs of bounded length, change windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil, inf

from reconciler.model.core import Action
from reconciler.model.plan import Change, Exceeded, Fit, Plan
from reconciler.model.policy import UNBOUNDED, Allowance, Window

WINDOWS = "windows"
"""The name of the limit."""

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
