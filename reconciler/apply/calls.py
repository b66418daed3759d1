"""What `api` changes: one request as a value, and as the change that the journal keeps of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler import endpoints
from reconciler.api.request import Request
from reconciler.model import Action, Address, Change, CustomerId, FieldChange, Reason


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request that changes the account, asked for by itself.

    `customer` is the id that it speaks of, None for a create; `values` what it carries, None sent as null. `unchecked`:
    a create is sent though another customer may have its external_id.
    """

    name: str
    action: Action
    request: Request
    customer: CustomerId | None = None
    values: Mapping[str, str | None] = field(default_factory=dict)
    unchecked: bool = False

    @property
    def external_id(self) -> str:
        """Return the external_id that a create carries, "" for none."""
        return self.values.get("external_id") or ""


def create_customer(values: Mapping[str, str | None], *, unchecked: bool = False) -> Call:
    """Return the create of a customer."""
    request = endpoints.create_customer(values)
    return Call("api customers create", Action.CREATE, request, None, values, unchecked=unchecked)


def patch_customer(customer: CustomerId, values: Mapping[str, str | None]) -> Call:
    """Return the patch of a customer."""
    request = endpoints.patch_customer(customer, values)
    return Call("api customers patch", Action.PATCH, request, customer, values)


def archive_customer(customer: CustomerId) -> Call:
    """Return the archive of a customer."""
    return Call("api customers archive", Action.ARCHIVE, endpoints.archive_customer(customer), customer)


def restore_customer(customer: CustomerId) -> Call:
    """Return the restore of a customer."""
    return Call("api customers restore", Action.RESTORE, endpoints.restore_customer(customer), customer)


def create_user(customer: CustomerId, values: Mapping[str, str | None]) -> Call:
    """Return the create of a customer's user."""
    request = endpoints.create_user(customer, values)
    return Call("api users create", Action.CREATE_USER, request, customer, values)


def change_of(call: Call, key: str, before: Mapping[str, str]) -> Change:
    """
    Return the change that `call` makes; `before` are the values that a patch finds.

    `key` is what the customer is bound to, its id where it is bound to nothing. A create has the key that it
    asks for, "" for none, and its external_id among its values: by that it is known as one that binds nothing.
    """
    values = dict(call.values)
    match call.action:
        case Action.CREATE:
            values = {"external_id": call.external_id or None, **values}
            address = Address(call.external_id)
        case Action.CREATE_USER:
            address = Address(key, call.values.get("email") or "")
        case _:
            address = Address(key)
    fields = tuple(FieldChange(name, before.get(name, ""), value) for name, value in values.items())
    return Change(call.action, address, call.customer, Reason.DIRECT, fields=fields)
