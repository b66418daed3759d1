"""
Is a known id active? From what was listed, sought and got, and what the ledger did to it.

A listing proves that a customer is there; it never proves that one is gone. One that the listing lacks
is sought in a narrow list, then asked for by a get, and only then it is something else than active.

A read may lag behind our own writes, and then it shows an earlier state: one that was there before we created or
restored it, or a value from before we wrote the field. Whatever else it shows someone has done since, and it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Address, CustomerId, Get, Live, LiveCustomer, Read, Seek
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.plan import Unverified


@dataclass(frozen=True, slots=True)
class Active:
    """It is active. `unseen`: just created or restored by us, it is not listed yet; `customer` is the record's."""

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
        return Shelved(listed)
    if sight.lists_archived is None:
        return Shelved(listed, doubted=True)
    return Active(listed)


def as_recorded(binding: Binding) -> LiveCustomer:
    """Return the customer as the ledger has it: what the server held when it was last recorded."""
    kept = {name: trouble.refused[1] for name, trouble in binding.trouble().items() if trouble.refused is not None}
    fields = {name: value for name, value in (binding.observed() | kept).items() if value}
    return LiveCustomer(binding.bound_id, binding.live_external_id, binding.created_at, fields)


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
            yield sight.as_written(customer, binding)
    for binding in bindings.values():
        if binding.state is BindingState.ACTIVE and binding.id not in sight.live.listed and sight.moving(binding):
            yield sight.as_written(as_recorded(binding), binding)
