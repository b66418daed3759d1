"""What `doctor` and its probe found, as text and as values for JSON, fit to be shown to anyone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.escape import visible
from reconciler.model.reports import (
    ContractChange,
    ContractDifference,
    ContractPart,
    Diagnosis,
    Fact,
    Finding,
    ProbeAnswer,
    ProbeQuestion,
    Verdict,
)
from reconciler.report.layout import BLANK, Line, Span, count, line, padded, page
from reconciler.report.messages.questions import asked_text, not_asked_text, question_text
from reconciler.rules.questions import QUESTIONS

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red", Verdict.SKIPPED: "dim"}


def diagnosis_text(found: Diagnosis, *, width: int, color: bool, report: bool = False) -> str:
    """
    Return a line for each check, how to fix it below, and the sum.

    As a `report` it holds closed words, numbers and versions alone: no path, no host, no name, no key.
    """
    return page(_finding_lines(found, report=report), width=width, color=color)


def diagnosis_json(found: Diagnosis, *, report: bool = False) -> dict[str, Any]:
    """Return the same as a value for JSON; as a `report` without environment and sentences."""
    where = found.environment
    named = (
        None if where is None or report else {"name": where.name, "base_url": where.base_url, "account": where.account}
    )
    return {
        "healthy": found.healthy,
        "environment": named,
        "server": found.server or None,
        "program": dict(found.program),
        "requests": found.requests,
        "checks": [_check(one, report=report) for one in found.findings],
    }


def _check(one: Finding, *, report: bool) -> dict[str, Any]:
    """Return one finding as a value for JSON."""
    sentences = {} if report else {"said": one.said, "mend": one.mend}
    return {"check": one.check.value, "verdict": one.verdict.value, **sentences, "facts": dict(one.facts)}


def contract_text(found: Sequence[ContractDifference], *, width: int, color: bool) -> str:
    """Return how an OpenAPI file differs from our contract, by operation, and the sum."""
    return page(_contract_lines(found), width=width, color=color)


def contract_json(found: Sequence[ContractDifference]) -> dict[str, Any]:
    """Return the same as a value for JSON."""
    return {
        "compatible": all(one.change is ContractChange.ADDED for one in found),
        "differences": [
            {
                "change": one.change.value,
                "operation": one.operation,
                "part": one.part.value,
                "name": one.name,
                "ours": one.ours,
                "theirs": one.theirs,
            }
            for one in found
        ],
    }


_CONTRACT_STYLES = {ContractChange.ADDED: "green", ContractChange.REMOVED: "red", ContractChange.CHANGED: "yellow"}


def _contract_lines(found: Sequence[ContractDifference]) -> Iterator[Line]:
    """Yield the lines of a comparison."""
    operation = ""
    for one in found:
        if one.operation != operation:
            operation = one.operation
            yield line(visible(operation), "bold")
        kinds = f": {one.ours or one.theirs}" if one.change is not ContractChange.CHANGED else ""
        changed = f": {one.ours} is now {one.theirs}" if one.change is ContractChange.CHANGED else ""
        what = "" if one.part is ContractPart.OPERATION else f"  {one.part.value} {one.name}{kinds}{changed}"
        yield Line((Span(f"  {one.change.value}", _CONTRACT_STYLES[one.change]), Span(visible(what))), hang=4)
    if found:
        yield BLANK
    numbers = {change: sum(one.change is change for one in found) for change in ContractChange}
    parts = ", ".join(f"{number} {change.value}" for change, number in numbers.items() if number)
    yield line(f"{parts}." if parts else "The file and the contract agree in all that Reconciler uses.", "bold")


def _finding_lines(found: Diagnosis, *, report: bool) -> Iterator[Line]:
    """Yield the lines of a diagnosis."""
    if report:
        yield line(", ".join(f"{name} {value}" for name, value in found.program.items()))
        yield line(f"server: {found.server or 'unknown'}; requests sent: {found.requests}")
    elif found.environment is not None:
        where = found.environment
        yield line(
            visible(f"Environment {where.name} at {where.base_url}, key {where.name}/{where.account[:8]}"), "bold"
        )
    if report or found.environment is not None:
        yield BLANK
    name_size = max(len(one.check.value) for one in found.findings)
    word_size = max(len(one.value) for one in Verdict)
    for one in found.findings:
        head = (
            Span(padded(one.verdict.value, word_size), _STYLES[one.verdict]),
            Span(f"  {padded(one.check.value, name_size)}  "),
        )
        said = _facts(one) if report else visible(one.said)
        hang = word_size + name_size + 4
        yield Line((*head, Span(said)), hang=hang)
        if one.mend and not report:
            yield line(f"fix: {visible(one.mend)}", indent=hang)
    yield BLANK
    yield line(_sum(found), "bold")


def _facts(one: Finding) -> str:
    """Return the facts of a finding on one line."""
    return ", ".join(f"{name} {_word(value)}" for name, value in one.facts.items())


def _word(value: Fact) -> str:
    """Return a fact in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value) or "none"


def _sum(found: Diagnosis) -> str:
    """Return how many checks ended how."""
    numbers = {verdict: sum(one.verdict is verdict for one in found.findings) for verdict in Verdict}
    parts = [f"{numbers[Verdict.WRONG]} wrong"] if numbers[Verdict.WRONG] else []
    parts += [count(numbers[Verdict.WARNING], "warning")] if numbers[Verdict.WARNING] else []
    parts += [f"{numbers[Verdict.SKIPPED]} not checked"] if numbers[Verdict.SKIPPED] else []
    return f"{', '.join(parts) or 'All is well'}."


_UNKNOWN = "unknown"


def answers_text(answers: Sequence[ProbeAnswer], *, width: int, color: bool, report: bool = False) -> str:
    """
    Return a line for each question, its answer before it, and what no probe asks.

    As a `report` it holds closed words alone: nothing that quotes the server.
    """
    return page(_probe_lines(answers, report=report), width=width, color=color)


def answers_json(answers: Iterable[ProbeAnswer], *, report: bool = False) -> list[dict[str, Any]]:
    """Return each question with its answer; as a `report` without what may quote the server."""
    return [
        {
            "question": one.question.value,
            "asked": asked_text(one.question),
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
        text += f"; still active: {which}: the next probe archives it, or you can in the dashboard."
    else:
        text += ", archived again." if made else "."
    if cleaned:
        text += f" {count(cleaned, 'customer')} that an earlier probe left active were archived first."
    return page([BLANK, line(visible(text), hang=0)], width=width, color=color)


def _probe_lines(answers: Sequence[ProbeAnswer], *, report: bool) -> Iterator[Line]:
    size = max(len(one.found or _UNKNOWN) for one in answers)
    for one in answers:
        found = padded(visible(one.found or _UNKNOWN), size)
        told = "" if report or (one.found and one.question is not ProbeQuestion.EXTRA_FIELDS) else visible(one.why)
        why = f" ({told})" if told else ""
        yield Line(
            (Span(found, "bold" if one.found else "dim"), Span(f"  {asked_text(one.question)}{why}")), hang=size + 2
        )
    if not report:
        yield BLANK
        yield line("Not asked:", "bold")
        for question in QUESTIONS:
            if question.not_asked is not None:
                yield line(f"{question_text(question)} {not_asked_text(question.not_asked)}", indent=2)
