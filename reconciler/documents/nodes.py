"""
YAML text to nodes that know their position, and the line and column of chosen paths: the slow pass.

The fast pass (`parse`) keeps no positions, since asking each event for its mark takes longer than all else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.documents.events import Event, Malformed, Next, open_events


class ScalarNode(NamedTuple):
    """
    One text. `style`: "" plain, else its first character; `start` is where an anchor before it begins.

    A tuple, as a file has millions of them and a frozen dataclass takes three times as long to make.
    """

    start: int
    end: int
    value: str
    style: str
    anchor: str | None


@dataclass(frozen=True, slots=True)
class Alias:
    """What stands for the content of `anchor`."""

    start: int
    end: int
    anchor: str


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Pairs of a key and what is under it, in the order of the text. `end` of a block one says nothing exact."""

    start: int
    end: int
    flow: bool
    anchor: str | None
    pairs: tuple[tuple[ScalarNode, Node], ...]


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    start: int
    end: int
    flow: bool
    anchor: str | None
    items: tuple[Node, ...]


Node: TypeAlias = ScalarNode | Alias | MappingNode | SequenceNode


@dataclass(frozen=True, slots=True)
class Nodes:
    """A text's nodes: `top` is None where it has no content. `shared`: the anchors that an alias names."""

    top: Node | None
    shared: frozenset[str]
    marker: bool


@dataclass(slots=True)
class _NodePass:
    """What one pass gathers beside the nodes."""

    get: Next
    shared: set[str] = field(default_factory=set)
    marker: bool = False


def read_nodes(text: str) -> Nodes:
    """
    Return the nodes of `text`, offsets in characters from its start (a BOM is none of them).

    The text is one that `parse` has no problem with.
    """
    found = _NodePass(open_events(text.encode()))
    top = None
    while (event := found.get()) is not None:
        if isinstance(event, DocumentStartEvent):
            found.marker = bool(event.explicit)
        if isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            top = _node(event, found)
    return Nodes(top, frozenset(found.shared), found.marker)


def last_offset(node: Node) -> int:
    """Return where the text of `node` ends, what follows a block's last value left out."""
    if isinstance(node, MappingNode) and not node.flow:
        return last_offset(node.pairs[-1][1])
    if isinstance(node, SequenceNode) and not node.flow:
        return last_offset(node.items[-1])
    return node.end


def _node(event: Event, found: _NodePass) -> Node:
    """Return the node that begins with `event`."""
    start, end = event.start_mark.index, event.end_mark.index
    kind = type(event)
    if kind is ScalarEvent:
        return ScalarNode(start, end, event.value, event.style or "", event.anchor)
    if kind is AliasEvent:
        found.shared.add(str(event.anchor))
        return Alias(start, end, str(event.anchor))
    inside = []
    following: Event = found.get()
    while type(following) is not MappingEndEvent and type(following) is not SequenceEndEvent:
        inside.append(_node(following, found))
        following = found.get()
    end = _end(following)
    if kind is SequenceStartEvent:
        return SequenceNode(start, end, bool(event.flow_style), event.anchor, tuple(inside))
    pairs = tuple(zip(inside[::2], inside[1::2], strict=True))
    return MappingNode(start, end, bool(event.flow_style), event.anchor, pairs)  # type: ignore[arg-type]


def _end(event: Event) -> int:
    """Return the offset at which `event` ends."""
    index: int = event.end_mark.index
    return index


KeyPath = tuple[str | int, ...]
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
class Position:
    """Where a path is, from 1: (line, column) of its key (of the item itself in a list), and of its value."""

    key: tuple[int, int]
    value: tuple[int, int]


def find_places(data: bytes, paths: Iterable[KeyPath]) -> dict[KeyPath, Position]:
    r"""
    Return the places of `paths`; of one that is not written, its nearest parent's.

    >>> places = find_places(b"a:\n  b: 1\n  b: 2\n", [("a", "b"), ("a", "c")])
    >>> places["a", "b"]
    Position(key=(2, 3), value=(2, 6))
    >>> places["a", "c"]
    Position(key=(1, 1), value=(2, 3))
    """
    asked = set(paths)
    sought = {path[:length] for path in asked for length in range(len(path) + 1)}
    found: dict[KeyPath, Position] = {}
    # The first pass said what is malformed; what stands before it is found.
    with contextlib.suppress(yaml.YAMLError, Malformed):
        _walk(data, sought, found)
    found.setdefault((), Position((1, 1), (1, 1)))
    return {path: _nearest(found, path) for path in asked}


def _walk(data: bytes, sought: set[KeyPath], found: dict[KeyPath, Position]) -> None:
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
            found[here] = Position(key_at if path and isinstance(path[-1], str) else at, at)  # type: ignore[index]
        if isinstance(event, CollectionStartEvent):
            path.append(None if isinstance(event, MappingStartEvent) else 0)
            counts.append({})
        else:
            _step(path)


def _step(path: list[str | int | None]) -> None:
    """Move on after a value: to the next key, or the next index."""
    if path:
        path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None


def _nearest(found: dict[KeyPath, Position], path: KeyPath) -> Position:
    """Return the place of `path`, else of its nearest parent that has one."""
    while path not in found:
        path = path[:-1]
    return found[path]
