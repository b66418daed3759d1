"""
A customers file in its canonical layout: what it says and its comments stay.

The text is read into entries that hold their comments; they are sorted, and written.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Sequence as Many
from dataclasses import dataclass, replace
from typing import NamedTuple

from reconciler.documents.edit import Comment, line_start, read_comments, spaced, spans
from reconciler.documents.nodes import (
    Alias,
    MappingNode,
    Node,
    Nodes,
    ScalarNode,
    SequenceNode,
    last_offset,
    read_nodes,
)
from reconciler.documents.parse import parse
from reconciler.documents.scalars import canonical, canonical_key
from reconciler.errors import Problem, Source
from reconciler.gc_pause import without_collector
from reconciler.kinds import CUSTOMER, USER


class Leaf(NamedTuple):
    """A single value as it is to be written: `text` in a block, its lines without indent; `flow` in `{…}`, else ""."""

    text: str
    flow: str
    lead: tuple[Comment, ...] = ()
    trailing: Comment | None = None


@dataclass(frozen=True, slots=True)
class TextEntry:
    """
    One key of a mapping with what is under it, or one item of a list (`key` is "", `head` a hyphen).

    `lead` is on lines above it, `trailing` behind it; `spaced` says that the line above its key is empty.
    """

    key: str
    head: str
    value: Leaf | TextGroup
    lead: tuple[Comment, ...]
    trailing: Comment | None
    spaced: bool


@dataclass(frozen=True, slots=True)
class TextGroup:
    """A mapping or a list (`listed`); `tail` are the comments below its last entry, `flow` says how it was written."""

    entries: tuple[TextEntry, ...]
    flow: bool
    listed: bool
    anchor: str
    tail: tuple[Comment, ...]


def read_entries(text: str, nodes: Nodes, comments: Many[Comment]) -> Leaf | TextGroup:
    """Return the content of `text`, each of `comments` in one place of it. There is content."""
    assert nodes.top is not None  # noqa: S101 - the docstring's condition
    reader = _Reader(text, tuple(comments), [start for start, _ in spans(text, nodes)])
    top = reader.value(nodes.top, len(text) + 1)
    rest = reader.before(len(text) + 1)
    if isinstance(top, TextGroup):
        return TextGroup(top.entries, top.flow, top.listed, top.anchor, (*top.tail, *rest))
    return Leaf(top.text, top.flow, rest, None)


class _Reader:
    """Hands out comments in their order while nodes are read in theirs."""

    def __init__(self, text: str, comments: tuple[Comment, ...], starts: list[int]) -> None:
        self._text = text
        self._comments = comments
        self._starts = starts
        self._next = 0

    def before(self, at: int) -> tuple[Comment, ...]:
        """Take the comments that are before `at`."""
        begin = self._next
        while self._next < len(self._comments) and self._comments[self._next].at < at:
            self._next += 1
        return self._comments[begin : self._next]

    def value(self, node: Node, bound: int, above: int = -1, *, flow: bool = False) -> Leaf | TextGroup:
        """
        Return what `node` is, below a key in column `above`; comments from `bound` on are behind all of it.

        `flow` says that it is in `{…}` or `[…]`.
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
        return TextGroup(
            entries, node.flow, isinstance(node, SequenceNode), f"&{node.anchor}" if node.anchor else "", tail
        )

    def _entry(self, key: ScalarNode | None, node: Node, bound: int, *, flow: bool) -> TextEntry:
        start = node.start if key is None else key.start
        lead = self.before(start)
        is_spaced = spaced(self._text, start)
        head = "-" if key is None else f"{canonical_key(key.value, key.style, key.anchor)}:"
        name = "" if key is None else key.value
        if isinstance(node, MappingNode | SequenceNode) and not (node.flow and not self._inside(node)):
            first = self._behind(self._first(node)) if key is not None else None
            value = self.value(node, bound, -1 if key is None else start - line_start(self._text, start))
            return TextEntry(name, head, value, lead, first, is_spaced)
        value = self.value(node, node.end, flow=flow)
        # A comment between a key and its value on the next line stands above both.
        between = self.before(node.end if isinstance(node, MappingNode | SequenceNode) else node.start)
        return TextEntry(
            name, head, value, (*lead, *between), self._behind(min(self._after(node.end), bound)), is_spaced
        )

    def _inside(self, node: MappingNode | SequenceNode) -> bool:
        """Say whether a comment is in a flow, or it has more than single values."""
        values = [value for _, value in node.pairs] if isinstance(node, MappingNode) else node.items
        if any(isinstance(value, MappingNode | SequenceNode) for value in values):
            return True
        return self._next < len(self._comments) and self._comments[self._next].at < node.end

    def _behind(self, bound: int) -> Comment | None:
        """Take the comment that is behind what was read, on its line and before `bound`."""
        if self._next == len(self._comments):
            return None
        comment = self._comments[self._next]
        if comment.alone or comment.at >= bound:
            return None
        self._next += 1
        return comment

    def _deeper(self, column: int, end: int) -> tuple[Comment, ...]:
        """Take the comments below a block that are as deep as its keys."""
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


