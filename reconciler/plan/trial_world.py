"""
The world in which a plan is tried: the account in memory behind the API's rules, and the ledger beside it.

It holds the customers that the plan touches and those that share an external_id or a row with them, as
the planner took them to be. Whatever is done to it is done by the rules that the emulator serves, and
recorded by the functions that an apply records with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

from reconciler import bookkeeping
from reconciler.kinds.kind import CUSTOMER, CUSTOMER_FIELDS, USER, canonical_email
from reconciler.kinds.wire import read_customer, read_user
from reconciler.model.core import Action, CustomerId, Live, LiveCustomer, LiveUser
from reconciler.model.ledger import Binding, Records, SeenUser
from reconciler.model.plan import BindingAction, Change, Plan
from reconciler.model.reports import TrialFailure, TrialFault
from reconciler.plan.presence import (
    Active,
    ArchivedByUs,
    Elsewhere,
    Hidden,
    Presence,
    Sight,
    Unread,
    as_recorded,
    presence,
)
from reconciler.plan.users import merged
from reconciler.rules import (
    Account,
    Behaviour,
    Clears,
    RuleReply,
    StoredCustomer,
    StoredUser,
    Unique,
    add_user,
    archive,
    create,
    create_user,
    patch,
    put,
    restore,
)

Value = TypeVar("Value")

INTEGRATION_ID = "customer_integration_id"

# Strict where a plan relies on nothing (what is archived takes no patch, nothing may be done twice), and
# lenient where it cannot know (which value empties a field, whether an external_id may stand twice).
WAYS = Behaviour(
    patches_archived=False,
    unique=Unique.NONE,
    clears=Clears.BOTH,
    repeated_archive=400,
    repeated_restore=400,
)
LATER_S = 3600.0
"""So long after the changes the account is read again: by then everything is visible."""


@dataclass(slots=True)
class World:
    """
    An account, the ledger's rows and users, and what no rule knows.

    - `rows` are the ledger's by key; one whose id is None waits for its create and is not in the ledger yet.
    - `created_at` is the API's text by id, of those that were there before.
    - `dormant` are the ids that were not active at first and are not yet: they are read as they were in `seen`.
    """

    seen: Live
    records: Records
    lists_archived: bool
    account: Account = field(default_factory=lambda: Account(seed="trial"))
    rows: dict[str, Binding] = field(default_factory=dict)
    users: dict[CustomerId, tuple[SeenUser, ...]] = field(default_factory=dict)
    created_at: dict[CustomerId, str] = field(default_factory=dict)
    dormant: set[CustomerId] = field(default_factory=set)


def world_of(sight: Sight, records: Records) -> World:
    """Return the world that was seen, every customer in it as the planner takes it to be."""
    world = World(sight.live, records, lists_archived=bool(sight.lists_archived))
    world.rows.update(records.bindings)
    by_id = {row.bound_id: row for row in records.bindings.values()}
    for place, customer_id in enumerate(sorted(by_id.keys() | sight.live.listed.keys() | sight.live.got.keys())):
        row = by_id.get(customer_id)
        there = presence(sight, customer_id, row)
        if (found := _found(there, row)) is None:
            continue
        besides = {CUSTOMER.identity: found.external_id, INTEGRATION_ID: found.integration_id}
        kept = {**{name: text for name, text in besides.items() if text}, **found.fields}
        asleep = not isinstance(there, Active)
        put(world.account, StoredCustomer(customer_id, place, kept, archived=asleep))
        world.created_at[customer_id] = found.created_at
        if asleep:
            world.dormant.add(customer_id)
        _put_users(world, customer_id, fresh=row is not None and sight.fresh(row))
    return world


def _found(there: Presence, row: Binding | None) -> LiveCustomer | None:
    """Return the customer as it is there, or as the ledger has it where it is not visible; None for nobody."""
    match there:
        case Active(customer) | Elsewhere(customer):
            return customer
        case ArchivedByUs(customer):
            return customer or (None if row is None else as_recorded(row))
        case Hidden():
            # Hidden or gone: it is tried as hidden, as only the server can say which.
            return None if row is None else as_recorded(row)
        case Unread():
            return None
        case _:
            assert_never(there)


def _put_users(world: World, customer_id: CustomerId, *, fresh: bool) -> None:
    """Put the users that were listed there, else those that the ledger has seen, into the account and the ledger."""
    recorded, listed = world.records.users.get(customer_id), world.seen.users.get(customer_id)
    known = merged(recorded, listed, fresh=fresh)
    if recorded is not None or listed is not None:
        world.users[customer_id] = known
    for place, one in enumerate(known):
        add_user(world.account, customer_id, StoredUser(f"usr_{place}", 0, {USER.identity: one.email, **one.fields}))


def begin(world: World, plan: Plan, keys: Iterable[str]) -> None:
    """Write to the ledger what an apply of `plan` writes before its first request, as far as `keys` go."""
    chosen = set(keys)
    for row in plan.bindings:
        if row.address.external_id in chosen and row.action is not BindingAction.ADOPT:
            world.rows.pop(row.address.external_id, None)
            world.rows.pop(row.origin or "", None)
    world.rows.update({entry.external_id: entry for entry in plan.entries if entry.external_id in chosen})
    world.users.update({row.id: row.users for row in plan.users if row.id in world.account.customers})


def carry(world: World, change: Change, at: float) -> TrialFailure | None:
    """Do one change at `at`, record it, and return what is wrong with it."""

    def failure(fault: TrialFault, status: int = 0) -> TrialFailure:
        return TrialFailure(change.address, fault, change.action, status=status)

    row = world.rows.get(change.address.external_id)
    if row is None:
        return failure(TrialFault.NO_ROW)
    customer_id = row.id or CustomerId("")
    if change.id is not None and change.id != row.id:
        return failure(TrialFault.OTHER_ID)
    if change.action is not Action.CREATE and not customer_id:
        return failure(TrialFault.CUSTOMER_NOT_CREATED)
    reply = _sent(world, change, customer_id, at)
    if reply is None:
        return None
    if not reply.accepted:
        return failure(TrialFault.REFUSED, reply.status)
    not_taken = _recorded(world, change, row, reply, at)
    return replace(failure(TrialFault.NOT_TAKEN), fields=not_taken) if not_taken else None


def _sent(world: World, change: Change, customer_id: CustomerId, at: float) -> RuleReply | None:
    """Return the answer to a change, None where apply sends nothing."""
    account = world.account
    values = {one.name: one.after for one in change.fields if one.after}
    match change.action:
        case Action.CREATE:
            return create(account, WAYS, {CUSTOMER.identity: change.address.external_id, **values}, at)
        case Action.PATCH:
            return patch(account, WAYS, customer_id, {one.name: one.after or "" for one in change.fields}, at)
        case Action.ARCHIVE:
            return archive(account, WAYS, customer_id, at)
        case Action.RESTORE:
            return restore(account, WAYS, customer_id, at)
        case Action.CREATE_USER:
            email = canonical_email(change.address.email or "")
            there = account.users.get(customer_id, ()) if change.unless_listed else ()
            if any(canonical_email(user.email) == email for user in there):
                return None
            return create_user(account, WAYS, customer_id, values, at)
        case _:
            assert_never(change.action)


def _recorded(world: World, change: Change, row: Binding, reply: RuleReply, at: float) -> tuple[str, ...]:
    """Record the answer to a change, and return the fields of a patch that it did not change."""
    key, live = change.address.external_id, read_customer(reply.body)
    if change.action is Action.CREATE_USER:
        user, customer_id = read_user(reply.body), row.bound_id
        assert user is not None  # noqa: S101 - our own rules answer so
        applied = {one.name: one.after for one in change.fields if one.name != USER.identity}
        seen = SeenUser(user.email, user.fields, applied)
        world.users[customer_id] = (*world.users.get(customer_id, ()), seen)
        world.rows[key] = bookkeeping.rewritten(row, (), {}, at, 0.0)
        return ()
    assert live is not None  # noqa: S101 - our own rules answer so
    world.dormant.discard(live.id)
    match change.action:
        case Action.ARCHIVE:
            world.rows[key] = bookkeeping.archived(row, at, 0.0)
        case Action.RESTORE:
            world.rows[key] = bookkeeping.restored(row, at, 0.0)
        case Action.CREATE:
            made = bookkeeping.created(row, change, live, at)
            world.rows[key], world.users[live.id] = made.binding, ()
            world.created_at[live.id] = live.created_at
        case Action.PATCH:
            done = bookkeeping.patched(row, change, live, at, 0.0)
            world.rows[key] = done.binding
            return tuple(one.name for one in done.not_taken)
        case _:
            assert_never(change.action)
    return ()


def live_of(world: World, read_at: float) -> Live:
    """Return the account as a plan would read it at `read_at`, and all that such a plan may ask for."""
    listed: dict[CustomerId, LiveCustomer] = {}
    for customer in world.account.customers.values():
        customer_id = CustomerId(customer.id)
        asleep = customer_id in world.dormant
        if customer_id in world.seen.listed if asleep else (world.lists_archived or not customer.archived):
            listed[customer_id] = _shown(world, customer)
    return Live(
        listed=listed,
        sought=_of(world.seen.sought, world.dormant),
        got=_of(world.seen.got, world.dormant),
        users={one: _users(world, one) for one in listed},
        payment_methods=dict.fromkeys(listed, 0),
        read_at=read_at,
    )


def records_of(world: World) -> Records:
    """Return the ledger as a plan would read it."""
    rows = {key: row for key, row in world.rows.items() if row.id is not None}
    return replace(world.records, bindings=rows, users=world.users)


def _shown(world: World, customer: StoredCustomer) -> LiveCustomer:
    """Return a customer as it is listed."""
    fields = {name: text for name, text in customer.fields.items() if name in CUSTOMER_FIELDS}
    created_at = world.created_at.get(CustomerId(customer.id), "")
    synced = customer.fields.get(INTEGRATION_ID, "")
    return LiveCustomer(CustomerId(customer.id), customer.external_id, created_at, fields, synced)


def _users(world: World, customer_id: CustomerId) -> tuple[LiveUser, ...]:
    """Return a customer's users as they are listed."""
    return tuple(
        LiveUser(user.id, user.email, {name: text for name, text in user.fields.items() if name != USER.identity})
        for user in world.account.users.get(customer_id, ())
    )


def _of(values: Mapping[CustomerId, Value], ids: Iterable[CustomerId]) -> dict[CustomerId, Value]:
    """Return what `values` has of `ids`."""
    return {one: values[one] for one in ids if one in values}
