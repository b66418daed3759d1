"""
The customers that need nothing, found in one pass: nearly all of a big account. Pure.

What is found here is not planned further, so a customer counts only where all that `identify` and `plan_known` could
say of it is known to be nothing: it is bound, listed and recorded as it is declared, and no other entry, pin or `moved`
line is about it. Whatever is less plain than that takes the long way.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.core import CustomerId, Desired, DesiredCustomer
from reconciler.model.ledger import Binding, BindingState, SeenUser
from reconciler.plan.identity import Register


def to_be_planned(
    desired: Desired, register: Register, users: Mapping[CustomerId, tuple[SeenUser, ...]], place: str
) -> list[DesiredCustomer]:
    """
    Return the declared customers of which it is not plain at once that they need nothing.

    Of each of the others it is known who it is and that its part of the plan is empty, and nothing of it bears on what
    another customer is or needs. `users` are those of `Records`, `place` is that of `Terms`.
    """
    if len(register.by_id) < len(register.bindings):
        # Two keys of one customer: who is who is for the long way.
        return list(desired.customers.values())
    pinned = {one.id for one in desired.customers.values() if one.id is not None}
    moved = {key for move in desired.moved for key in (move.origin, move.to)}
    rows, live, project = register.bindings, register.sight.live, register.scope.project
    listed, got, with_users = live.listed, live.got, frozenset(users)
    rest: list[DesiredCustomer] = []
    for customer in desired.customers.values():
        key = customer.external_id
        row = rows.get(key)
        there = None if row is None else listed.get(row.bound_id)
        if (
            row is None
            or there is None
            or not (customer.fields is there.fields or customer.fields.items() <= there.fields.items())
            or not row.has_applied(customer.fields)
            or not key == there.external_id == row.live_external_id
            or row.created_at != there.created_at
            or row.source != customer.source.file
            or row.project != project
            or (place and row.place != place)
            or not _is_at_rest(row)
            or not _is_plain(customer, row)
            or key in moved
            or there.id in pinned
            or there.id in got
            or there.id in with_users
        ):
            rest.append(customer)
    return rest


def _is_at_rest(row: Binding) -> bool:
    """Say whether a row is active, and nothing that we did to its customer is to be looked at yet."""
    return (
        row.state is BindingState.ACTIVE
        and row.trouble_json is None
        and row.reversals_json is None
        and row.recent_json is None
    )


def _is_plain(customer: DesiredCustomer, row: Binding) -> bool:
    """Say whether an entry has nothing but fields, and a protection that is recorded."""
    return not (
        customer.archived
        or customer.id is not None
        or customer.users
        or customer.ignore_changes
        or (customer.protect is not None and customer.protect != row.protected)
    )
