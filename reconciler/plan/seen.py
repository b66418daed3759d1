"""What a plan was made from, as its readers ask it: who is there, who is managed, what cannot be observed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.model.core import Address, CustomerId, Desired, Live, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Learned, Records
from reconciler.model.plan import BindingAction, Plan
from reconciler.model.policy import Terms
from reconciler.plan.scope import scope_of
from reconciler.plan.ways import known_ways, sight_of


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan was made from. `since` is the RFC 3339 time of the last applying run's start, "" for none."""

    desired: Desired
    live: Live
    records: Records
    learned: Learned
    terms: Terms
    since: str = ""


def there(seen: Seen) -> dict[CustomerId, LiveCustomer]:
    """Return the listed customers that are active, as far as that can be told: those that we archived are not."""
    sight = sight_of(seen.live, seen.learned, seen.terms)
    shelved = {
        row.bound_id
        for row in seen.records.bindings.values()
        if row.state is BindingState.ARCHIVED and (sight.lists_archived is not False or sight.moving(row))
    }
    return {one.id: one for one in seen.live.listed.values() if one.id not in shelved}


def managed_in(plan: Plan, seen: Seen) -> set[CustomerId]:
    """Return the ids of live customers that the ledger binds, whoever's, or that a declared one is found to be."""
    ids = {row.bound_id for row in seen.records.bindings.values()}
    ids |= {row.id for row in plan.entries if row.id is not None and row.external_id in seen.desired.customers}
    ids |= {one.id for one in plan.bindings if one.action is BindingAction.ADOPT}
    return ids & there(seen).keys()


def targeted(plan: Plan, key: str, seen: Seen) -> bool:
    """Say whether the plan was to look at a key."""
    return not (plan.targets or plan.excludes) or scope_of(seen.desired, seen.terms).targeted(key)


def unobservable(seen: Seen) -> Iterator[str]:
    """Yield what cannot be observed on this server."""
    lists = known_ways(seen.learned, seen.terms)[0]
    ours = [row for row in seen.records.bindings.values() if row.state is BindingState.ARCHIVED]
    listed = sum(row.bound_id in seen.live.listed for row in ours)
    if lists:
        yield "whether somebody archived a customer: archived ones are listed here, and nothing tells them apart"
    if ours and lists:
        yield f"whether somebody restored one of the {len(ours)} customers that we archived, for the same reason"
    elif listed and lists is None:
        yield (
            f"whether somebody restored {listed} of the customers that we archived: they are listed, and it is not "
            "known yet whether archived ones are"
        )


def row_of(address: Address, seen: Seen) -> Binding | None:
    """Return the ledger's row of a key."""
    return seen.records.bindings.get(address.external_id)


def state_of(address: Address, seen: Seen) -> BindingState | None:
    """Return how the ledger holds a customer, None where it does not."""
    row = row_of(address, seen)
    return row.state if row is not None else None


def observed_of(address: Address, seen: Seen) -> dict[str, str]:
    """Return what the server held after our last write, by field."""
    row = row_of(address, seen)
    return row.observed() if row is not None else {}
