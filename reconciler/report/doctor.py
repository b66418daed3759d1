"""What `doctor` found, as text and as a value for JSON; and both fit to be shown to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.escape import visible
from reconciler.model.reports import Diagnosis, Fact, Finding, Verdict
from reconciler.report.layout import BLANK, Line, Part, line, padded, page
from reconciler.report.words import count

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red", Verdict.SKIPPED: "dim"}
_SERVERS = ("production", "demo")


def diagnosis_text(found: Diagnosis, *, width: int, color: bool, report: bool = False) -> str:
    """
    Return a line for each check, its mend below it, and the sum.

    As a `report` it holds closed words, numbers and versions alone: no path, no host, no name, no key.
    """
    return page(_lines(found, report=report), width=width, color=color)


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


def _lines(found: Diagnosis, *, report: bool) -> Iterator[Line]:
    """Yield the lines of a diagnosis."""
    if report:
        yield line(", ".join(f"{name} {value}" for name, value in found.program.items()))
        yield line(f"server: {found.server or 'not known'}; requests sent: {found.requests}")
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
            Part(padded(one.verdict.value, word_size), _STYLES[one.verdict]),
            Part(f"  {padded(one.check.value, name_size)}  "),
        )
        said = _facts(one) if report else visible(one.said)
        hang = word_size + name_size + 4
        yield Line((*head, Part(said)), hang=hang)
        if one.mend and not report:
            yield line(f"mend: {visible(one.mend)}", indent=hang)
    yield BLANK
    yield line(_sum(found), "bold")


def _facts(one: Finding) -> str:
    """Return the facts of a finding on one line."""
    return ", ".join(f"{name} {_word(value)}" for name, value in one.facts.items())


def _word(value: Fact) -> str:
    """Return a fact in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None else str(value) or "none"


def _sum(found: Diagnosis) -> str:
    """Return how many checks ended how."""
    numbers = {verdict: sum(one.verdict is verdict for one in found.findings) for verdict in Verdict}
    parts = [f"{numbers[Verdict.WRONG]} wrong"] if numbers[Verdict.WRONG] else []
    parts += [count(numbers[Verdict.WARNING], "warning")] if numbers[Verdict.WARNING] else []
    parts += [f"{numbers[Verdict.SKIPPED]} not looked at"] if numbers[Verdict.SKIPPED] else []
    return f"{', '.join(parts) or 'All is well'}."
