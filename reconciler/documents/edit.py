"""
Edits of single values in a YAML text, at their place: every other line stays as it is, to the byte.

An edit that cannot be made so, or whose result would not be read back as the old content with the edit in it, is
refused and the text stays without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.documents.events import Tree
from reconciler.documents.nodes import read_nodes
from reconciler.documents.parse import parse
from reconciler.documents.splice import Impossible, Splice, removal, setting, spliced

_BOM = "\ufeff"
Value: TypeAlias = str | bool | None


@dataclass(frozen=True, slots=True)
class Set:
    """Give the value at `path`, keys from the top; it is inserted where its mapping has no such key."""

    path: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the key at `path` and its value out of their mapping."""

    path: tuple[str, ...]


Edit: TypeAlias = Set | Remove


@dataclass(frozen=True, slots=True)
class Refused:
    """An edit that was not made, and why."""

    edit: Edit
    why: str


@dataclass(frozen=True, slots=True)
class Edited:
    """The text with the edits that could be made, and those that could not."""

    text: str
    refused: tuple[Refused, ...] = ()


def edited(text: str, edits: Sequence[Edit], *, order: Sequence[str] = ()) -> Edited:
    r"""
    Return `text` with `edits` made, in their order; a key that is inserted stands where `order` has it.

    Line ends, a BOM, comments, anchors' names and quotes are kept. `text` is a file's with its own line ends
    (`newline=""`).

    >>> edited("customers:\n  acme: {city: Boston} # HQ\n", [Set(("customers", "acme", "city"), "New York")]).text
    'customers:\n  acme: {city: New York} # HQ\n'
    """
    mark = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    tree = _read(body)
    if tree is None:
        why = "the file has errors, or no content; `reconciler validate` tells which"
        return Edited(text, tuple(Refused(edit, why) for edit in edits))
    done = _made(body, tree, edits, tuple(order))
    return Edited(mark + done.text, done.refused)


def _made(text: str, tree: Tree, edits: Sequence[Edit], order: tuple[str, ...]) -> Edited:
    """Return `text`, which reads as `tree`, with `edits` made: at once, or where that fails in halves."""
    if not edits:
        return Edited(text)
    try:
        together = _at_once(text, tree, edits, order)
    except Impossible as exc:
        if len(edits) == 1:
            return Edited(text, (Refused(edits[0], str(exc)),))
    else:
        return Edited(together)
    half = len(edits) // 2
    first = _made(text, tree, edits[:half], order)
    between = tree if first.text == text else _read(first.text)
    second = _made(first.text, between, edits[half:], order)
    return Edited(second.text, (*first.refused, *second.refused))


def _at_once(text: str, tree: Tree, edits: Sequence[Edit], order: tuple[str, ...]) -> str:
    """Return `text` with all `edits` made; Impossible where one cannot be, or they meet in one place."""
    nodes = read_nodes(text)
    expected = tree
    splices: list[Splice] = []
    for edit in edits:
        match edit:
            case Set():
                splices.append(setting(text, nodes, edit.path, edit.value, order))
            case Remove():
                splices.append(removal(text, nodes, edit.path))
        expected = _with(expected, edit.path, edit)
    result = spliced(text, splices)
    if _read(result) != expected:
        raise Impossible("this place cannot be edited without a change to something else")
    return result


def _read(text: str) -> Tree:
    """Return what `text` reads as, None where it has problems or no content."""
    document, problems = parse(text.encode("utf-8", "surrogatepass"), "")
    return None if document is None or problems else document.tree


def _with(tree: Tree, path: tuple[str, ...], edit: Edit) -> Tree:
    """Return `tree` with `edit` made at `path` below it; only what leads there is copied."""
    if not isinstance(tree, Mapping):
        raise Impossible(f"{path[0]} stands under what is no mapping")
    copy = dict(tree)
    if len(path) > 1:
        copy[path[0]] = _with(copy.get(path[0]), path[1:], edit)
    elif isinstance(edit, Set):
        copy[path[0]] = edit.value
    else:
        copy.pop(path[0], None)
    return copy
