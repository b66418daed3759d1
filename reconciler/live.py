"""API pages to `Live`, with as few requests as the question needs. It reads; what the answers mean is the plan's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler.api.client import Client
from reconciler.api.flight import in_flight
from reconciler.api.pages import pages
from reconciler.api.request import Request
from reconciler.api.times import from_rfc3339, rfc3339
from reconciler.errors import Incomplete, NotFound, NotTheApi
from reconciler.kinds import wire
from reconciler.model import (
    AskSuccessor,
    CustomerId,
    Get,
    ListAgain,
    ListPaymentMethods,
    ListUsers,
    Live,
    LiveCustomer,
    LiveUser,
    Read,
    Seek,
)

Progress = Callable[[int, int | None], None]
"""Told how many were read so far, and how many there will be: None where nobody knows."""

SEEK_S = 2.0
"""How far around its created_at a customer is sought: the bounds may be exclusive, and rounded to seconds."""
# Values that many customers share. Kept once, they spare a fifth of a big account's memory.
_SHARED = ("city", "state", "country", "postal_code")


async def listing(
    client: Client, *, page_limit: int = 100, progress: Progress | None = None, since: float | None = None
) -> Live:
    """
    Return every customer that the list holds, read to its end; `progress` counts customers.

    With `since` (seconds since 1970) the list is narrowed to what was created from then on.

    A customer that stands on two pages counts once, as the later page has it. Raises NotTheApi where a
    reply is no page or a customer has no id, Incomplete where the cursors lead nowhere, ApiFailed.
    """
    before = client.requests
    turned = _Pages()
    narrowed = () if since is None else (("created_at_start", rfc3339(since)),)
    await turned.turn(client, page_limit, query=narrowed, progress=progress)
    return Live(
        listed=turned.customers,
        last_page_full=0 < turned.last_page == turned.longest_page,
        longest_page=turned.longest_page,
        last_cursor=turned.cursor,
        read_at=turned.began_at,
        requests=client.requests - before,
    )


@dataclass(slots=True)
class _Pages:
    """What is gathered while pages of customers are turned."""

    customers: dict[CustomerId, LiveCustomer] = field(default_factory=dict)
    cursor: str = ""
    last_page: int = 0
    longest_page: int = 0
    began_at: float = 0.0
    shared: dict[str, str] = field(default_factory=dict)

    async def turn(
        self,
        client: Client,
        limit: int,
        *,
        query: tuple[tuple[str, str], ...] = (),
        after: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Read the pages from `after` to the end."""
        async for page in pages(client, wire.CUSTOMERS, query, limit=limit, after=after):
            for row in page.rows:
                customer = self._customer(row)
                self.customers[customer.id] = customer
            self.cursor = page.end_cursor
            self.last_page = len(page.rows)
            self.longest_page = max(self.longest_page, self.last_page)
            self.began_at = self.began_at or page.server_time_s
            if progress is not None:
                progress(len(self.customers), None)

    def _customer(self, row: object) -> LiveCustomer:
        """Return the customer in a row, with the values that many share kept once."""
        if isinstance(row, dict):
            for name in _SHARED:
                value = row.get(name)
                if isinstance(value, str):
                    row[name] = self.shared.setdefault(value, value)
        customer = wire.read_customer(row)
        if customer is None:
            raise NotTheApi(f"GET {wire.CUSTOMERS}: a customer in the list has no id; check the base URL")
        return customer


async def answer(
    client: Client, live: Live, reads: Sequence[Read], *, page_limit: int = 100, progress: Progress | None = None
) -> Live:
    """
    Return `live` with what `reads` ask for added; `progress` counts reads.

    - ListAgain: `listed` is then the newer pass; `passes_differ` compares the ids of the two.
    - AskSuccessor: what follows the last cursor joins `listed`; without a cursor there is nothing to ask.
    - Seek: a customer without a created_at that is a time cannot be sought: Incomplete.
    - Get: a 404 is an answer, None. ListUsers: users without an e-mail are left out, and a 404 is that of a get:
      where archived customers are listed, they may be hidden from every other request.

    Raises as `listing` does.
    """
    before = client.requests
    if any(isinstance(read, ListAgain) for read in reads):
        live = await _listed_again(client, live, page_limit)
    if any(isinstance(read, AskSuccessor) for read in reads):
        live = await _with_successor(client, live, page_limit)
    single = [read for read in dict.fromkeys(reads) if not isinstance(read, ListAgain | AskSuccessor)]
    found = _Found(dict(live.sought), dict(live.got), dict(live.users), dict(live.payment_methods))

    async def one(read: Seek | Get | ListUsers | ListPaymentMethods) -> None:
        await found.read(client, read, page_limit)

    await in_flight(one, single, progress=progress)
    return replace(
        live,
        sought=found.sought,
        got=found.got,
        users=found.users,
        payment_methods=found.payment_methods,
        requests=live.requests + client.requests - before,
    )


