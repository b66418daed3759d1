"""
A plan is tried in memory before it is shown: it must do what it says, and leave nothing to plan. Pure.

What is found is our bug, not the user's. So what the trial cannot know is left out: a customer that we
wrote so lately that a read need not show it, and one of which an earlier run left something unanswered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from reconciler.errors import Incomplete, Refused
from reconciler.kinds.kind import CUSTOMER_FIELDS, canonical_email
from reconciler.model.core import Action, Address, CustomerId, Desired, DesiredCustomer, Live
from reconciler.model.ledger import Binding, Learned, Records
from reconciler.model.plan import Change, Plan
from reconciler.model.policy import Terms
from reconciler.model.reports import TrialFailure, TrialFault
from reconciler.plan.make import make_plan
from reconciler.plan.server_behavior import known_lag, known_ways, sight_of
from reconciler.plan.trial_world import (
    INTEGRATION_ID,
    LATER_S,
    World,
    begin,
    carry,
    live_of,
    records_of,
    world_of,
)
from reconciler.rules import StoredCustomer

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
    """Return the chains of customers of which nothing is open or too young to be visible."""
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
            keys=(),
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


ALIKE = 500
"""So many customers are tried that need the same done to the same fields: a bug that one has, all of them have."""

CUT_OFF = 20
"""So many of these are tried with the run cut off too."""

CUT_ALIKE = 2
"""A run is cut off before so many of a customer's changes that are alike: a hundred users are created as two are."""


def try_plan(
    plan: Plan, desired: Desired, live: Live, records: Records, terms: Terms, learned: Learned
) -> tuple[TrialFailure, ...]:
    """
    Return what is wrong with `plan`, nothing where it keeps its word.

    The other arguments are those that it was made from; `learned` is that of its draft. Three things are
    asked: once it is carried out, all that it touches is as declared; the next plan is then empty; and a
    run that ends within a customer's changes (`cuts_of`) is completed by the next one. What is blocked stays so.
    The cost grows with what the plan touches, up to `ALIKE` of a kind, and is nothing where that is nothing.
    """
    if not plan.changes:
        return ()
    lists, _ = known_ways(learned, terms)
    # Who looks like whom cannot be told in a part of the account.
    known = replace(terms, lists_archived=lists, lag_s=known_lag(learned, terms), lookalikes=False)
    given = Inputs(desired, live, records, known)
    chains = some_of(knowable(chains_of(plan.changes), given), given, ALIKE)
    if not chains:
        return ()
    given = narrowed(given, chains)
    try:
        faults = [*_whole(plan, chains, given)]
        if not faults:
            some = some_of(chains, given, CUT_OFF)
            faults += _cut_off(plan, some, narrowed(given, some))
    except (Incomplete, Refused):
        # So few customers need not make an account that a plan can be made of.
        return ()
    return tuple(sorted(set(faults), key=lambda one: (str(one.address), one.fault, one.fields, one.done or 0)))


def _begun(plan: Plan, chains: Chains, given: Inputs) -> World:
    """Return the world in which an apply of `plan` is about to send its first request."""
    world = world_of(sight_of(given.live, given.records.learned, given.terms), given.records)
    begin(world, plan, chains)
    return world


def _carried(world: World, chains: Chains, at: float, first: int | None = None) -> Iterator[TrialFailure]:
    """Do the `first` changes of each customer, and yield what goes wrong; a customer's rest is then left."""
    for chain in chains.values():
        for change in chain[:first]:
            if failure := carry(world, change, at):
                yield failure
                break


def _again(world: World, given: Inputs, read_at: float) -> Plan:
    """Return the plan that is made of the world at `read_at`."""
    draft = make_plan(given.desired, live_of(world, read_at), records_of(world), given.terms)
    if draft.reads:
        raise Incomplete("trial")
    return draft.plan


def _whole(plan: Plan, chains: Chains, given: Inputs) -> Iterator[TrialFailure]:
    """Yield what is wrong once all is done."""
    world, at = _begun(plan, chains, given), given.live.read_at + 1.0
    yield from _carried(world, chains, at)
    left: dict[Address, set[str | None]] = {}
    for one in plan.blocked:
        left.setdefault(one.address, set()).add(one.field)
    for key, chain in chains.items():
        yield from _not_as_declared(key, chain, world, given, left.get(Address(key), set()))
    again = _again(world, given, at + LATER_S)
    yield from _unfinished(again, chains)
    for one in again.blocked:
        key = one.address.external_id
        if (
            one.address.email is None
            and key in chains
            and one.field not in left.get(one.address, ())
            and not _rivals(world, key)
        ):
            yield TrialFailure(one.address, TrialFault.BLOCKED, fields=(one.field,) if one.field else ())


