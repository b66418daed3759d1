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
    """Return where the values and keys of `text` stand, and their anchors; between them are comments alone."""
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
        case Scalar(anchor=None, style="" | "'" | '"'):
            if node.start < node.end:
                found.append((node.start, node.end))
        case Scalar():
            found.extend(_scalar_spans(text, node))
        case Mapping():
            for key, value in node.pairs:
                _add_spans(text, key, found)
                _add_spans(text, value, found)
        case Sequence():
            for item in node.items:
                _add_spans(text, item, found)
        case Alias():
            found.append((node.start, node.end))


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