_BOM = "\ufeff"
_BREAK = re.compile(r"\r\n|\n|\r")
_TOP = ("version", "defaults", "customers", "moved", "forget")
CUSTOMER_KEYS = (
    "id",
    "distinct_from",
    *(field.name for field in CUSTOMER.fields),
    "archived",
    "protect",
    "ignore_changes",
    "unmanaged",
    "users",
)
_USER = (*(field.name for field in USER.fields), "ignore_changes")
_MOVED = ("from", "to")


def format_text(data: bytes, name: str) -> tuple[bytes, tuple[Problem, ...]]:
    r"""
    Return the canonical layout of a file's content, or the content itself and what is wrong with it.

    Two spaces a level, keys in the order of the schema, quotes where they are needed, one empty line at most, flow
    (`{…}`) where it was and fits; no line is broken. Line ends and a BOM stay. A file with an alias keeps the order
    of its keys. A layout that does not read as the same data, or lacks a comment, is never returned.

    >>> format_text(b"customers:\n    acme:  {city: 'Boston',   name: Acme}\n", "c.yaml")[0]
    b'customers:\n  acme: {name: Acme, city: Boston}\n'
    """
    with without_collector():
        return _formatted(data, name)


def _formatted(data: bytes, name: str) -> tuple[bytes, tuple[Problem, ...]]:
    """Return what `formatted` does."""
    document, problems = parse(data, name)
    if document is None or problems:
        return data, problems
    if document.tree is None:
        return data, (Problem(Source(name), "", "the file is empty", "declare customers: {} if there should be none"),)
    text = data.decode()
    body = text.removeprefix(_BOM)
    if any(line.startswith("%") for line in _BREAK.split(body.partition("\n---")[0])):
        return data, (Problem(Source(name, 1), "", "a YAML directive (%)", "remove it; it has no effect here"),)
    result, comments = _laid_out(body)
    if not _same(result, document.tree, comments):
        hint = "leave it as it is, and report it"
        return data, (Problem(Source(name), "", "its layout cannot be changed without changing its meaning", hint),)
    return (text[: len(text) - len(body)] + result).encode(), ()


def _laid_out(body: str) -> tuple[str, tuple[Comment, ...]]:
    """Return the new layout of a text, and the comments of the text; its nodes and entries are let go of."""
    nodes = read_nodes(body)
    comments = read_comments(body, nodes)
    top = read_entries(body, nodes, comments)
    lines = [*(["---"] if nodes.marker else []), *_page(top, sort=not nodes.shared)]
    newline = _BREAK.search(body)
    return "\n".join((*lines, "")).replace("\n", newline.group() if newline else "\n"), comments


def _same(result: str, tree: object, comments: Sequence[Comment]) -> bool:
    """Say whether a new layout reads as the same data and has the same comments."""
    document, problems = parse(result.encode(), "")
    if document is None or problems or document.tree != tree:
        return False
    kept = read_comments(result, read_nodes(result)) if "#" in result else ()
    return Counter(one.text for one in kept) == Counter(one.text for one in comments)