def _unfinished(again: Plan, chains: Chains, done: int | None = None) -> Iterator[TrialFailure]:
    """Yield each change that is planned once more."""
    for change in again.changes:
        if change.address.external_id in chains:
            fields = tuple(one.name for one in change.fields)
            yield TrialFailure(change.address, TrialFault.PLANNED_AGAIN, change.action, fields, done=done)


def _cut_off(plan: Plan, chains: Chains, given: Inputs) -> Iterator[TrialFailure]:
    """Yield what stays undone where a run ends after N changes of each customer, and another one follows."""
    at = given.live.read_at + 1.0
    for done in cuts_of(chains):
        longer = {key: chain for key, chain in chains.items() if len(chain) > done}
        world = _begun(plan, longer, given)
        yield from _carried(world, longer, at, done)
        second = _again(world, given, at + LATER_S)
        rest = {key: chain for key, chain in chains_of(second.changes).items() if key in longer}
        begin(world, second, longer)
        for fault in _carried(world, rest, at + LATER_S):
            yield replace(fault, done=done)
        yield from _unfinished(_again(world, given, at + 2 * LATER_S), longer, done)


def cuts_of(chains: Chains) -> Sequence[int]:
    """Return after how many changes of each customer a run is cut off: before the first of each shape, and the last."""
    cuts = set()
    for chain in chains.values():
        counted: Counter[object] = Counter()
        for done, change in enumerate(chain):
            counted[_shape(change)] += 1
            if counted[_shape(change)] <= CUT_ALIKE or done == len(chain) - 1:
                cuts.add(done)
    return sorted(cuts)


def _not_as_declared(
    key: str, chain: Sequence[Change], world: World, given: Inputs, blocked: AbstractSet[str | None]
) -> Iterator[TrialFailure]:
    """Yield in what a customer is not as declared, what is blocked apart."""
    wanted, row = given.desired.customers.get(key), world.rows.get(key)
    there = world.account.customers.get(row.id) if row is not None and row.id is not None else None
    address = Address(key)
    if row is None or there is None:
        yield TrialFailure(address, TrialFault.UNBOUND)
        return
    if wanted is None or wanted.archived:
        if not there.archived:
            yield TrialFailure(address, TrialFault.ACTIVE)
        return
    if there.archived:
        yield TrialFailure(address, TrialFault.ARCHIVED)
        return
    if any(change.action is Action.CREATE for change in chain) and len(_active(world, key)) != 1:
        yield TrialFailure(address, TrialFault.DUPLICATED)
    for name in _differing(wanted, there, given.before.get(there.id), given.terms):
        if name not in blocked:
            yield TrialFailure(address, TrialFault.NOT_AS_DECLARED, fields=(name,))
    emails = {canonical_email(user.email) for user in world.account.users.get(there.id, ())}
    for user in wanted.users:
        if canonical_email(user.email) not in emails:
            yield TrialFailure(Address(key, user.email), TrialFault.USER_MISSING)


def _rivals(world: World, key: str) -> bool:
    """Say whether another active customer carries the external_id: what is to be done then, only a person can say."""
    row = world.rows.get(key)
    names = {key, row.live_external_id} if row is not None else {key}
    return any(one != (row and row.id) for name in names for one in _active(world, name))


def _active(world: World, key: str) -> list[str]:
    """Return the ids of the active customers with an external_id."""
    account = world.account
    return [one for one in account.holders.get(key, ()) if not account.customers[one].archived]


def _differing(wanted: DesiredCustomer, there: StoredCustomer, before: Binding | None, terms: Terms) -> Iterator[str]:
    """Yield the compared fields that are not as declared, nor what the server was seen to make of that `before`."""
    applied, observed = (before.applied(), before.observed()) if before is not None else ({}, {})
    synced = INTEGRATION_ID in there.fields
    for name, value in wanted.fields.items():
        same, held, equal = CUSTOMER_FIELDS[name].same, there.fields.get(name, ""), terms.equal.get(name)
        if name in wanted.ignore_changes or (synced and name in terms.synced.fields) or same(value, held, equal):
            continue
        own_way = name in applied and same(value, applied[name], equal)
        if not (own_way and same(held, observed.get(name, ""), equal)):
            yield name
