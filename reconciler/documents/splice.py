"""One edit of a YAML text as a splice: which characters go, and which come in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.documents.comments import line_start
from reconciler.documents.nodes import Alias, Mapping, Node, Nodes, Scalar, Sequence, last_offset
from reconciler.documents.scalars import double_quoted, literal, scalar, single_quoted
from reconciler.documents.words import quoted

_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_BREAK = re.compile(r"\r\n|\n|\r")
_REST = re.compile(r"[^\r\n]*")


class Impossible(Exception):
    """The edit cannot be made at its place; the message says why."""


@dataclass(frozen=True, slots=True)
class Splice:
    """The characters from `start` to before `end` become `text`."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """Return `text` with `splices` made; Impossible where two of them overlap."""
    parts = []
    at = 0
    for one in sorted(splices, key=lambda one: (one.start, one.end)):
        if one.start < at:
            raise Impossible("two edits meet in one place")
        parts += [text[at : one.start], one.text]
        at = one.end
    return "".join((*parts, text[at:]))


def setting(text: str, nodes: Nodes, path: tuple[str, ...], value: str | bool | None, order: tuple[str, ...]) -> Splice:
    """Return the splice that gives `path` its value; Impossible where it has no place of its own."""
    parent = _parent(nodes, path)
    for key, node in parent.pairs:
        if key.value == path[-1]:
            return _replacing(text, nodes, key, node, value, flow=parent.flow)
    if parent.flow:
        return _into_flow(parent, f"{scalar(path[-1], flow=True)}: {_written(value, flow=True)}")
    return _into_block(text, parent, path[-1], _written(value, flow=False), order)


def removal(text: str, nodes: Nodes, path: tuple[str, ...]) -> Splice:
    """Return the splice that takes `path` out of its mapping: of a block, whole lines."""
    parent = _parent(nodes, path)
    at = next((number for number, (key, _) in enumerate(parent.pairs) if key.value == path[-1]), None)
    if at is None:
        raise Impossible(f"{quoted(path[-1])} is not written here; it may stand in `defaults` or an overlay")
    key, node = parent.pairs[at]
    _refuse_shared(nodes, node)
    if parent.flow:
        if at + 1 < len(parent.pairs):
            return Splice(key.start, parent.pairs[at + 1][0].start, "")
        return Splice(parent.pairs[at - 1][1].end if at else key.start, node.end, "")
    start = line_start(text, key.start)
    if text[start : key.start].strip():
        raise Impossible("other content stands on its line")
    end = _line_end(text, _content_end(text, node))
    if len(parent.pairs) == 1:
        return Splice(key.start, end, "{}")
    following = _BREAK.match(text, end)
    # The last line of a file that ends without a break takes the break before it along.
    return Splice(start, following.end(), "") if following else Splice(_before_break(text, start), end, "")


def _parent(nodes: Nodes, path: tuple[str, ...]) -> Mapping:
    """Return the mapping that holds the last key of `path`."""
    node: Node | None = nodes.top
    for step in path[:-1]:
        node = _below(nodes, node, step)
    if node is not None:
        _refuse_shared(nodes, node)
    if not isinstance(node, Mapping):
        raise Impossible(f"{quoted(path[-2])} is no mapping here" if len(path) > 1 else "the file is no mapping")
    return node


def _below(nodes: Nodes, node: Node | None, step: str) -> Node:
    """Return what stands under a key of `node`."""
    if node is not None:
        _refuse_shared(nodes, node)
    inside = node.pairs if isinstance(node, Mapping) else ()
    for key, below in inside:
        if key.value == step:
            if isinstance(below, Alias):
                raise Impossible(f"{quoted(step)} is the alias *{below.anchor}, which others may share")
            return below
    raise Impossible(f"{quoted(step)} is not in this file")


def _refuse_shared(nodes: Nodes, node: Node) -> None:
    """Raise Impossible where an alias elsewhere stands for `node`."""
    if not isinstance(node, Alias) and node.anchor in nodes.shared:
        raise Impossible(f"an alias *{node.anchor} elsewhere shares it")


def _replacing(text: str, nodes: Nodes, key: Scalar, node: Node, value: str | bool | None, *, flow: bool) -> Splice:
    """Return the splice that puts `value` where `node` stands, in its style where that takes it."""
    _refuse_shared(nodes, node)
    if isinstance(node, Alias):
        return Splice(node.start, node.end, _written(value, flow=flow))
    if not isinstance(node, Scalar):
        raise Impossible(f"{quoted(key.value)} holds more than a single value")
    anchor = _ANCHOR.match(text, node.start) if node.anchor is not None else None
    start = anchor.end() if anchor else node.start
    if node.style in ("|", ">"):
        return _replacing_block(text, start, node, value, column=key.start - line_start(text, key.start))
    new = _styled(node.style, value, flow=flow)
    glued = start == node.end and text[start - 1 : start] not in (" ", "\t")
    return Splice(start, node.end, f" {new}" if glued else new)


def _replacing_block(text: str, start: int, node: Scalar, value: str | bool | None, *, column: int) -> Splice:
    """Return the splice for a value under `|` or `>`; a comment behind the mark stays where it is."""
    end = _content_end(text, node)
    header = _REST.match(text, start)
    assert header is not None  # noqa: S101 - it matches nothing, too
    mark, _, comment = header.group().partition(" ")
    first = _BREAK.match(text, header.end())
    newline = first.group() if first else "\n"
    block = None
    if mark.startswith("|") and isinstance(value, str):
        line = _REST.match(text, first.end()) if first else None
        indent = len(line.group()) - len(line.group().lstrip(" ")) if line else 0
        block = literal(value, indent=max(indent, column + 1), newline=newline)
    new = block or _written(value, flow=False)
    head, _, body = new.partition(newline)
    if comment:
        head = f"{head} {comment}"
    return Splice(start, end, head + (newline + body if body else ""))


def _styled(style: str, value: str | bool | None, *, flow: bool) -> str:
    """Return `value` in quotes as they were, where it is a text."""
    if not isinstance(value, str) or not style:
        return _written(value, flow=flow)
    return (single_quoted(value) if style == "'" else None) or double_quoted(value)


def _written(value: str | bool | None, *, flow: bool) -> str:
    """Return `value` as a new scalar."""
    return ("true" if value else "false") if isinstance(value, bool) else scalar(value, flow=flow)


def _into_flow(parent: Mapping, pair: str) -> Splice:
    """Return the splice that adds a pair behind the last of `{…}`."""
    if not parent.pairs:
        return Splice(parent.end - 1, parent.end - 1, pair)
    end = parent.pairs[-1][1].end
    return Splice(end, end, f", {pair}")


def _into_block(text: str, parent: Mapping, name: str, value: str, order: tuple[str, ...]) -> Splice:
    """Return the splice that adds a line: behind the nearest key that `order` has before `name`, else behind all."""
    starts = [(key.start, line_start(text, key.start)) for key, _ in parent.pairs]
    column = next((at - start for at, start in starts if not text[start:at].strip(" ")), None)
    if column is None:
        raise Impossible("other content stands on the lines of its keys")
    line = f"{' ' * column}{scalar(name)}: {value}"
    before = order[: order.index(name)] if name in order else ()
    ranked = [(before.index(key.value), key, node) for key, node in parent.pairs if key.value in before]
    _, key, node = max(ranked, key=lambda one: one[0]) if ranked else (0, *parent.pairs[-1])
    found = _BREAK.search(text)
    newline = found.group() if found else "\n"
    end = _line_end(text, _content_end(text, node))
    start = line_start(text, key.start)
    if end == len(text) and not text[start : key.start].strip(" "):
        # The file ends without a break: one more would change its last line, and the value of a block on it.
        return Splice(start, start, line + newline)
    return Splice(end, end, newline + line)


def _content_end(text: str, node: Node) -> int:
    """Return where `node` ends, the empty lines behind a block of text left out unless they are its content."""
    end = last_offset(node)
    last = _last(node)
    if not isinstance(last, Scalar) or last.style not in ("|", ">"):
        return end
    head = _REST.match(text, last.start)
    if head is not None and "+" in head.group().partition("#")[0]:
        return _before_break(text, end)
    return last.start + len(text[last.start : end].rstrip(" \t\r\n"))


def _before_break(text: str, end: int) -> int:
    """Return the offset before the line break that ends at `end`, if one does."""
    return end - 2 if text[:end].endswith("\r\n") else end - 1 if text[end - 1 : end] in ("\n", "\r") else end


def _last(node: Node) -> Node:
    """Return the last value of a block, `node` itself where it is none."""
    match node:
        case Mapping(flow=False):
            return _last(node.pairs[-1][1])
        case Sequence(flow=False):
            return _last(node.items[-1])
        case _:
            return node


def _line_end(text: str, at: int) -> int:
    """Return where the line of `at` ends, its break left out."""
    rest = _REST.match(text, at)
    return rest.end() if rest else at
