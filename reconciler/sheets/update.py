"""
A customers file brought up to a sheet: what changed is edited in its place, every other line stays as it is.

Only what the map writes is compared. A key that is not in the sheet is named, and archived where that is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.desired.format import CUSTOMER_KEYS
from reconciler.desired.write import Written, entry_text
from reconciler.documents.edit import Edit, EditResult, Remove, SetValue, Value, apply_edits
from reconciler.documents.parse import Document, parse
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.kinds import USER
from reconciler.kinds.kind import CUSTOMER_FIELDS, USER_FIELDS, canonical_email
from reconciler.model.reports import SheetUpdate
from reconciler.sheets.map import SheetMap

_ORDER = (*CUSTOMER_KEYS, *(one.name for one in USER.fields))
_MARKED = "customers"
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts lines by
_TOP_LEVEL = re.compile(r"^(?![\s#])", re.MULTILINE)
_BOM = "\ufeff"
_HEAD = f"{_MARKED}:\n"
_EMPTY = re.compile(rf"^{_MARKED}:[ \t]*(?:\{{[ \t]*\}}|null|~)?(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_ALIAS = re.compile(r"(?<![^\s\[{,:])\*[^\s,\[\]{}]")
_PLAIN_COLUMN = 3
"""Where the keys of a file in our layout begin, from 1."""


@dataclass(slots=True)
class _File:
    """A file that is there, and what is to be edited in it: by key, and what is behind a key as a comment."""

    text: str
    document: Document
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)


class Update:
    """Compares entries with the files that are there, and edits them; `done` is what came of it."""

    def __init__(self, contents: Mapping[str, bytes], sheet_map: SheetMap) -> None:
        """Read the files, by name. Invalid where one has errors."""
        self.done = SheetUpdate()
        self._managed = tuple(sheet_map.columns)
        self._key_form = sheet_map.key_form
        self._files: dict[str, _File] = {}
        self._where: dict[str, str] = {}
        self._met: set[str] = set()
        problems: list[Problem] = []
        for name, content in contents.items():
            document, wrong = parse(content, name, marked=_MARKED)
            problems += wrong
            if document is not None and not wrong:
                self._files[name] = _File(content.decode(), document)
                self._where |= dict.fromkeys(_customers(document), name)
        if problems:
            raise Invalid(problems)

    def compare(self, entry: Written) -> bool:
        """Note what changes at an entry, and return whether a file declares it; one that none does is new."""
        name = self._where.get(entry.key)
        if name is None:
            self.done.new.append(entry.key)
            return False
        self._met.add(entry.key)
        file = self._files[name]
        tree = _customers(file.document)[entry.key]
        if not isinstance(tree, Mapping):
            self.done.refused.append((entry.key, f"{name}: the entry is empty; write `{{}}` to fill it"))
            return True
        if tree.get("archived") is True:
            self.done.returned.append(entry.key)
        edits = list(self._edits(entry, tree, file.document.tree.get("defaults") or {}))
        if edits:
            file.edits[entry.key] = edits
            self.done.changed[entry.key] = [edit.path[-1] for edit in edits]
        else:
            self.done.unchanged += 1
        if entry.comment:
            file.comments[entry.key] = entry.comment
        return True

    def _edits(self, entry: Written, tree: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[Edit]:
        """Yield what makes an entry what the sheet says."""
        path = (_MARKED, entry.key)
        unmanaged = tree.get("unmanaged") or ()
        for name in self._managed:
            wanted = entry.fields.get(name)
            inherited = None if name in unmanaged else defaults.get(name)
            known = tree.get(name, inherited)
            if CUSTOMER_FIELDS[name].same(wanted, known):
                continue
            if wanted is not None:
                yield SetValue((*path, name), wanted)
            elif name in tree:
                yield Remove((*path, name))
        users = tree.get("users") or {}
        known_users = {canonical_email(email): email for email in users}
        new: dict[str, Value] = {}
        for email, names in entry.users.items():
            spelled = known_users.get(canonical_email(email))
            if spelled is None:
                new[email] = dict(names)
            else:
                yield from _user_edits((*path, "users", spelled), names, users[spelled])
        if new and isinstance(tree.get("users"), Mapping):
            yield from (SetValue((*path, "users", email), names) for email, names in new.items())
        elif new:
            if "users" in tree:
                yield Remove((*path, "users"))
            yield SetValue((*path, "users"), new)

    def finish(self, *, archive: bool) -> None:
        """
        Note what is not in the sheet any more, after the last entry; `archive` has it archived.

        A key that the map cannot make is from elsewhere, and is not noted.
        """
        for key, name in self._where.items():
            entry = _customers(self._files[name].document)[key]
            if key in self._met or not isinstance(entry, Mapping) or entry.get("archived") is True:
                continue
            if self._key_form.fullmatch(key) is None:
                continue
            if archive:
                self.done.archived.append(key)
                self._files[name].edits[key] = [SetValue((_MARKED, key, "archived"), value=True)]
            else:
                self.done.gone.append(key)

    def texts(self, new: Sequence[Written], into: str) -> dict[str, str]:
        """Return the new text of each file that changes, the `new` entries added to the file `into`, "" for none."""
        changed = {}
        for name, file in self._files.items():
            text = self._edited(name, file)
            if name == into and new:
                text, refused = _with_new(name, text, new)
                self.done.refused += refused
            if text != file.text:
                changed[name] = text
        for key, _ in self.done.refused:
            self.done.changed.pop(key, None)
        return changed

    def _edited(self, name: str, file: _File) -> str:
        """Return the text of a file with its edits."""
        text, refused = _with_edits(name, file.text, file.document, file.edits, file.comments)
        self.done.refused += refused
        return text


def _with_new(name: str, text: str, new: Sequence[Written]) -> tuple[str, list[tuple[str, str]]]:
    """Return the text of a file with entries added behind its last, and those that have no place there."""
    document, _ = parse(text.encode(), name, marked=_MARKED)
    tree, keys = ({}, {}) if document is None else (document.tree, document.keys)
    newline = found.group() if (found := _BREAK.search(text)) else "\n"
    column, at = _PLAIN_COLUMN, len(text)
    if keys:
        last = max(keys, key=lambda key: keys[key])
        column = keys[last].column
        ((_, start, at),) = _spans(text, keys, {last})
        if text[start : start + column - 1].strip(" ") or column < _PLAIN_COLUMN:
            return _with_new_inside(name, text, new)
    elif _MARKED in tree:
        empty = _EMPTY.search(text)
        if empty is None:
            return _with_new_inside(name, text, new)
        text = f"{text[: empty.start()]}{_MARKED}:{text[empty.end() :]}"
        below = _BREAK.search(text, empty.start())
        at = below.end() if below else len(text)
    margin = " " * (column - _PLAIN_COLUMN)
    lines = [margin + line for one in new for line in entry_text(one).splitlines()]
    if not keys and _MARKED not in tree:
        lines.insert(0, f"{_MARKED}:")
    before = text[:at] if text[:at].endswith(("\n", "\r")) or not text[:at] else text[:at] + newline
    return "".join((before, newline.join((*lines, "")), text[at:])), []


def _with_new_inside(name: str, text: str, new: Sequence[Written]) -> tuple[str, list[tuple[str, str]]]:
    """Return the text of a file in which entries are added where they cannot have lines of their own."""
    edits = []
    for one in new:
        tree: dict[str, Value] = {} if one.id is None else {"id": one.id}
        tree |= one.fields
        if one.users:
            tree["users"] = {email: dict(names) for email, names in one.users.items()}
        edits.append(SetValue((_MARKED, one.key), tree))
    result = apply_edits(text, edits)
    return result.text, [(one.edit.path[1], f"{name}: {one.why}") for one in result.refused]


def _user_edits(
    path: tuple[str, ...], names: Mapping[str, str | None], tree: Mapping[str, Any] | None
) -> Iterator[Edit]:
    """Yield what makes a user what the sheet says."""
    for name, wanted in names.items():
        if not USER_FIELDS[name].same(wanted, (tree or {}).get(name)):
            yield SetValue((*path, name), wanted)


def with_ids(name: str, content: bytes, ids: Mapping[str, str], *, overlay: bool) -> tuple[str, list[tuple[str, str]]]:
    """
    Return the text of a file with an `id:` line for each key, and the keys that could not be edited, each with why.

    A key that the file does not declare gets an entry of this line alone in an `overlay`; elsewhere it would be
    declared twice. Invalid where the file has errors.
    """
    document, problems = parse(content, name, marked=_MARKED)
    if document is None or problems:
        raise Invalid(problems)
    declared = _customers(document)
    edits = {key: [SetValue((_MARKED, key, "id"), one)] for key, one in ids.items() if key in declared}
    text, refused = _with_edits(name, content.decode(), document, edits, {})
    others = [key for key in ids if key not in declared]
    if not overlay:
        return text, [*refused, *((key, f"{name}: it is declared in another file") for key in others)]
    text, more = _with_new(name, text, [Written(key, {}, id=ids[key]) for key in others]) if others else (text, [])
    return text, refused + more


def _with_edits(
    name: str,
    text: str,
    document: Document,
    edits: Mapping[str, Sequence[Edit]],
    comments: Mapping[str, str],
) -> tuple[str, list[tuple[str, str]]]:
    """Return the text of a file with edits, each entry by itself as it is one of very many; and what is refused."""
    parts, at = [], 0
    whole: list[Edit] = []
    if _ALIAS.search(text):
        # One entry may stand for a part of another: only the whole text shows it.
        whole, edits = [edit for several in edits.values() for edit in several], {}
    for key, start, end in _spans(text, document.keys, edits.keys() | comments.keys()):
        entry = f"{_HEAD}{text[start:end]}"
        alone, _ = parse(entry.encode(), name)
        result = apply_edits(entry, edits.get(key, ()), order=_ORDER)
        if result.refused or alone is None or alone.tree != {_MARKED: {key: _customers(document)[key]}}:
            whole += edits.get(key, ())
            continue
        parts += [text[at:start], _commented(result.text[len(_HEAD) :], comments.get(key, ""))]
        at = end
    text = "".join((*parts, text[at:]))
    result = apply_edits(text, whole, order=_ORDER) if whole else EditResult(text)
    return result.text, [(one.edit.path[1], f"{name}: {one.why}") for one in result.refused]


def _customers(document: Document) -> Mapping[str, Any]:
    """Return the entries of a file."""
    tree = document.tree if isinstance(document.tree, Mapping) else {}
    customers = tree.get(_MARKED)
    return customers if isinstance(customers, Mapping) else {}


def _spans(text: str, keys: Mapping[str, Source], wanted: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield where the lines of each wanted entry begin and end, in the order of the text."""
    chosen = set(wanted)
    ordered = sorted(keys, key=lambda key: keys[key])
    lines = [keys[key].line for key in ordered]
    offset, line = len(_BOM) if text.startswith(_BOM) else 0, 1
    breaks = _BREAK.finditer(text)
    for at, key in enumerate(ordered):
        if key not in chosen:
            continue
        while line < lines[at]:
            offset, line = next(breaks).end(), line + 1
        start = offset
        if at + 1 < len(ordered):
            while line < lines[at + 1]:
                offset, line = next(breaks).end(), line + 1
            end = offset
        else:
            below = _TOP_LEVEL.search(text, start + 1)
            end = below.start() if below else len(text)
        yield key, start, end


_OWN_COMMENT = re.compile(r"(?P<head>[^\r\n]*?:)(?:[ \t]+# [^\r\n]*:[0-9]+)?(?P<break>\r\n|[\r\n])")


def _commented(text: str, comment: str) -> str:
    """Return an entry with a comment of ours behind its key, in place of an older one of ours."""
    found = _OWN_COMMENT.match(text) if comment else None
    return text if found is None else f"{found['head']}  # {visible(comment)}{found['break']}{text[found.end() :]}"
