"""
Whether nobody carries a key: a customer is created only where that is proven.

A listing proves that a customer is there; that one is not there it proves only where it took a single page. While
pages are turned, the rows may move: where somebody before the page is archived, the next one passes over a row, and
nothing in the listing shows it. It shows in the next listing, which lacks the archived one. So two complete listings
must lack the key, and hold the same customers; the earlier one may be that of a plan that was saved, or of the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from reconciler.api.times import was_there
from reconciler.model.core import Action, Address, AskSuccessor, CustomerId, ListAgain, Live, LiveCustomer, Read
from reconciler.model.ledger import LACKED_S, Learned, Pass, Records
from reconciler.model.plan import Blocked, Change
from reconciler.plan.part import Part

LISTINGS = 4
"""So many listings are taken at most, until two in a row hold the same customers."""

Lacked = Mapping[str, Pass]
"""External_ids that an earlier complete listing lacked."""


def held(customers: Iterable[LiveCustomer], at: float) -> str:
    """
    Return a digest of those customers that a listing which began at `at` must have held, in whatever order they come.

    Two listings that passed over nobody have the same one, unless somebody was archived or restored between them.
    """
    return digest_of(one.id for one in customers if was_there(one.created_at, at))


def digest_of(ids: Iterable[CustomerId]) -> str:
    """Return a digest of customers' ids, in whatever order they come."""
    return hashlib.sha256("\0".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def pass_of(live: Live) -> Pass:
    """Return what is kept of the listing in `live`."""
    return Pass(live.read_at, held(live.listed.values(), live.read_at))


def created_keys(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return the external_ids that a plan creates, those apart that it creates only where a restore answers 404."""
    return tuple(
        dict.fromkeys(
            change.address.external_id for change in changes if Action.CREATE in (change.action, change.otherwise)
        )
    )


def lacked_by(changes: Iterable[Change], listing: Pass | None) -> Lacked:
    """Return what the listing that a plan was made from lacked: all that it creates."""
    return {} if listing is None else dict.fromkeys(created_keys(changes), listing)


@dataclass(frozen=True, slots=True)
class Proof:
    """
    What is known of who is absent: of the listing in `live`, what the ledger remembers, and what a saved plan does.

    `lag_s` is how long a write may stay unseen.
    """

    live: Live
    records: Records
    saved: Lacked
    lag_s: float

    def unproven(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return those of `keys`, which the listing lacks, of which it is not proven that nobody carries them."""
        live = self.live
        if live.pages == 1 or (live.listings > 1 and not live.passes_differ):
            return ()
        unseen = {
            one.address.external_id: one.unseen_until(self.lag_s)
            for one in self.records.intents
            if one.action is Action.CREATE
        }
        digests: dict[float, str] = {}
        return tuple(key for key in keys if not self._confirmed(key, unseen.get(key), digests))

    def _confirmed(self, key: str, unseen_until: float | None, digests: dict[float, str]) -> bool:
        """Say whether an earlier listing lacked `key` too and held the same customers, as far as it can tell."""
        earlier = max((one[key] for one in (self.records.lacked, self.saved) if key in one), key=_at, default=None)
        read_at = self.live.read_at
        if earlier is None or not read_at - LACKED_S <= earlier.at <= read_at:
            return False
        if unseen_until is not None and earlier.at <= unseen_until:
            # A create of it was sent, and that listing need not have shown it.
            return False
        if earlier.at not in digests:
            digests[earlier.at] = held(self.live.listed.values(), earlier.at)
        return digests[earlier.at] == earlier.held


def reads_for(live: Live, learned: Learned, *, again: bool) -> tuple[Read, ...]:
    """
    Return what is read before a create: what follows a full last page, and with `again` the whole listing once more.

    A page is full that is as long as the longest that was ever seen, by this listing or before.
    """
    # With another limit pages have another length from now on.
    longest = live.longest_page if live.page_limit else max(live.longest_page, learned.longest_page)
    full = tuple(end for end in live.ends if end.rows and end.rows >= longest)
    if full and not live.successor_asked:
        return (AskSuccessor(full),)
    return (ListAgain(longest),) if again else ()


def _at(one: Pass) -> float:
    """Return when a listing began."""
    return one.at


def without(part: Part, keys: AbstractSet[str], listings: int) -> Part:
    """Return `part` with nothing sent for `keys`, of which it could not be proven that nobody carries them."""
    kept = tuple(change for change in part.changes if change.address.external_id not in keys)
    sources = {
        change.address.external_id: change.source
        for change in part.changes
        if Action.CREATE in (change.action, change.otherwise)
    }
    blocked = tuple(
        Blocked(
            Address(key),
            f"it may exist: {listings} listings of the account in a row held different customers, and a listing can "
            "pass over a customer while others are archived",
            "apply again at a quieter time: two listings in a row that hold the same customers prove that it does "
            "not exist",
            source=sources[key],
        )
        for key in sorted(keys)
    )
    return Part(
        changes=kept,
        bindings=tuple(row for row in part.bindings if row.address.external_id not in keys),
        blocked=part.blocked + blocked,
        notes=part.notes,
        entries=tuple(entry for entry in part.entries if entry.external_id not in keys),
        users=part.users,
        reads=part.reads,
    )
