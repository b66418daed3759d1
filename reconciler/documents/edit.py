"""
Edits of single values in a YAML text: every other line stays as it is, to the byte.

An edit that cannot be made so, or whose result would not be read back as the old content with the edit in it, is
refused and the text stays without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.documents.events import Tree
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
from reconciler.documents.scalars import double_quoted, literal, quoted, scalar, single_quoted

_COMMENT = re.compile(r"(?:(?<=\s)|\A)#[^\r\n]*")
_COMMENT_ANCHOR = re.compile(r"&[^\s,\[\]{}]+")
_NOTHING = re.compile(r"(?:\s+(?:#[^\r\n]*)?)*")
_HEADER = re.compile(r"[|>][^\s#]*")


@dataclass(frozen=True, slots=True)
class Comment:
    """
    One comment, from its `#`. `column` counts from 0, `gap` is how many spaces are before it.

    `alone` says that nothing else is on its line, `spaced` that the line above is empty.
    """

    at: int
    text: str
    column: int
    gap: int
    alone: bool
    spaced: bool


def read_comments(text: str, nodes: Nodes) -> tuple[Comment, ...]:
    """Return the comments of `text`, in their order."""
    if "#" not in text:
        return ()
    found: list[Comment] = []
    at = 0
    for start, end in [*spans(text, nodes), (len(text), len(text))]:
        # Between most values and keys stands a colon alone: looking for the mark first is ten times as quick.
        if text.find("#", at, start) >= 0:
            matches = _COMMENT.finditer(text, at, start)
            found += [_comment(text, match.start(), match.group().rstrip()) for match in matches]
        at = max(end, at)
    return tuple(found)


def spans(text: str, nodes: Nodes) -> list[tuple[int, int]]:
    """Return where the values and keys of `text` are, and their anchors; between them are comments alone."""
    found: list[tuple[int, int]] = []
    if nodes.top is not None:
        _add_spans(text, nodes.top, found)
    return found


def spaced(text: str, at: int) -> bool:
    """Say whether what begins at `at` is the first on its line, below an empty one."""
    start = line_start(text, at)
    if text[start:at].strip() or not start:
        return False
    end = start - (2 if text[start - 2 : start] == "\r\n" else 1)
    return not text[line_start(text, end) : end].strip()


def line_start(text: str, at: int) -> int:
    """Return where the line of `at` begins."""
    feed = text.rfind("\n", 0, at)
    # Only this line is searched for a return: most files have none, and a search of the whole file is quadratic.
    return max(feed, text.rfind("\r", feed + 1, at)) + 1


def _comment(text: str, at: int, words: str) -> Comment:
    before = text[line_start(text, at) : at]
    gap = len(before) - len(before.rstrip())
    return Comment(at, words, len(before), gap, not before.strip(" \t-?"), spaced(text, at))


def _add_spans(text: str, node: Node, found: list[tuple[int, int]]) -> None:
    """Add the spans of `node` to `found`: a generator inside a generator would pass each on once a level."""
    match node:
        case ScalarNode(anchor=None, style="" | "'" | '"'):
            if node.start < node.end:
                found.append((node.start, node.end))
        case ScalarNode():
            found.extend(_scalar_spans(text, node))
        case MappingNode():
            for key, value in node.pairs:
                _add_spans(text, key, found)
                _add_spans(text, value, found)
        case SequenceNode():
            for item in node.items:
                _add_spans(text, item, found)
        case Alias():
            found.append((node.start, node.end))


def _scalar_spans(text: str, node: ScalarNode) -> Iterator[tuple[int, int]]:
    """Yield the spans of an anchor, of a block's mark and of the content, as comments may be between them."""
    start = node.start
    anchor = _COMMENT_ANCHOR.match(text, start) if node.anchor is not None else None
    if anchor:
        yield anchor.span()
        nothing = _NOTHING.match(text, anchor.end(), max(node.end, anchor.end()))
        start = nothing.end() if nothing else anchor.end()
    mark = _HEADER.match(text, start) if node.style in ("|", ">") else None
    if mark:
        yield mark.span()
        start = next((at for at in range(mark.end(), node.end) if text[at] in "\r\n"), node.end)
    if start < node.end:
        yield start, node.end


_SPLICE_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]*")
_BREAK = re.compile(r"\r\n|\n|\r")
_REST = re.compile(r"[^\r\n]*")


Value: TypeAlias = "str | bool | Mapping[str, Value] | None"
"""What an edit may write; a mapping only where nothing is yet."""


class Impossible(Exception):
    """The edit cannot be made at its place; the message says why."""


@dataclass(frozen=True, slots=True)
class Splice:
    """The characters from `start` to before `end` become `text`."""

    start: int
    end: int
    text: str


def apply_splices(text: str, splices: Iterable[Splice]) -> str:
    """Return `text` with `splices` made; Impossible where two of them overlap."""
    parts = []
    at = 0
    for one in sorted(splices, key=lambda one: (one.start, one.end)):
        if one.start < at:
            raise Impossible("two edits overlap")
        parts += [text[at : one.start], one.text]
        at = one.end
    return "".join((*parts, text[at:]))


