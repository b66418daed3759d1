"""Keys that are created beside a live customer whose external_id differs in case or blanks alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.kinds.kind import nearly
from reconciler.model import Address, Desired, DesiredCustomer, LiveCustomer, Note
from reconciler.records import Records

MOST_NOTED = 20
"""So many creates of a plan are told of who carries nearly their key; the rest is counted."""

_LONGEST = 60


def near(
    created: Iterable[DesiredCustomer], listed: Iterable[LiveCustomer], desired: Desired, records: Records
) -> tuple[Note, ...]:
    """
    Return a note for each customer that a plan creates beside one whose external_id is nearly its key.

    An external_id is compared as it is. Whether the server keeps it as it was sent is not documented: where it does
    not, and the ledger is lost, the one that is there may be the one that is declared. Nothing is bound by it.
    """
    keys = {nearly(one.external_id): one.external_id for one in created}
    if not keys:
        return ()
    taken = {row.bound_id for row in records.bindings.values()}
    taken |= {one.id for one in desired.customers.values() if one.id is not None}
    notes = [
        Note(
            f"it is created, unless you say that it is {one.id}, whose external_id {one.external_id[:_LONGEST]!r} "
            f"differs in case or blanks alone: then write `id: {one.id}`",
            Address(keys[nearly(one.external_id)]),
        )
        for one in listed
        if one.external_id
        and one.id not in taken
        and one.external_id not in desired.customers
        and nearly(one.external_id) in keys
    ]
    rest = len(notes) - MOST_NOTED
    return (*notes[:MOST_NOTED], *([Note(f"the same holds for {rest} more that are created")] if rest > 0 else []))
