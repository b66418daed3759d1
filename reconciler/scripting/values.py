"""What scripts give and get: the fields of a request, and a customer or a user as the API replied it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from reconciler.errors import NotTheApi
from reconciler.kinds import wire
from reconciler.model.core import CustomerId


@dataclass(frozen=True, slots=True)
class Customer:
    """
    A customer: `fields` holds the documented ones that are not empty, `raw` the whole reply.

    `external_id` is "" for none, `created_at` RFC 3339.
    """

    id: str
    external_id: str
    created_at: str
    fields: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """A customer's user: `fields` holds its names that are not empty, `raw` the whole reply."""

    id: str
    email: str
    fields: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)


class PatchFields(TypedDict, total=False):
    """What a patch may carry; None is sent as null."""

    name: str | None
    legal_name: str | None
    ein: str | None
    street_address: str | None
    sub_premise: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None


class CreateFields(TypedDict, total=False):
    """What a create may carry; `external_id` and `email` cannot be changed later."""

    external_id: str
    name: str
    legal_name: str
    ein: str
    email: str
    street_address: str
    sub_premise: str
    city: str
    state: str
    postal_code: str
    country: str


def customer_in(body: object, name: str) -> Customer:
    """Return the customer in a reply to the request called `name`; NotTheApi where it holds none."""
    live = wire.read_customer(body)
    if live is None or not isinstance(body, dict):
        raise NotTheApi(f"{name}: the reply holds no customer; check the base URL")
    return Customer(live.id, live.external_id, live.created_at, live.fields, body)


def user_in(body: object, name: str) -> User:
    """Return the user in a reply to the request called `name`; NotTheApi where it holds none."""
    live = wire.read_user(body)
    if live is None or not isinstance(body, dict):
        raise NotTheApi(f"{name}: the reply holds no user; check the base URL")
    return User(live.id, live.email, live.fields, body)


def id_of(text: str) -> CustomerId:
    """
    Return an id that may stand in a path; ValueError where another request would be made of it.

    >>> id_of("cus_1")
    'cus_1'
    """
    if not text.strip(". "):
        raise ValueError(f"{text!r} is no id of the API")
    return CustomerId(text)


def given(fields: Mapping[str, object], known: type[CreateFields | PatchFields]) -> dict[str, str | None]:
    """
    Return the fields of a request; ValueError where there are none, TypeError for one that the API does not take.

    >>> given({"city": "Boston"}, PatchFields)
    {'city': 'Boston'}
    """
    if not fields:
        raise ValueError("give at least one field")
    empties = known is PatchFields
    values: dict[str, str | None] = {}
    for name, value in fields.items():
        if name not in known.__annotations__:
            raise TypeError(f"{name}: the API does not take this field; it takes {', '.join(known.__annotations__)}")
        if not isinstance(value, str) and not (value is None and empties):
            raise TypeError(f"{name}: a text is wanted, not {value!r}")
        values[name] = value
    return values
