"""Problems, as text that editors and CI turn into links, and as a value for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.errors import Problem, Severity
from reconciler.report.layout import painted
from reconciler.report.redact import masked_problem
from reconciler.report.words import count
from reconciler.text import visible


def problems_text(problems: Sequence[Problem], *, color: bool, redact: bool = False) -> str:
    """
    Return one line a problem, in the order of the files, and a line that counts them; "" for none.

    A line is never wrapped: `file:line:column: path: what is wrong; what to do` is read by editors too.

    >>> from reconciler.errors import Source
    >>> print(problems_text([Problem(Source("c.yaml", 7), "customers.acme", "it has no name")], color=False), end="")
    c.yaml:7: customers.acme: it has no name
    1 error.
    """
    if not problems:
        return ""
    shown = [masked_problem(one) for one in problems] if redact else problems
    lines = [_line(one, color=color) for one in sorted(shown, key=lambda one: one.source)]
    errors, warnings = _counts(problems)
    counted = filter(None, (errors and count(errors, "error"), warnings and count(warnings, "warning")))
    return "\n".join([*lines, ", ".join(map(str, counted)) + "."]) + "\n"


def problems_json(problems: Sequence[Problem], *, redact: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON: `problems` and a `summary`; a place that is not known is 0."""
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


def _line(one: Problem, *, color: bool) -> str:
    """Return one problem as a line, its place and kind painted."""
    text = visible(str(one))
    where = visible(str(one.source))
    style = "bold red" if one.severity is Severity.ERROR else "bold yellow"
    return painted(where, style, color=color) + text[len(where) :]


def _counts(problems: Sequence[Problem]) -> tuple[int, int]:
    """Return how many errors and how many warnings there are."""
    errors = sum(one.severity is Severity.ERROR for one in problems)
    return errors, len(problems) - errors
