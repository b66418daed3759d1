"""
YAML text to plain dicts, lists, texts, booleans and None: the fast pass, and plain records ahead of it.

A record is a line `KEY:` and the lines below it, each `NAME: TEXT`, all one step further in, and nothing else. What
makes YAML hard is in none of them. The parser gets one word in place of such lines, and as many line breaks, so that
every other place in the text stays what it was. Where a word is not met again as a whole value (the lines were within
a longer text, say), the text is read once more as it is.

A plain scalar keeps its text: `02134`, `NO`, `1e5` and `2024-01-01` stay what the author wrote. Plain `null`, `~` and
nothing are None, plain `true` and `false` are booleans, a quoted scalar is always text. Only the places of the keys
that become a `Source` are kept; `places` finds any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.documents.events import Event, Malformed, Next, Tree, malformed, open_events
from reconciler.documents.nodes import Again, KeyPath, find_places
from reconciler.documents.scalars import NULLS, PLACEHOLDERS, doubted_key, doubtful_value, path_text
from reconciler.errors import Problem, Severity, Source
from reconciler.escape import visible

Record = dict[str, str]

Share = Callable[[str, str], str]
"""Returns the text that stands for a text: `setdefault` of a dict."""

_TEXT = rb"""(?:[0-9A-Za-z_/(.+\x80-\xff][^\x00-\x1f\x7f:#$]*|"[^\x00-\x1f\x7f"\\]*"|'[^\x00-\x1f\x7f']*')"""
_RECORD = re.compile(
    rb"^((?P<out> +)[0-9A-Za-z_][0-9A-Za-z_.@+-]{0,200}:\n)"
    rb"(?P<pairs>(?P<in>(?P=out) +)[a-z_]{1,40}: " + _TEXT + rb"\n(?:(?P=in)[a-z_]{1,40}: " + _TEXT + rb"\n)*)"
    # What follows is beside or above the key: no further pair, and nothing that goes on with the last text.
    rb"""(?=\n*(?:(?P=out)?[0-9A-Za-z_"']|\Z))""",
    re.MULTILINE,
)
_PAIR = re.compile(r"^ +([a-z_]+): (.*)$", re.MULTILINE)
_INSIDE = rb"""(?:[^\[\]{}"']++|"[^"\\]*+"|'[^']*+')*+"""  # it never goes back: of a long line that takes gigabytes
_CLOSED = re.compile(rb"""[^\[\]{}"']*+(?:\[%b\]|\{%b\})[^\[\]{}]*+""" % (_INSIDE, _INSIDE))
_MARK = "\ue000"
_LONGEST = 10_000


def hide_records(
    data: bytes, share: Share, *, shared: int, odd: Mapping[str, object]
) -> tuple[bytes, dict[str, Record]]:
    """
    Return `data` with a word in place of each plain record, and the records by their words.

    Texts shorter than `shared` are kept once, by `share`. What is plain and one of `odd` is for whoever reads events.
    """
    hidden: dict[str, Record] = {}
    if _MARK.encode() in data or _has_open_brackets(data):
        return data, hidden

    def word_of(found: re.Match[bytes]) -> bytes:
        lines = found["pairs"]
        record = _record(lines, share, shared, odd)
        if record is None:
            return found[0]
        word = f"{_MARK}{len(hidden)}"
        hidden[word] = record
        return b"%b%b%b%b" % (found[1], found["in"], word.encode(), b"\n" * len(record))

    return _RECORD.sub(word_of, data), hidden


def _has_open_brackets(data: bytes) -> bool:
    """Say whether a list or a mapping in brackets may go on in the next line, where a line means something else."""
    if b"[" not in data and b"{" not in data:
        return False
    return any((b"[" in line or b"{" in line) and _CLOSED.fullmatch(line) is None for line in data.split(b"\n"))


def _record(lines: bytes, share: Share, shared: int, odd: Mapping[str, object]) -> Record | None:
    """Return what lines of pairs hold, None where the parser must say."""
    if b" \n" in lines or len(lines) > _LONGEST:
        return None
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        return None
    if not (text.isascii() or text.replace("\n", "").isprintable()):
        return None
    record: Record = {}
    pairs = _PAIR.findall(text)
    for name, written in pairs:
        quoted = written[0] in "\"'"
        value = written[1:-1] if quoted else written
        if not quoted and value in odd:
            return None
        record[share(name, name)] = share(value, value) if len(value) < shared else value
    return record if len(record) == len(pairs) else None


DEEPEST = 20
"""How many mappings and lists may be inside each other; a customers file needs five."""

_CONSTANTS: Mapping[str, str | bool | None] = {
    **{word: word for word in PLACEHOLDERS},
    **dict.fromkeys(NULLS),
    "true": True,
    "false": False,
}
_SHARED = 12  # texts shorter than this (states, countries, postal codes) are kept once
_NO_KEYS = frozenset({"", "<<"})
_MARKED = (2, 4)  # how deep the keys of customers and of users are
_UNMARKED = (2, *range(4, DEEPEST))  # how deep a record may be whose own keys are not so deep
_ITEM: Any = object()  # stands for the key in a list
_OPEN: Any = object()  # an anchor whose content has not ended


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """
    One file's content.

    `keys` holds the place of each key below the marked top-level key (each customer's), `inner` that of each key two
    levels further down (each user's), by both keys. `again` holds what is under the second and later of equal
    keys, which `tree` lacks. `doubts` are warnings: plain texts that a template or a program left there by mistake.
    """

    name: str
    data: bytes
    tree: Tree
    keys: Mapping[str, Source]
    inner: Mapping[tuple[str, str], Source]
    again: tuple[tuple[KeyPath, Tree], ...] = ()
    doubts: tuple[Problem, ...] = ()


def parse(
    data: bytes, name: str, *, marked: str = "", pure: bool = False, ahead: bool = True
) -> tuple[Document | None, tuple[Problem, ...]]:
    r"""
    Return the document in `data` and what is wrong with it; None where the text cannot be read at all.

    `name` is the file's, for the problems; `marked` the top-level key whose keys' places are kept; `pure` takes
    PyYAML's Python parser. Without `ahead` plain records are read by the parser too, to the same end. A file without
    content has the tree None.

    >>> document, problems = parse(b"zip: 02134\nempty:\n", "c.yaml")
    >>> document.tree, problems
    ({'zip': '02134', 'empty': None}, ())
    """
    if ahead and (read := _read_ahead(data, name, marked, pure=pure)) is not None:
        return read
    # What is wrong is reported of the text as it is.
    found = _ParsePass(name, data, marked)
    try:
        return found.document(_build(open_events(data, pure=pure), found, dict[str, str]().setdefault))
    except Malformed as error:
        found.report(Source(name, error.line, error.column), (), error.message, error.hint)
    except yaml.YAMLError as error:
        wrong = malformed(error, data)
        found.report(Source(name, wrong.line, wrong.column), (), wrong.message, wrong.hint)
    return None, (*found.problems, *found.duplicate_problems())


def _read_ahead(data: bytes, name: str, marked: str, *, pure: bool) -> tuple[Document, tuple[Problem, ...]] | None:
    """Return what `parse` does where plain records can be read ahead; None where the text is to be read as it is."""
    found, texts = _ParsePass(name, data, marked), dict[str, str]()
    shown, found.records = hide_records(data, texts.setdefault, shared=_SHARED, odd=_CONSTANTS)
    if not found.records:
        return None
    try:
        tree = _build(open_events(shown, pure=pure), found, texts.setdefault)
    except (Malformed, yaml.YAMLError):
        return None
    return None if found.records else found.document(tree)


@dataclass(slots=True)
class _ParsePass:
    """What one pass gathers beside the tree."""

    name: str
    data: bytes
    marked: str
    keys: dict[str, Source] = field(default_factory=dict)
    inner: dict[tuple[str, str], Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Problem] = field(default_factory=list)
    duplicates: list[tuple[Source, KeyPath, Again, dict[str, Any]]] = field(default_factory=list)
    dropped: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    anchors: dict[str, Any] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    expanded: int = 0
    records: dict[str, Record] = field(default_factory=dict)

    def document(self, tree: Tree) -> tuple[Document, tuple[Problem, ...]]:
        """Return the document whose tree was built, and what is wrong with it."""
        for mapping, key in self.dropped:
            mapping.pop(key, None)
        again = tuple(((*path, key), mapping.pop(key)) for _, path, key, mapping in self.duplicates)
        problems = (*self.problems, *self.duplicate_problems())
        return Document(self.name, self.data, tree, self.keys, self.inner, again, tuple(self.doubts)), problems

    def report(self, source: Source, path: KeyPath, message: str, hint: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(source, path_text(path), message, hint))

    def source(self, event: Event) -> Source:
        """Return where `event` begins."""
        mark = event.start_mark
        return Source(self.name, mark.line + 1, mark.column + 1)

    def mark(self, key: str, event: Event, stack: list[Any]) -> None:
        """Keep the place of a customer's or a user's key."""
        if stack[1][1] != self.marked:
            return
        if len(stack) == 2:  # noqa: PLR2004 - the depths that `mark` is called for
            self.keys.setdefault(key, self.source(event))
        elif stack[3][1] != _ITEM:
            self.inner.setdefault((stack[2][1], key), self.source(event))
        if not event.style and (doubt := doubted_key(event.value)) is not None:
            self.doubt(event, (*_path(stack), key), *doubt)

    def doubt(self, event: Event, path: KeyPath, message: str, hint: str) -> None:
        """Note a warning about a plain text."""
        self.doubts.append(Problem(self.source(event), path_text(path), message, hint, Severity.WARNING))

    def doubt_value(self, event: Event, path: KeyPath) -> None:
        """Note a warning about a plain value, where it seems not to be meant."""
        if (doubt := doubtful_value(event.value)) is not None:
            self.doubt(event, path, *doubt)

    def odd_key(self, event: Event, current: dict[str, Any], stack: list[Any]) -> str:
        """
        Note what is wrong with a key: empty, a merge key, tagged, or a second time in its mapping.

        Return the key under which its value is kept.
        """
        key: str = event.value
        path = (*_path(stack), key)
        if event.tag is not None:
            self.tag(event, path)
        if key == "" or (key == "<<" and not event.style):
            empty = ("an empty key", "write the key before the ':'")
            merge = ("merge keys (<<) are not supported", "use `defaults`, or an alias (*name) for a whole value")
            self.report(self.source(event), path[:-1], *(merge if key else empty))
            self.dropped.append((current, key))
        elif key in current:
            again = next(one for number in count(2) if (one := Again(key, number)) not in current)
            self.duplicates.append((self.source(event), path[:-1], again, current))
            return again
        return key

    def tag(self, event: Event, path: KeyPath) -> None:
        """Note an explicit tag."""
        shown = visible(event.tag.replace("tag:yaml.org,2002:", "!!")[:60])
        hint = "remove it, or quote a text that begins with '!'; values are texts, null, true or false"
        self.report(self.source(event), path, f"a tag ({shown})", hint)

    def alias(self, event: Event) -> Tree:
        """Return what an alias stands for; Malformed where that is nothing, itself, or too much."""
        value = self.anchors.get(event.anchor, self)
        at = (event.start_mark.line + 1, event.start_mark.column + 1)
        shown = f"*{visible(event.anchor[:60])}"
        if value is self:
            raise Malformed(*at, f"there is no anchor for {shown}", "quote a text that begins with '*'")
        if value is _OPEN:
            raise Malformed(*at, f"{shown} is inside the value that it names", "write the value out")
        self.expanded += self.sizes.get(id(value), 1)
        if self.expanded > 100_000 + len(self.data):
            raise Malformed(*at, "aliases that expand to far more than the file contains", "write the value out")
        return value

    def close(self, value: Tree, anchor: str) -> None:
        """Keep what an anchor names, and how many values an alias to it adds."""
        self.anchors[anchor] = value
        self.sizes[id(value)] = self.size(value)

    def size(self, value: Tree) -> int:
        """Return how many values are in `value`, those behind aliases counted each time."""
        if not isinstance(value, dict | list):
            return 1
        known = self.sizes.get(id(value))
        inside = value.values() if isinstance(value, dict) else value
        return known if known is not None else 1 + sum(map(self.size, inside))

    def duplicate_problems(self) -> list[Problem]:
        """Return a problem for each key that is there twice in one mapping, naming both places."""
        firsts = [(*path, str(key)) for _, path, key, _ in self.duplicates]
        places = find_places(self.data, firsts) if firsts else {}
        hint = "remove one of them, or merge the two"
        return [
            Problem(one[0], path_text(first), (f"this key is a duplicate of line {places[first].key[0]}"), hint)
            for one, first in zip(self.duplicates, firsts, strict=True)
        ]


# One long loop, as a call for each of millions of events would double its time; what is rare is called.
def _build(get: Next, found: _ParsePass, share: Share) -> Tree:  # noqa: C901, PLR0912, PLR0915
    """Return the tree of the only document that `get` yields the events of, None without; `share` keeps texts."""
    records = found.records
    current: Any = []
    key: Any = _ITEM
    stack: list[Any] = []  # (container, key, anchor of what is in it) for each open container
    documents = 0
    # What a text without these characters has none of is not looked for at each event.
    dollars, anchors, tags = (mark in found.data for mark in (b"$", b"&", b"!"))
    while (event := get()) is not None:
        kind = type(event)
        if kind is ScalarEvent:
            value = event.value
            if key is None:
                if value in current or value in _NO_KEYS or (tags and event.tag is not None):
                    value = found.odd_key(event, current, stack)
                if len(stack) in _MARKED:
                    key = value
                    found.mark(key, event, stack)
                else:
                    key = share(value, value)
                if anchors and event.anchor is not None:
                    found.anchors[event.anchor] = key
                continue
            if value in records and not event.style and key is not _ITEM and len(stack) in _UNMARKED:
                current[key] = records.pop(value)
                key = None
                continue
            if dollars and "$" in value and not event.style:
                found.doubt_value(event, (*_path(stack), len(current) if key is _ITEM else key))
            if len(value) < _SHARED:
                if value in _CONSTANTS and not event.style:
                    if value in PLACEHOLDERS:
                        found.doubt_value(event, (*_path(stack), len(current) if key is _ITEM else key))
                    value = _CONSTANTS[value]
                else:
                    value = share(value, value)
            if tags and event.tag is not None:
                found.tag(event, (*_path(stack), len(current) if key is _ITEM else key))
            if anchors and event.anchor is not None:
                found.anchors[event.anchor] = value
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            if key is None:
                braces = kind is MappingStartEvent and event.flow_style
                hint = "expand the template that {{ … }} is" if braces else "quote it"
                raise Malformed(*_at(event), "a mapping or a list as a key", f"a key is a text; {hint}")
            if len(stack) >= DEEPEST:
                raise Malformed(*_at(event), f"nested deeper than {DEEPEST} levels", "customers files never need that")
            if event.tag is not None:
                found.tag(event, (*_path(stack), len(current) if key is _ITEM else key) if stack else ())
            if event.anchor is not None:
                found.anchors[event.anchor] = _OPEN
            stack.append((current, key, event.anchor))
            current, key = ({}, None) if kind is MappingStartEvent else ([], _ITEM)
            continue
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            value = current
            current, key, anchor = stack.pop()
            if anchor is not None:
                found.close(value, anchor)
        elif kind is AliasEvent:
            if key is None:
                raise Malformed(*_at(event), "an alias as a key", "write the key; quote a text that begins with '*'")
            value = found.alias(event)
        elif kind is DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise Malformed(*_at(event), "a second document", "put it in a separate file")
            continue
        else:
            continue
        if key is _ITEM:
            current.append(value)
        else:
            current[key] = value
            key = None
    return current[0] if current else None


def _at(event: Event) -> tuple[int, int]:
    """Return line and column of `event`, from 1."""
    return event.start_mark.line + 1, event.start_mark.column + 1


def _path(stack: list[Any]) -> KeyPath:
    """Return the path of the container that is open, indices of lists included."""
    return tuple(len(holder) if key is _ITEM else key for holder, key, _ in stack[1:])
