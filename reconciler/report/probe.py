"""What a probe found, as a table and as a value for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.escape import visible
from reconciler.model.reports import ProbeAnswer, ProbeQuestion
from reconciler.report.layout import BLANK, Line, Part, line, padded, page
from reconciler.report.words import count
from reconciler.rules.questions import ASKED, QUESTIONS

_UNKNOWN = "not known"


def answers_text(answers: Sequence[ProbeAnswer], *, width: int, color: bool, report: bool = False) -> str:
    """
    Return a line for each question, its answer before it, and what no probe asks.

    As a `report` it holds closed words alone: nothing that quotes the server.
    """
    return page(_lines(answers, report=report), width=width, color=color)


def answers_json(answers: Iterable[ProbeAnswer], *, report: bool = False) -> list[dict[str, Any]]:
    """Return each question with its answer; as a `report` without what may quote the server."""
    return [
        {
            "question": one.question.value,
            "asked": ASKED[one.question],
            "answer": one.found or None,
            **({} if report else {"why": one.why}),
        }
        for one in answers
    ]


def left_text(
    made: int, cleaned: int, *, key: str, left: Sequence[str], width: int, color: bool, report: bool = False
) -> str:
    """Return what a probe made, and what became of it; `left` are the ids that are active yet."""
    text = f"It made {count(made, 'customer')}" + ("" if report else f" with the external_id {key}")
    if left:
        which = str(len(left)) if report else ", ".join(left)
        text += f"; active yet: {which}: the next probe archives what it finds so, or the dashboard does."
    else:
        text += ", archived again." if made else "."
    if cleaned:
        text += f" {count(cleaned, 'customer')} that an earlier probe had left active were archived first."
    return page([BLANK, line(visible(text), hang=0)], width=width, color=color)


def _lines(answers: Sequence[ProbeAnswer], *, report: bool) -> Iterator[Line]:
    """Yield the lines of the answers."""
    size = max(len(one.found or _UNKNOWN) for one in answers)
    for one in answers:
        found = padded(visible(one.found or _UNKNOWN), size)
        told = "" if report or (one.found and one.question is not ProbeQuestion.EXTRA_FIELDS) else visible(one.why)
        why = f" ({told})" if told else ""
        yield Line((Part(found, "bold" if one.found else "dim"), Part(f"  {ASKED[one.question]}{why}")), hang=size + 2)
    if not report:
        yield BLANK
        yield line("Not asked:", "bold")
        for question in QUESTIONS:
            if question.not_asked:
                yield line(f"{question.words} {question.not_asked}", indent=2)
