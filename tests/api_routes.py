"""The requests that the API's reference offers. Imports nothing of the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote


class Endpoint(StrEnum):
    """The requests of the reference, and one word for all others."""

    TOKEN = "token"
    LIST = "list"
    CREATE = "create"
    GET = "get"
    PATCH = "patch"
    ARCHIVE = "archive"
    RESTORE = "restore"
    PAYMENT_METHODS = "payment methods"
    PAYMENT_METHOD = "payment method"
    USERS = "users"
    CREATE_USER = "create user"
    UNKNOWN = "unknown"


_ID = "{id}"
_ROUTES = {
    ("POST", "oauth", "token"): Endpoint.TOKEN,
    ("GET", "customers"): Endpoint.LIST,
    ("POST", "customers"): Endpoint.CREATE,
    ("GET", "customers", _ID): Endpoint.GET,
    ("PATCH", "customers", _ID): Endpoint.PATCH,
    ("DELETE", "customers", _ID): Endpoint.ARCHIVE,
    ("POST", "customers", _ID, "restore"): Endpoint.RESTORE,
    ("GET", "customers", _ID, "payment-methods"): Endpoint.PAYMENT_METHODS,
    ("GET", "customers", _ID, "payment-methods", _ID): Endpoint.PAYMENT_METHOD,
    ("GET", "customers", _ID, "users"): Endpoint.USERS,
    ("POST", "customers", _ID, "users"): Endpoint.CREATE_USER,
}


PATCHABLE = ("name", "legal_name", "ein", "street_address", "sub_premise", "city", "state", "postal_code", "country")
CUSTOMER_FIELDS = (*PATCHABLE, "email")
BODIES = {
    Endpoint.CREATE: {*CUSTOMER_FIELDS, "external_id"},
    Endpoint.PATCH: {*PATCHABLE},
    Endpoint.CREATE_USER: {"email", "first_name", "last_name"},
}
LIST_QUERY = {"limit", "after", "before", "created_at_start", "created_at_end", "company_name"}


def route(method: str, path: str) -> tuple[Endpoint, tuple[str, ...]]:
    """Return which request it is, and the ids in its path."""
    parts = tuple(unquote(part) for part in path.removeprefix("/").split("/"))
    # Every second part is an id: customers/{id}/payment-methods/{id}.
    named = (method, *parts) if parts[0] == "oauth" else (method, *(_ID if i % 2 else p for i, p in enumerate(parts)))
    return _ROUTES.get(named, Endpoint.UNKNOWN), parts[1::2]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived, and the status it was answered with: 0 where the answer was lost."""

    method: str
    path: str
    query: str
    status: int
    at: float

    @property
    def endpoint(self) -> Endpoint:
        """Return which of the reference's requests it is."""
        return route(self.method, self.path)[0]
