"""The first check: does a document fit `schema/customers.schema.json`? And how problems get their positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from reconciler.documents.nodes import Again, KeyPath, Position, find_places
from reconciler.documents.parse import Document
from reconciler.documents.scalars import path_text, quoted
from reconciler.documents.schema import Misfit, Shape
from reconciler.errors import Problem, Severity, Source
from reconciler.resources import schema


@dataclass(frozen=True, slots=True, eq=False)
class PathProblem:
    """
    A problem at a path of a document.

    `at_key` points at the path's key, not at its value. `also` is a second path that is concerned: its place is
    for `{also}` in the message.
    """

    document: Document
    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    at_key: bool = False
    also: tuple[Document, KeyPath] | None = None


def locate(findings: Iterable[PathProblem]) -> tuple[Problem, ...]:
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


def _paths(finding: PathProblem) -> Iterable[tuple[Document, KeyPath]]:
    """Yield the paths whose place only the slow pass knows."""
    if _known(finding) is None:
        yield finding.document, finding.path
    if finding.also is not None:
        yield finding.also


def _known(finding: PathProblem) -> Source | None:
    """Return the place of a customer's key, which the fast pass keeps: nearly all warnings are about one."""
    if finding.at_key and len(finding.path) == 2 and finding.path[0] == "customers":  # noqa: PLR2004 - customers.KEY
        return finding.document.keys.get(finding.path[1])  # type: ignore[arg-type]
    return None


def _problem(finding: PathProblem, places: dict[str, dict[KeyPath, Position]]) -> Problem:
    message = finding.message
    if finding.also is not None:
        document, path = finding.also
        message = message.replace("{also}", str(Source(document.name, *places[document.name][path].key)))
    source = _known(finding)
    if source is None:
        place = places[finding.document.name][finding.path]
        source = Source(finding.document.name, *(place.key if finding.at_key else place.value))
    return Problem(source, path_text(finding.path), message, finding.hint, finding.severity)


_MARKED = "customers"
_UNDER_CUSTOMERS = "write `customers:`, and the customers under it"
_UNDER_A_KEY = "put fields under an external_id: `customers: {acme: {name: Acme Corp}}`"


@dataclass(frozen=True, slots=True)
class Shaped:
    """A document whose tree fits the schema, what did not, and the keys of the customers that lost something by it."""

    document: Document
    findings: tuple[PathProblem, ...] = ()
    spoiled: frozenset[str] = frozenset()


@cache
def _whole() -> Shape:
    """Return the shape of a file; compiled once."""
    return Shape(schema("customers"))


@cache
def record_shape() -> Shape:
    """Return the shape of one customer; compiled once."""
    return Shape(schema("customers"), "customer")


def check_shape(document: Document) -> Shaped:
    """
    Return `document` without what does not fit the schema, so that the other rules can be checked still.

    A customer whose key is again is in it under that `Again`.
    """
    tree = document.tree
    if not document.again and _whole().fits(tree):
        return Shaped(document)
    if not isinstance(tree, dict):
        kind = "a list" if isinstance(tree, list) else "a single value"
        return Shaped(replace(document, tree={}), (PathProblem(document, (), f"the file is {kind}", _UNDER_CUSTOMERS),))
    records = tree.get(_MARKED)
    many = dict(records) if isinstance(records, dict) else {}
    many |= {path[1]: value for path, value in document.again if _is_customer(path)}
    misfits: list[Misfit] = list(_whole().misfits({**tree, _MARKED: {}} if many else tree))
    misplaced = _misplaced(many)
    misfits.extend(Misfit((_MARKED, key), "this is empty") for key in misplaced if many[key] is None)
    spoiled = set(misplaced)
    for key, record in many.items():
        if isinstance(key, Again):
            # Which of the two is meant is not known: neither lacks what the other may have.
            spoiled |= {key, str(key)}
        if not record_shape().fits(record):
            spoiled.add(key)
            misfits.extend(replace(one, path=(_MARKED, key, *one.path)) for one in record_shape().misfits(record))
    if many:
        tree = {**tree, _MARKED: many}
    fitting = _fitting(tree, misfits)
    for path, value in document.again:
        if not _is_customer(path):
            misfits.extend(_whole().misfits_at(path, value))
    if not misfits and not document.again:
        misfits.append(Misfit((), "this does not fit the schema", "see `reconciler schema`"))
    findings = tuple(_findings(document, misfits, misplaced))
    return Shaped(replace(document, tree=fitting), findings, frozenset(spoiled))


