"""What the model of the API holds, its requests, and what others do to it. Imports nothing of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import unquote

from api_ways import Unique, Ways


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


@dataclass(frozen=True, slots=True)
class User:
    """A customer's user."""

    id: str
    email: str
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """
    A customer as the server holds it.

    `fields` has neither empty values nor the external_id; `created_us` is in microseconds since 1970.
    """

    id: str
    external_id: str
    created_us: int
    fields: Mapping[str, str]
    archived: bool = False
    users: tuple[User, ...] = ()
    integration_id: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What a customer was from a moment on, in seconds since 1970; None: it is deleted, or not there yet."""

    since: float
    customer: Customer | None


def nth_id(number: int) -> str:
    """Return the id of the `number`-th customer of an account, from 1: the order of ids says nothing."""
    return f"cus_{number * 48271 % 2147483647:x}"


class Account:
    """
    One account. Nothing that its methods do is refused or rewritten: that is what the API adds.

    `now` is the server's clock. `payment_methods` and `open_invoices` are by the customer's id.
    """

    def __init__(self, ways: Ways, now: Callable[[], float]) -> None:
        self.ways = ways
        self.now = now
        self.payment_methods: dict[str, list[dict[str, str]]] = {}
        self.open_invoices: set[str] = set()
        self._versions: dict[str, list[Version]] = {}
        self._user_count = 0

    # --- as it is now ---------------------------------------------------------------------------------

    def customers(self) -> list[Customer]:
        """Return every customer, in the order of creation."""
        return [one for versions in self._versions.values() if (one := versions[-1].customer) is not None]

    def active(self) -> list[Customer]:
        """Return those that are not archived."""
        return [customer for customer in self.customers() if not customer.archived]

    def find(self, customer_id: str) -> Customer | None:
        """Return one customer, None where there is none."""
        versions = self._versions.get(customer_id)
        return versions[-1].customer if versions else None

    def customer(self, customer_id: str) -> Customer:
        """Return one customer; KeyError where there is none."""
        found = self.find(customer_id)
        if found is None:
            raise KeyError(customer_id)
        return found

    def users_of(self, customer_id: str) -> tuple[User, ...]:
        """Return a customer's users, in the order of creation."""
        return self.customer(customer_id).users

    def taken(self, external_id: str, *, besides: str = "") -> bool:
        """Say whether `unique` forbids one more customer with `external_id`; the id `besides` does not count."""
        if not external_id or self.ways.unique is Unique.NONE:
            return False
        among = self.active() if self.ways.unique is Unique.ACTIVE else self.customers()
        return any(one.external_id == external_id and one.id != besides for one in among)

    # --- as a read sees it, up to `lag_s` late --------------------------------------------------------

    def readable(self, customer_id: str) -> Customer | None:
        """Return one customer as a get sees it."""
        customer = self._settled(self._versions.get(customer_id, [])).customer
        return None if customer is not None and customer.archived and not self.ways.gets_archived else customer

    def listed(self) -> list[tuple[int, float, Customer]]:
        """Return what a list sees: number, when it last changed, the customer; in the order of creation."""
        rows = []
        for number, versions in enumerate(self._versions.values()):
            version = self._settled(versions)
            customer = version.customer
            if customer is not None and (self.ways.lists_archived or not customer.archived):
                rows.append((number, version.since, customer))
        return rows

    def _settled(self, versions: Sequence[Version]) -> Version:
        until = self.now() - self.ways.lag_s
        return next((version for version in reversed(versions) if version.since <= until), Version(0.0, None))

    # --- what changes it ------------------------------------------------------------------------------

    def create(self, **fields: str | None) -> str:
        """Create a customer with these fields, external_id among them; return its id."""
        return self.add(fields)

    def add(
        self,
        fields: Mapping[str, str | None],
        *,
        users: Sequence[str] = (),
        age_s: float = 0.0,
        integration_id: str = "",
    ) -> str:
        """Create a customer as of `age_s` ago, with users of these e-mail addresses; return its id."""
        since = self.now() - age_s
        unit = 10 ** (6 - self.ways.created_digits)
        created_us = round(since * 1e6) // unit * unit
        customer_id = nth_id(len(self._versions) + 1)
        external_id, values = _split(fields)
        customer = Customer(
            id=customer_id,
            external_id=external_id,
            created_us=created_us,
            fields=values,
            users=tuple(User(self._next_user_id(), email) for email in users),
            integration_id=integration_id,
        )
        self._versions[customer_id] = [Version(since, customer)]
        return customer_id

    def edit(self, customer_id: str, /, **fields: str | None) -> None:
        """Change fields, external_id and email too; None and "" empty one."""
        customer = self.customer(customer_id)
        external_id, values = _split({"external_id": customer.external_id, **customer.fields, **fields})
        self.put(replace(customer, external_id=external_id, fields=values))

    def archive(self, customer_id: str) -> None:
        """Archive a customer."""
        self.put(replace(self.customer(customer_id), archived=True))

    def restore(self, customer_id: str) -> None:
        """Restore a customer."""
        self.put(replace(self.customer(customer_id), archived=False))

    def delete(self, customer_id: str) -> None:
        """Delete a customer for good, as no request of the API does."""
        self._versions[customer_id].append(Version(self.now(), None))

    def add_user(self, customer_id: str, email: str, first_name: str = "", last_name: str = "") -> User:
        """Add a user to a customer and return it."""
        user = User(self._next_user_id(), email, first_name, last_name)
        customer = self.customer(customer_id)
        self.put(replace(customer, users=(*customer.users, user)))
        return user

    def put(self, customer: Customer) -> Customer:
        """Hold a customer as it is given, from now on, and return it."""
        self._versions[customer.id].append(Version(self.now(), customer))
        return customer

    def _next_user_id(self) -> str:
        self._user_count += 1
        return f"usr_{self._user_count}"


def _split(fields: Mapping[str, str | None]) -> tuple[str, dict[str, str]]:
    """Return the external_id, and the other fields that have a value."""
    values = {name: value for name, value in fields.items() if value}
    return values.pop("external_id", ""), values
