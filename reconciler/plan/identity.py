"""
Who is who: which live customer a declared one is, and what two entries cannot both be.

First match wins: its `id` pin; the id that the ledger binds to its key (or to a key that it had before, by the
`moved` lines); the live customer with that external_id (or with one of those keys). Two candidates are never chosen
between, and two keys never share one live customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.model.core import Address, CustomerId, DesiredCustomer, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Via
from reconciler.model.plan import Blocked, Note
from reconciler.model.reasons import BlockedReason, NoteKind, ReasonParts
from reconciler.plan.presence import (
    Active,
    ArchivedByUs,
    Elsewhere,
    Hidden,
    Presence,
    Sight,
    Unread,
    by_external_id,
    presence,
    shelved_by_external_id,
)
from reconciler.plan.scope import Scope


@dataclass(frozen=True, slots=True)
class Known:
    """
    A declared customer that exists, or did: its id, how it is there, and how it was found.

    `row` is the ledger's row of that id, under whatever key; `own` the row of the key, whatever its id
    (a changed pin makes the two differ).
    """

    id: CustomerId
    presence: Active | ArchivedByUs | Elsewhere | Hidden
    via: Via
    row: Binding | None
    own: Binding | None


@dataclass(frozen=True, slots=True)
class Nobody:
    """No live customer is it, and none is known to have been."""


Identity = Known | Nobody | Unread | Blocked


@dataclass(frozen=True)
class Register:
    """
    Both sides, indexed for matching; `former` are the keys that a declared key's customer had before, the latest first.

    Without slots, as what is asked of few accounts is made once it is.
    """

    sight: Sight
    bindings: Mapping[str, Binding]
    by_id: Mapping[CustomerId, Binding]
    former: Mapping[str, tuple[str, ...]]
    scope: Scope

    @cached_property
    def holders(self) -> Mapping[str, tuple[LiveCustomer, ...]]:
        """Return the active customers by external_id."""
        return by_external_id(self.sight, self.by_id)

    @cached_property
    def shelved(self) -> Mapping[str, tuple[LiveCustomer, ...]]:
        """
        Return the customers that we archived and that are listed, by external_id.

        One of them may have been restored by hand, so that none is created beside it.
        """
        return shelved_by_external_id(self.sight, self.by_id)


def identify(customer: DesiredCustomer, register: Register) -> Identity:
    """Return which live customer `customer` is, or why that cannot be said."""
    names = (customer.external_id, *register.former.get(customer.external_id, ()))
    rows = [register.bindings[name] for name in names if name in register.bindings]
    if rows and rows[0].project != register.scope.project:
        return _taken_key(customer, rows[0])
    if customer.id is not None:
        return _pinned(customer, customer.id, register)
    ids = tuple(dict.fromkeys(row.bound_id for row in rows))
    if len(ids) > 1:
        parts: ReasonParts = {"keys": tuple(row.external_id for row in rows), "ids": ids}
        return _blocked(customer, BlockedReason.KEYS_BOUND_APART, parts, ids)
    return _bound(customer, rows[0], register) if rows else _found(customer, register)


def _pinned(customer: DesiredCustomer, pin: CustomerId, register: Register) -> Identity:
    """Return the customer that the `id` line names."""
    row = register.by_id.get(pin)
    if row is not None and row.external_id != customer.external_id and not register.scope.may_take_over(row):
        return _taken_key(customer, row)
    there = _there(customer, pin, row, register)
    match there:
        case Unread():
            return there
        # One that we bound and that is wanted archived needs nothing more; any other would be created under a new id.
        case Hidden() if row is None or not customer.archived:
            return _blocked(customer, BlockedReason.ID_UNKNOWN, {"id": pin}, (pin,))
        case _:
            pass
    return _unrivalled(customer, Known(pin, there, Via.PIN, row, register.bindings.get(customer.external_id)), register)


def _bound(customer: DesiredCustomer, row: Binding, register: Register) -> Identity:
    """Return the customer that the ledger binds to the key, as long as it carries the recorded external_id."""
    bound = row.bound_id
    there = _there(customer, bound, row, register)
    if isinstance(there, Unread):
        return there
    carried = carried_external_id(there)
    moved = row.external_id != customer.external_id
    if carried is not None and carried != row.live_external_id and not (moved and carried == customer.external_id):
        return replace(broken(customer.external_id, row, carried), source=customer.source)
    via = Via.MOVED if moved else row.via
    return _unrivalled(customer, Known(bound, there, via, row, register.bindings.get(customer.external_id)), register)


def _there(customer: DesiredCustomer, known: CustomerId, row: Binding | None, register: Register) -> Presence:
    """Return whether the customer is active; one that should be archived and was absent needs no get for that."""
    absent = row is not None and row.state is BindingState.ABSENT and known not in register.sight.live.listed
    return Hidden() if customer.archived and absent else presence(register.sight, known, row)


def carried_external_id(there: Presence) -> str | None:
    """Return the external_id that the customer is seen to carry, None where it is not seen."""
    match there:
        case Active(live) | Elsewhere(live):
            return live.external_id
        case ArchivedByUs(live):
            return None if live is None else live.external_id
        case _:
            return None


def dormant_external_id(known: Known) -> str | None:
    """Return the external_id that a customer which is not active would bear once restored; None for an active one."""
    if isinstance(known.presence, Active):
        return None
    carried = carried_external_id(known.presence)
    return carried if carried is not None or known.row is None else known.row.live_external_id


def _unrivalled(customer: DesiredCustomer, known: Known, register: Register) -> Identity:
    """
    Return `known`, unless another active customer carries the key's external_id where that matters.

    It matters for one that is not active (it is neither restored nor created beside the other), and for
    one that was found by a `moved` line.
    """
    names = {customer.external_id, dormant_external_id(known) or customer.external_id}
    if known.via is Via.MOVED:
        names.update(register.former.get(customer.external_id, ()))
    rivals = tuple(one.id for name in sorted(names) for one in register.holders.get(name, ()) if one.id != known.id)
    active = isinstance(known.presence, Active)
    # A pin says which one is meant, and one that is wanted archived is then as it should be.
    if not rivals or (not active and customer.archived and customer.id is not None):
        return known
    parts: ReasonParts = {"id": known.id, "rivals": rivals}
    if not active:
        return _blocked(customer, BlockedReason.INACTIVE_BESIDE_ACTIVE, parts, (known.id, *rivals))
    if known.via is Via.MOVED and known.row is not None and known.row.external_id != customer.external_id:
        return _blocked(customer, BlockedReason.MOVED_BESIDE_ANOTHER, parts, (known.id, *rivals))
    return known


def _found(customer: DesiredCustomer, register: Register) -> Identity:
    """Return the one live customer with the external_id of the key, or of a key that it was moved from."""
    candidates = {one.id: one for one in register.holders.get(customer.external_id, ())}
    for name in register.former.get(customer.external_id, ()):
        candidates |= {one.id: one for one in register.holders.get(name, ())}
    if not candidates:
        candidates = {one.id: one for one in register.shelved.get(customer.external_id, ())}
    if not candidates:
        return Nobody()
    if len(candidates) > 1:
        ids = tuple(candidates)
        return _blocked(customer, BlockedReason.EXTERNAL_ID_ON_SEVERAL, {"ids": ids}, ids)
    (live,) = candidates.values()
    row = register.by_id.get(live.id)
    if row is not None and not register.scope.may_take_over(row):
        return _taken_key(customer, row)
    there = presence(register.sight, live.id, row)
    if isinstance(there, Unread):
        return there
    via = Via.MATCHED if live.external_id == customer.external_id else Via.MOVED
    return Known(live.id, there, via, row, None)


def broken(key: str, row: Binding, carried: str) -> Blocked:
    """Return that the binding of `key` does not hold: its customer carries another external_id than recorded."""
    parts: ReasonParts = {"key": key, "id": row.bound_id, "recorded": row.live_external_id}
    ids = (row.bound_id,)
    if not carried:
        return Blocked(Address(key), BlockedReason.BINDING_EXTERNAL_ID_LOST, parts=parts, ids=ids)
    changed = {**parts, "external_id": carried}
    return Blocked(Address(key), BlockedReason.BINDING_EXTERNAL_ID_CHANGED, parts=changed, ids=ids)


def taken_archived(key: str) -> Note:
    """Return that a customer which we archived is listed, and that this proves nothing on this server."""
    return Note(NoteKind.LISTED_THOUGH_ARCHIVED, Address(key))


def _taken_key(customer: DesiredCustomer, row: Binding) -> Blocked:
    """Return that the customer found is already bound to another key, which may still be declared."""
    parts: ReasonParts = {"id": row.bound_id, "key": row.external_id, "project": row.project, "file": row.source}
    return _blocked(customer, BlockedReason.BOUND_TO_OTHER_PROJECT, parts, (row.bound_id,))


def _blocked(
    customer: DesiredCustomer, reason: BlockedReason, parts: ReasonParts, ids: tuple[CustomerId, ...]
) -> Blocked:
    """Return that nothing is sent for `customer`."""
    return Blocked(Address(customer.external_id), reason, parts=parts, source=customer.source, ids=ids)


Identified = tuple[DesiredCustomer, Identity]


def without_rivals(identities: Iterable[Identified]) -> list[Identified]:
    """Return the identities; those are blocked that share a customer, or would bear one external_id, with another."""
    return _not_doubled(_not_claimed(_not_shared(list(identities))))


def _not_shared(identities: Sequence[Identified]) -> Sequence[Identified]:
    """Return the identities, those blocked that share one live customer with another key."""
    keys: dict[CustomerId, list[str]] = {}
    for customer, identity in identities:
        if isinstance(identity, Known):
            keys.setdefault(identity.id, []).append(customer.external_id)
    shared = {one: names for one, names in keys.items() if len(names) > 1}
    if not shared:
        return identities
    return [
        (customer, _shared(customer, identity.id, shared[identity.id]))
        if isinstance(identity, Known) and identity.id in shared
        else (customer, identity)
        for customer, identity in identities
    ]


def _shared(customer: DesiredCustomer, one: CustomerId, keys: Iterable[str]) -> Blocked:
    """Return that two keys would be one live customer."""
    parts: ReasonParts = {"keys": tuple(sorted(keys)), "id": one}
    return _blocked(customer, BlockedReason.ID_OF_SEVERAL_KEYS, parts, (one,))


def _not_claimed(identities: Sequence[Identified]) -> Sequence[Identified]:
    """Return the identities, those blocked whose customer is bound to another declared key that is blocked over it."""
    claims = {
        (one, customer.external_id)
        for customer, identity in identities
        if isinstance(identity, Blocked)
        for one in identity.ids
    }
    kept: list[Identified] = []
    for customer, identity in identities:
        row = identity.row if isinstance(identity, Known) else None
        if row is None or row.external_id == customer.external_id or (row.id, row.external_id) not in claims:
            kept.append((customer, identity))
        else:
            kept.append((customer, _claimed(customer, row)))
    return kept


def _claimed(customer: DesiredCustomer, row: Binding) -> Blocked:
    """Return that the customer found is bound to another declared key, and it is undecided which key is right."""
    parts: ReasonParts = {"id": row.bound_id, "key": row.external_id}
    return _blocked(customer, BlockedReason.BOUND_TO_BLOCKED_KEY, parts, (row.bound_id,))


def _not_doubled(identities: Sequence[Identified]) -> list[Identified]:
    """Return the identities, those blocked of which a create or restore would give two one external_id."""
    bearers: dict[str, list[str]] = {}
    for customer, identity in identities:
        if (borne := _borne(customer, identity)) is not None:
            bearers.setdefault(borne, []).append(customer.external_id)
    doubled = {external_id: keys for external_id, keys in bearers.items() if len(keys) > 1}
    kept: list[Identified] = []
    for customer, identity in identities:
        borne = _borne(customer, identity) if doubled else None
        rival = borne is not None and borne in doubled
        kept.append((customer, _doubled(customer, identity, borne, doubled[borne]) if rival and borne else identity))
    return kept


def _borne(customer: DesiredCustomer, identity: Identity) -> str | None:
    """Return the external_id with which a create or a restore would make an active customer; None without one."""
    if customer.archived:
        return None
    match identity:
        case Nobody():
            return customer.external_id
        case Known():
            return dormant_external_id(identity) or None
        case _:
            return None


def _doubled(customer: DesiredCustomer, identity: Identity, external_id: str, keys: Iterable[str]) -> Blocked:
    """Return that two entries would make two active customers of one external_id."""
    parts: ReasonParts = {"keys": tuple(sorted(keys)), "external_id": external_id}
    ids = (identity.id,) if isinstance(identity, Known) else ()
    return _blocked(customer, BlockedReason.EXTERNAL_ID_OF_SEVERAL_KEYS, parts, ids)
