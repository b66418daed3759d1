"""The part of a plan that sends nothing: what may be bound without changing the account. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from reconciler.model.plan import Plan


def quiet(plan: Plan, keys: AbstractSet[str]) -> Plan:
    """
    Return what `plan` writes into the ledger for those of `keys` that it neither changes nor holds back.

    Nothing else of it stays: no change, and no binding that ends or goes to another key.
    """
    busy = {one.address.external_id for one in plan.changes} | {one.address.external_id for one in plan.blocked}
    entries = tuple(row for row in plan.entries if row.external_id in keys - busy and row.id is not None)
    ids = {row.id for row in entries}
    return replace(
        plan, changes=(), bindings=(), entries=entries, users=tuple(row for row in plan.users if row.id in ids)
    )
