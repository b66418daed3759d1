"""Paths to `Desired`, in one call: read, parse, check, merge, build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from reconciler.desired.files import File, FoundFiles, read_files
from reconciler.desired.overlay import STRUCTURE, Entry, Merged, merge
from reconciler.desired.rules_check import check_rules, ends_of, forgotten_in, moves_of
from reconciler.desired.schema_check import Shaped, check_shape, locate, places_of, sort_problems
from reconciler.documents.nodes import KeyPath
from reconciler.documents.parse import Document, parse
from reconciler.errors import Invalid, Problem, Severity, Source
from reconciler.gc_pause import without_collector
from reconciler.model.core import CustomerId, Desired, DesiredCustomer, DesiredUser, Move, Reading


def build(
    merged: Merged,
    documents: Sequence[Document],
    reading: Reading,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Desired:
    """
    Return what one environment declares. `documents` are all, overlays last; they fit the schema and the rules.

    Of a key that does not belong to this environment, the customer, its `moved` and its `forget` are left out.
    """
    belongs = belonging(include, exclude)
    kept = {key: entry for key, entry in merged.entries.items() if belongs(key)}
    lines = tuple(moves_of(documents))
    ends = ends_of(lines)
    forgotten = tuple(forgotten_in(documents))
    places = places_of((*((one.document, one.path) for one in lines), *((one[0], one[1]) for one in forgotten)))

    def source(document: Document, path: KeyPath) -> Source:
        return Source(document.name, *places[document.name][path].value)

    moved = tuple(Move(one.origin, one.to, source(one.document, one.path)) for one in lines if ends[one.origin] in kept)
    forget = {key: source(document, path) for document, path, key in forgotten if belongs(key)}
    return Desired(
        customers={key: _customer(entry) for key, entry in kept.items()},
        moved=moved,
        forget=forget,
        reading=reading,
        include=tuple(include),
        exclude=tuple(exclude),
        left_out=tuple(key for key in merged.entries if key not in kept),
    )


def belonging(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """
    Return what says whether a key belongs to the environment.

    It does where an `include` pattern matches it, or there is none, and no `exclude` pattern does.

    >>> belongs = belonging(["west-*"], ["*-old"])
    >>> belongs("west-1"), belongs("east-1"), belongs("west-old")
    (True, False, False)
    """
    if not include and not exclude:
        return lambda _: True

    def belongs(key: str) -> bool:
        if include and not any(fnmatchcase(key, pattern) for pattern in include):
            return False
        return not any(fnmatchcase(key, pattern) for pattern in exclude)

    return belongs


def _customer(entry: Entry) -> DesiredCustomer:
    record = entry.record
    source = entry.layers[0].keys.get(entry.key) or Source(entry.layers[0].name)
    if not entry.defaults and STRUCTURE.isdisjoint(record):
        return DesiredCustomer(entry.key, record, source)
    customer_id = record.get("id")
    return DesiredCustomer(
        external_id=entry.key,
        fields=entry.fields(),
        source=source,
        users=tuple(_user(entry, email, user, source) for email, user in (record.get("users") or {}).items()),
        archived=record.get("archived", False),
        id=None if customer_id is None else CustomerId(customer_id),
        protect=record.get("protect", entry.defaults.get("protect")),
        ignore_changes=entry.ignored(),
        distinct_from=tuple(record.get("distinct_from", ())),
    )


def _user(entry: Entry, email: str, user: Mapping[str, str | None], source: Source) -> DesiredUser:
    """Return one user; where its place is unknown (behind an alias), it has its customer's."""
    known = (document.inner.get((entry.key, email)) for document in entry.layers)
    place = next((one for one in known if one is not None), source)
    ignored = user.get("ignore_changes")
    if ignored is None:
        return DesiredUser(email, user, place)
    fields = {name: value for name, value in user.items() if name != "ignore_changes"}
    return DesiredUser(email, fields, place, frozenset(ignored))


PROJECT_FILE = "reconciler.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files declare, and what a reader of them should know."""

    desired: Desired
    warnings: tuple[Problem, ...] = ()


