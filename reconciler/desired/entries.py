"""A YAML text as entries: each key or item with its comments, so that it can be moved together with them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.documents.edit import Comment, line_start, spaced, spans
from reconciler.documents.nodes import Alias, MappingNode, Node, Nodes, ScalarNode, SequenceNode, last_offset
from reconciler.documents.scalars import canonical, canonical_key


class Leaf(NamedTuple):
    """A single value as it is to be written: `text` in a block, its lines without indent; `flow` in `{…}`, else ""."""

    text: str
    flow: str
    lead: tuple[Comment, ...] = ()
    trailing: Comment | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One key of a mapping with what stands under it, or one item of a list (`key` is "", `head` a hyphen).

    `lead` stands on lines above it, `trailing` behind it; `spaced` says that the line above its key is empty.
    """

    key: str
    head: str
    value: Leaf | Group
    lead: tuple[Comment, ...]
    trailing: Comment | None
    spaced: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A mapping or a list (`listed`); `tail` are the comments below its last entry, `flow` says how it was written."""

    entries: tuple[Entry, ...]
    flow: bool
    listed: bool
    anchor: str
    tail: tuple[Comment, ...]


def read_entries(text: str, nodes: Nodes, comments: Many[Comment]) -> Leaf | Group:
    """Return the content of `text`, each of `comments` in one place of it. There is content."""
    assert nodes.top is not None  # noqa: S101 - the docstring's condition
    reader = _Reader(text, tuple(comments), [start for start, _ in spans(text, nodes)])
    top = reader.value(nodes.top, len(text) + 1)
    rest = reader.before(len(text) + 1)
    if isinstance(top, Group):
        return Group(top.entries, top.flow, top.listed, top.anchor, (*top.tail, *rest))
    return Leaf(top.text, top.flow, rest, None)


class _Reader:
    """Hands out comments in their order while nodes are read in theirs."""

    def __init__(self, text: str, comments: tuple[Comment, ...], starts: list[int]) -> None:
        self._text = text
        self._comments = comments
        self._starts = starts
        self._next = 0

    def before(self, at: int) -> tuple[Comment, ...]:
        """Take the comments that stand before `at`."""
        begin = self._next
        while self._next < len(self._comments) and self._comments[self._next].at < at:
            self._next += 1
        return self._comments[begin : self._next]

    def value(self, node: Node, bound: int, above: int = -1, *, flow: bool = False) -> Leaf | Group:
        """
        Return what `node` is, below a key in column `above`; comments from `bound` on are behind all of it.

        `flow` says that it stands in `{…}` or `[…]`.
        """
        match node:
            case ScalarNode():
                return Leaf(_scalar(node), _scalar(node, flow=True) if flow else "")
            case Alias():
                return Leaf(f"*{node.anchor}", f"*{node.anchor}")
            case MappingNode():
                entries = tuple(self._entry(key, value, bound, flow=node.flow) for key, value in node.pairs)
                inside = node.pairs[0][0].start if node.pairs else node.start
            case SequenceNode():
                entries = tuple(self._entry(None, item, bound, flow=node.flow) for item in node.items)
                inside = node.start
        # A list may stand in its key's own column, where a comment is rather about the next key.
        column = max(inside - line_start(self._text, inside), above + 1)
        tail = self.before(node.end) if node.flow else self._deeper(column, last_offset(node))
        return Group(entries, node.flow, isinstance(node, SequenceNode), f"&{node.anchor}" if node.anchor else "", tail)

    def _entry(self, key: ScalarNode | None, node: Node, bound: int, *, flow: bool) -> Entry:
        start = node.start if key is None else key.start
        lead = self.before(start)
        is_spaced = spaced(self._text, start)
        head = "-" if key is None else f"{canonical_key(key.value, key.style, key.anchor)}:"
        name = "" if key is None else key.value
        if isinstance(node, MappingNode | SequenceNode) and not (node.flow and not self._inside(node)):
            first = self._behind(self._first(node)) if key is not None else None
            value = self.value(node, bound, -1 if key is None else start - line_start(self._text, start))
            return Entry(name, head, value, lead, first, is_spaced)
        value = self.value(node, node.end, flow=flow)
        # A comment between a key and its value on the next line stands above both.
        between = self.before(node.end if isinstance(node, MappingNode | SequenceNode) else node.start)
        return Entry(name, head, value, (*lead, *between), self._behind(min(self._after(node.end), bound)), is_spaced)

    def _inside(self, node: MappingNode | SequenceNode) -> bool:
        """Say whether a comment stands in a flow, or it has more than single values."""
        values = [value for _, value in node.pairs] if isinstance(node, MappingNode) else node.items
        if any(isinstance(value, MappingNode | SequenceNode) for value in values):
            return True
        return self._next < len(self._comments) and self._comments[self._next].at < node.end

    def _behind(self, bound: int) -> Comment | None:
        """Take the comment that stands behind what was read, on its line and before `bound`."""
        if self._next == len(self._comments):
            return None
        comment = self._comments[self._next]
        if comment.alone or comment.at >= bound:
            return None
        self._next += 1
        return comment

    def _deeper(self, column: int, end: int) -> tuple[Comment, ...]:
        """Take the comments below a block that stand as deep as its keys."""
        begin, bound = self._next, self._after(end)
        while self._next < len(self._comments):
            comment = self._comments[self._next]
            if not comment.alone or comment.column < column or comment.at >= bound:
                break
            self._next += 1
        return self._comments[begin : self._next]

    def _first(self, node: MappingNode | SequenceNode) -> int:
        """Return where the first key or value in `node` begins."""
        return self._after(node.start) if (node.pairs if isinstance(node, MappingNode) else node.items) else node.end

    def _after(self, at: int) -> int:
        """Return where the next key or value from `at` on begins."""
        number = bisect_left(self._starts, at)
        return self._starts[number] if number < len(self._starts) else len(self._text) + 1


def _scalar(node: ScalarNode, *, flow: bool = False) -> str:
    """Return a scalar as it is to be written."""
    return canonical(node.value, node.style, node.anchor, flow=flow)