def setting(text: str, nodes: Nodes, path: tuple[str, ...], value: Value, order: tuple[str, ...]) -> Splice:
    """Return the splice that gives `path` its value; Impossible where it has no place of its own."""
    parent = _parent(nodes, path)
    for key, node in parent.pairs:
        if key.value == path[-1]:
            return _replacing(text, nodes, key, node, value, flow=parent.flow)
    if parent.flow:
        return _into_flow(parent, _flow_pair(path[-1], value))
    return _into_block(text, parent, path[-1], value, order)


def removal(text: str, nodes: Nodes, path: tuple[str, ...]) -> Splice:
    """Return the splice that takes `path` out of its mapping: of a block, whole lines."""
    parent = _parent(nodes, path)
    at = next((number for number, (key, _) in enumerate(parent.pairs) if key.value == path[-1]), None)
    if at is None:
        raise Impossible(f"{quoted(path[-1])} is not written here; it may be in `defaults` or an overlay")
    key, node = parent.pairs[at]
    _refuse_shared(nodes, node)
    if parent.flow:
        if at + 1 < len(parent.pairs):
            return Splice(key.start, parent.pairs[at + 1][0].start, "")
        return Splice(parent.pairs[at - 1][1].end if at else key.start, node.end, "")
    start = line_start(text, key.start)
    if text[start : key.start].strip():
        raise Impossible("its line has other content")
    end = _line_end(text, _content_end(text, node))
    if len(parent.pairs) == 1:
        return Splice(key.start, end, "{}")
    following = _BREAK.match(text, end)
    # The last line of a file that ends without a break takes the break before it along.
    return Splice(start, following.end(), "") if following else Splice(_before_break(text, start), end, "")


def _parent(nodes: Nodes, path: tuple[str, ...]) -> MappingNode:
    """Return the mapping that holds the last key of `path`."""
    node: Node | None = nodes.top
    for step in path[:-1]:
        node = _below(nodes, node, step)
    if node is not None:
        _refuse_shared(nodes, node)
    if not isinstance(node, MappingNode):
        raise Impossible(f"{quoted(path[-2])} is not a mapping here" if len(path) > 1 else "the file is not a mapping")
    return node


def _below(nodes: Nodes, node: Node | None, step: str) -> Node:
    """Return what is under a key of `node`."""
    if node is not None:
        _refuse_shared(nodes, node)
    inside = node.pairs if isinstance(node, MappingNode) else ()
    for key, below in inside:
        if key.value == step:
            if isinstance(below, Alias):
                raise Impossible(f"{quoted(step)} is the alias *{below.anchor}, which others may use too")
            return below
    raise Impossible(f"{quoted(step)} is not in this file")


def _refuse_shared(nodes: Nodes, node: Node) -> None:
    """Raise Impossible where an alias elsewhere stands for `node`."""
    if not isinstance(node, Alias) and node.anchor in nodes.shared:
        raise Impossible(f"an alias *{node.anchor} uses it too")


def _replacing(text: str, nodes: Nodes, key: ScalarNode, node: Node, value: Value, *, flow: bool) -> Splice:
    """Return the splice that puts `value` where `node` is, in its style where that takes it."""
    _refuse_shared(nodes, node)
    if isinstance(value, Mapping):
        raise Impossible(f"{quoted(key.value)} is there already")
    if isinstance(node, Alias):
        return Splice(node.start, node.end, _written(value, flow=flow))
    if not isinstance(node, ScalarNode):
        raise Impossible(f"{quoted(key.value)} holds more than a single value")
    anchor = _SPLICE_ANCHOR.match(text, node.start) if node.anchor is not None else None
    start = anchor.end() if anchor else node.start
    if node.style in ("|", ">"):
        return _replacing_block(text, start, node, value, column=key.start - line_start(text, key.start))
    new = _styled(node.style, value, flow=flow)
    glued = start == node.end and text[start - 1 : start] not in (" ", "\t")
    return Splice(start, node.end, f" {new}" if glued else new)


def _replacing_block(text: str, start: int, node: ScalarNode, value: str | bool | None, *, column: int) -> Splice:
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


def _flow_pair(name: str, value: Value) -> str:
    """Return a pair as it is in `{…}`."""
    inside = (
        f"{{{', '.join(_flow_pair(*pair) for pair in value.items())}}}"
        if isinstance(value, Mapping)
        else _written(value, flow=True)
    )
    return f"{scalar(name, flow=True)}: {inside}"


def _block_pair(name: str, value: Value, column: int) -> Iterator[str]:
    """Yield the lines of a pair in a block whose keys begin at `column`."""
    head = f"{' ' * column}{scalar(name)}:"
    if not isinstance(value, Mapping):
        yield f"{head} {_written(value, flow=False)}"
    elif not value:
        yield f"{head} {{}}"
    else:
        yield head
        for pair in value.items():
            yield from _block_pair(*pair, column + 2)


