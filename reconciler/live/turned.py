"""One list of customers while its pages are turned, and what is gathered of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from reconciler.api.client import ApiClient
from reconciler.api.pagination import pages
from reconciler.errors import Incomplete, NotTheApi
from reconciler.kinds import wire
from reconciler.live.ranges import Range
from reconciler.model.core import CustomerId, End, LiveCustomer

Progress = Callable[[int, int | None], None]
"""Told how many were read so far, and how many there will be: None where nobody knows."""

# Values that many customers share. Kept once, they spare a fifth of a big account's memory.
_SHARED = ("city", "state", "country", "postal_code")


def sharing() -> wire.Keep:
    """Return what keeps the values that many customers share once."""
    known: dict[str, str] = {}

    def shared(parts: wire.Parts) -> wire.Parts:
        customer, external_id, created_at, fields = parts
        once = {name: known.setdefault(value, value) for name in _SHARED if (value := fields.get(name))}
        return customer, external_id, created_at, {**fields, **once} if once else fields

    return shared


def keep(customers: dict[CustomerId, LiveCustomer], customer: LiveCustomer) -> None:
    """
    Add a customer to those of a listing, as the later page has it.

    Raises Incomplete where the listing had that id under another external_id: which one is true cannot be said.
    """
    former = customers.get(customer.id)
    if former is not None and former.external_id != customer.external_id:
        raise Incomplete(
            f"the list holds {customer.id} twice, with the external_ids {former.external_id!r} and "
            f"{customer.external_id!r}; nothing was sent",
            "someone may be changing it now: plan again later, and tell the API's support if it stays so",
        )
    customers[customer.id] = customer


class StrayError(Exception):
    """A list that was narrowed to a range holds somebody who is not of it: the server does not narrow."""


@dataclass(slots=True)
class Turned:
    """
    A list of customers, and what is gathered while its pages are turned; `more` until its end was seen.

    With `within` it is narrowed to that range, and StrayError is raised for a page that holds others. `keep` replaces
    values by equal ones that are in memory already.
    """

    client: ApiClient
    limit: int
    query: tuple[tuple[str, str], ...] = ()
    progress: Progress | None = None
    within: Range | None = None
    customers: dict[CustomerId, LiveCustomer] = field(default_factory=dict)
    cursor: str = ""
    more: bool = True
    last_page: int = 0
    longest_page: int = 0
    pages: int = 0
    began_at: float = 0.0
    keep: wire.Keep | None = None

    @property
    def end(self) -> End:
        """Return where the list ended."""
        return End(self.last_page, self.cursor, self.query)

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
                self._take(page.rows)
                self.cursor, self.more = page.end_cursor, page.has_next
                self.pages += 1
                self.last_page = len(page.rows)
                self.longest_page = max(self.longest_page, self.last_page)
                self.began_at = self.began_at or page.server_time_s
                if self.progress is not None:
                    self.progress(len(self.customers), None)
                if only_one:
                    return

    def _take(self, rows: Iterable[object]) -> None:
        """Keep the customers of a page."""
        within, customers = self.within, self.customers
        for row in rows:
            customer = wire.read_customer(row, self.keep)
            if customer is None:
                raise NotTheApi(
                    f"GET {wire.CUSTOMERS}: a customer in the list has no id, or none that can be sent; check the base "
                    "URL"
                )
            if within is not None and not within.holds(customer.created_at):
                raise StrayError
            if customers.setdefault(customer.id, customer) is not customer:
                keep(customers, customer)
