"""How values, counts and times are written, in every report the same. Pure functions."""

from __future__ import annotations

from datetime import datetime

from reconciler.escape import visible
from reconciler.model.core import Address, Reason

EMPTY = "(empty)"

MOST = 100
"""So many entries of one section a terminal is given; a program takes all of them as JSON."""

REASONS = {
    Reason.DECLARED: "declared",
    Reason.ENTRY_GONE: "its entry has gone",
    Reason.OWNED: "owned, and not declared",
    Reason.UNDO: "undoes a run",
    Reason.DUPLICATE: "a duplicate",
    Reason.OURS: "archived by this tool",
    Reason.ELSEWHERE: "archived elsewhere",
    Reason.HIDDEN_OR_GONE: "hidden or gone",
    Reason.DIRECT: "requested directly",
}


def shown(value: str | None) -> str:
    r"""
    Return a field's value as people read it; quoted where it would be taken for something else.

    Unset, null and "" are all the same to the API, so they look the same.

    >>> shown("New York"), shown(""), shown(None), shown(" Boston"), shown("(empty)"), shown("a\x1b[1m")
    ('New York', '(empty)', '(empty)', '" Boston"', '"(empty)"', 'a\\x1b[1m')
    """
    if not value:
        return EMPTY
    text = visible(value)
    plain = text == text.strip() and "  " not in text and text[0] not in "(\"'"
    return text if plain else f'"{text}"'


def address(one: Address) -> str:
    r"""
    Return an address as people read it: quoted where its ends would be taken for layout.

    >>> address(Address("acme", "jane@acme.example")), address(Address(" a\n"))
    ('acme/jane@acme.example', '" a\\n"')
    """
    text = visible(str(one))
    return text if text == text.strip() and "  " not in text and text else f'"{text}"'


def count(number: int, noun: str, nouns: str = "") -> str:
    """
    Return a number with its noun.

    >>> count(1, "customer"), count(0, "customer"), count(12000, "reply", "replies")
    ('1 customer', '0 customers', '12000 replies')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


def more(number: int, where: str) -> str:
    """
    Return that a section has more entries than are shown, and where all are; "" where all are shown.

    >>> more(50_000, "--format json"), more(100, "--format json")
    ('... and 49900 more; all of them: --format json', '')
    """
    return f"... and {number - MOST} more; all of them: {where}" if number > MOST else ""


def until(seconds: float, now: float) -> str:
    """
    Return how long a wait takes and when it ends, in this machine's time of day; `now` in seconds since 1970.

    It takes both, as a log is read later and a terminal now.
    """
    return f"{duration(seconds)}, until {datetime.fromtimestamp(now + seconds).astimezone():%H:%M:%S}"


def duration(seconds: float) -> str:
    """
    Return a time as people read it: two units at most.

    >>> duration(2.4), duration(0), duration(83.2), duration(2400), duration(10000), duration(59.97)
    ('2.4 s', '0 s', '1 min 23 s', '40 min', '2 h 46 min', '1 min')
    """
    if round(seconds, 1) < 60:  # noqa: PLR2004 - a minute
        return f"{round(seconds, 1):g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
