"""Paths to `Desired`, in one call: read, parse, check, merge, build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from reconciler.desired.build import belonging, build
from reconciler.desired.check import check_rules
from reconciler.desired.files import File, Found, read_files
from reconciler.desired.findings import locate, sort_problems
from reconciler.desired.overlay import merge
from reconciler.desired.shapes import Shaped, check_shape
from reconciler.documents.parse import parse
from reconciler.errors import Invalid, Problem, Severity, Source
from reconciler.gc_pause import without_collector
from reconciler.model.core import Desired, Reading

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
    makes warnings errors; `pins_allowed` says that `id` may stand in `paths`, as there is one environment. Folders
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
                Problem(Source(file.name), "", "the file is empty", "declare customers: {} if none is wanted")
            )
            continue
        problems.extend(document.doubts)
        shaped.append(check_shape(document))
    return shaped


def _reading(found: Found, above: Found) -> Reading:
    """Return what was read, overlays included: a change in one changes what is declared."""
    files = dict.fromkeys((*found.reading.files, *above.reading.files))
    return replace(found.reading, files=tuple(files))
