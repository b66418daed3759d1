"""The comments of a YAML text: where each stands, and what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.documents.nodes import Alias, Mapping, Node, Nodes, Scalar, Sequence

_COMMENT = re.compile(r"(?:(?<=\s)|\A)#[^\r\n]*")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+")
_NOTHING = re.compile(r"(?:\s+(?:#[^\r\n]*)?)*")
_HEADER = re.compile(r"[|>][^\s#]*")


@dataclass(frozen=True, slots=True)
class Comment:
    """
    One comment, from its `#`. `column` counts from 0, `gap` is how many blanks stand before it.

    `alone` says that nothing else stands on its line, `spaced` that the line above is empty.
    """

    at: int
    text: str
    column: int
    gap: int
    alone: bool
    spaced: bool


def read_comments(text: str, nodes: Nodes) -> tuple[Comment, ...]:
    """Return the comments of `text`, in their order."""
    found: list[Comment] = []
    at = 0
    for start, end in [*spans(text, nodes), (len(text), len(text))]:
        matches = _COMMENT.finditer(text, at, max(start, at))
        found += [_comment(text, match.start(), match.group().rstrip()) for match in matches]
        at = max(end, at)
    return tuple(found)


def spans(text: str, nodes: Nodes) -> list[tuple[int, int]]:
    """Return where the values and keys of `text` stand, and their anchors; between them are comments alone."""
    return [] if nodes.top is None else list(_spans(text, nodes.top))


def spaced(text: str, at: int) -> bool:
    """Say whether what begins at `at` is the first on its line, below an empty one."""
    start = line_start(text, at)
    if text[start:at].strip() or not start:
        return False
    end = start - (2 if text[start - 2 : start] == "\r\n" else 1)
    return not text[line_start(text, end) : end].strip()


def line_start(text: str, at: int) -> int:
    """Return where the line of `at` begins."""
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _comment(text: str, at: int, words: str) -> Comment:
    before = text[line_start(text, at) : at]
    gap = len(before) - len(before.rstrip())
    return Comment(at, words, len(before), gap, not before.strip(" \t-?"), spaced(text, at))


def _spans(text: str, node: Node) -> Iterator[tuple[int, int]]:
    match node:
        case Mapping():
            for key, value in node.pairs:
                yield from _spans(text, key)
                yield from _spans(text, value)
        case Sequence():
            for item in node.items:
                yield from _spans(text, item)
        case Alias():
            yield node.start, node.end
        case Scalar():
            yield from _scalar_spans(text, node)


def _scalar_spans(text: str, node: Scalar) -> Iterator[tuple[int, int]]:
    """Yield the spans of an anchor, of a block's mark and of the content, as comments may stand between them."""
    start = node.start
    anchor = _ANCHOR.match(text, start) if node.anchor is not None else None
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
