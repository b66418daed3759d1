"""Single reads, for where only reading can settle what happened in the middle of a run."""

from __future__ import annotations

from reconciler import endpoints
from reconciler.api.client import ApiClient
from reconciler.api.pagination import read_page
from reconciler.endpoints import Filters, PageQuery
from reconciler.errors import Incomplete
from reconciler.kinds.wire import read_customer
from reconciler.live import reads as reading
from reconciler.live.listing import PAGE
from reconciler.model.core import CustomerId, Get, ListUsers, Live, LiveCustomer, LiveUser, Read, Seek


class SingleReads:
    """Reads one thing at a time through a client."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def seek(self, customer: CustomerId, created_at: str) -> bool:
        """Say whether the list narrowed to `created_at` ± 2 s holds the customer."""
        return (await self._read(Seek(customer, created_at))).sought[customer]

    async def on_first_page(self, customer: CustomerId, created_at: str) -> bool | None:
        """Say by one request whether the list narrowed to `created_at` holds the customer; None: it has more pages."""
        filters = Filters(**dict(reading.narrow(Seek(customer, created_at))))
        request = endpoints.list_customers(PageQuery(limit=PAGE), filters)
        page = read_page((await self._client.send(request)).body, request.name)
        if any(live is not None and live.id == customer for live in map(read_customer, page.rows)):
            return True
        return None if page.has_next else False

    async def get(self, customer: CustomerId) -> LiveCustomer | None:
        """Return the customer, None for a 404."""
        return (await self._read(Get(customer))).got[customer]

    async def created_since(self, since: float) -> tuple[LiveCustomer, ...]:
        """Return the customers that the list narrowed to `created_at_start` holds, all its pages read."""
        return tuple((await reading.listing(self._client, page_limit=PAGE, since=since)).listed.values())

    async def users(self, customer: CustomerId) -> tuple[LiveUser, ...]:
        """Return the customer's users."""
        listed = (await self._read(ListUsers(customer))).users.get(customer)
        if listed is None:
            raise Incomplete(f"the users of {customer} cannot be listed yet", "run again in a minute")
        return listed

    async def _read(self, read: Read) -> Live:
        """Return one read's answer."""
        return await reading.answer(self._client, Live(), (read,), page_limit=PAGE)
