"""
An integration that writes into the account: a system of record whose customers sync here.

It creates the customers that it has, rewrites the fields that it controls, and archives whom it deleted. By default a
sync writes only what changed in the integration since the last one; the switch `sync_undoes` lets it undo what others
did, too. Nothing that is created here goes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any

from reconciler.kinds.kind import CUSTOMER
from reconciler.rules import Account, Behaviour, StoredCustomer, put
from reconciler.rules.account import CREATABLE, microseconds
from reconciler.rules.behaviour import IntegrationIds, SyncUndoes
from reconciler.rules.customers import kept

INTEGRATION_ID = "customer_integration_id"
_HOUR_S = 3600.0
_WRITABLE = tuple(name for name in CREATABLE if name != CUSTOMER.identity)


class Product(StrEnum):
    """What is known of a product: the vendor's help center says how soon it syncs, and whether deleting archives."""

    QUICKBOOKS = "quickbooks"
    HALOPSA = "halopsa"
    CONNECTWISE = "connectwise"
    SUPEROPS = "superops"
    AUTOTASK = "autotask"


_PACE: Mapping[Product, tuple[float, bool]] = {
    Product.QUICKBOOKS: (0.0, True),
    Product.HALOPSA: (0.0, True),
    Product.CONNECTWISE: (0.0, True),
    Product.SUPEROPS: (_HOUR_S, True),
    Product.AUTOTASK: (_HOUR_S, False),
}
"""Seconds between two syncs (0: in real time), and whether it archives here whom it deleted there."""


@dataclass(frozen=True, slots=True)
class SyncedRecord:
    """
    A customer as the integration has it.

    `number` is what people call it there, `external_id` what it is created with: "" for none, as is usual. One that
    does not sync (`syncs` False) has left the integration's filter: it stays here as it is.
    """

    id: str
    fields: Mapping[str, str]
    number: str = ""
    external_id: str = ""
    deleted: bool = False
    syncs: bool = True


@dataclass(frozen=True, slots=True)
class RecordEdit:
    """Edits of records in the integration, this many seconds after it was connected; None: as soon as it syncs."""

    at_s: float
    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Integration:
    """What an integration has and does; `every_s` 0 is in real time: before each request."""

    every_s: float = 0.0
    fields: tuple[str, ...] = _WRITABLE
    creates: bool = True
    archives: bool = True
    restores: bool = True
    records: tuple[SyncedRecord, ...] = ()
    edits: tuple[RecordEdit, ...] = ()


class IntegrationAtWork:
    """An integration that was connected at `now`: what it has by now, and what it has written."""

    def __init__(self, integration: Integration, now: float) -> None:
        self.integration = integration
        self.records = {one.id: one for one in integration.records}
        self.did: Counter[str] = Counter()
        self._connected_at = now
        self._synced_at: float | None = None
        self._edits = sorted(integration.edits, key=lambda one: one.at_s)
        self._links: dict[str, str] = {}
        self._written: dict[str, SyncedRecord] = {}

    def edit(self, records: tuple[Mapping[str, Any], ...]) -> None:
        """Edit records, or add new ones; the next sync writes them."""
        self.records |= {one.id: one for one in edited(self.records, records)}

    def is_due(self, now: float) -> bool:
        """Say whether the next sync is due."""
        return self._synced_at is None or now >= self._synced_at + self.integration.every_s

    def sync(self, account: Account, ways: Behaviour, now: float) -> tuple[str, ...]:
        """Write into the account what is due, and return the ids of the customers that changed."""
        self._synced_at = now
        while self._edits and self._edits[0].at_s <= now - self._connected_at:
            self.edit(self._edits.pop(0).records)
        undoes = ways.sync_undoes
        pending = [one for one in self.records.values() if one.syncs and (undoes or self._written.get(one.id) != one)]
        if not pending:
            return ()
        holders = {
            customer.fields[INTEGRATION_ID]: customer.id
            for customer in account.customers.values()
            if INTEGRATION_ID in customer.fields
        }
        return tuple(self._synced(pending, holders, account, ways, now))

    def _synced(
        self,
        pending: list[SyncedRecord],
        holders: Mapping[str, str],
        account: Account,
        ways: Behaviour,
        now: float,
    ) -> Iterator[str]:
        """Sync records, and yield the ids of the customers that changed."""
        for record in pending:
            linked = self._links.get(record.id, "")
            if linked not in account.customers:
                linked = holders.get(link_of(record, ways), "")
            before = account.customers.get(linked)
            after = self._created(record, account, ways, now) if before is None else self._updated(record, before, ways)
            self._written[record.id] = record
            if after is not None:
                self._links[record.id] = after.id
            if after is not None and after != before:
                put(account, after, at_us=microseconds(now), lag_us=microseconds(ways.lag_s))
                yield after.id

    def _created(self, record: SyncedRecord, account: Account, ways: Behaviour, now: float) -> StoredCustomer | None:
        """Return the customer that a new record makes here, None where it makes none."""
        if record.deleted or not self.integration.creates:
            return None
        self.did["created"] += 1
        texts = {CUSTOMER.identity: record.external_id, **record.fields}
        fields = {name: text for name, value in texts.items() if (text := kept(ways, name, value))}
        return StoredCustomer(account.next_id(), microseconds(now), {**fields, INTEGRATION_ID: link_of(record, ways)})

    def _updated(self, record: SyncedRecord, customer: StoredCustomer, ways: Behaviour) -> StoredCustomer:
        """Return a customer as a sync leaves it."""
        written, undoes = self._written.get(record.id), ways.sync_undoes
        fields = dict(customer.fields)
        for name, value in record.fields.items():
            changed = written is None or written.fields.get(name) != value
            text = kept(ways, name, value)
            if name not in self.integration.fields or not (changed or SyncUndoes.PATCH in undoes):
                continue
            self.did["rewritten"] += fields.get(name, "") != text
            fields.pop(name, None)
            if text:
                fields[name] = text
        changed = written is None or written.deleted is not record.deleted
        archived = customer.archived
        if record.deleted and not archived and self.integration.archives:
            archived = changed or SyncUndoes.RESTORE in undoes
        elif not record.deleted and archived and self.integration.restores:
            archived = not (changed or SyncUndoes.ARCHIVE in undoes)
        if archived is not customer.archived:
            self.did["archived" if archived else "restored"] += 1
        return replace(customer, fields=fields, archived=archived)


