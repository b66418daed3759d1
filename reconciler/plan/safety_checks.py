"""
What stops a plan: a listing that is short, a ledger of another account, an archive reversed twice.

An archive that someone reverses twice is held back; fields that come back are held back in the same way
(`diff.UNSTABLE_RUNS`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.errors import Incomplete, Refused, Source
from reconciler.model.core import Address, Desired, Get, ListAgain, Live, LiveCustomer, Read, Reason, Seek
from reconciler.model.ledger import Binding, BindingState, Records
from reconciler.model.plan import BindingAction, Blocked, Note, Part
from reconciler.model.policy import LOCAL, Terms
from reconciler.model.reasons import BlockedReason, Moment, NoteKind, ReasonParts, StopReason, stop
from reconciler.model.reports import PROBES
from reconciler.plan.diff import UNSTABLE_RUNS
from reconciler.plan.presence import LISTINGS, Sight
from reconciler.plan.scope import Scope

FIELD = "archived"
"""What of an entry is blocked then: the key that declares it."""


def reversed_again(entry: Binding, source: Source | None) -> Blocked | None:
    """
    Return that a customer is not archived, or restored, once more; None where it may be.

    `entry` is its row in a plan that would do so: the last of our archives, or restores, was reversed too.
    """
    made = entry.reversals()
    if made is None or len(made.at) < UNSTABLE_RUNS:
        return None
    archived = made.made is BindingState.ARCHIVED
    return Blocked(
        Address(entry.external_id),
        BlockedReason.ARCHIVE_REVERSED if archived else BlockedReason.RESTORE_REVERSED,
        parts={"key": entry.external_id, "times": tuple(map(Moment, made.at))},
        field=FIELD,
        source=source,
        ids=() if entry.id is None else (entry.id,),
    )


PROOF = 3
"""So many bound customers that are live as recorded prove, if they are half of all, whose account it is."""

LACKING_FEW = 3
LACKING_SHARE = 0.01
"""More than `LACKING_FEW` and more than this share of the active bindings lacking: a second pass comes first."""


def lacking(sight: Sight, bindings: Mapping[str, Binding], scope: Scope) -> list[Binding]:
    """Return the rows held active that the listing lacks; not one that we just created or restored."""
    listed = sight.live.listed
    return [
        row
        for row in bindings.values()
        if row.state is BindingState.ACTIVE
        and row.id not in listed
        and not sight.moving(row)
        and scope.targeted(row.external_id)
    ]


def complete(live: Live, lacked: Sequence[Binding], active: int) -> tuple[Read, ...]:
    """
    Return what must be read before the listing may be called complete, nothing where it may.

    `active` counts the bindings held active. Where many are lacking, the account is listed again until two passes
    in a row hold the same customers. Raises Incomplete where none of `LISTINGS` do, or where a customer that the
    list narrowed to its creation holds is lacking from two passes. A pass taken again because one was found so
    differs from the short one by its nature.
    """
    many = len(lacked) > LACKING_FEW and len(lacked) > LACKING_SHARE * active and not live.narrowed
    if many and (live.listings == 1 or live.passes_differ) and True not in live.sought.values():
        if live.listings < LISTINGS:
            return (ListAgain(),)
        raise Incomplete(stop(StopReason.LISTINGS_DIFFER, {"listings": live.listings}))
    found = [row for row in lacked if live.sought.get(row.bound_id)]
    if found and live.listings == 1:
        return (ListAgain(),)
    if found:
        raise Incomplete(stop(StopReason.LISTING_SHORT, {"ids": tuple(row.bound_id for row in found)}))
    unsought = tuple(
        Seek(row.bound_id, row.created_at) for row in lacked if row.created_at and row.bound_id not in live.sought
    )
    if unsought:
        return unsought
    return tuple(Get(row.bound_id) for row in lacked if row.bound_id not in live.got)


def of_this_account(records: Records, live: Live, terms: Terms, desired: Desired) -> tuple[Note, ...]:
    """
    Return a note where the API key is one that the ledger does not know, and is this account's all the same.

    Raises Refused where it is not: more than half of the bound customers are seen to carry other
    external_ids than recorded, those apart that `desired` answers for with an `id:` or a moved line; or
    they do not prove an unknown key, and the user did not accept it.
    """
    counted, others = 0, []
    for row, customer in _seen(records, live):
        counted += 1
        if customer is not None and customer.external_id != row.live_external_id:
            others.append((row, customer))
    broken = len(others) - _answered_for(others, desired)
    if broken * 2 > counted:
        raise Refused(stop(StopReason.LEDGER_MISMATCH, {"broken": broken, "bound": counted}))
    if records.trusts(terms.environment.account):
        return ()
    held, counted = as_recorded(records, live)
    parts: ReasonParts = {"live": held, "bound": counted}
    if not counted:
        return ()
    if _prove(held, counted):
        return (Note(NoteKind.API_KEY_CHANGED, parts=parts),)
    if terms.accept_new_key:
        return (Note(NoteKind.API_KEY_ACCEPTED, parts=parts),)
    raise Refused(stop(StopReason.LEDGER_ELSEWHERE, parts))


def keys_with(key: str, records: Records, live: Live) -> tuple[str, ...]:
    """Return the API keys of the ledger's account once `key` wrote to it: `key` first, others only as it is proven."""
    if records.trusts(key) or _prove(*as_recorded(records, live)):
        return (key, *(one for one in records.keys if one != key))
    return (key,)


