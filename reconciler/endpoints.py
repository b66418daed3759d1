"""
Every endpoint of the API as the request to it. Pure.

Nothing but this and `api` makes a `Request`. Source: the API's reference page "Customers"; what the bodies and replies
hold is in `schema/openapi.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from reconciler.api.exchange import Request
from reconciler.kinds import wire
from reconciler.model.core import CustomerId


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page of a list: `limit` rows (None: the server's default, 100) after or before a cursor."""

    limit: int | None = None
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which customers a list holds; times are RFC 3339, `company_name` is matched by the server."""

    created_at_start: str | None = None
    created_at_end: str | None = None
    company_name: str | None = None


def list_customers(paging: PageQuery = PageQuery(), filters: Filters = Filters()) -> Request:
    """
    Return `GET /customers`: a page of customers.

    >>> list_customers(PageQuery(limit=10), Filters(company_name="Acme")).target()
    '/customers?limit=10&company_name=Acme'
    """
    return Request("GET", wire.CUSTOMERS, (*_query(paging), *_query(filters)))


def get_customer(customer: CustomerId) -> Request:
    """Return `GET /customers/{id}`: one customer."""
    return Request("GET", wire.customer_path(customer))


def list_users(customer: CustomerId, paging: PageQuery = PageQuery()) -> Request:
    """Return `GET /customers/{id}/users`: a page of a customer's users."""
    return Request("GET", wire.users_path(customer), _query(paging))


def list_payment_methods(customer: CustomerId) -> Request:
    """Return `GET /customers/{id}/payment-methods`: all of them, as this list has no pages."""
    return Request("GET", wire.payment_methods_path(customer))


def get_payment_method(customer: CustomerId, method: str) -> Request:
    """Return `GET /customers/{id}/payment-methods/{payment_method_id}`: one payment method."""
    return Request("GET", wire.payment_method_path(customer, method))


def create_customer(values: Mapping[str, str | None]) -> Request:
    """Return `POST /customers`: the create of a customer with these values, its external_id among them."""
    return Request("POST", wire.CUSTOMERS, body=dict(values), repeatable=False)


def patch_customer(customer: CustomerId, values: Mapping[str, str | None]) -> Request:
    """Return `PATCH /customers/{id}`: the patch of a customer to these values; None is sent as null."""
    return Request("PATCH", wire.customer_path(customer), body=dict(values))


def archive_customer(customer: CustomerId) -> Request:
    """Return `DELETE /customers/{id}`: the archive of a customer."""
    return Request("DELETE", wire.customer_path(customer))


def restore_customer(customer: CustomerId) -> Request:
    """Return `POST /customers/{id}/restore`: the restore of a customer."""
    return Request("POST", wire.restore_path(customer))


def create_user(customer: CustomerId, values: Mapping[str, str | None]) -> Request:
    """Return `POST /customers/{id}/users`: the create of a user with these values, its email among them."""
    return Request("POST", wire.users_path(customer), body=dict(values), repeatable=False)


def _query(asked: PageQuery | Filters) -> tuple[tuple[str, str], ...]:
    """Return what is asked for as a query, in the order of its fields; "" and None are left out."""
    given = ((one.name, getattr(asked, one.name)) for one in fields(asked))
    return tuple((name, str(value)) for name, value in given if value not in ("", None))
