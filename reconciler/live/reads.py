"""What planning asks besides the listing, added to `Live`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler import endpoints
from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.api.pagination import pages
from reconciler.api.times import from_rfc3339, was_there
from reconciler.errors import Incomplete, NotFound, NotTheApi
from reconciler.kinds import wire
from reconciler.live.listing import PAGE, listing
from reconciler.live.ranges import Range
from reconciler.live.turned import Progress, Turned
from reconciler.model.core import (
    AskSuccessor,
    CustomerId,
    End,
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

SEEK_S = 2.0
"""How far around its created_at a customer is sought: the bounds may be exclusive, and rounded to seconds."""


async def answer(
    client: ApiClient, live: Live, reads: Sequence[Read], *, page_limit: int = PAGE, progress: Progress | None = None
) -> Live:
    """
    Return `live` with what `reads` ask for added; `progress` counts reads.

    - ListAgain: `listed` is then the newer pass, its successors included; `passes_differ` compares the ids of the two.
    - AskSuccessor: what follows the cursors joins `listed`; without a cursor there is nothing to ask.
    - Seek: a customer without a created_at that is a time cannot be sought: Incomplete.
    - Get: a 404 is an answer, None. ListUsers: users without an e-mail are left out, and a 404 is that of a get:
      where archived customers are listed, they may be hidden from every other request.

    `page_limit` is that of lists of customers; whether more than PAGE is taken for users was not tried.
    Raises as `listing` does.
    """
    before = client.requests
    for read in reads:
        match read:
            case ListAgain(full):
                live = await _listed_again(client, live, page_limit, full)
            case AskSuccessor(ends):
                live = await _with_successors(client, live, ends, page_limit)
            case _:
                pass
    single = [read for read in dict.fromkeys(reads) if not isinstance(read, ListAgain | AskSuccessor)]
    found = Found(dict(live.sought), dict(live.got), dict(live.users), dict(live.payment_methods))

    async def one(read: Seek | Get | ListUsers | ListPaymentMethods) -> None:
        await found.read(client, read, page_limit)

    await in_flight(one, single, progress=progress)
    return replace(
        live,
        sought=found.sought,
        got=found.got,
        users=found.users,
        unaddressed={**live.unaddressed, **found.unaddressed},
        payment_methods=found.payment_methods,
        requests=live.requests + client.requests - before,
    )


async def _listed_again(client: ApiClient, live: Live, page_limit: int, full: int) -> Live:
    """
    Return `live` with its listing taken anew, in one; the caller counts the requests.

    Where ranges lacked somebody whom it holds, they count for nothing, and it is the first pass. That is another
    thing than a list whose rows moved while it was read: then somebody has left it, who was the cause.
    """
    newer = await listing(client, page_limit=page_limit)
    longest = max(live.longest_page, newer.longest_page)
    if full:
        ends = tuple(end for end in newer.ends if end.rows and end.rows >= max(full, longest))
        newer = await _with_successors(client, newer, ends, page_limit)
    left = live.listed.keys() - newer.listed.keys()
    lacked = _lacked(live, newer)
    short = bool(live.narrows) and lacked and not left
    return replace(
        live,
        listed=newer.listed,
        listings=live.listings + (not short),
        passes_differ=not short and (bool(left) or lacked),
        pages=newer.pages,
        ends=newer.ends,
        successor_asked=newer.successor_asked,
        longest_page=max(longest, newer.longest_page),
        page_limit=newer.page_limit or live.page_limit,
        narrows=False if short else live.narrows,
        read_at=newer.read_at,
    )


def _lacked(earlier: Live, newer: Live) -> bool:
    """Say whether `newer` holds somebody who was there, and to be seen, when the earlier pass began."""
    return any(
        was_there(customer.created_at, earlier.read_at)
        for one, customer in newer.listed.items()
        if one not in earlier.listed
    )


async def _with_successors(client: ApiClient, live: Live, ends: Sequence[End], page_limit: int) -> Live:
    """Return `live` with what follows the last pages, where they have a cursor."""
    lists = [Turned(client, page_limit, end.query, cursor=end.cursor) for end in ends if end.cursor]
    await in_flight(Turned.turn, lists)
    return replace(
        live,
        listed=dict(live.listed) | {key: customer for one in lists for key, customer in one.customers.items()},
        successor_asked=True,
        pages=live.pages + sum(bool(one.customers) for one in lists),
        longest_page=max((live.longest_page, *(one.longest_page for one in lists))),
    )


@dataclass(slots=True)
class Found:
    """What single reads have answered; each read writes its own key."""

    sought: dict[CustomerId, bool]
    got: dict[CustomerId, LiveCustomer | None]
    users: dict[CustomerId, tuple[LiveUser, ...]]
    payment_methods: dict[CustomerId, int]
    unaddressed: dict[CustomerId, int] = field(default_factory=dict)

    async def read(self, client: ApiClient, read: Seek | Get | ListUsers | ListPaymentMethods, page_limit: int) -> None:
        """Perform one read."""
        match read:
            case Seek():
                self.sought[read.id] = await _seek(client, read, page_limit)
            case Get():
                self.got[read.id] = await _get(client, read.id)
            case ListUsers():
                users, unaddressed = await _users(client, read.id, min(page_limit, PAGE))
                if users is None:
                    self.got[read.id] = None
                else:
                    self.users[read.id] = users
                if unaddressed:
                    self.unaddressed[read.id] = unaddressed
            case ListPaymentMethods():
                self.payment_methods[read.id] = await _count_payment_methods(client, read.id)
            case _:
                assert_never(read)


async def _seek(client: ApiClient, read: Seek, page_limit: int) -> bool:
    """Say whether the list narrowed to the customer's created_at holds it; all its pages are read."""
    turned = Turned(client, page_limit, narrow(read))
    await turned.turn()
    return read.id in turned.customers


