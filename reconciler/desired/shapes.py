"""The first check: whether a document has the shape of `schema/customers.schema.json`. What has not is cut out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from reconciler.desired.findings import Finding
from reconciler.documents.parse import Document
from reconciler.documents.places import Path
from reconciler.documents.shape import Misfit, Shape
from reconciler.shipped import schema

_MARKED = "customers"


@dataclass(frozen=True, slots=True)
class Shaped:
    """A document whose tree fits the schema, what did not, and the keys of the customers that lost something by it."""

    document: Document
    findings: tuple[Finding, ...] = ()
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
    """Return `document` without what does not fit the schema, so that the other rules can be checked still."""
    tree = document.tree
    if _whole().fits(tree):
        return Shaped(document)
    if not isinstance(tree, dict):
        kind = "a list" if isinstance(tree, list) else "a single value"
        hint = "write `customers:`, and the customers under it"
        return Shaped(replace(document, tree={}), (Finding(document, (), f"the file is {kind}", hint),))
    records = tree.get(_MARKED)
    many = records if isinstance(records, dict) else {}
    misfits: list[Misfit] = list(_whole().misfits({**tree, _MARKED: {}} if many else tree))
    spoiled = []
    for key, record in many.items():
        if not record_shape().fits(record):
            spoiled.append(key)
            misfits.extend(replace(one, path=(_MARKED, key, *one.path)) for one in record_shape().misfits(record))
    findings = tuple(_finding(document, one) for one in misfits or [Misfit((), "this does not fit the schema")])
    return Shaped(replace(document, tree=_fitting(tree, misfits)), findings, frozenset(spoiled))


def _finding(document: Document, misfit: Misfit) -> Finding:
    """Return a misfit as a finding; of `customers:` without content, with the hint that an empty file has."""
    hint = misfit.hint
    if misfit.path == (_MARKED,) and misfit.message == "this is empty":
        hint = "declare customers: {} if none is wanted"
    return Finding(document, misfit.path, misfit.message, hint, at_key=misfit.at_key)


def _fitting(tree: Mapping[str, Any], misfits: Iterable[Misfit]) -> Mapping[str, Any]:
    """Return `tree` without what does not fit; a customer that is no mapping is there still, as an empty one."""
    cut: dict[Path, None] = {one.path: None for one in misfits if one.path and not _kept(tree, one.path)}
    fitting = dict(tree)
    if isinstance(tree.get(_MARKED), dict):
        fitting[_MARKED] = dict(tree[_MARKED])
    for path in sorted(cut, key=len, reverse=True):
        if path[0] != _MARKED or len(path) == 1:
            fitting = _without(fitting, path)
        else:
            # Not copied for each of perhaps thousands of misfits: it is our copy already.
            records, key, rest = fitting[_MARKED], path[1], path[2:]
            records[key] = _without(records[key], rest) if rest else {}
    return fitting


def _kept(tree: Mapping[str, Any], path: Path) -> bool:
    """Say whether what stands at `path` is of the right type, though of a wrong form (an EIN, an e-mail address)."""
    node: Any = tree
    for step in path:
        node = node[step]
    if len(path) == 4 and path[2] == "users":  # noqa: PLR2004 - customers.KEY.users.EMAIL
        return node is None or isinstance(node, dict)
    return path[-1] in ("ein", "email") and isinstance(node, str)


def _without(node: Any, path: Path) -> Any:  # noqa: ANN401 - any tree
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
