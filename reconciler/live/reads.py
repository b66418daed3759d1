"""What planning reads in addition to the listing: users, customers by id, customers by when they were created."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler import endpoints
from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.api.pagination import pages, read_page
from reconciler.api.times import from_rfc3339, was_there
from reconciler.endpoints import Filters, PageQuery
from reconciler.errors import Incomplete, NotFound, NotTheApi
from reconciler.kinds import wire
from reconciler.kinds.wire import read_customer
from reconciler.live.listing import PAGE, ListReader, Progress, Range, listing
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
    - Get: a 404 is an answer, None. ListUsers: users without an email are left out, and a 404 is that of a get:
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
    found = ReadAnswers(dict(live.sought), dict(live.got), dict(live.users), dict(live.payment_methods))

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
    Return `live` with its listing taken again, in one; the caller counts the requests.

    Where ranges lacked someone whom it holds, they count for nothing, and it is the first pass. That is another
    thing than a list whose rows moved while it was read: then someone has left it, who was the cause.
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
    """Say whether `newer` holds someone who was there, and visible, when the earlier pass began."""
    return any(
        was_there(customer.created_at, earlier.read_at)
        for one, customer in newer.listed.items()
        if one not in earlier.listed
    )


async def _with_successors(client: ApiClient, live: Live, ends: Sequence[End], page_limit: int) -> Live:
    """Return `live` with what follows the last pages, where they have a cursor."""
    lists = [ListReader(client, page_limit, end.query, cursor=end.cursor) for end in ends if end.cursor]
    await in_flight(ListReader.turn, lists)
    return replace(
        live,
        listed=dict(live.listed) | {key: customer for one in lists for key, customer in one.customers.items()},
        successor_asked=True,
        pages=live.pages + sum(bool(one.customers) for one in lists),
        longest_page=max((live.longest_page, *(one.longest_page for one in lists))),
    )


@dataclass(slots=True)
class ReadAnswers:
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
    turned = ListReader(client, page_limit, narrow(read))
    await turned.turn()
    return read.id in turned.customers


def narrow(read: Seek) -> tuple[tuple[str, str], ...]:
    """Return the query that narrows a list to the customer's created_at; Incomplete where that is no time."""
    created_s = from_rfc3339(read.created_at)
    if created_s is None:
        raise Incomplete(
            f"{wire.customer_path(read.id)} is not listed, and cannot be looked for without a created_at",
            "if it no longer exists, remove it with `state rm`",
        )
    return Range(created_s - SEEK_S, created_s + SEEK_S).query()


async def _get(client: ApiClient, customer: CustomerId) -> LiveCustomer | None:
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
    Return a customer's users in the order of the list, each once, None for a 404; and how many more have no email.

    One without an email is left out: nobody can declare it. Raises NotTheApi where no row is a user with one: they
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
                    raise NotTheApi(f"GET {path}: the list contains something that is not a user; check the base URL")
    except NotFound:
        return None, 0
    if unaddressed and not users:
        raise NotTheApi(f"GET {path}: no user in the list has an email; check the base URL")
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
        raise NotTheApi(f"{request.name}: the reply is not a list of payment methods; check the base URL")
    return len(rows or ())


Window = tuple[float, float]


async def alone(client: ApiClient, seeks: Sequence[Seek], *, page_limit: int = PAGE) -> Live | None:
    """
    Return what the narrowed lists hold, as a `Live` that is `narrowed`; None where a created_at is no time.

    Lists that overlap are one. `sought` says of each customer whether its list held it. Raises as `listing` does.
    """
    before = client.requests
    moments = [from_rfc3339(seek.created_at) for seek in seeks]
    if None in moments:
        return None
    lists = [
        ListReader(client, page_limit, Range(begin_s, end_s).query())
        for begin_s, end_s in _windows(moment for moment in moments if moment is not None)
    ]
    await in_flight(ListReader.turn, lists)
    listed = {one: customer for turned in lists for one, customer in turned.customers.items()}
    return Live(
        listed=listed,
        narrowed=True,
        sought={seek.id: seek.id in listed for seek in seeks},
        read_at=min((turned.began_at for turned in lists), default=client.server_now()),
        requests=client.requests - before,
    )


def _windows(moments: Iterable[float]) -> list[Window]:
    """
    Return what is to be listed around moments, overlapping windows made one.

    >>> _windows([10.0, 30.0, 13.0])
    [(8.0, 15.0), (28.0, 32.0)]
    """
    windows: list[Window] = []
    for moment_s in sorted(moments):
        begin_s, end_s = moment_s - SEEK_S, moment_s + SEEK_S
        if windows and begin_s <= windows[-1][1]:
            begin_s = windows.pop()[0]
        windows.append((begin_s, end_s))
    return windows


_AT_ONCE = 3
"""So few that pages keep a share of the pace, and the users last as long as the pages do."""


async def with_users(client: ApiClient, listing: Awaitable[Live], reads: Sequence[ListUsers]) -> Live:
    """
    Return the listing with the users that could be listed before its end; what is left is for whoever asks then.

    Users of a customer that turns out not to be listed say nothing, and are left out.
    """
    before = client.requests
    found = ReadAnswers({}, {}, {}, {})
    waiting = iter(reads)
    listed: list[Live] = []

    async def pages() -> None:
        listed.append(await listing)

    async def users() -> None:
        for read in waiting:
            if listed:
                return
            await found.read(client, read, PAGE)

    async def begin(one: Callable[[], Awaitable[None]]) -> None:
        await one()

    await in_flight(begin, [pages, *[users] * _AT_ONCE], width=1 + _AT_ONCE)
    (live,) = listed
    return replace(
        live,
        got={customer: got for customer, got in found.got.items() if customer in live.listed},
        users={customer: users for customer, users in found.users.items() if customer in live.listed},
        unaddressed={customer: count for customer, count in found.unaddressed.items() if customer in live.listed},
        requests=client.requests - before,
    )


class SingleReads:
    """Reads one thing at a time through a client."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def seek(self, customer: CustomerId, created_at: str) -> bool:
        """Say whether the list narrowed to `created_at` ± 2 s holds the customer."""
        return (await self._read(Seek(customer, created_at))).sought[customer]

    async def on_first_page(self, customer: CustomerId, created_at: str) -> bool | None:
        """Say by one request whether the list narrowed to `created_at` holds the customer; None: it has more pages."""
        filters = Filters(**dict(narrow(Seek(customer, created_at))))
        request = endpoints.list_customers(PageQuery(limit=PAGE), filters)
        page = read_page((await self._client.send(request)).body, request.name)
        if any(live is not None and live.id == customer for live in map(read_customer, page.rows)):
            return True
        return None if page.has_next else False

    async def get(self, customer: CustomerId) -> LiveCustomer | None:
        return (await self._read(Get(customer))).got[customer]

    async def created_since(self, since: float) -> tuple[LiveCustomer, ...]:
        """Return the customers that the list narrowed to `created_at_start` holds, all its pages read."""
        return tuple((await listing(self._client, page_limit=PAGE, since=since)).listed.values())

    async def users(self, customer: CustomerId) -> tuple[LiveUser, ...]:
        """Return the customer's users."""
        listed = (await self._read(ListUsers(customer))).users.get(customer)
        if listed is None:
            raise Incomplete(f"the users of {customer} cannot be listed yet", "run again in a minute")
        return listed

    async def _read(self, read: Read) -> Live:
        """Return one read's answer."""
        return await answer(self._client, Live(), (read,), page_limit=PAGE)