def proves(key: str, records: Records, live: Live) -> bool:
    """Say whether the bound customers prove a key that the ledger does not know, and that others wrote to it with."""
    return not records.trusts(key) and _prove(*as_recorded(records, live))


def _prove(held: int, counted: int) -> bool:
    """Say whether bound customers prove an API key: half of them are as recorded, and `PROOF`, or all where fewer."""
    return counted > 0 and held * 2 >= counted and held >= min(PROOF, counted)


def _answered_for(others: Sequence[tuple[Binding, LiveCustomer]], desired: Desired) -> int:
    """Return of how many that carry another external_id than recorded an `id:` or a moved line says who they are."""
    if not others:
        return 0
    pins = {customer.id for customer in desired.customers.values()}
    names = {name: key for key, former in desired.former_keys().items() for name in (key, *former)}
    return sum(
        row.id in pins or (row.external_id in names and names[row.external_id] == names.get(customer.external_id))
        for row, customer in others
    )


def as_recorded(records: Records, live: Live) -> tuple[int, int]:
    """
    Return how many bound customers are live as recorded, and of how many.

    One that the ledger does not hold active counts only where it is seen: archived customers need not be listed.
    """
    held = counted = 0
    for row, customer in _seen(records, live):
        counted += row.state is BindingState.ACTIVE or customer is not None
        held += customer is not None and customer.external_id == row.live_external_id
    return held, counted


def _seen(records: Records, live: Live) -> Iterator[tuple[Binding, LiveCustomer | None]]:
    """Yield the rows of the ledger, each with the customer as it was read; None where it was not found."""
    for row in records.bindings.values():
        # What a probe made and archived says nothing of whose ledger it is.
        if row.project != PROBES:
            yield row, live.listed.get(row.bound_id) or live.got.get(row.bound_id)


def of_this_place(part: Part, desired: Desired, records: Records, terms: Terms) -> None:
    """
    Raise Refused where a plan archives, or releases, as removed what was applied from another place.

    Two repositories are two places. Two folders without a remote are one if any of the project's entries is declared
    here, as a copy's are, or nobody is. Else, where one of the two places is unknown, it is the same unless none of
    the project's entries and none of the files that they were in is here. `seed --reset` archives whatever is not
    declared, wherever it is from.
    """
    if terms.reset:
        return
    gone = {one.address.external_id for one in part.changes if one.reason is Reason.ENTRY_GONE}
    gone |= {one.address.external_id for one in part.bindings if one.action is BindingAction.RELEASE}
    rows = [row for key in sorted(gone - desired.customers.keys()) if (row := records.bindings.get(key)) and row.source]
    if not rows:
        return
    ours = [row for row in records.bindings.values() if row.project == terms.project and row.source]
    names = desired.customers.keys() | {move.origin for move in desired.moved}
    local = terms.place.startswith(LOCAL)
    placed = [row for row in rows if row.place and terms.place and row.place.startswith(LOCAL) == local]
    copied = local and (not desired.customers or any(row.external_id in names for row in ours))
    elsewhere = [row for row in placed if row.place != terms.place and not copied]
    if elsewhere:
        places = tuple(sorted({row.place for row in elsewhere}))
        parts: ReasonParts = {
            "customers": _addresses(elsewhere),
            "places": places,
            "here": terms.place,
            "project": "NAME" if local else terms.place.rpartition("/")[2],
            "place": places[0],
        }
        raise Refused(stop(StopReason.PLACE_ELSEWHERE, parts))
    if len(placed) == len(rows):
        return
    files = {file.name for file in desired.reading.files}
    if not any(row.source in files or row.external_id in desired.customers for row in ours):
        sources = tuple(sorted({row.source for row in rows}))
        raise Refused(stop(StopReason.FILES_ELSEWHERE, {"customers": _addresses(rows), "files": sources}))


def _addresses(rows: Iterable[Binding]) -> tuple[Address, ...]:
    """Return whom rows are about."""
    return tuple(Address(row.external_id) for row in rows)
