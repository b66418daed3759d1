"""Entries to `Desired`: frozen values, each with the place of its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from reconciler.desired.findings import places_of
from reconciler.desired.moves import ends_of, forgotten_in, moves_of
from reconciler.desired.overlay import STRUCTURE, Entry, Merged
from reconciler.documents.nodes import KeyPath
from reconciler.documents.parse import Document
from reconciler.errors import Source
from reconciler.model.core import CustomerId, Desired, DesiredCustomer, DesiredUser, Move, Reading


def build(
    merged: Merged,
    documents: Sequence[Document],
    reading: Reading,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Desired:
    """
    Return what one environment declares. `documents` are all, overlays last; they fit the schema and the rules.

    Of a key that does not belong to this environment, the customer, its `moved` and its `forget` are left out.
    """
    belongs = belonging(include, exclude)
    kept = {key: entry for key, entry in merged.entries.items() if belongs(key)}
    lines = tuple(moves_of(documents))
    ends = ends_of(lines)
    forgotten = tuple(forgotten_in(documents))
    places = places_of((*((one.document, one.path) for one in lines), *((one[0], one[1]) for one in forgotten)))

    def source(document: Document, path: KeyPath) -> Source:
        return Source(document.name, *places[document.name][path].value)

    moved = tuple(Move(one.origin, one.to, source(one.document, one.path)) for one in lines if ends[one.origin] in kept)
    forget = {key: source(document, path) for document, path, key in forgotten if belongs(key)}
    return Desired(
        customers={key: _customer(entry) for key, entry in kept.items()},
        moved=moved,
        forget=forget,
        reading=reading,
        include=tuple(include),
        exclude=tuple(exclude),
        left_out=tuple(key for key in merged.entries if key not in kept),
    )


def belonging(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """
    Return what says whether a key belongs to the environment.

    It does where an `include` pattern matches it, or there is none, and no `exclude` pattern does.

    >>> belongs = belonging(["west-*"], ["*-old"])
    >>> belongs("west-1"), belongs("east-1"), belongs("west-old")
    (True, False, False)
    """
    if not include and not exclude:
        return lambda _: True

    def belongs(key: str) -> bool:
        if include and not any(fnmatchcase(key, pattern) for pattern in include):
            return False
        return not any(fnmatchcase(key, pattern) for pattern in exclude)

    return belongs


def _customer(entry: Entry) -> DesiredCustomer:
    """Return one customer."""
    record = entry.record
    source = entry.layers[0].keys.get(entry.key) or Source(entry.layers[0].name)
    if not entry.defaults and STRUCTURE.isdisjoint(record):
        return DesiredCustomer(entry.key, record, source)
    customer_id = record.get("id")
    return DesiredCustomer(
        external_id=entry.key,
        fields=entry.fields(),
        source=source,
        users=tuple(_user(entry, email, user, source) for email, user in (record.get("users") or {}).items()),
        archived=record.get("archived", False),
        id=None if customer_id is None else CustomerId(customer_id),
        protect=record.get("protect", entry.defaults.get("protect")),
        ignore_changes=entry.ignored(),
        distinct_from=tuple(record.get("distinct_from", ())),
    )


def _user(entry: Entry, email: str, user: Mapping[str, str | None], source: Source) -> DesiredUser:
    """Return one user; where its place is not known (behind an alias), it has its customer's."""
    known = (document.inner.get((entry.key, email)) for document in entry.layers)
    place = next((one for one in known if one is not None), source)
    ignored = user.get("ignore_changes")
    if ignored is None:
        return DesiredUser(email, user, place)
    fields = {name: value for name, value in user.items() if name != "ignore_changes"}
    return DesiredUser(email, fields, place, frozenset(ignored))
