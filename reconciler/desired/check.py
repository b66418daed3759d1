"""The second check: rules that the schema cannot say, across fields, customers and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from reconciler.desired.findings import Finding
from reconciler.desired.moves import check_moves
from reconciler.desired.overlay import STRUCTURE, Entry, Merged
from reconciler.desired.regions import postal_problem, region_of, state_problem
from reconciler.documents.parse import Document
from reconciler.documents.scalars import quoted, scalar
from reconciler.errors import Severity, Source
from reconciler.kinds.kind import nearly


def check_rules(
    merged: Merged,
    documents: Sequence[Document],
    overlays: Sequence[Document],
    *,
    required: Collection[str] = (),
    required_at: Source | None = None,
    pins_allowed: bool = True,
    spoiled: Collection[str] = (),
    belongs: Callable[[str], bool] = lambda _: True,
    complete: bool = True,
) -> Iterator[Finding]:
    """
    Yield all that is wrong with what `documents` and `overlays` declare together.

    `required` are the fields that `policy.required` names, which is written at `required_at`;
    `spoiled` the keys of customers that lost fields to the schema's check, so that a field they lack is not missed
    twice; of a customer that does not belong to the environment (`belongs`) nothing is asked that may be left out;
    `complete` is False where a file could not be read, so that no key is called unknown.
    """
    yield from merged.findings
    if not pins_allowed:
        yield from _pins(documents)
    pins: dict[str, Entry] = {}
    for entry in chain(merged.entries.values(), merged.repeated):
        key, record, fields = entry.key, entry.record, entry.fields()
        repeated = merged.entries.get(key) is not entry
        if fields is not record and not STRUCTURE.isdisjoint(record):
            yield from _structure(entry, {} if repeated else pins)
        if not repeated and not record.get("archived") and key not in spoiled and belongs(key):
            if not fields.get("email") and "email" not in required:
                yield _warning(entry, "it has no email", "invoices need one, and the API sets it only at creation")
            for name in required:
                if not (fields.get(name) or "").strip():
                    yield _lacking(entry, name, required_at)
        if country := fields.get("country"):
            yield from _address(entry, country, fields)
    yield from _nearly_equal(entry for key, entry in merged.entries.items() if belongs(key))
    yield from check_moves(merged, documents, overlays, complete=complete)


def _pins(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield a finding for each `id` in a file that several environments share."""
    hint = "write it in an overlay of the environment whose customer it is"
    for document in documents:
        for key, record in document.tree.get("customers", {}).items():
            if record and "id" in record:
                message = "an id belongs to one environment, and this file is read for several"
                yield Finding(document, ("customers", key, "id"), message, hint)


def _structure(entry: Entry, pins: dict[str, Entry]) -> Iterator[Finding]:
    """Yield what is wrong with an entry's keys that are no fields; remember its id in `pins`."""
    record = entry.record
    for name in record.get("unmanaged", ()):
        if name in record:
            document, path = entry.written_in("unmanaged")
            message = f"{quoted(name)} is written by this customer itself, and unmanaged"
            yield Finding(document, path, message, "remove one of the two; unmanaged is for what defaults would add")
    if customer_id := record.get("id"):
        other = pins.setdefault(customer_id, entry)
        if other is not entry:
            document, path = entry.written_in("id")
            message = f"the id {quoted(customer_id)} is given to two customers, first at {{also}}"
            hint = "an id belongs to one customer; remove one of the two"
            yield Finding(document, path, message, hint, also=other.written_in("id"))
    for name in record.get("distinct_from", ()):
        if name in (entry.key, customer_id):
            document, path = entry.written_in("distinct_from")
            message, hint = f"{quoted(name)} is this customer itself", "name the customers that it is not"
            yield Finding(document, path, message, hint)
    if users := record.get("users"):
        yield from _users(entry, users)


def _nearly_equal(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Yield a warning for each key that is nearly an earlier one, unless one of the two is declared distinct."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(nearly(entry.key), entry)
        if other is entry:
            continue
        if entry.key in other.record.get("distinct_from", ()):
            continue
        if other.key not in entry.record.get("distinct_from", ()):
            document = other.layers[0]
            place = document.keys.get(other.key) or document.name
            message = (
                f"it is nearly the key {quoted(other.key)} at {place}: only case, whitespace, Unicode form or the "
                "way a number is written differ"
            )
            line = f"distinct_from: [{scalar(other.key, flow=True)}]"
            yield _warning(entry, message, f"if they are one customer, remove one; if not, write `{line}`")


def _users(entry: Entry, users: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding for each user whose e-mail address another one has, case apart."""
    first: dict[str, str] = {}
    for email in users:
        other = first.setdefault(email.casefold(), email)
        if other is not email:
            document, path = entry.written_in("users", email)
            message = f"the user is declared twice, first at {{also}} as {quoted(other)}"
            also = entry.written_in("users", other)
            yield Finding(document, path, message, "e-mail addresses are compared without case", at_key=True, also=also)


def _address(entry: Entry, country: str, fields: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield a warning for a state or a postal code that the country does not have."""
    region = region_of(country)
    if region is None:
        return
    for name, value, problem in (
        ("state", fields.get("state"), state_problem),
        ("postal_code", fields.get("postal_code"), postal_problem),
    ):
        message, hint = problem(region, value) if value else ("", "")
        if message:
            document, path = entry.written_in(name)
            yield Finding(document, path, message, hint, Severity.WARNING)


def _warning(entry: Entry, message: str, hint: str) -> Finding:
    """Return a warning about a whole customer."""
    return Finding(entry.layers[0], ("customers", entry.key), message, hint, Severity.WARNING, at_key=True)


def _lacking(entry: Entry, name: str, required_at: Source | None) -> Finding:
    """Return the error of a customer without a field that the policy requires."""
    rule = f" ({required_at})" if required_at is not None else ""
    message, hint = f"it has no {name}, which the policy requires{rule}", f"write `{name}:`"
    return Finding(entry.layers[0], ("customers", entry.key), message, hint, at_key=True)
