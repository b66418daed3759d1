"""What two entries cannot both be: one live customer, or two active ones of one external_id by our doing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.core import Address, CustomerId, DesiredCustomer
from reconciler.model.ledger import Binding
from reconciler.model.plan import Blocked
from reconciler.plan.match import Identity, Known, Nobody, dormant_external_id

Identified = tuple[DesiredCustomer, Identity]


def unrivalled(identities: Iterable[Identified]) -> list[Identified]:
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
    return Blocked(
        Address(customer.external_id),
        f"{', '.join(sorted(keys))} would all be the customer {one}",
        "keep one of the entries, or give the right id to each with an `id:` line",
        source=customer.source,
        ids=(one,),
    )


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
    """Return that the customer found is bound to another key that is declared, and it is not settled whose it is."""
    return Blocked(
        Address(customer.external_id),
        f"{row.id} is bound to {row.external_id!r}, which is declared too and is blocked over it",
        f"if it is this one now, `reconciler state rm {row.external_id}` forgets the binding",
        source=customer.source,
        ids=(row.bound_id,),
    )


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
    return Blocked(
        Address(customer.external_id),
        f"{', '.join(sorted(keys))} would be two active customers with external_id {external_id!r}",
        "keep one of the entries, or declare the others `archived: true`",
        source=customer.source,
        ids=(identity.id,) if isinstance(identity, Known) else (),
    )
