"""
Is a known id active? From what was listed, sought and got, and what the ledger did to it.

A listing proves that a customer is there; it never proves that one is gone. One that the listing lacks
is sought in a narrow list, then asked for by a get, and only then it is something else than active.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model import CustomerId, Get, Live, LiveCustomer, Read, Seek
from reconciler.records import Binding, BindingState


@dataclass(frozen=True, slots=True)
class Active:
    """It is active. `unseen`: we wrote it so lately that no listing need show it; `customer` is then the record's."""

    customer: LiveCustomer
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Shelved:
    """We archived it. `customer` is as listed, where archived ones are; `doubted`: whether they are is not known."""

    customer: LiveCustomer | None
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It is not listed and still answers a get, or is listed and answers nothing else: somebody else archived it."""

    customer: LiveCustomer


@dataclass(frozen=True, slots=True)
class Hidden:
    """It is not listed and its get answers 404: hidden or gone."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something must be read first."""

    read: Read


Presence = Active | Shelved | Elsewhere | Hidden | Unread


@dataclass(frozen=True, slots=True)
class Sight:
    """How a live account is seen: what was read, whether the server lists archived customers, and the lag bound."""

    live: Live
    lists_archived: bool | None
    lag_s: float

    def fresh(self, binding: Binding) -> bool:
        """Say whether our last write to it is so young that a read need not show it yet."""
        return binding.written_at > self.live.read_at - self.lag_s


def presence(sight: Sight, customer: CustomerId, binding: Binding | None) -> Presence:
    """Return whether `customer` is active; `binding` is the ledger's row for that id, if there is one."""
    listed = sight.live.listed.get(customer)
    if binding is not None and binding.state is BindingState.ARCHIVED:
        return _shelved(sight, listed, binding)
    if listed is not None:
        if binding is not None and sight.fresh(binding):
            return Active(as_recorded(binding, listed))
        # Listed and yet unknown to another request: archived ones are listed here, and hidden but for that.
        return Elsewhere(listed) if sight.live.got.get(customer, listed) is None else Active(listed)
    if binding is not None and binding.state is BindingState.ACTIVE:
        if sight.fresh(binding):
            return Active(as_recorded(binding), unseen=True)
        if binding.created_at and customer not in sight.live.sought:
            return Unread(Seek(customer, binding.created_at))
    if customer not in sight.live.got:
        return Unread(Get(customer))
    got = sight.live.got[customer]
    return Hidden() if got is None else Elsewhere(got)


def _shelved(sight: Sight, listed: LiveCustomer | None, binding: Binding) -> Presence:
    """Return what a customer that we archived is: listed where archived ones are not, it was restored by hand."""
    if listed is None or sight.fresh(binding) or sight.lists_archived:
        return Shelved(listed)
    if sight.lists_archived is None:
        return Shelved(listed, doubted=True)
    return Active(listed)


def as_recorded(binding: Binding, listed: LiveCustomer | None = None) -> LiveCustomer:
    """Return the customer as the reply to our last write held it; what was not recorded is as `listed`."""
    fields: dict[str, str] = dict(listed.fields) if listed else {}
    kept = {name: trouble.refused[1] for name, trouble in binding.trouble().items() if trouble.refused is not None}
    for name, value in (*binding.observed().items(), *kept.items()):
        if value:
            fields[name] = value
        else:
            fields.pop(name, None)
    return LiveCustomer(
        id=binding.bound_id,
        external_id=listed.external_id if listed else binding.live_external_id,
        created_at=binding.created_at,
        fields=fields,
        synced=listed.synced if listed else False,
    )


def shelved_by_external_id(sight: Sight, bindings: Mapping[CustomerId, Binding]) -> dict[str, tuple[LiveCustomer, ...]]:
    """Return the customers that we archived and that are listed: as archived ones are, or restored by hand."""
    shelved: dict[str, tuple[LiveCustomer, ...]] = {}
    for binding in bindings.values():
        if binding.state is not BindingState.ARCHIVED:
            continue
        match presence(sight, binding.bound_id, binding):
            case Shelved(customer) if customer is not None and customer.external_id:
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
            yield customer
    for binding in bindings.values():
        if binding.state is BindingState.ACTIVE and sight.fresh(binding) and binding.id not in sight.live.listed:
            yield as_recorded(binding)
