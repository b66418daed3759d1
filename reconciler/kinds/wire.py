"""Customers and users as the API writes them (its reference page "Customers"), and as the ledger stores them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from reconciler.kinds.kind import CUSTOMER, CUSTOMER_FIELDS, USER, fingerprint
from reconciler.model.core import CustomerId, LiveCustomer, LiveUser
from reconciler.model.ledger import Binding, Trouble, trouble_json

CUSTOMERS = "/customers"
_CUSTOMER_FIELDS = tuple(field.name for field in CUSTOMER.fields)
_USER_FIELDS = tuple(field.name for field in USER.fields)


def customer_path(customer: CustomerId) -> str:
    """
    Return the path of one customer, its id percent-encoded.

    >>> customer_path(CustomerId("cus_1/../x"))
    '/customers/cus_1%2F..%2Fx'
    """
    return f"{CUSTOMERS}/{quote(customer, safe='')}"


def users_path(customer: CustomerId) -> str:
    """Return the path of a customer's users."""
    return f"{customer_path(customer)}/users"


def restore_path(customer: CustomerId) -> str:
    return f"{customer_path(customer)}/restore"


def payment_methods_path(customer: CustomerId) -> str:
    """Return the path of a customer's payment methods."""
    return f"{customer_path(customer)}/payment-methods"


def payment_method_path(customer: CustomerId, method: str) -> str:
    """Return the path of one of a customer's payment methods."""
    return f"{payment_methods_path(customer)}/{quote(method, safe='')}"


Parts = tuple[CustomerId, str, str, Mapping[str, str]]
"""A customer's id, external_id, created_at and fields."""

Keep = Callable[[Parts], Parts]
"""Returns the parts of a customer, those replaced by equal values that are in memory already."""


def read_customer(reply: object, keep: Keep | None = None) -> LiveCustomer | None:
    """
    Return the customer in `reply`, None where it is none: no object, without an id, or with one that cannot be sent.

    Unknown fields are ignored ("new fields are rolled out without a version bump"); unset, null and ""
    are the same; a number or a boolean where a text is documented is taken as its text.
    """
    # Nearly all are dicts, and to ask an abstract class takes long.
    if reply.__class__ is not dict and not isinstance(reply, Mapping):
        return None
    customer_id = _text(reply.get("id"))
    # JSON can hold half a character (a lone surrogate), and no request can.
    if not customer_id or not (customer_id.isascii() or customer_id == customer_id.encode("utf-8", "ignore").decode()):
        return None
    parts = (
        CustomerId(customer_id),
        _text(reply.get("external_id")),
        _text(reply.get("created_at")),
        _fields(reply, _CUSTOMER_FIELDS),
    )
    return LiveCustomer(*(parts if keep is None else keep(parts)), _text(reply.get("customer_integration_id")))


def read_user(reply: object) -> LiveUser | None:
    """Return the user in `reply`, None where it is none: no object, or without an email."""
    if not isinstance(reply, Mapping):
        return None
    email = _text(reply.get("email"))
    if not email:
        return None
    return LiveUser(id=_text(reply.get("id")), email=email, fields=_fields(reply, _USER_FIELDS))


def without_email(reply: object) -> bool:
    """Say whether `reply` is a user that has no email, and not something else."""
    return isinstance(reply, Mapping) and reply.get("email") in (None, "")


def _fields(reply: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Return the non-empty texts of `reply` under `names`."""
    texts, get = {}, reply.get
    for name in names:
        value = get(name)
        # Nearly every value is a text or null, and there are a million of them in a big account.
        text = value if value is None or value.__class__ is str else _text(value)
        if text:
            texts[name] = text
    return texts


def _text(value: object) -> str:
    """Return a reply's value as text; "" for null and for what has no text form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def compact(values: Mapping[str, str | None]) -> str:
    """Return values as the ledger stores them: JSON without spaces, in the order of the fields' names."""
    return json.dumps(dict(sorted(values.items())), ensure_ascii=False, separators=(",", ":"))


def with_record(
    binding: Binding,
    applied: Mapping[str, str | None],
    observed: Mapping[str, str],
    trouble: Mapping[str, Trouble],
) -> Binding:
    """Return `binding` with this record; `observed` is stored only where it is not `applied` in canonical form."""
    equal = all(CUSTOMER_FIELDS[name].same(applied[name], observed.get(name)) for name in applied)
    return replace(
        binding,
        applied_hash=fingerprint(applied),
        applied_json=compact(applied),
        observed_json=None if equal else compact({name: observed.get(name, "") for name in applied}),
        trouble_json=trouble_json(trouble),
    )
