"""
A plan is tried in memory before it is shown: it must do what it says, and leave nothing to plan. Pure.

What is found is our bug, not the user's. So what the trial cannot know is left out: a customer that we
wrote so lately that a read need not show it, and one of which an earlier run left something unanswered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from reconciler.errors import Incomplete, Refused
from reconciler.kinds.kind import CUSTOMER_FIELDS, canonical_email
from reconciler.model.core import Action, Address, Desired, DesiredCustomer, Live
from reconciler.model.ledger import Binding, Learned, Records
from reconciler.model.plan import Change, Plan
from reconciler.model.policy import Terms
from reconciler.plan.make import make_plan
from reconciler.plan.trial_share import Chains, Inputs, chains_of, knowable, narrowed, some_of
from reconciler.plan.trial_world import LATER_S, World, begin, carry, live_of, records_of, world_of
from reconciler.plan.ways import known_lag, known_ways, sight_of
from reconciler.rules import StoredCustomer

ALIKE = 500
"""So many customers are tried that need the same done to the same fields: a bug that one has, all of them have."""

CUT_OFF = 20
"""So many of these are tried with the run cut off after each change too."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """
    What a plan would do wrong, at an address. `text` names fields and actions, never a value.

    `done`: after so many of the customer's changes and a second plan; None: after all of this plan.
    """

    address: Address
    text: str
    done: int | None = None


def tried(
    plan: Plan, desired: Desired, live: Live, records: Records, terms: Terms, learned: Learned
) -> tuple[Fault, ...]:
    """
    Return what is wrong with `plan`, nothing where it keeps its word.

    The other arguments are those that it was made from; `learned` is that of its draft. Three things are
    asked: once it is carried out, all that it touches is as declared; the next plan is then empty; and a
    run that ends after any of a customer's changes is mended by the next one. What is blocked stays so.
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
    return tuple(sorted(set(faults), key=lambda one: (str(one.address), one.text, one.done or 0)))


def _begun(plan: Plan, chains: Chains, given: Inputs) -> World:
    """Return the world in which an apply of `plan` is about to send its first request."""
    world = world_of(sight_of(given.live, given.records.learned, given.terms), given.records)
    begin(world, plan, chains)
    return world


def _carried(world: World, chains: Chains, at: float, first: int | None = None) -> Iterator[Fault]:
    """Do the `first` changes of each customer, and yield what goes wrong; a customer's rest is then left."""
    for chain in chains.values():
        for change in chain[:first]:
            wrong = carry(world, change, at)
            if wrong:
                yield Fault(change.address, wrong)
                break


def _again(world: World, given: Inputs, read_at: float) -> Plan:
    """Return the plan that is made of the world at `read_at`."""
    draft = make_plan(given.desired, live_of(world, read_at), records_of(world), given.terms)
    if draft.reads:
        raise Incomplete("the trial cannot read what this plan asks for")
    return draft.plan


def _whole(plan: Plan, chains: Chains, given: Inputs) -> Iterator[Fault]:
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
            yield Fault(one.address, f"it would then be blocked{f' by {one.field}' if one.field else ''}")


def _unfinished(again: Plan, chains: Chains, done: int | None = None) -> Iterator[Fault]:
    """Yield each change that is planned once more."""
    for change in again.changes:
        if change.address.external_id in chains:
            names = f" of {', '.join(one.name for one in change.fields)}" if change.fields else ""
            yield Fault(change.address, f"the next plan has its {change.action}{names} again", done)


def _cut_off(plan: Plan, chains: Chains, given: Inputs) -> Iterator[Fault]:
    """Yield what stays undone where a run ends after so many changes of each customer, and another one follows."""
    longest = max(len(chain) for chain in chains.values())
    at = given.live.read_at + 1.0
    for done in range(longest):
        longer = {key: chain for key, chain in chains.items() if len(chain) > done}
        world = _begun(plan, longer, given)
        yield from _carried(world, longer, at, done)
        second = _again(world, given, at + LATER_S)
        rest = {key: chain for key, chain in chains_of(second.changes).items() if key in longer}
        begin(world, second, longer)
        for fault in _carried(world, rest, at + LATER_S):
            yield replace(fault, done=done)
        yield from _unfinished(_again(world, given, at + 2 * LATER_S), longer, done)


def _not_as_declared(
    key: str, chain: Sequence[Change], world: World, given: Inputs, blocked: AbstractSet[str | None]
) -> Iterator[Fault]:
    """Yield in what a customer is not as declared, what is blocked apart."""
    wanted, row = given.desired.customers.get(key), world.rows.get(key)
    there = world.account.customers.get(row.id) if row is not None and row.id is not None else None
    address = Address(key)
    if row is None or there is None:
        yield Fault(address, "the ledger would bind no customer to it")
        return
    if wanted is None or wanted.archived:
        if not there.archived:
            yield Fault(address, "it would stay active")
        return
    if there.archived:
        yield Fault(address, "it would be archived")
        return
    if any(change.action is Action.CREATE for change in chain) and len(_active(world, key)) != 1:
        yield Fault(address, "several active customers would have its external_id")
    for name in _differing(wanted, there, given.before.get(there.id), given.terms):
        if name not in blocked:
            yield Fault(address, f"{name} would not be as declared")
    emails = {canonical_email(user.email) for user in world.account.users.get(there.id, ())}
    for user in wanted.users:
        if canonical_email(user.email) not in emails:
            yield Fault(Address(key, user.email), "the user would not be there")


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
    for name, value in wanted.fields.items():
        same, held, equal = CUSTOMER_FIELDS[name].same, there.fields.get(name, ""), terms.equal.get(name)
        if name in wanted.ignore_changes or same(value, held, equal):
            continue
        own_way = name in applied and same(value, applied[name], equal)
        if not (own_way and same(held, observed.get(name, ""), equal)):
            yield name