def _findings(document: Document, misfits: Iterable[Misfit], misplaced: Sequence[str]) -> Iterator[PathProblem]:
    """Yield misfits as findings; for all fields that are `misplaced`, which are one mistake, one."""
    for misfit in misfits:
        if misfit.path[:1] != (_MARKED,) or misfit.path[1:2] not in [(key,) for key in misplaced]:
            yield _finding(document, misfit)
    if misplaced:
        message = f"{quoted(misplaced[0])} is a field, but an external_id is expected here"
        yield PathProblem(document, (_MARKED, misplaced[0]), message, _UNDER_A_KEY, at_key=True)


def _is_customer(path: KeyPath) -> bool:
    return len(path) == 2 and path[0] == _MARKED  # noqa: PLR2004 - customers.KEY


def _misplaced(records: Mapping[str, Any]) -> list[str]:
    """Return the keys of customers that are fields without a customer: its external_id was forgotten."""
    known = schema("customers")["$defs"]["customer"]["properties"]
    keys = [key for key, record in records.items() if key in known and not (record and record_shape().fits(record))]
    return keys if any(not isinstance(records[key], dict | None) for key in keys) else []


def _finding(document: Document, misfit: Misfit) -> PathProblem:
    """Return a misfit as a finding, with a better hint where the mistake is a common one."""
    hint = misfit.hint
    match misfit.path:
        case (str(first),) if first == _MARKED and misfit.message == "this is empty":
            hint = "declare customers: {} if there should be none"
        case (str(key),) if misfit.at_key and str(key) in schema("customers")["$defs"]["customer"]["properties"]:
            hint = _UNDER_A_KEY
        case (str(key),) if misfit.at_key and isinstance(document.tree.get(key), dict):
            hint = hint if "did you mean" in hint else _UNDER_CUSTOMERS
        case (_, _, "external_id" | "key"):
            hint = f"the external_id is the key above the fields; {_UNDER_A_KEY}"
        case _:
            pass
    return PathProblem(document, misfit.path, misfit.message, hint, at_key=misfit.at_key)


def _fitting(tree: Mapping[str, Any], misfits: Iterable[Misfit]) -> Mapping[str, Any]:
    """Return `tree` without what does not fit; a customer that is no mapping is there still, as an empty one."""
    cut = (one.path for one in misfits if one.path and not _kept(tree, one.path))
    fitting = dict(tree)
    if isinstance(tree.get(_MARKED), dict):
        fitting[_MARKED] = dict(tree[_MARKED])
    # Half a line of `moved` says nothing.
    whole = {path[:2] if path[0] == "moved" else path for path in cut}
    for path in sorted(whole, key=len, reverse=True):
        if path[0] != _MARKED or len(path) == 1:
            fitting = _without(fitting, path)
        else:
            # Not copied for each of perhaps thousands of misfits: it is our copy already.
            records, key, rest = fitting[_MARKED], path[1], path[2:]
            records[key] = _without(records[key], rest) if rest else {}
    return fitting


def _kept(tree: Mapping[str, Any], path: KeyPath) -> bool:
    """Say whether what is at `path` is of the right type, though of a wrong form (an EIN, an email address)."""
    node: Any = tree
    for step in path:
        node = node[step]
    match path:
        case ("customers", _, "users", _):
            return node is None or isinstance(node, dict)
        case ("customers", _, "ein" | "email") | ("defaults", "ein" | "email"):
            return isinstance(node, str)
        case _:
            return False


def _without(node: Any, path: KeyPath) -> Any:  # noqa: ANN401 - any tree
    """Return a copy of `node` that lacks `path`; only what leads there is copied."""
    step, rest = path[0], path[1:]
    copy: Any = dict(node) if isinstance(node, Mapping) else list(node)
    if rest:
        copy[step] = _without(copy[step], rest)
    elif isinstance(copy, dict):
        del copy[step]
    else:
        copy[step] = None
    return copy
