"""
Documents to one entry a customer: defaults under each, overlays over them.

A customer's own fields, its file's and its overlays', are over the defaults of those files: `defaults` never
override what a customer writes. Overlays are merged by key, customer by customer and user by user; later ones win.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.desired.schema_check import PathProblem
from reconciler.documents.nodes import Again, KeyPath
from reconciler.documents.parse import Document
from reconciler.documents.scalars import did_you_mean

STRUCTURE = frozenset({"users", "archived", "id", "distinct_from", "protect", "ignore_changes", "unmanaged"})
"""The keys of a customer that are no fields."""

_NOTHING: Mapping[str, Any] = {}
_SUGGESTIONS = 20


class Entry(NamedTuple):
    """
    One customer with its overlays merged in.

    `record` is what it writes itself, `defaults` what its files' `defaults` hold. `layers` are the documents that name
    it, from the bottom up; the first is where it is declared. A tuple, as there is one for each customer for a moment,
    and a frozen dataclass takes twice as long to make.
    """

    key: str
    record: Mapping[str, Any]
    defaults: Mapping[str, Any]
    layers: tuple[Document, ...]

    def fields(self) -> Mapping[str, str | None]:
        """Return the fields that it has, its own and those of defaults."""
        if not self.defaults and STRUCTURE.isdisjoint(self.record):
            return self.record
        opted_out = self.record.get("unmanaged", ())
        fields = {name: value for name, value in self.defaults.items() if name not in opted_out}
        fields.update(self.record)
        for name in STRUCTURE.intersection(fields):
            del fields[name]
        return fields

    def ignored(self) -> frozenset[str]:
        """Return the fields of `ignore_changes`, the customer's and the defaults'."""
        return frozenset((*self.record.get("ignore_changes", ()), *self.defaults.get("ignore_changes", ())))

    def written_in(self, *path: str) -> tuple[Document, KeyPath]:
        """Return the topmost document that writes `path` of this customer, and where: in it, or in its defaults."""
        for base in (("customers", self.key), ("defaults",)):
            for document in reversed(self.layers):
                if _has(document.tree, (*base, *path)):
                    return document, (*base, *path)
        return self.layers[0], ("customers", self.key)


@dataclass(frozen=True, slots=True)
class Merged:
    """
    What all documents of one environment declare together.

    `absent`: keys that an overlay sets to null. `repeated`: entries whose key another one has already.
    """

    entries: Mapping[str, Entry]
    absent: frozenset[str]
    findings: tuple[PathProblem, ...]
    repeated: tuple[Entry, ...] = ()


def merge(documents: Sequence[Document], overlays: Sequence[Document], *, complete: bool = True) -> Merged:
    """
    Return the customers of `documents` with `overlays` merged over them, and what cannot be merged.

    Where a file could not be read, `complete` is False, and no key is called unknown.
    """
    layers = _Layers()
    for document in documents:
        layers.gather(document)
    for overlay in overlays:
        layers.lay_over(overlay)
    findings = (*layers.findings, *layers.unknown) if complete else tuple(layers.findings)
    return Merged(layers.entries, frozenset(layers.absent), findings, tuple(layers.repeated))


@dataclass(slots=True)
class _Layers:
    """What has been merged so far; `unknown` are the findings about keys that no file declares."""

    entries: dict[str, Entry] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    findings: list[PathProblem] = field(default_factory=list)
    unknown: list[PathProblem] = field(default_factory=list)
    repeated: list[Entry] = field(default_factory=list)

    def gather(self, document: Document) -> None:
        """Add the customers of one file."""
        defaults = document.tree.get("defaults", _NOTHING)
        layers = (document,)
        for key, record in document.tree.get("customers", _NOTHING).items():
            if isinstance(key, Again):
                # The reader of the file has said so.
                self.repeated.append(Entry(key, record or _NOTHING, defaults, layers))
            elif key in self.entries:
                first = self.entries[key].layers[0]
                message = f"this external_id is declared twice, first at {first.keys.get(key, first.name)}"
                hint = "an external_id can be in one place only; remove one, or merge the two"
                self.findings.append(PathProblem(document, ("customers", key), message, hint, at_key=True))
                self.repeated.append(Entry(key, record or _NOTHING, defaults, layers))
            elif record is None:
                hint = "write {} to declare it with only the defaults, or remove it"
                self.findings.append(PathProblem(document, ("customers", key), "this is empty", hint, at_key=True))
            else:
                self.entries[key] = Entry(key, record, defaults, layers)
                if "users" in record:
                    self.findings.extend(_empty_users(document, key, record["users"], _NOTHING))

    def lay_over(self, overlay: Document) -> None:
        """Merge one overlay over the entries."""
        defaults = overlay.tree.get("defaults", _NOTHING)
        for key, record in overlay.tree.get("customers", _NOTHING).items():
            entry = self.entries.get(key)
            if isinstance(key, Again):
                continue
            if entry is None:
                self._add(overlay, key, record, defaults)
            elif record is None:
                del self.entries[key]
                self.absent.add(key)
            else:
                users = entry.record.get("users", _NOTHING)
                self.findings.extend(_empty_users(overlay, key, record.get("users", _NOTHING), users))
                self.entries[key] = Entry(
                    key, _merged(entry.record, record), _merged(entry.defaults, defaults), (*entry.layers, overlay)
                )

    def _add(self, overlay: Document, key: str, record: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> None:
        """
        Add a customer that this overlay alone declares: one with a name, or one that another made absent.

        One that is under its own id needs no name: so `import` writes it, and such a key is no slip of the pen.
        """
        if record is not None and (record.get("name") or record.get("id") == key or key in self.absent):
            self.absent.discard(key)
            self.entries[key] = Entry(key, record, defaults, (overlay,))
            self.findings.extend(_empty_users(overlay, key, record.get("users", _NOTHING), _NOTHING))
        elif key not in self.absent:
            # Each suggestion compares with every key: after a few, the mistake is another one.
            near = did_you_mean(key, self.entries) if len(self.unknown) < _SUGGESTIONS else ""
            hint = near or "declare it in a customers file, or give it a name here"
            message = "an overlay for a customer that no file declares"
            self.unknown.append(PathProblem(overlay, ("customers", key), message, hint, at_key=True))


def _empty_users(
    document: Document, key: str, users: Mapping[str, Any], below: Mapping[str, Any]
) -> Iterable[PathProblem]:
    """Yield a finding for each user that is null though there is none `below` to make absent."""
    known = {email.casefold() for email in below} if None in users.values() else set()
    for email, user in users.items():
        if user is None and email.casefold() not in known:
            hint = did_you_mean(email, below) or "write {} for a user without names, or remove the line"
            yield PathProblem(document, ("customers", key, "users", email), "this is empty", hint, at_key=True)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `above` over `below`: users by email, every other key replaced, lists too."""
    if not above:
        return below
    merged = {**below, **above}
    if "users" in above:
        merged["users"] = _merged_users(below.get("users", _NOTHING), above["users"])
    return merged


def _merged_users(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return users merged by email, whose case does not count; one that is null above is absent."""
    spelled = {email.casefold(): email for email in below}
    users = dict(below)
    for email, user in above.items():
        known = spelled.get(email.casefold(), email)
        if user is None:
            users.pop(known, None)
        else:
            users[known] = _merged(users.get(known) or _NOTHING, user)
    return users


def _has(tree: Mapping[str, Any], path: Iterable[str]) -> bool:
    """Say whether `path` is written in `tree`."""
    node: Any = tree
    for step in path:
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    return True
