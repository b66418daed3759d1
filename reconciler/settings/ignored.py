"""The ignore file of `drift`: rules that hide findings until a day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from reconciler.documents.nodes import KeyPath as TreePath
from reconciler.documents.nodes import find_places
from reconciler.documents.parse import Document
from reconciler.documents.scalars import written
from reconciler.documents.schema import Shape
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.model.reports import DriftKind, Rule
from reconciler.resources import schema
from reconciler.settings.project import read_document

IGNORE_FILE = "drift-ignore.yaml"


def read_rules(given: str | None, root: Path, cwd: Path) -> tuple[Rule, ...]:
    """
    Return the rules of the file that `--ignore` gives (from `cwd`), else of `drift-ignore.yaml` in `root`, else none.

    Raises Invalid with every problem where it cannot be read, or does not have the shape of its schema.
    """
    path = root / IGNORE_FILE if given is None else cwd / given
    if given is None and not path.exists():
        return ()
    shown = visible(given or IGNORE_FILE)
    document = read_document(path, shown, hint="check the path given with --ignore")
    misfits = Shape(schema("drift-ignore")).misfits(document.tree)
    if misfits:
        wrong = [_problem(document, one.path, one.message, one.hint, at_key=one.at_key) for one in misfits]
        raise Invalid(sorted(wrong, key=lambda problem: problem.source))
    read = [_rule(document, place, raw) for place, raw in enumerate(document.tree["ignore"])]
    broken = [one for one in read if isinstance(one, Problem)]
    if broken:
        raise Invalid(broken)
    return tuple(one for one in read if isinstance(one, Rule))


def _rule(document: Document, place: int, raw: dict[str, Any]) -> Rule | Problem:
    """Return one rule, or what is wrong with its day."""
    path: TreePath = ("ignore", place)
    try:
        until = date.fromisoformat(raw["until"])
    except ValueError:
        return _problem(document, (*path, "until"), "this is no day of the calendar", "write it as 2027-01-31")
    source = _problem(document, path, "", "").source
    kinds = frozenset(map(DriftKind, raw.get("kinds", ())))
    return Rule(raw["key"], until, raw["reason"], source, kinds, frozenset(raw.get("fields", ())))


def _problem(document: Document, path: TreePath, message: str, hint: str, *, at_key: bool = False) -> Problem:
    """Return a problem at `path` of the file."""
    place = find_places(document.data, [path])[path]
    return Problem(Source(document.name, *(place.key if at_key else place.value)), written(path), message, hint)
