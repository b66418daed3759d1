"""What of a plan is tried: the customers of which all is known, some of each kind, and what has to do with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.model.core import CustomerId, Desired, Live
from reconciler.model.ledger import Binding, Records
from reconciler.model.plan import Change
from reconciler.model.policy import Terms
from reconciler.plan.ways import sight_of

Chains = Mapping[str, Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the planner is given, as far as the trial is about it; `before` are the ledger's rows by customer id."""

    desired: Desired
    live: Live
    records: Records
    terms: Terms
    before: Mapping[str, Binding] = field(default_factory=dict)


def chains_of(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return the changes of each customer, in their order."""
    chains: dict[str, list[Change]] = {}
    for change in changes:
        chains.setdefault(change.address.external_id, []).append(change)
    return chains


def knowable(chains: Chains, given: Inputs) -> Chains:
    """Return the chains of customers of which nothing is open or too young to be seen."""
    sight = sight_of(given.live, given.records.learned, given.terms)
    touched = {change.id for chain in chains.values() for change in chain}
    unknown = {intent.address.external_id for intent in given.records.intents}
    rows = (row for key, row in given.records.bindings.items() if key in chains or row.id in touched)
    fresh = {name for row in rows if sight.fresh(row) for name in (row.external_id, row.id)}
    return {
        key: chain
        for key, chain in chains.items()
        if key not in unknown and key not in fresh and not any(change.id in fresh for change in chain)
    }


def narrowed(given: Inputs, chains: Chains) -> Inputs:
    """Return the inputs without the customers that have nothing to do with `chains`."""
    desired, live, records = given.desired, given.live, given.records
    names, ids = _near(given, chains)
    ids |= {records.bindings[name].bound_id for name in names if name in records.bindings}
    listed = {one: customer for one, customer in live.listed.items() if one in ids or customer.external_id in names}
    ids |= listed.keys()
    bindings = {key: row for key, row in records.bindings.items() if key in names or row.id in ids}
    ids |= {row.bound_id for row in bindings.values()}
    keys = chains.keys() | bindings.keys()
    return Inputs(
        replace(desired, customers={key: desired.customers[key] for key in keys if key in desired.customers}),
        Live(
            listed=listed,
            sought={one: live.sought[one] for one in ids if one in live.sought},
            got={one: live.got[one] for one in ids if one in live.got},
            users={one: live.users[one] for one in ids if one in live.users},
            read_at=live.read_at,
        ),
        replace(
            records,
            bindings=bindings,
            users={one: records.users[one] for one in ids if one in records.users},
            intents=(),
            learned=replace(records.learned, lists_archived=None),
            account="",
        ),
        given.terms,
        before={row.bound_id: row for row in bindings.values()},
    )


def _near(given: Inputs, chains: Chains) -> tuple[set[str], set[CustomerId]]:
    """Return the external_ids and the ids that the customers of `chains` are, were, or are told apart from."""
    former, names = given.desired.former_keys(), set(chains)
    names |= {name for key in chains for name in former.get(key, ())}
    ids = {change.id for chain in chains.values() for change in chain if change.id is not None}
    rows = [given.records.bindings[name] for name in names if name in given.records.bindings]
    ids |= {row.bound_id for row in rows}
    names |= {row.live_external_id for row in rows}
    names |= {given.live.listed[one].external_id for one in ids if one in given.live.listed}
    return names - {""}, ids


def some_of(chains: Chains, given: Inputs, most: int) -> Chains:
    """Return `most` chains of each shape: the same actions on the same fields, declared in the same way."""
    counted: dict[tuple[object, ...], int] = {}
    some: dict[str, Sequence[Change]] = {}
    for key, chain in chains.items():
        wanted, row = given.desired.customers.get(key), given.records.bindings.get(key)
        how = () if wanted is None else (wanted.id is None, wanted.ignore_changes, wanted.archived)
        shape = (*dict.fromkeys(map(_shape, chain)), *how, None if row is None else (row.state, row.via))
        counted[shape] = counted.get(shape, 0) + 1
        if counted[shape] <= most:
            some[key] = chain
    return some


def _shape(change: Change) -> tuple[object, ...]:
    """Return what of a change planning branches on."""
    fields = tuple((one.name, one.cause, bool(one.after)) for one in change.fields)
    return change.action, change.reason, change.otherwise, change.unless_listed, fields
