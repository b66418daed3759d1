"""
Is a known id active, and is a key carried by nobody? From what was listed and read, and what the ledger did.

A listing proves that a customer is there; it never proves that one is gone. One that the listing lacks
is sought in a narrow list, then asked for by a get, and only then it is something else than active.

A read may lag behind our own writes, and then it shows an earlier state: one that was there before we created or
restored it, or a value from before we wrote the field. Whatever else it shows someone has done since, and it counts.

A listing proves that a customer is there; that one is not there it proves only where it took a single page. While
pages are turned, the rows may move: where someone before the page is archived, the next one passes over a row, and
nothing in the listing shows it. It shows in the next listing, which lacks the archived one. So two complete listings
must lack the key, and hold the same customers; the earlier one may be that of a plan that was saved, or of the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from reconciler.api.times import was_there
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import (
    Action,
    Address,
    AskSuccessor,
    CustomerId,
    Get,
    ListAgain,
    Live,
    LiveCustomer,
    Read,
    Seek,
)
from reconciler.model.ledger import LACKED_S, Binding, BindingState, Learned, Pass, Records
from reconciler.model.plan import Blocked, Change, Part, Unverified
from reconciler.model.reasons import BlockedReason


@dataclass(frozen=True, slots=True)
class Active:
    """It is active. `unseen`: just created or restored by us, it is not listed yet; `customer` is the record's."""

    customer: LiveCustomer
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class ArchivedByUs:
    """We archived it. `customer` is as listed, where archived ones are; `doubted`: whether they are is unknown."""

    customer: LiveCustomer | None
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It is not listed and still answers a get, or is listed and answers nothing else: someone else archived it."""

    customer: LiveCustomer


@dataclass(frozen=True, slots=True)
class Hidden:
    """It is not listed and its get answers 404: hidden or gone."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something must be read first."""

    read: Read


Presence = Active | ArchivedByUs | Elsewhere | Hidden | Unread


@dataclass(frozen=True, slots=True)
class Sight:
    """How a live account is seen: what was read, whether the server lists archived customers, and the lag bound."""

    live: Live
    lists_archived: bool | None
    lag_s: float

    def fresh(self, binding: Binding) -> bool:
        """Say whether our last write to it is so young that a read need not show it yet."""
        return binding.written_at > self._since

    def moving(self, binding: Binding) -> bool:
        """Say whether we created, archived or restored it so lately that a list may show it as before that."""
        return self.fresh(binding) and binding.recent().moved_at > self._since

    def as_written(self, customer: LiveCustomer, binding: Binding | None) -> LiveCustomer:
        """Return a customer as read, each value that was there before our last write replaced by what that left."""
        if binding is None or binding.recent_json is None or not (earlier := self._earlier(customer, binding)):
            return customer
        fields = {**customer.fields, **{name: held for name, (held, _) in earlier.items()}}
        return replace(customer, fields={name: value for name, value in fields.items() if value})

    def unverified(self, binding: Binding) -> float | None:
        """
        Return until when a read may show it as it was before our writes, where it does now; None where it does not.

        By the server's clock, seconds since 1970. Someone may have brought the earlier state back: only time can tell.
        """
        if not self.fresh(binding):
            return None
        listed, moved_at = self.live.listed.get(binding.bound_id), binding.recent().moved_at
        replaced = [] if listed is None else [at for _, at in self._earlier(listed, binding).values()]
        as_before = {
            BindingState.ACTIVE: listed is None,
            BindingState.ARCHIVED: listed is not None and not self.lists_archived,
            BindingState.ABSENT: False,
        }[binding.state]
        if as_before and moved_at > self._since:
            replaced.append(moved_at)
        return max(replaced) + self.lag_s if replaced else None

    @property
    def _since(self) -> float:
        """Return since when, by the server's clock, a write may be unseen yet."""
        return self.live.read_at - self.lag_s

    def _earlier(self, customer: LiveCustomer, binding: Binding) -> dict[str, tuple[str, float]]:
        """Return what our last write left of each field that is read as before it, and when it was written."""
        if binding.recent_json is None or not self.fresh(binding):
            return {}
        found: dict[str, tuple[str, float]] = {}
        for name, held in binding.recent().fields.items():
            kind, there = CUSTOMER_FIELDS[name], customer.fields.get(name, "")
            if kind.same(there, held.value):
                continue
            replaced = [at for text, at in held.earlier if at > self._since and kind.same(there, text)]
            if replaced:
                found[name] = held.value, max(replaced)
        return found