def link_of(record: SyncedRecord, ways: Behaviour) -> str:
    """Return what `customer_integration_id` holds of a record."""
    return record.number or record.id if ways.integration_ids is IntegrationIds.NUMBER else record.id


class NotAnIntegration(ValueError):
    """A value of another type than the file of an integration has there."""


_NAMES = ("product", "every_s", "fields", "creates", "archives", "restores", "customers", "edits")
_RECORD = ("id", "number", "external_id", "deleted", "syncs", *_WRITABLE)
_FLAGS = ("deleted", "syncs")


def read_integration(values: object) -> Integration:
    """
    Return the integration that a JSON object describes (`schema/integration.schema.json`).

    ValueError says what is wrong, and where.

    >>> read_integration({"product": "autotask", "customers": [{"id": "17", "name": "Acme"}]}).archives
    False
    >>> read_integration({"customers": [{"name": "Acme"}]})
    Traceback (most recent call last):
    ...
    ValueError: customers[0]: a customer of an integration has an id; add "id"
    """
    read = _object("", values, _NAMES)
    every_s, archives = 0.0, True
    if "product" in read:
        if read["product"] not in tuple(Product):
            raise ValueError(f"product: {read['product']!r} is not one of {', '.join(Product)}")
        every_s, archives = _PACE[Product(read["product"])]
    fields = read.get("fields", list(_WRITABLE))
    if not isinstance(fields, list) or not set(map(str, fields)) <= set(_WRITABLE):
        raise ValueError(f"fields: a list of fields of customers; they are {', '.join(_WRITABLE)}")
    records = edited({}, _records("customers", read.get("customers", [])))
    edits: list[RecordEdit] = []
    known = {one.id: one for one in records}
    for place, one in enumerate(_list("edits", read.get("edits", []))):
        where = f"edits[{place}]"
        edit = _object(where, one, ("at_s", "customers"))
        rows = _records(f"{where}.customers", edit.get("customers", []))
        edited(known, rows)
        edits.append(RecordEdit(_seconds(f"{where}.at_s", edit.get("at_s", 0)), rows))
    return Integration(
        _seconds("every_s", read.get("every_s", every_s)),
        tuple(fields),
        _flag("creates", read.get("creates", True)),
        _flag("archives", read.get("archives", archives)),
        _flag("restores", read.get("restores", True)),
        records,
        tuple(edits),
    )


def read_records(values: object) -> tuple[Mapping[str, Any], ...]:
    """Return the records of `{"customers": […]}`, each with an id and what changes; ValueError says what is wrong."""
    return _records("customers", _object("", values, ("customers",)).get("customers", []))


def edited(known: Mapping[str, SyncedRecord], rows: tuple[Mapping[str, Any], ...]) -> tuple[SyncedRecord, ...]:
    """Return records after edits, in which only what changes is given; new ones come whole."""
    after: dict[str, SyncedRecord] = {}
    for row in rows:
        former = after.get(row["id"]) or known.get(row["id"]) or SyncedRecord(row["id"], {})
        after[row["id"]] = SyncedRecord(
            row["id"],
            {**former.fields, **{name: row[name] for name in _WRITABLE if name in row}},
            row.get("number", former.number),
            row.get("external_id", former.external_id),
            row.get("deleted", former.deleted),
            row.get("syncs", former.syncs),
        )
    return tuple(after.values())


def _records(where: str, values: object) -> tuple[Mapping[str, Any], ...]:
    """Return records as they are written; ValueError for what is none."""
    rows = []
    for place, value in enumerate(_list(where, values)):
        row = _object(f"{where}[{place}]", value, _RECORD)
        for name, part in row.items():
            if name in _FLAGS:
                _flag(f"{where}[{place}].{name}", part)
            elif not isinstance(part, str):
                raise ValueError(f"{where}[{place}].{name}: this is a text, in quotes")
        if not row.get("id"):
            raise ValueError(f'{where}[{place}]: a customer of an integration has an id; add "id"')
        rows.append(row)
    return tuple(rows)


def _object(where: str, value: object, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return an object that has no other names than `names`."""
    if not isinstance(value, Mapping):
        raise NotAnIntegration(f"{where or 'an integration'}: this is an object")
    for name in value:
        if name not in names:
            raise ValueError(f"{f'{where}.' if where else ''}{name}: there is no such name; use {', '.join(names)}")
    return value


def _list(where: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise NotAnIntegration(f"{where}: this is a list")
    return value


def _flag(where: str, value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise NotAnIntegration(f"{where}: this is true or false")
    return value


def _seconds(where: str, value: object) -> float:
    """Return a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ValueError(f"{where}: this is a number of seconds, not below 0")
    return float(value)