async def _listed_again(client: Client, live: Live, page_limit: int) -> Live:
    """Return `live` with its listing taken anew; the caller counts the requests."""
    newer = await listing(client, page_limit=page_limit)
    return replace(
        live,
        listed=newer.listed,
        listings=live.listings + 1,
        passes_differ=newer.listed.keys() != live.listed.keys(),
        last_page_full=newer.last_page_full,
        successor_asked=False,
        longest_page=max(live.longest_page, newer.longest_page),
        last_cursor=newer.last_cursor,
        read_at=newer.read_at,
    )


async def _with_successor(client: Client, live: Live, page_limit: int) -> Live:
    """Return `live` with what follows its last page."""
    if not live.last_cursor:
        return replace(live, successor_asked=True)
    turned = _Pages()
    await turned.turn(client, page_limit, after=live.last_cursor)
    return replace(
        live,
        listed={**live.listed, **turned.customers},
        successor_asked=True,
        longest_page=max(live.longest_page, turned.longest_page),
        last_cursor=turned.cursor or live.last_cursor,
    )


@dataclass(slots=True)
class _Found:
    """What single reads have answered; each read writes its own key."""

    sought: dict[CustomerId, bool]
    got: dict[CustomerId, LiveCustomer | None]
    users: dict[CustomerId, tuple[LiveUser, ...]]
    payment_methods: dict[CustomerId, int]

    async def read(self, client: Client, read: Seek | Get | ListUsers | ListPaymentMethods, page_limit: int) -> None:
        """Perform one read."""
        match read:
            case Seek():
                self.sought[read.id] = await _seek(client, read, page_limit)
            case Get():
                self.got[read.id] = await _get(client, read.id)
            case ListUsers():
                users = await _users(client, read.id, page_limit)
                if users is None:
                    self.got[read.id] = None
                else:
                    self.users[read.id] = users
            case ListPaymentMethods():
                self.payment_methods[read.id] = await _count_payment_methods(client, read.id)
            case _:
                assert_never(read)


async def _seek(client: Client, read: Seek, page_limit: int) -> bool:
    """Say whether the list narrowed to the customer's created_at holds it; all its pages are read."""
    turned = _Pages()
    await turned.turn(client, page_limit, query=narrow(read))
    return read.id in turned.customers


def narrow(read: Seek) -> tuple[tuple[str, str], ...]:
    """Return the query that narrows a list to the customer's created_at; Incomplete where that is no time."""
    created_s = from_rfc3339(read.created_at)
    if created_s is None:
        raise Incomplete(
            f"{wire.customer_path(read.id)} is not listed, and cannot be sought without a created_at",
            "if it is gone for good, forget it with `state rm`",
        )
    bounds = (("created_at_start", created_s - SEEK_S), ("created_at_end", created_s + SEEK_S))
    return tuple((name, rfc3339(moment_s)) for name, moment_s in bounds)


async def _get(client: Client, customer: CustomerId) -> LiveCustomer | None:
    """Return one customer, None for a 404."""
    request = Request("GET", wire.customer_path(customer))
    try:
        reply = await client.send(request)
    except NotFound:
        return None
    got = wire.read_customer(reply.body)
    if got is None or got.id != customer:
        raise NotTheApi(f"{request.name}: the reply is not that customer; check the base URL")
    return got


async def _users(client: Client, customer: CustomerId, page_limit: int) -> tuple[LiveUser, ...] | None:
    """Return a customer's users in the order of the list, each once; None for a 404."""
    users: dict[str, LiveUser] = {}
    try:
        async for page in pages(client, wire.users_path(customer), limit=page_limit):
            for user in map(wire.read_user, page.rows):
                if user is not None:
                    users[user.id or f"{len(users)} {user.email}"] = user
    except NotFound:
        return None
    return tuple(users.values())


async def _count_payment_methods(client: Client, customer: CustomerId) -> int:
    """Return how many payment methods a customer has; 404 is none. A bare array or `data`: neither is documented."""
    request = Request("GET", wire.payment_methods_path(customer))
    try:
        body = (await client.send(request)).body
    except NotFound:
        return 0
    rows = body.get("data", body) if isinstance(body, dict) else body
    if not isinstance(rows, list | None) or body is None:
        raise NotTheApi(f"{request.name}: the reply is no list of payment methods; check the base URL")
    return len(rows or ())
