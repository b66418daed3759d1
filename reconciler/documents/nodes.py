"""YAML text to nodes that know where they stand in it: for what changes a text and keeps the rest of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.documents.events import Event, Next, open_events


class Scalar(NamedTuple):
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
class Mapping:
    """Pairs of a key and what stands under it, in the order of the text. `end` of a block one says nothing exact."""

    start: int
    end: int
    flow: bool
    anchor: str | None
    pairs: tuple[tuple[Scalar, Node], ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    start: int
    end: int
    flow: bool
    anchor: str | None
    items: tuple[Node, ...]


Node: TypeAlias = Scalar | Alias | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Nodes:
    """A text's nodes: `top` is None where it has no content. `shared`: the anchors that an alias names."""

    top: Node | None
    shared: frozenset[str]
    marker: bool


@dataclass(slots=True)
class _Found:
    """What one pass gathers beside the nodes."""

    get: Next
    shared: set[str] = field(default_factory=set)
    marker: bool = False


def read_nodes(text: str) -> Nodes:
    """
    Return the nodes of `text`, offsets in characters from its start (a BOM is none of them).

    The text is one that `parse` has no problem with.
    """
    found = _Found(open_events(text.encode()))
    top = None
    while (event := found.get()) is not None:
        if isinstance(event, DocumentStartEvent):
            found.marker = bool(event.explicit)
        if isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            top = _node(event, found)
    return Nodes(top, frozenset(found.shared), found.marker)


def last_offset(node: Node) -> int:
    """Return where the text of `node` ends, what follows a block's last value left out."""
    if isinstance(node, Mapping) and not node.flow:
        return last_offset(node.pairs[-1][1])
    if isinstance(node, Sequence) and not node.flow:
        return last_offset(node.items[-1])
    return node.end


def _node(event: Event, found: _Found) -> Node:
    """Return the node that begins with `event`."""
    start, end = event.start_mark.index, event.end_mark.index
    kind = type(event)
    if kind is ScalarEvent:
        return Scalar(start, end, event.value, event.style or "", event.anchor)
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
        return Sequence(start, end, bool(event.flow_style), event.anchor, tuple(inside))
    pairs = tuple(zip(inside[::2], inside[1::2], strict=True))
    return Mapping(start, end, bool(event.flow_style), event.anchor, pairs)  # type: ignore[arg-type]


def _end(event: Event) -> int:
    """Return the offset at which `event` ends."""
    index: int = event.end_mark.index
    return index
