"""The whole listing, in pages as long as the server gives them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from reconciler.api.client import Client
from reconciler.api.pages import pages
from reconciler.api.times import rfc3339
from reconciler.errors import NotTheApi, Rejected
from reconciler.kinds import wire
from reconciler.model import CustomerId, Live, LiveCustomer

Progress = Callable[[int, int | None], None]
"""Told how many were read so far, and how many there will be: None where nobody knows."""

PAGE = 100
"""The documented default of `limit`, and the largest that is known to be accepted."""

LARGER = 1000
"""The `limit` that is tried once for each ledger: whether more than `PAGE` is accepted is not documented."""

# Values that many customers share. Kept once, they spare a fifth of a big account's memory.
_SHARED = ("city", "state", "country", "postal_code")
_TOO_LARGE = (400, 422)


async def listing(
    client: Client,
    *,
    page_limit: int = PAGE,
    larger: int = 0,
    progress: Progress | None = None,
    since: float | None = None,
) -> Live:
    """
    Return every customer that the list holds, read to its end; `progress` counts customers.

    With `since` (seconds since 1970) the list is narrowed to what was created from then on. A `larger`
    limit is tried where the first page is full and not the last, for one request more at most; a `page_limit` above
    PAGE that is refused falls back to PAGE. `Live.page_limit` says what came of either.

    A customer that stands on two pages counts once, as the later page has it. Raises NotTheApi where a
    reply is no page or a customer has no id, Incomplete where the cursors lead nowhere, ApiFailed.
    """
    before = client.requests
    narrowed = () if since is None else (("created_at_start", rfc3339(since)),)
    turned = Turned(client, page_limit, narrowed, progress)
    learned = 0
    if larger:
        turned, learned = await _tried_larger(turned, larger)
    elif page_limit > PAGE and not await _took_first(turned):
        turned, learned = Turned(client, PAGE, narrowed, progress), PAGE
    await turned.turn()
    return Live(
        listed=turned.customers,
        last_page_full=0 < turned.last_page == turned.longest_page,
        longest_page=turned.longest_page,
        last_cursor=turned.cursor,
        page_limit=learned,
        read_at=turned.began_at,
        requests=client.requests - before,
    )


async def _tried_larger(turned: Turned, larger: int) -> tuple[Turned, int]:
    """
    Return the listing to go on with, and the limit that the server is known to take: 0 where none was to be tried.

    There is nothing to gain where all is on one page, or where a page is shorter than asked already.

    The larger limit begins anew: a cursor is opaque, and may count pages as long as those before.
    """
    await turned.turn_one()
    if not turned.more or turned.last_page < turned.limit:
        return turned, 0
    anew = Turned(turned.client, larger, turned.query, turned.progress)
    taken = await _took_first(anew)
    # A limit that is cut to no more than before, or to a default that is shorter, is no gain.
    if not taken or (anew.more and anew.last_page <= turned.last_page):
        return turned, turned.limit
    return anew, larger


async def _took_first(turned: Turned) -> bool:
    """Turn the first page, and say whether the server takes such a limit."""
    try:
        await turned.turn_one()
    except Rejected as refused:
        if refused.status not in _TOO_LARGE:
            raise
        return False
    return True


@dataclass(slots=True)
class Turned:
    """A list of customers, and what is gathered while its pages are turned; `more` until its end was seen."""

    client: Client
    limit: int
    query: tuple[tuple[str, str], ...] = ()
    progress: Progress | None = None
    customers: dict[CustomerId, LiveCustomer] = field(default_factory=dict)
    cursor: str = ""
    more: bool = True
    last_page: int = 0
    longest_page: int = 0
    began_at: float = 0.0
    shared: dict[str, str] = field(default_factory=dict)

    async def turn_one(self) -> None:
        """Read the first page that was not read yet."""
        await self._turn(only_one=True)

    async def turn(self) -> None:
        """Read the pages from `cursor` to the end."""
        if self.more:
            await self._turn(only_one=False)

    async def _turn(self, *, only_one: bool) -> None:
        """Read the pages from `cursor`, or only one."""
        turning = pages(self.client, wire.CUSTOMERS, self.query, limit=self.limit, after=self.cursor)
        async with aclosing(turning):
            async for page in turning:
                for row in page.rows:
                    customer = self._customer(row)
                    self.customers[customer.id] = customer
                self.cursor, self.more = page.end_cursor, page.has_next
                self.last_page = len(page.rows)
                self.longest_page = max(self.longest_page, self.last_page)
                self.began_at = self.began_at or page.server_time_s
                if self.progress is not None:
                    self.progress(len(self.customers), None)
                if only_one:
                    return

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
