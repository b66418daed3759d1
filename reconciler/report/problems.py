"""Problems, as text that editors and CI turn into links, and as a value for JSON."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len

from reconciler.errors import Problem, Severity, Source
from reconciler.escape import visible
from reconciler.report.layout import Line, Span, count, page, painted
from reconciler.report.redact import masked_problem

Written = Callable[[Source], str]
"""Returns the line of a file at a place, as it is written; "" where it is not to be shown."""

_DIGIT = re.compile(r"\d")
_EIN = re.compile(r"""\bein["']?[ \t]*:[^,}#]*|\b\d{2}-?\d{7}\b""")


def problems_text(
    problems: Sequence[Problem],
    *,
    color: bool,
    redact: bool = False,
    written: Written = lambda _: "",
    width: int = 120,
    counted: bool = True,
    wrapped: bool = False,
) -> str:
    """
    Return one line a problem, in the order of the files, and a `counted` line of how many; "" for none.

    A line stays whole unless `wrapped`: `file:line:column: path: what is wrong; what to do` is read by editors. Below
    it is what is `written` there, cut to `width` columns, and a caret under the place; with `redact` neither does.

    >>> from reconciler.errors import Source
    >>> print(problems_text([Problem(Source("c.yaml", 7), "customers.acme", "it has no name")], color=False), end="")
    c.yaml:7: customers.acme: it has no name
    1 error.
    """
    if not problems:
        return ""
    shown = [masked_problem(one) for one in problems] if redact else problems
    lines = []
    for one in sorted(shown, key=lambda one: one.source):
        lines += page([_line(one)], width=width if wrapped else sys.maxsize, color=color).splitlines()
        if not redact and one.source.column:
            lines += _pointed(_without_ein(written(one.source), one.path), one.source.column, width=width, color=color)
    if counted:
        lines.append(counted_line(problems))
    return "".join(f"{one}\n" for one in lines)


def counted_line(problems: Sequence[Problem]) -> str:
    """Return how many errors and warnings there are, in one line."""
    errors, warnings = _counts(problems)
    kinds = filter(None, (errors and count(errors, "error"), warnings and count(warnings, "warning")))
    return ", ".join(map(str, kinds)) + "."


def problems_json(problems: Sequence[Problem], *, redact: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON: `problems` and a `summary`; a place that is unknown is 0."""
    shown = [masked_problem(one) for one in problems] if redact else problems
    errors, warnings = _counts(problems)
    return {
        "problems": [
            {
                "severity": one.severity.value,
                "file": one.source.file,
                "line": one.source.line,
                "column": one.source.column,
                "path": one.path,
                "message": one.message,
                "hint": one.hint,
            }
            for one in sorted(shown, key=lambda one: one.source)
        ],
        "summary": {"errors": errors, "warnings": warnings},
    }


def _line(one: Problem) -> Line:
    """Return one problem as a line, its place in the color of its kind."""
    text = visible(str(one))
    where = visible(str(one.source))
    style = "bold red" if one.severity is Severity.ERROR else "bold yellow"
    return Line((Span(where, style), Span(text[len(where) :])))


def _without_ein(text: str, path: str) -> str:
    """Return a line of a file with `#` for each digit of an EIN, as the messages write it; its length is the same."""
    if path.endswith(".ein"):
        return _DIGIT.sub("#", text)
    return _EIN.sub(lambda found: _DIGIT.sub("#", found[0]), text)


def _pointed(text: str, column: int, *, width: int, color: bool) -> list[str]:
    """Return a line of a file, its outer spaces left out, and one with a caret under `column`; none for no text."""
    if not text.strip():
        return []
    begin = len(text) - len(text.lstrip())
    at = min(max(column - 1, begin), len(text))
    # What is far from the place is cut before it is made visible, as a line may be millions of characters long.
    before = _clipped_left(visible(text[max(begin, at - width) : at]), max((width - 2) // 2, 1))
    cut = "…" if at - width > begin and not before.startswith("…") else ""
    before = cut + before
    after = visible(text[at : at + width].rstrip())
    room = width - 2 - cell_len(before)
    if cell_len(after) > room or len(text.rstrip()) > at + width:
        after = _fitting(after, room - 1) + "…"
    return [f"  {before}{after}", " " * (2 + cell_len(before)) + painted("^", "bold", color=color)]


def _clipped_left(text: str, room: int) -> str:
    """Return the end of `text` that has `room` columns, with a mark where it was cut."""
    return text if cell_len(text) <= room else "…" + _fitting(text[::-1], room - 1)[::-1]


def _fitting(text: str, room: int) -> str:
    """Return the beginning of `text` that has `room` columns."""
    while cell_len(text) > max(room, 0):
        text = text[: max(room, 0)] if len(text) > room else text[:-1]
    return text


def _counts(problems: Sequence[Problem]) -> tuple[int, int]:
    """Return how many errors and how many warnings there are."""
    errors = sum(one.severity is Severity.ERROR for one in problems)
    return errors, len(problems) - errors