def _page(top: Leaf | TextGroup, *, sort: bool) -> list[str]:
    """Return the lines of a document; the comments at its top stay there."""
    if isinstance(top, Leaf):
        return [*_comment_lines(top.lead, 0), top.text + _trailing(top.trailing)]
    lines: list[str] = []
    if top.entries and top.entries[0].lead:
        # What stands above the first key is the file's, and so is the empty line below it.
        first = top.entries[0]
        lines = [*_comment_lines(first.lead, 0), *([""] if first.spaced else [])]
        top = replace(top, entries=(replace(first, lead=(), spaced=False), *top.entries[1:]))
    lines += _group(_sorted(top, ()) if sort else top, 0)
    single = [one for number, one in enumerate(lines) if one or (number and lines[number - 1])]
    return single[1:] if single and not single[0] else single


def _sorted(group: TextGroup, path: tuple[str, ...]) -> TextGroup:
    """Return `group` with the keys in the order of the schema, where it has one."""
    entries = [
        replace(one, value=_sorted(one.value, (*path, one.key))) if isinstance(one.value, TextGroup) else one
        for one in group.entries
    ]
    order = _order(path)
    ranks = {key: rank for rank, key in enumerate(order)}
    entries.sort(key=lambda one: ranks.get(one.key, len(order)))
    return replace(group, entries=tuple(entries))


def _order(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the order of the keys below `path`; () for the author's."""
    match path:
        case ():
            return _TOP
        case ("defaults",) | ("customers", _):
            return CUSTOMER_KEYS
        case ("customers", _, "users", _):
            return _USER
        case ("moved", _):
            return _MOVED
        case _:
            return ()


def _group(group: TextGroup, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping or a list."""
    for entry in group.entries:
        yield from _comment_lines(entry.lead, indent)
        if entry.spaced:
            yield ""
        yield from _entry(entry, indent)
    yield from _comment_lines(group.tail, indent)


def _entry(entry: TextEntry, indent: int) -> Iterator[str]:
    """Yield the lines of a key or a list's item, and of what is under it."""
    margin = " " * indent
    value = entry.value
    if isinstance(value, Leaf):
        first, _, rest = value.text.partition("\n")
        yield f"{margin}{entry.head} {first}{_trailing(entry.trailing)}"
        if rest:
            yield from (" " * (indent + 2) + line for line in rest.split("\n"))
        return
    flow = _flow(value, 100 - indent - len(entry.head))
    if flow is not None:
        yield f"{margin}{entry.head} {flow}{_trailing(entry.trailing)}"
        return
    inside = list(_group(value, indent + 2))
    while inside and not inside[0] and entry.head == "-":
        inside.pop(0)
    if entry.head == "-" and not value.anchor and not entry.trailing and not inside[0].lstrip().startswith(("#", "-")):
        yield f"{margin}- {inside.pop(0).lstrip()}"
    else:
        yield f"{margin}{entry.head}{value.anchor and ' '}{value.anchor}{_trailing(entry.trailing)}"
    yield from inside


def _flow(group: TextGroup, room: int) -> str | None:
    """Return a mapping or a list in `{…}` or `[…]`, None where it was in lines, has more inside or is too long."""
    if not group.flow or any(isinstance(one.value, TextGroup) or one.lead or one.trailing for one in group.entries):
        return None
    if group.tail:
        return None
    values = [(one.head, one.value.flow) for one in group.entries if isinstance(one.value, Leaf)]
    pairs = ", ".join(value if head == "-" else f"{head} {value}" for head, value in values)
    text = f"{group.anchor}{group.anchor and ' '}" + (f"[{pairs}]" if group.listed else f"{{{pairs}}}")
    return text if len(text) < room or not pairs else None


def _comment_lines(comments: Sequence[Comment], indent: int) -> Iterator[str]:
    """Yield lines of their own for `comments`."""
    for one in comments:
        if one.spaced:
            yield ""
        yield " " * indent + one.text


def _trailing(comment: Comment | None) -> str:
    """Return a comment behind a value, as far from it as it was."""
    return "" if comment is None else " " * max(comment.gap, 1) + comment.text
