"""The windows of a policy: days, hours and zones as the project file writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import tzinfo

from reconciler.documents.scalars import did_you_mean, quoted
from reconciler.model.core import Action
from reconciler.model.policy import Window
from reconciler.settings.project import Values

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_DAY_MINUTES = 24 * 60
_ZONES_ARE = "write one of the IANA database, such as Europe/Berlin"
_THIS_MACHINES = "localtime"  # a file beside the zones on many systems: another one on each


def read_windows(rows: Iterable[Values]) -> tuple[Window, ...]:
    """Return the windows that are written; what is wrong with them is gathered in `rows`."""
    return tuple(map(_window, rows))


def minute_of_day(text: str) -> int:
    """
    Return the minutes after midnight of a time of day, up to 24:00; ValueError for anything else.

    >>> minute_of_day("09:30"), minute_of_day("24:00")
    (570, 1440)
    """
    match = _TIME.fullmatch(text.strip())
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else _DAY_MINUTES + 1  # noqa: PLR2004 - an hour has 60
    if minutes > _DAY_MINUTES:
        raise ValueError(f"{quoted(text)} is not a time of day; write one such as 09:00, up to 24:00")
    return minutes


def weekdays(text: str) -> frozenset[int]:
    """
    Return the days that `DAY` or `DAY-DAY` names, Monday being 0; a range may go over Sunday.

    >>> sorted(weekdays("mon-fri")), sorted(weekdays("sat-mon"))
    ([0, 1, 2, 3, 4], [0, 5, 6])
    """
    first, dash, last = (part.strip() for part in text.strip().lower().partition("-"))
    for name in (first, last) if dash else (first,):
        if name not in DAYS:
            nearest = did_you_mean(name, DAYS) or f"write one of {', '.join(DAYS)}, or a range such as mon-fri"
            raise ValueError(f"{quoted(name)} is not a day; {nearest}")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if dash else 0
    return frozenset((begin + step) % 7 for step in range(length + 1))


def zone(text: str) -> tzinfo:
    """
    Return the zone that has this name in the IANA database; ValueError, with the nearest, for any other.

    >>> zone("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    # Most projects have no windows.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415

    # A folder of zones (`Europe`) is an OSError, a path that leads out of them a ValueError.
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        if text != _THIS_MACHINES:
            return ZoneInfo(text)
    nearest = did_you_mean(text, sorted(available_timezones() - {_THIS_MACHINES}))
    raise ValueError(f"{quoted(text)} is not a time zone; {nearest or _ZONES_ARE}")


def _window(values: Values) -> Window:
    """Return one window; what is not written of it does not narrow it."""
    opens, closes = values.parsed("from", minute_of_day, 0), values.parsed("to", minute_of_day, _DAY_MINUTES)
    if opens == _DAY_MINUTES:
        values.problems.append(values.problem("from", ValueError("a day ends at 24:00; write 00:00 of the next day")))
    elif opens == closes:
        values.problems.append(
            values.problem("from", ValueError("it opens when it closes; for a whole day leave both out"))
        )
    named = values.texts("days")
    days: frozenset[int] = frozenset()
    for at, text in enumerate(named):
        try:
            days |= weekdays(text)
        except ValueError as error:
            values.problems.append(values.problem_at(("days", at), error))
    place = values.text("zone")
    actions = frozenset(map(Action, values.tree.get("actions") or Action))
    return Window(
        actions=actions,
        days=days or frozenset(range(7)),
        opens=opens,
        closes=closes,
        zone=values.parsed("zone", zone, zone("UTC")),
        said=f"{_said(days)} {_clock(opens)}-{_clock(closes)} {place or 'UTC'}".lstrip(),
        source=values.here(),
    )


def _said(days: frozenset[int]) -> str:
    """
    Return days in words, "" for all of them.

    >>> _said(frozenset({0, 1, 2, 4})), _said(frozenset())
    ('mon-wed,fri', '')
    """
    if len(days) in (0, 7):
        return ""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


def _clock(minutes: int) -> str:
    """Return minutes after midnight as a time of day."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