def presence(sight: Sight, customer: CustomerId, binding: Binding | None) -> Presence:
    """Return whether `customer` is active; `binding` is the ledger's row for that id, if there is one."""
    listed = sight.live.listed.get(customer)
    if listed is not None:
        listed = sight.as_written(listed, binding)
    if binding is not None and binding.state is BindingState.ARCHIVED:
        return _shelved(sight, listed, binding)
    ours = binding if binding is not None and binding.state is BindingState.ACTIVE else None
    if listed is not None:
        # Listed and yet unknown to another request: archived ones are listed here, and hidden but for that.
        hidden = sight.live.got.get(customer, listed) is None and not (ours is not None and sight.moving(ours))
        return Elsewhere(listed) if hidden else Active(listed)
    if ours is not None:
        if sight.moving(ours):
            return Active(sight.as_written(as_recorded(ours), ours), unseen=True)
        if ours.created_at and customer not in sight.live.sought:
            return Unread(Seek(customer, ours.created_at))
    if customer not in sight.live.got:
        return Unread(Get(customer))
    got = sight.live.got[customer]
    return Hidden() if got is None else Elsewhere(sight.as_written(got, binding))


def _shelved(sight: Sight, listed: LiveCustomer | None, binding: Binding) -> Presence:
    """Return what a customer that we archived is: listed where archived ones are not, it was restored by hand."""
    if listed is None or sight.moving(binding) or sight.lists_archived:
        return ArchivedByUs(listed)
    if sight.lists_archived is None:
        return ArchivedByUs(listed, doubted=True)
    return Active(listed)


def as_recorded(binding: Binding) -> LiveCustomer:
    """Return the customer as the ledger has it: what the server held when it was last recorded."""
    kept = {name: trouble.refused[1] for name, trouble in binding.trouble().items() if trouble.refused is not None}
    fields = {name: value for name, value in (binding.observed() | kept).items() if value}
    return LiveCustomer(binding.bound_id, binding.live_external_id, binding.created_at, fields, binding.integration_id)


def unverified(
    sight: Sight, bindings: Iterable[Binding], concerned: Callable[[Binding], bool]
) -> tuple[Unverified, ...]:
    """Return the customers of `concerned` rows that are read as they were before our last writes, by external_id."""
    read_at, since = sight.live.read_at, sight.live.read_at - sight.lag_s
    found = [
        Unverified(Address(row.external_id), row.bound_id, read_at - row.written_at, until - read_at)
        for row in bindings
        if row.written_at > since and (until := sight.unverified(row)) is not None and concerned(row)
    ]
    return tuple(sorted(found, key=lambda one: one.address.external_id))


def shelved_by_external_id(sight: Sight, bindings: Mapping[CustomerId, Binding]) -> dict[str, tuple[LiveCustomer, ...]]:
    """Return the customers that we archived and that are listed: as archived ones are, or restored by hand."""
    shelved: dict[str, tuple[LiveCustomer, ...]] = {}
    for binding in bindings.values():
        if binding.state is not BindingState.ARCHIVED:
            continue
        match presence(sight, binding.bound_id, binding):
            case ArchivedByUs(customer) if customer is not None and customer.external_id:
                shelved[customer.external_id] = (*shelved.get(customer.external_id, ()), customer)
            case _:
                pass
    return shelved


def by_external_id(sight: Sight, bindings: Mapping[CustomerId, Binding]) -> dict[str, tuple[LiveCustomer, ...]]:
    """
    Return the active customers by external_id, those without one left out; almost always one each.

    `bindings` are the ledger's rows by customer id; what we wrote so lately that no list need show it counts.
    """
    holders: dict[str, tuple[LiveCustomer, ...]] = {}
    for customer in active(sight, bindings):
        if customer.external_id:
            holders[customer.external_id] = (*holders.get(customer.external_id, ()), customer)
    return holders


def active(sight: Sight, bindings: Mapping[CustomerId, Binding]) -> Iterator[LiveCustomer]:
    """Yield the active customers; `bindings` as `by_external_id` has them."""
    for customer in sight.live.listed.values():
        binding = bindings.get(customer.id)
        archived = binding is not None and binding.state is BindingState.ARCHIVED
        if not archived or isinstance(presence(sight, customer.id, binding), Active):
            yield sight.as_written(customer, binding)
    for binding in bindings.values():
        if binding.state is BindingState.ACTIVE and binding.id not in sight.live.listed and sight.moving(binding):
            yield sight.as_written(as_recorded(binding), binding)


LISTINGS = 4
"""So many listings are taken at most, until two in a row hold the same customers."""

Lacked = Mapping[str, Pass]
"""External_ids that an earlier complete listing lacked."""


def held(customers: Iterable[LiveCustomer], at: float) -> str:
    """
    Return a digest of those customers that a listing which began at `at` must have held, in whatever order they come.

    Two listings that passed over nobody have the same one, unless someone was archived or restored between them.
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
            BlockedReason.MAY_EXIST,
            parts={"listings": listings},
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
