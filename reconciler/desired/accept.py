"""
Drift taken over into the files: which values, in which file, and what cannot be taken over.

Only values that the live side moved are written. What is in an overlay is edited there, since an overlay wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.desired.format import CUSTOMER_KEYS
from reconciler.documents.edit import Edit, EditResult, Remove, SetValue, apply_edits
from reconciler.documents.parse import parse
from reconciler.kinds import CUSTOMER
from reconciler.model.reports import Drift, DriftFinding, DriftKind


@dataclass(frozen=True, slots=True)
class AcceptedValue:
    """One value to be taken over: the entry's key, what of it, what it becomes (None: the key is taken out)."""

    finding: DriftFinding
    name: str
    edit: Edit


@dataclass(frozen=True, slots=True)
class Left:
    """What is not taken over, and why."""

    finding: DriftFinding
    name: str
    why: str
    edit: Edit | None = None


@dataclass(slots=True)
class AcceptResult:
    """The new texts of the files that change, how many values they take over, and what is left as it was."""

    texts: dict[str, str] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    values: int = 0


def accept_drift(drift: Drift, files: Mapping[str, str], overlays: Sequence[str]) -> AcceptResult:
    """
    Return the files with what drifted written into them.

    `files` are the texts by name, as the customers' sources name them, line ends kept; `overlays` are those of them
    that are merged over the others, the last one winning. No line of another value changes.
    """
    done = AcceptResult()
    by_file: dict[str, list[AcceptedValue]] = {}
    trees = {name: _tree(text) for name, text in files.items()}
    for finding in drift.findings:
        for wanted in _wanted(finding, done.left):
            name = _place(wanted, trees, overlays)
            if name is None:
                why = "its entry is not in a file that can be written"
                done.left.append(Left(finding, wanted.name, why, wanted.edit))
            else:
                by_file.setdefault(name, []).append(wanted)
    for name, several in by_file.items():
        _write(name, files[name], several, done)
    return done


def _write(name: str, text: str, several: Sequence[AcceptedValue], done: AcceptResult) -> None:
    """Make the edits of one file."""
    result: EditResult = apply_edits(text, [one.edit for one in several], order=CUSTOMER_KEYS)
    refused = {id(one.edit): one.why for one in result.refused}
    for wanted in several:
        why = refused.get(id(wanted.edit))
        if why is not None:
            done.left.append(Left(wanted.finding, wanted.name, f"{name}: {why}", wanted.edit))
        else:
            done.values += 1
    if result.text != text:
        done.texts[name] = result.text


def _wanted(finding: DriftFinding, left: list[Left]) -> Iterable[AcceptedValue]:
    """Yield what of a finding can be taken over; what cannot goes to `left`."""
    path = ("customers", finding.address.external_id)
    match finding.kind:
        case DriftKind.CHANGED:
            for one in finding.fields:
                if one.name == CUSTOMER.identity:
                    why = "write a `moved` line, or correct it in the dashboard"
                    left.append(Left(finding, one.name, why))
                elif one.name == "name" and not one.live.strip():
                    left.append(Left(finding, one.name, "a customer cannot be declared without a name"))
                else:
                    yield AcceptedValue(finding, one.name, SetValue((*path, one.name), one.live or None))
        case DriftKind.ARCHIVED | DriftKind.GONE:
            yield AcceptedValue(finding, "archived", SetValue((*path, "archived"), value=True))
        case DriftKind.RESTORED if finding.source is not None:
            yield AcceptedValue(finding, "archived", Remove((*path, "archived")))
            for one in finding.fields:
                yield AcceptedValue(finding, one.name, SetValue((*path, one.name), one.live or None))
        case DriftKind.RESTORED | DriftKind.UNMANAGED:
            left.append(Left(finding, "", "no entry declares it: `reconciler import` writes one"))
        case DriftKind.DUPLICATED:
            left.append(Left(finding, "", "`reconciler duplicates` shows which one to archive"))


def _place(wanted: AcceptedValue, trees: Mapping[str, object], overlays: Sequence[str]) -> str | None:
    """Return the file to edit: the last overlay that says this value, else the file where the entry is."""
    _, key, name = wanted.edit.path
    for overlay in reversed(overlays):
        if name in _entry(trees.get(overlay), key):
            return overlay
    for file, tree in trees.items():
        if file not in overlays and _has(tree, key):
            return file
    return next((overlay for overlay in reversed(overlays) if _has(trees.get(overlay), key)), None)


def _tree(text: str) -> object:
    """Return what a file holds, None where it has problems."""
    document, problems = parse(text.encode("utf-8", "surrogatepass"), "")
    return None if document is None or problems else document.tree


def _has(tree: object, key: str) -> bool:
    """Say whether a file has an entry."""
    customers = tree.get("customers") if isinstance(tree, Mapping) else None
    return isinstance(customers, Mapping) and key in customers


def _entry(tree: object, key: str) -> Mapping[str, object]:
    """Return the entry of a key in a file, empty where there is none."""
    customers = tree.get("customers") if isinstance(tree, Mapping) else None
    entry = customers.get(key) if isinstance(customers, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}