def load_desired(
    paths: Sequence[str | Path],
    *,
    root: Path,
    overlays: Sequence[str | Path] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    required: Sequence[str] = (),
    required_at: Source | None = None,
    strict: bool = False,
    pins_allowed: bool = True,
    stdin: BinaryIO | None = None,
    without: Iterable[str | Path] = (),
    within: Sequence[Path] | None = None,
) -> Loaded:
    """
    Return what the files behind `paths` declare, with `overlays` merged over it.

    Relative paths start at `root`, the project's folder. `required` are the fields of `policy.required`,
    which is written at `required_at`; `strict`
    makes warnings errors; `pins_allowed` says that `id` may be in `paths`, as there is one environment. Folders
    leave out the project file, `overlays` and `without` (the overlays of other environments). `within` is that of
    `read_files`.

    Raises Invalid with all problems of all files, sorted by file and line.
    """
    with without_collector():
        left_out = (PROJECT_FILE, *overlays, *without)
        found = read_files(paths, root=root, stdin=stdin, without=left_out, within=within)
        above = read_files(overlays, root=root, within=within)
        problems: list[Problem] = [*found.problems, *above.problems]
        base = _shaped(found.files, problems)
        over = _shaped(above.files, problems)
        documents = [one.document for one in base]
        layers = [one.document for one in over]
        whole = len(base) == len(found.files) and not found.problems
        # Of a second `customers:` in one file nothing is declared.
        complete = whole and not any(len(path) == 1 for one in documents for path, _ in one.again)
        merged = merge(documents, layers, complete=complete)
        findings = [finding for one in (*base, *over) for finding in one.findings]
        findings += check_rules(
            merged,
            documents,
            layers,
            required=required,
            required_at=required_at,
            pins_allowed=pins_allowed,
            spoiled=frozenset().union(*(one.spoiled for one in (*base, *over))),
            belongs=belonging(include, exclude),
            complete=complete,
        )
        problems.extend(locate(findings))
        if strict:
            problems = [replace(problem, severity=Severity.ERROR) for problem in problems]
        problems = list(sort_problems(problems))
        if any(problem.severity is Severity.ERROR for problem in problems):
            raise Invalid(problems)
        reading = _reading(found, above)
        desired = build(merged, (*documents, *layers), reading, include=include, exclude=exclude)
        return Loaded(desired, tuple(problems))


def load_some(
    files: Iterable[File], overlays: Iterable[File], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> tuple[Desired, frozenset[str]]:
    """
    Return what some of a project's files declare, with all `overlays` merged over it, and the keys that they name.

    What the files must fit are the schema and each other, not the rules of values. Raises Invalid where they don't.
    """
    with without_collector():
        problems: list[Problem] = []
        base, over = _shaped(files, problems), _shaped(overlays, problems)
        documents, layers = [one.document for one in base], [one.document for one in over]
        merged = merge(documents, layers, complete=False)
        problems += locate([*(finding for one in (*base, *over) for finding in one.findings), *merged.findings])
        if wrong := [problem for problem in problems if problem.severity is Severity.ERROR]:
            raise Invalid(wrong)
        keys = frozenset(key for one in documents for key in one.tree.get("customers", {}))
        return build(merged, (*documents, *layers), Reading(), include=include, exclude=exclude), keys


def _shaped(files: Iterable[File], problems: list[Problem]) -> list[Shaped]:
    """Return the documents of `files`; those that are no YAML, or empty, go to `problems`."""
    shaped = []
    for file in files:
        document, wrong = parse(file.content, file.name, marked="customers")
        problems.extend(wrong)
        if document is None:
            continue
        if document.tree is None:
            problems.append(
                Problem(Source(file.name), "", "the file is empty", "declare customers: {} if there should be none")
            )
            continue
        problems.extend(document.doubts)
        shaped.append(check_shape(document))
    return shaped


def _reading(found: FoundFiles, above: FoundFiles) -> Reading:
    """Return what was read, overlays included: a change in one changes what is declared."""
    files = dict.fromkeys((*found.reading.files, *above.reading.files))
    return replace(found.reading, files=tuple(files))
