"""
The slow pass: line and column of chosen paths, for the few files that have problems.

The fast pass (`parse`) keeps no positions, since asking each event for its mark takes longer than all else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from reconciler.documents.events import Malformed, open_events

Path = tuple[str | int, ...]
"""Keys of mappings, and indices of lists from 0, from the top of a document."""


class Again(str):
    """
    A key that its mapping holds already, at its second place (`number` 2) or a later one.

    It reads like the first and is another key, so that both have a path and what is wrong with either has its place.

    >>> Again("acme", 2) == "acme", Again("acme", 2) == Again("acme", 2), str(Again("acme", 2))
    (False, True, 'acme')
    """

    __slots__ = ("number",)
    number: int

    def __new__(cls, text: str, number: int) -> Self:
        """Return the key at its place `number`."""
        again = super().__new__(cls, text)
        again.number = number
        return again

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Again) and self.number == other.number and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((str(self), self.number))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path stands, from 1: (line, column) of its key (of the item itself in a list), and of its value."""

    key: tuple[int, int]
    value: tuple[int, int]


def find_places(data: bytes, paths: Iterable[Path]) -> dict[Path, Place]:
    r"""
    Return the places of `paths`; of one that is not written, its nearest parent's.

    >>> places = find_places(b"a:\n  b: 1\n  b: 2\n", [("a", "b"), ("a", "c")])
    >>> places["a", "b"]
    Place(key=(2, 3), value=(2, 6))
    >>> places["a", "c"]
    Place(key=(1, 1), value=(2, 3))
    """
    asked = set(paths)
    sought = {path[:length] for path in asked for length in range(len(path) + 1)}
    found: dict[Path, Place] = {}
    # The first pass said what is malformed; what stands before it is found.
    with contextlib.suppress(yaml.YAMLError, Malformed):
        _walk(data, sought, found)
    found.setdefault((), Place((1, 1), (1, 1)))
    return {path: _nearest(found, path) for path in asked}


def _walk(data: bytes, sought: set[Path], found: dict[Path, Place]) -> None:
    """Fill `found` from the events of the first document."""
    get = open_events(data)
    path: list[str | int | None] = []  # one step a container: a key, None before a key, an index
    counts: list[dict[str, int]] = []  # how often each key of each container was met
    key_at = (1, 1)
    while (event := get()) is not None and not isinstance(event, DocumentEndEvent):
        if isinstance(event, CollectionEndEvent):
            path.pop()
            counts.pop()
            _step(path)
        if not isinstance(event, NodeEvent) or event.start_mark is None:
            continue
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        if path and path[-1] is None and isinstance(event, ScalarEvent | AliasEvent):
            key = event.value if isinstance(event, ScalarEvent) else ""
            met = counts[-1][key] = counts[-1].get(key, 0) + 1
            path[-1], key_at = key if met == 1 else Again(key, met), at
            continue
        here = tuple(path)
        if here in sought and here not in found:
            found[here] = Place(key_at if path and isinstance(path[-1], str) else at, at)  # type: ignore[index]
        if isinstance(event, CollectionStartEvent):
            path.append(None if isinstance(event, MappingStartEvent) else 0)
            counts.append({})
        else:
            _step(path)


def _step(path: list[str | int | None]) -> None:
    """Move on after a value: to the next key, or the next index."""
    if path:
        path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None


def _nearest(found: dict[Path, Place], path: Path) -> Place:
    """Return the place of `path`, else of its nearest parent that has one."""
    while path not in found:
        path = path[:-1]
    return found[path]
