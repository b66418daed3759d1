"""Markdown as a reader of it sees it, by a library of CommonMark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token


@dataclass(frozen=True, slots=True)
class Read:
    """What stands in a text: the kinds of its parts, its HTML, its words outside of code, and its code."""

    kinds: frozenset[str]
    html: tuple[str, ...]
    words: tuple[str, ...]
    code: tuple[str, ...]


def read(text: str) -> Read:
    tokens = list(_flat(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)))
    return Read(
        frozenset(token.type for token in tokens),
        tuple(token.content for token in tokens if token.type in ("html_block", "html_inline")),
        tuple(token.content for token in tokens if token.type == "text" and token.content),
        tuple(token.content for token in tokens if token.type in ("code_inline", "fence", "code_block")),
    )


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])