def _into_flow(parent: MappingNode, pair: str) -> Splice:
    """Return the splice that adds a pair behind the last of `{…}`."""
    if not parent.pairs:
        return Splice(parent.end - 1, parent.end - 1, pair)
    end = parent.pairs[-1][1].end
    return Splice(end, end, f", {pair}")


def _into_block(text: str, parent: MappingNode, name: str, value: Value, order: tuple[str, ...]) -> Splice:
    """Return the splice that adds a pair: behind the nearest key that `order` has before `name`, else behind all."""
    starts = [(key.start, line_start(text, key.start)) for key, _ in parent.pairs]
    column = next((at - start for at, start in starts if not text[start:at].strip(" ")), None)
    if column is None:
        raise Impossible("the lines of its keys have other content")
    before = order[: order.index(name)] if name in order else ()
    ranked = [(before.index(key.value), key, node) for key, node in parent.pairs if key.value in before]
    _, key, node = max(ranked, key=lambda one: one[0]) if ranked else (0, *parent.pairs[-1])
    found = _BREAK.search(text)
    newline = found.group() if found else "\n"
    line = newline.join(_block_pair(name, value, column))
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
    if not isinstance(last, ScalarNode) or last.style not in ("|", ">"):
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
        case MappingNode(flow=False):
            return _last(node.pairs[-1][1])
        case SequenceNode(flow=False):
            return _last(node.items[-1])
        case _:
            return node


def _line_end(text: str, at: int) -> int:
    """Return where the line of `at` ends, its break left out."""
    rest = _REST.match(text, at)
    return rest.end() if rest else at


_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give the value at `path`, keys from the top; it is inserted where its mapping has no such key."""

    path: tuple[str, ...]
    value: Value


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the key at `path` and its value out of their mapping."""

    path: tuple[str, ...]


Edit: TypeAlias = SetValue | Remove


@dataclass(frozen=True, slots=True)
class RefusedEdit:
    """An edit that was not made, and why."""

    edit: Edit
    why: str


@dataclass(frozen=True, slots=True)
class EditResult:
    """The text with the edits that could be made, and those that could not."""

    text: str
    refused: tuple[RefusedEdit, ...] = ()


def apply_edits(text: str, edits: Sequence[Edit], *, order: Sequence[str] = ()) -> EditResult:
    r"""
    Return `text` with `edits` made, in their order; a key that is inserted is where `order` has it.

    Line ends, a BOM, comments, anchors' names and quotes are kept. `text` is a file's with its own line ends
    (`newline=""`).

    >>> city = SetValue(("customers", "acme", "city"), "New York")
    >>> apply_edits("customers:\n  acme: {city: Boston} # HQ\n", [city]).text
    'customers:\n  acme: {city: New York} # HQ\n'
    """
    mark = _BOM if text.startswith(_BOM) else ""
    body = text.removeprefix(_BOM)
    tree = _read(body)
    if tree is None:
        why = "the file has errors, or no content; `reconciler validate` shows them"
        return EditResult(text, tuple(RefusedEdit(edit, why) for edit in edits))
    done = _made(body, tree, edits, tuple(order))
    return EditResult(mark + done.text, done.refused)


def _made(text: str, tree: Tree, edits: Sequence[Edit], order: tuple[str, ...]) -> EditResult:
    """Return `text`, which reads as `tree`, with `edits` made: at once, or where that fails in halves."""
    if not edits:
        return EditResult(text)
    try:
        together = _at_once(text, tree, edits, order)
    except Impossible as exc:
        if len(edits) == 1:
            return EditResult(text, (RefusedEdit(edits[0], str(exc)),))
    else:
        return EditResult(together)
    half = len(edits) // 2
    first = _made(text, tree, edits[:half], order)
    between = tree if first.text == text else _read(first.text)
    second = _made(first.text, between, edits[half:], order)
    return EditResult(second.text, (*first.refused, *second.refused))


def _at_once(text: str, tree: Tree, edits: Sequence[Edit], order: tuple[str, ...]) -> str:
    """Return `text` with all `edits` made; Impossible where one cannot be, or they meet in one place."""
    nodes = read_nodes(text)
    expected = tree
    splices: list[Splice] = []
    for edit in edits:
        match edit:
            case SetValue():
                splices.append(setting(text, nodes, edit.path, edit.value, order))
            case Remove():
                splices.append(removal(text, nodes, edit.path))
        expected = _with(expected, edit.path, edit)
    result = apply_splices(text, splices)
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
        raise Impossible(f"{path[0]} is below something that is not a mapping")
    copy = dict(tree)
    if len(path) > 1:
        copy[path[0]] = _with(copy.get(path[0]), path[1:], edit)
    elif isinstance(edit, SetValue):
        copy[path[0]] = edit.value
    else:
        copy.pop(path[0], None)
    return copy