def narrow(read: Seek) -> tuple[tuple[str, str], ...]:
    """Return the query that narrows a list to the customer's created_at; Incomplete where that is no time."""
    created_s = from_rfc3339(read.created_at)
    if created_s is None:
        raise Incomplete(
            f"{wire.customer_path(read.id)} is not listed, and cannot be sought without a created_at",
            "if it is gone for good, forget it with `state rm`",
        )
    return Range(created_s - SEEK_S, created_s + SEEK_S).query()


async def _get(client: ApiClient, customer: CustomerId) -> LiveCustomer | None:
    """Return one customer, None for a 404."""
    request = endpoints.get_customer(customer)
    try:
        reply = await client.send(request)
    except NotFound:
        return None
    got = wire.read_customer(reply.body)
    if got is None or got.id != customer:
        raise NotTheApi(f"{request.name}: the reply is not that customer; check the base URL")
    return got


async def _users(client: ApiClient, customer: CustomerId, page_limit: int) -> tuple[tuple[LiveUser, ...] | None, int]:
    """
    Return a customer's users in the order of the list, each once, None for a 404; and how many more have no e-mail.

    One without an e-mail is left out: nobody can declare it. Raises NotTheApi where no row is a user with one: they
    would all be created again.
    """
    users: dict[str, LiveUser] = {}
    path, unaddressed = wire.users_path(customer), 0
    try:
        async for page in pages(client, path, limit=page_limit):
            for row in page.rows:
                user = wire.read_user(row)
                if user is not None:
                    users[user.id or f"{len(users)} {user.email}"] = user
                elif wire.without_email(row):
                    unaddressed += 1
                else:
                    raise NotTheApi(f"GET {path}: what is listed is no user; check the base URL")
    except NotFound:
        return None, 0
    if unaddressed and not users:
        raise NotTheApi(f"GET {path}: no user in the list has an e-mail; check the base URL")
    return tuple(users.values()), unaddressed


async def _count_payment_methods(client: ApiClient, customer: CustomerId) -> int:
    """Return how many payment methods a customer has; 404 is none. A bare array or `data`: neither is documented."""
    request = endpoints.list_payment_methods(customer)
    try:
        body = (await client.send(request)).body
    except NotFound:
        return 0
    rows = body.get("data", body) if isinstance(body, dict) else body
    if not isinstance(rows, list | None) or body is None:
        raise NotTheApi(f"{request.name}: the reply is no list of payment methods; check the base URL")
    return len(rows or ())
