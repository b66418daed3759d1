"""Problems before and after their places are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.documents.nodes import KeyPath, Position, find_places
from reconciler.documents.parse import Document
from reconciler.documents.scalars import written
from reconciler.errors import Problem, Severity, Source


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """
    A problem at a path of a document.

    `at_key` points at the path's key, not at its value. `also` is a second path that is concerned: its place stands
    for `{also}` in the message.
    """

    document: Document
    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    at_key: bool = False
    also: tuple[Document, KeyPath] | None = None


def locate(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """Return the findings as problems with line and column, sorted by file and line, each once."""
    listed = tuple(findings)
    places = places_of(pair for finding in listed for pair in _paths(finding))
    problems = {_problem(finding, places): None for finding in listed}
    return sort_problems(problems)


def places_of(pairs: Iterable[tuple[Document, KeyPath]]) -> dict[str, dict[KeyPath, Position]]:
    """Return the places of paths by document's name; each document is walked once."""
    sought: dict[str, tuple[Document, set[KeyPath]]] = {}
    for document, path in pairs:
        sought.setdefault(document.name, (document, set()))[1].add(path)
    return {name: find_places(document.data, paths) for name, (document, paths) in sought.items()}


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return `problems` by file, line and column."""
    return tuple(sorted(problems, key=lambda problem: (problem.source, problem.path, problem.message)))


def _paths(finding: Finding) -> Iterable[tuple[Document, KeyPath]]:
    """Yield the paths whose place only the slow pass knows."""
    if _known(finding) is None:
        yield finding.document, finding.path
    if finding.also is not None:
        yield finding.also


def _known(finding: Finding) -> Source | None:
    """Return the place of a customer's key, which the fast pass keeps: nearly all warnings are about one."""
    if finding.at_key and len(finding.path) == 2 and finding.path[0] == "customers":  # noqa: PLR2004 - customers.KEY
        return finding.document.keys.get(finding.path[1])  # type: ignore[arg-type]
    return None


def _problem(finding: Finding, places: dict[str, dict[KeyPath, Position]]) -> Problem:
    """Return a finding with its place."""
    message = finding.message
    if finding.also is not None:
        document, path = finding.also
        message = message.replace("{also}", str(Source(document.name, *places[document.name][path].key)))
    source = _known(finding)
    if source is None:
        place = places[finding.document.name][finding.path]
        source = Source(finding.document.name, *(place.key if finding.at_key else place.value))
    return Problem(source, written(finding.path), message, finding.hint, finding.severity)
