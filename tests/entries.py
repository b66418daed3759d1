"""Who an entry may be, and what a run knew of it: stated from the specification, for the rules that use it."""

from __future__ import annotations

from collections.abc import Iterable

from api_account import Customer
from story import Ran

from reconciler.model.core import Action, CustomerId, Desired, DesiredCustomer
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.plan import Change
from reconciler.plan.server_behavior import known_lag


def changes(ran: Ran, action: Action) -> list[Change]:
    return [change for change in ran.applied.plan.changes if change.action is action]


def row_of(ran: Ran, customer_id: str | None) -> Binding | None:
    return next((row for row in ran.records.bindings.values() if row.id == customer_id), None)


def held(row: Binding | None, state: BindingState) -> bool:
    return row is not None and row.state is state


def young(ran: Ran, customer_id: str) -> bool:
    """Say whether our last write to a customer need not be seen yet."""
    row = row_of(ran, customer_id)
    return row is not None and row.written_at > ran.started_at - known_lag(ran.records.learned, ran.terms) - 1


def pins(desired: Desired) -> set[str]:
    return {one.id for one in desired.customers.values() if one.id is not None}


def names_of(desired: Desired, key: str) -> set[str]:
    """Return the key and its former keys."""
    names = {key}
    for _ in desired.moved:
        names |= {move.origin for move in desired.moved if move.to in names}
    return names


def rows_of(ran: Ran, one: DesiredCustomer) -> list[Binding]:
    """Return the ledger's rows of an entry's key and former keys."""
    return [row for name in names_of(ran.desired, one.external_id) if (row := ran.records.bindings.get(name))]


def candidates(ran: Ran, one: DesiredCustomer, among: Iterable[Customer] | None = None) -> set[CustomerId | str | None]:
    """Return the ids that an entry may be, `among` the customers before the run unless told."""
    if one.id is not None:
        return {one.id}
    there = ran.before if among is None else among
    carried = {found.id for found in there if found.external_id in names_of(ran.desired, one.external_id)}
    return {row.id for row in rows_of(ran, one)} | carried
