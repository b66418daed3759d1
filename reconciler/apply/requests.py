"""A change as the request that makes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from reconciler import endpoints
from reconciler.api.request import Request
from reconciler.model.core import Action, CustomerId
from reconciler.model.plan import Change, FieldChange

CLEARS: Mapping[str, str | None] = {'""': "", "null": None}
"""What is sent to empty a field, by the name under which the ledger learns it; which one works is not documented."""


def request_for(change: Change, customer: CustomerId | None, clear: str = '""') -> Request:
    """
    Return the request of `change`.

    `customer` is the id it speaks of, None only for a create; `clear` a key of `CLEARS`.
    """
    if change.action is Action.CREATE or customer is None:
        return creation(change)
    match change.action:
        case Action.PATCH:
            return endpoints.patch_customer(customer, patch_body(change.fields, clear))
        case Action.ARCHIVE:
            return endpoints.archive_customer(customer)
        case Action.RESTORE:
            return endpoints.restore_customer(customer)
        case Action.CREATE_USER:
            return endpoints.create_user(customer, _values(change.fields))
        case _:
            assert_never(change.action)


def creation(change: Change) -> Request:
    """Return the create of the customer that `change` speaks of: a create, or a restore that turns out to be one."""
    return endpoints.create_customer({"external_id": change.address.external_id, **_values(change.fields)})


def patch_body(fields: Iterable[FieldChange], clear: str) -> dict[str, str | None]:
    """Return what a patch carries; what is wanted empty is sent as `clear` says."""
    return {field.name: field.after or CLEARS[clear] for field in fields}


def _values(fields: Iterable[FieldChange]) -> dict[str, str | None]:
    """Return the fields of a create: those with a value."""
    return {field.name: field.after for field in fields if field.after}
