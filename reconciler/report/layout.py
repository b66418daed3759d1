"""
Lines of text that fit a width, and how values, counts and times are written in every report.

A line is written as `Line`, and `page` makes text of many. A plan may have hundreds of thousands: rich
knows how wide a letter is and what a colour is written as, but its own wrapping takes 0.1 ms a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


_LEAST_COLUMNS = 16
"""A continuation that would have fewer columns than this starts further left."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a line in one style (`bold`, `green`, ...; "" for none), safe to show as it is."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line, of one or more on the screen.

    `indent` is how many blanks stand before it, `hang` how many more before its continuations.
    """

    parts: tuple[Span, ...]
    indent: int = 0
    hang: int = 2


BLANK = Line(())


def line(text: str, style: str = "", *, indent: int = 0, hang: int = 2) -> Line:
    """Return a line of one style."""
    return Line((Span(text, style),), indent, hang)


def page(lines: Iterable[Line], *, width: int, color: bool) -> str:
    r"""
    Return `lines` as text of at most `width` columns, each with a line feed; long words are cut.

    >>> print(page([line("one two three"), line("abcdefghij", indent=1)], width=8, color=False), end="")
    one two
      three
     abcdefg
       hij
    """
    return "".join(row + "\n" for one in lines for row in _rows(one, width, color=color))


def painted(text: str, style: str, *, color: bool) -> str:
    """Return `text` in `style` for a terminal of sixteen colours; as it is without colour."""
    if not color or not style or not text:
        return text
    # Only where colors are: most output has none, and rich takes a tenth of a short command.
    from rich.color import ColorSystem  # noqa: PLC0415
    from rich.style import Style  # noqa: PLC0415

    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def columns(text: str) -> int:
    """
    Return how many columns of a terminal `text` takes; some letters take two.

    >>> columns("Zürich"), columns("東京")
    (6, 4)
    """
    return len(text) if text.isascii() else _cells(text)


def _cells(text: str) -> int:
    """Return the columns of a text that is not ASCII alone."""
    from rich.cells import cell_len  # noqa: PLC0415 - as above

    return cell_len(text)


def padded(text: str, size: int) -> str:
    """Return `text` with blanks after it, up to `size` columns."""
    return text + " " * (size - columns(text))


def aligned(rows: Sequence[Sequence[str]], *, width: int, indent: int = 0) -> list[Line] | None:
    """
    Return `rows` in columns, two blanks between them; None where they do not fit into `width`.

    >>> aligned([("city", "Boston"), ("state", "")], width=20)[0].parts[0].text
    'city   Boston'
    """
    sizes = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    if indent + sum(sizes) + 2 * (len(sizes) - 1) > width:
        return None
    return [line("  ".join(map(padded, row, sizes)).rstrip(), indent=indent) for row in rows]


def _rows(one: Line, width: int, *, color: bool) -> list[str]:
    """Return the screen lines of one line."""
    indent = " " * one.indent
    if one.indent + sum(columns(part.text) for part in one.parts) <= width:
        return [(indent + "".join(painted(part.text, part.style, color=color) for part in one.parts)).rstrip()]
    hang = one.hang if width - one.indent - one.hang >= _LEAST_COLUMNS else 2
    text = "".join(part.text for part in one.parts)
    spans = _spans(text, max(2, width - one.indent), max(2, width - one.indent - hang))
    hanging = indent + " " * hang
    return [
        (hanging if number else indent) + _stretch(one.parts, start, end, color=color)
        for number, (start, end) in enumerate(spans)
    ]


def _spans(text: str, first: int, others: int) -> list[tuple[int, int]]:
    """
    Return where each row of `text` starts and ends: broken at blanks, a long word where the row ends.

    >>> _spans("one two three", 8, 4)
    [(0, 7), (8, 12), (12, 13)]
    """
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = _fitting(text, start, others if spans else first)
        if end < len(text) and text[end] != " ":
            blank = text.rfind(" ", start, end)
            end = blank if blank > start else end
        spans.append((start, start + len(text[start:end].rstrip(" "))))
        while end < len(text) and text[end] == " ":
            end += 1
        start = end
    return spans


def _fitting(text: str, start: int, room: int) -> int:
    """Return the end of what fits into `room` columns from `start`: one letter at least."""
    if text.isascii():
        return min(start + room, len(text))
    end, left = start + 1, room - _cells(text[start])
    while end < len(text) and (size := _cells(text[end])) <= left:
        left -= size
        end += 1
    return end


def _stretch(parts: tuple[Span, ...], start: int, end: int, *, color: bool) -> str:
    """Return what the joined `parts` hold from `start` to `end`, painted."""
    stretches = []
    offset = 0
    for part in parts:
        stretches.append(painted(part.text[max(0, start - offset) : max(0, end - offset)], part.style, color=color))
        offset += len(part.text)
    return "".join(stretches)
