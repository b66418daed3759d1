"""The API for scripts, public as `reconciler.Client`: every endpoint as a method, with changes in the ledger."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from reconciler import endpoints
from reconciler.api.client import ApiClient
from reconciler.api.pagination import whole
from reconciler.apply import direct_request
from reconciler.apply.direct_request import DirectRequest
from reconciler.clock import Clock
from reconciler.endpoints import Filters
from reconciler.errors import Interrupted, NotTheApi, Problem, ReconcilerError, Source, Unanswered
from reconciler.kinds import wire
from reconciler.kinds.wire import CUSTOMERS, users_path
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, CustomerId, Status
from reconciler.pipeline import api_change, apply, resources
from reconciler.pipeline.api_change import RequestResult
from reconciler.pipeline.resources import Origin, origin_of_run
from reconciler.report.messages.failures import outcome_text
from reconciler.settings import Access, Environment, Options, Secret, read_settings
from reconciler.settings.environment import RATE_PER_S


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
        raise NotTheApi(f"{name}: the reply has no customer; check the base URL")
    return Customer(live.id, live.external_id, live.created_at, live.fields, body)


def user_in(body: object, name: str) -> User:
    """Return the user in a reply to the request called `name`; NotTheApi where it holds none."""
    live = wire.read_user(body)
    if live is None or not isinstance(body, dict):
        raise NotTheApi(f"{name}: the reply has no user; check the base URL")
    return User(live.id, live.email, live.fields, body)


def id_of(text: str) -> CustomerId:
    """
    Return an id that may be in a path; ValueError where another request would be made of it.

    >>> id_of("cus_1")
    'cus_1'
    """
    if not text.strip(". "):
        raise ValueError(f"{text!r} is not an id of the API")
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
            raise TypeError(f"{name}: expected a text, not {value!r}")
        values[name] = value
    return values


@dataclass(frozen=True, slots=True)
class Changes:
    """
    What changes one account, a call at a time: this process's own lock would refuse a second one.

    Another run is waited for `lock_timeout_s`.
    """

    environment: Environment
    options: Options
    client: ApiClient
    clock: Clock
    origin: Origin
    lock_timeout_s: float = 0.0
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def made(self, call: DirectRequest) -> object:
        """
        Make a call and return the reply's body, None where none came.

        Raises Refused where the policy, the lock or the ledger is against it, Unanswered where it stays in doubt, and
        what the request failed with.
        """
        async with self._one_at_a_time:
            doing = f"a script: {call.name}"
            begun = await resources.begin(self.environment, self.clock, doing=doing, timeout_s=self.lock_timeout_s)
            with begun as ledger:
                called = await resources.with_renewed_lease(ledger, self.clock, self._carried(ledger, call))
        return _body(called)

    async def _carried(self, ledger: Ledger, call: DirectRequest) -> RequestResult:
        """Prepare a call and send it."""
        terms = self.environment.terms(self.options)
        prepared = await api_change.prepare(self.client, ledger, call, terms)
        return await api_change.carry_out(
            self.client,
            ledger,
            prepared,
            terms,
            run=apply.new_run(self.clock, call.name, origin=self.origin),
            clock=self.clock,
            stop=asyncio.Event(),
            tell=lambda _: None,
        )


def _body(called: RequestResult) -> object:
    """Return the body of the reply to a call that was done; raise what it ended in otherwise."""
    match called.outcome.status:
        case Status.DONE:
            return called.body
        case Status.IN_DOUBT:
            raise Unanswered(outcome_text(called.outcome))
        case Status.SKIPPED:
            raise Interrupted(outcome_text(called.outcome))
        case Status.FAILED:
            raise called.failure or ReconcilerError(outcome_text(called.outcome))


class Client:
    """
    An asynchronous context manager that asks one account; `Client.open` and `Client.with_key` make one.

    It sends as the commands do: paced together with them, retried where that is safe, to the one host. With a
    ledger every change takes the account's lock, is a run of the history, and a create whose answer is lost is
    settled by reading, also by the next process. Without one there is neither lock nor journal, and such a create
    raises Unanswered: it may have happened. No change makes a customer managed.

    Every method raises what `reconciler.errors` names: NotFound, Forbidden, Rejected, Unreachable, Unanswered…
    """

    def __init__(
        self,
        environment: Environment,
        options: Options,
        *,
        journalled: bool,
        root: Path,
        lock_timeout_s: float,
    ) -> None:
        self._environment = environment
        self._options = options
        self._journalled = journalled
        self._root = root
        self._lock_timeout_s = lock_timeout_s
        self._open = AsyncExitStack()

    @classmethod
    def open(
        cls,
        environment: str | None = None,
        *,
        project_file: str | None = None,
        rate_per_s: float | None = None,
        approve: Collection[str] = (),
        lock_timeout_s: float = 0.0,
    ) -> Self:
        """
        Return the client of an environment, with its ledger: as `-e` and `-p` name it, or as the variables do.

        `approve` are actions that its policy wants approved, such as `archive`; another run that writes is waited for
        `lock_timeout_s` seconds. Raises Invalid with all that is wrong with the settings.
        """
        options = Options(
            project_file=project_file,
            environment=environment,
            rate_per_s=rate_per_s,
            approved=tuple(map(Action, approve)),
        )
        settings = read_settings(options, variables=os.environ, cwd=Path.cwd())
        return cls(
            settings.environment(),
            options,
            journalled=True,
            root=settings.root,
            lock_timeout_s=lock_timeout_s,
        )

    @classmethod
    def with_key(
        cls,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        state: str | None = None,
        rate_per_s: float = RATE_PER_S,
        lock_timeout_s: float = 0.0,
    ) -> Self:
        """Return the client of one key; `state` is the path or URL of a ledger, None for none. No limit: rate 0."""
        lacking = Problem(Source("state"), "", "no ledger is named", "give a path or a URL")
        access = Access(base_url, client_id, Secret(client_secret), lacking if state is None else state)
        return cls(
            Environment("default", access, rate_per_s=rate_per_s),
            Options(),
            journalled=state is not None,
            root=Path.cwd(),
            lock_timeout_s=lock_timeout_s,
        )

    async def __aenter__(self) -> Self:
        """Return itself, ready to send; raises Invalid with all that is missing to reach the account."""
        clock = resources.real_clock()
        self._sender: ApiClient = await self._open.enter_async_context(resources.open_client(self._environment, clock))
        self._changes = Changes(
            self._environment,
            self._options,
            self._sender,
            clock,
            origin_of_run(self._root),
            self._lock_timeout_s,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._open.aclose()

    async def list_customers(
        self,
        *,
        created_at_start: str | None = None,
        created_at_end: str | None = None,
        company_name: str | None = None,
        limit: int = 100,
    ) -> AsyncIterator[Customer]:
        """Yield every customer that the filters let through, page after page of `limit`; times are RFC 3339."""
        query = endpoints.list_customers(filters=Filters(created_at_start, created_at_end, company_name)).query
        async for page in whole(self._sender, CUSTOMERS, query, limit=limit):
            for row in page.rows:
                yield customer_in(row, f"GET {CUSTOMERS}")

    async def get_customer(self, customer_id: str) -> Customer:
        """Return one customer; NotFound where there is none."""
        request = endpoints.get_customer(id_of(customer_id))
        return customer_in((await self._sender.send(request)).body, request.name)

    async def list_users(self, customer_id: str, *, limit: int = 100) -> AsyncIterator[User]:
        """Yield every user of a customer, page after page of `limit`."""
        path = users_path(id_of(customer_id))
        async for page in whole(self._sender, path, limit=limit):
            for row in page.rows:
                yield user_in(row, f"GET {path}")

    async def list_payment_methods(self, customer_id: str) -> list[dict[str, Any]]:
        """Return a customer's payment methods as the API replies: their fields are not documented."""
        request = endpoints.list_payment_methods(id_of(customer_id))
        body = (await self._sender.send(request)).body
        rows = body.get("data") if isinstance(body, dict) else body
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise NotTheApi(f"{request.name}: the reply is not a list of payment methods; check the base URL")
        return rows

    async def get_payment_method(self, customer_id: str, payment_method_id: str) -> dict[str, Any]:
        """Return one payment method as the API replies; NotFound where there is none."""
        request = endpoints.get_payment_method(id_of(customer_id), id_of(payment_method_id))
        body = (await self._sender.send(request)).body
        if not isinstance(body, dict):
            raise NotTheApi(f"{request.name}: the reply is not a payment method; check the base URL")
        return body

    async def create_customer(self, *, unchecked: bool = False, **fields: Unpack[CreateFields]) -> Customer:
        """
        Create a customer, exactly once where there is a ledger; else Unanswered where it may have happened.

        With a ledger and an external_id the account is listed first, and Refused is raised where a customer has it;
        `unchecked` leaves that out.
        """
        call = direct_request.create_customer(given(fields, CreateFields), unchecked=unchecked)
        return customer_in(await self._made(call), call.request.name)

    async def patch_customer(self, customer_id: str, **fields: Unpack[PatchFields]) -> Customer:
        """Patch a customer, and return it."""
        call = direct_request.patch_customer(id_of(customer_id), given(fields, PatchFields))
        return customer_in(await self._made(call), call.request.name)

    async def archive_customer(self, customer_id: str) -> Customer | None:
        """Archive a customer; return it where the reply holds it. Refused, with a ledger, where it is protected."""
        call = direct_request.archive_customer(id_of(customer_id))
        body = await self._made(call)
        return None if body is None else customer_in(body, call.request.name)

    async def restore_customer(self, customer_id: str) -> Customer | None:
        """Restore a customer; return it where the reply holds it."""
        call = direct_request.restore_customer(id_of(customer_id))
        body = await self._made(call)
        return None if body is None else customer_in(body, call.request.name)

    async def create_user(self, customer_id: str, *, email: str, first_name: str = "", last_name: str = "") -> User:
        """Create a customer's user, exactly once where there is a ledger. The user probably gets an email."""
        names = {"first_name": first_name, "last_name": last_name}
        values = {"email": email, **{name: text for name, text in names.items() if text}}
        call = direct_request.create_user(id_of(customer_id), values)
        return user_in(await self._made(call), call.request.name)

    async def _made(self, call: DirectRequest) -> object:
        """Make a call and return the reply's body; raises what it ended in."""
        if self._journalled:
            return await self._changes.made(call)
        return (await self._sender.send(call.request)).body
