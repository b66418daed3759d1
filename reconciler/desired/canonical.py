"""
A customers file in its canonical layout: what it says and its comments stay, blanks, order and quotes are mended.

`entries` reads the text into entries that hold their comments; here they are sorted and written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.desired.entries import Entry, Group, Leaf, read_entries
from reconciler.documents.edit import Comment, read_comments
from reconciler.documents.nodes import read_nodes
from reconciler.documents.parse import parse
from reconciler.errors import Problem, Source
from reconciler.gc_pause import without_collector
from reconciler.kinds import CUSTOMER, USER

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


def formatted(data: bytes, name: str) -> tuple[bytes, tuple[Problem, ...]]:
    r"""
    Return the canonical layout of a file's content, or the content itself and what is wrong with it.

    Two blanks a level, keys in the order of the schema, quotes where they are needed, one empty line at most, flow
    (`{…}`) where it was and fits; no line is broken. Line ends and a BOM stay. A file with an alias keeps the order
    of its keys. A layout that does not read as the same data, or lacks a comment, is never returned.

    >>> formatted(b"customers:\n    acme:  {city: 'Boston',   name: Acme}\n", "c.yaml")[0]
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
        return data, (Problem(Source(name), "", "the file is empty", "declare customers: {} if none is wanted"),)
    text = data.decode()
    body = text.removeprefix(_BOM)
    if any(line.startswith("%") for line in _BREAK.split(body.partition("\n---")[0])):
        return data, (Problem(Source(name, 1), "", "a YAML directive (%)", "remove it; it says nothing here"),)
    result, comments = _laid_out(body)
    if not _same(result, document.tree, comments):
        hint = "leave it as it is, and report it"
        return data, (Problem(Source(name), "", "its layout cannot be changed without a change of what it says", hint),)
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


def _page(top: Leaf | Group, *, sort: bool) -> list[str]:
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


def _sorted(group: Group, path: tuple[str, ...]) -> Group:
    """Return `group` with the keys in the order of the schema, where it has one."""
    entries = [
        replace(one, value=_sorted(one.value, (*path, one.key))) if isinstance(one.value, Group) else one
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


def _group(group: Group, indent: int) -> Iterator[str]:
    """Yield the lines of a mapping or a list."""
    for entry in group.entries:
        yield from _comment_lines(entry.lead, indent)
        if entry.spaced:
            yield ""
        yield from _entry(entry, indent)
    yield from _comment_lines(group.tail, indent)


def _entry(entry: Entry, indent: int) -> Iterator[str]:
    """Yield the lines of a key or a list's item, and of what stands under it."""
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


def _flow(group: Group, room: int) -> str | None:
    """Return a mapping or a list in `{…}` or `[…]`, None where it stood in lines, has more inside or is too long."""
    if not group.flow or any(isinstance(one.value, Group) or one.lead or one.trailing for one in group.entries):
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
