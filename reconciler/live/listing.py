"""The whole listing: in pages as long as the server gives them, and in ranges that are read at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.api.pagination import pages
from reconciler.api.times import from_rfc3339, rfc3339
from reconciler.errors import Incomplete, NotTheApi, Rejected
from reconciler.kinds import wire
from reconciler.kinds.wire import Keep
from reconciler.model.core import CustomerId, End, Live, LiveCustomer
from reconciler.model.ledger import Learned

PAGES_A_RANGE = 10
"""A range may cost one request more, so there is at most one for so many pages."""

MOST = 16
"""So many ranges at most."""

AT_ONCE = 8
"""
So many are read at once: enough for 5 requests per second at a second and a half of latency.

Each more is a connection that the pool looks at before every request: sixteen took a twentieth of a plan's CPU.
"""

OVERLAP_S = 2
"""
How far a range reaches beyond each of its cuts: bounds may be exclusive, and times rounded to the second.

Both ranges at a cut hold whoever was created within these two seconds before and after it; so whatever the server
makes of a bound, and of the part of a second that it does not show, nobody is between two ranges.
"""

# What is shown may be up to a second before, or after, what was compared with the bounds.
_STRAY_S = 2


@dataclass(frozen=True, slots=True)
class Range:
    """Whoever was created between two moments (seconds since 1970); None is open. The moments include the overlap."""

    start_s: float | None = None
    end_s: float | None = None

    def query(self) -> tuple[tuple[str, str], ...]:
        """Return the parameters that narrow a list of customers to this range."""
        bounds = (("created_at_start", self.start_s), ("created_at_end", self.end_s))
        return tuple((name, rfc3339(moment_s)) for name, moment_s in bounds if moment_s is not None)

    def holds(self, created_at: str) -> bool:
        """
        Say whether a server that narrows by these bounds may list a customer created then.

        >>> [Range(end_s=100).holds(text) for text in ("1970-01-01T00:01:41Z", "1970-01-01T00:01:43Z", "")]
        [True, False, False]
        """
        created_s = from_rfc3339(created_at)
        if created_s is None:
            return False
        return (self.start_s is None or self.start_s - _STRAY_S <= created_s) and (
            self.end_s is None or created_s <= self.end_s + _STRAY_S
        )


def ranges_of(cuts: Sequence[int]) -> tuple[Range, ...]:
    """
    Return the ranges between `cuts`, moments in ascending order: together, they hold whoever there is.

    >>> [(one.start_s, one.end_s) for one in ranges_of([100, 200])]
    [(None, 102), (98, 202), (198, None)]
    """
    edges = (None, *cuts, None)
    return tuple(
        Range(
            None if after is None else after - OVERLAP_S,
            None if before is None else before + OVERLAP_S,
        )
        for after, before in pairwise(edges)
    )


def cuts_of(created: Iterable[str], page: int) -> tuple[int, ...]:
    """
    Return where to cut a listing of customers with these created_at; nothing where it is to be read in one.

    `page` is how many customers are on a page. There is at most one range for ten pages, and together they take at
    most one request more for each. Where many were created at once, there are fewer, as whoever is in an overlap
    is read twice. Who has no created_at that is a time may be in no range: then there are none.
    """
    seconds: list[int] = []
    for text in created:
        moment_s = from_rfc3339(text)
        if moment_s is None:
            return ()
        seconds.append(int(moment_s // 1))
    most = min(ceil(len(seconds) / max(page, 1)) // PAGES_A_RANGE, MOST)
    if most <= 1:
        return ()
    seconds.sort()
    tried = (_cut(seconds, page, count) for count in range(most, 1, -1))
    return next((cuts for cuts in tried if cuts and _affordable(seconds, page, cuts)), ())


def _cut(seconds: Sequence[int], page: int, count: int) -> tuple[int, ...]:
    """
    Return the cuts between about `count` ranges of about as many pages.

    A range is a little shorter than its pages: a last page that is full would be asked for its successor.
    """
    cuts: list[int] = []
    start = ended = 0
    for left in range(count, 1, -1):
        whole = ceil((len(seconds) - start) / (page * left)) * page
        if start + whole > len(seconds):
            break
        beyond = seconds[start + whole - 1]
        place = bisect_left(seconds, beyond)
        if place - ended < page:
            # Nearly all of the range were created within this second: it ends after it.
            beyond += 1
            place = bisect_left(seconds, beyond)
        if place == len(seconds):
            break
        # Who is shown in the second before `beyond` is the last to be in the range.
        cuts.append(beyond - 1 - OVERLAP_S)
        ended, start = place, bisect_left(seconds, beyond - 1 - 2 * OVERLAP_S)
    return tuple(cuts)


def _affordable(seconds: Sequence[int], page: int, cuts: Sequence[int]) -> bool:
    """Say whether the ranges take at most one request more for each than the listing in one."""
    sizes = (
        (len(seconds) if one.end_s is None else bisect_left(seconds, one.end_s + 1))
        - (0 if one.start_s is None else bisect_left(seconds, one.start_s))
        for one in ranges_of(cuts)
    )
    return sum(ceil(size / page) for size in sizes) <= ceil(len(seconds) / page) + len(cuts) + 1


def learned_from(learned: Learned, live: Live) -> Learned:
    """Return `learned` with what `live` shows: how long pages are, which limit is taken, where to cut the next one."""
    if live.narrowed:
        return learned
    # With another limit pages have another length from now on.
    longest = live.longest_page if live.page_limit else max(live.longest_page, learned.longest_page)
    narrows = learned.narrows if live.narrows is None else live.narrows
    created = (customer.created_at for customer in live.listed.values())
    return replace(
        learned,
        longest_page=longest,
        listed=len(live.listed),
        page_limit=live.page_limit or learned.page_limit,
        narrows=narrows,
        cuts=() if narrows is False else cuts_of(created, longest),
    )


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
            "someone may be changing it now: plan again later; if it happens again, contact the API's support",
        )
    customers[customer.id] = customer


class StrayError(Exception):
    """A list that was narrowed to a range holds someone who is not of it: the server does not narrow."""


@dataclass(slots=True)
class ListReader:
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
                raise NotTheApi(f"GET {wire.CUSTOMERS}: a customer in the list has no usable id; check the base URL")
            if within is not None and not within.holds(customer.created_at):
                raise StrayError
            if customers.setdefault(customer.id, customer) is not customer:
                keep(customers, customer)


PAGE = 100
"""The documented default of `limit`, and the largest that is known to be accepted."""

LARGER = 1000
"""The `limit` that is tried once for each ledger: whether more than `PAGE` is accepted is not documented."""

_NOT_TAKEN = (400, 422)


async def listing_by(
    client: ApiClient, learned: Learned, *, progress: Progress | None = None, keep: Keep | None = None
) -> Live:
    """Return every customer that the list holds, as `listing` does, in the way that is best by what was learned."""
    known = learned.page_limit
    # A server whose pages are shorter than was asked has shown how long they are.
    tried = known or 0 < learned.longest_page < PAGE
    return await listing(
        client,
        page_limit=known or PAGE,
        larger=0 if known else LARGER,
        cuts=learned.cuts if tried else (),
        progress=progress,
        keep=keep,
    )


async def listing(
    client: ApiClient,
    *,
    page_limit: int = PAGE,
    larger: int = 0,
    cuts: Sequence[int] = (),
    progress: Progress | None = None,
    since: float | None = None,
    keep: Keep | None = None,
) -> Live:
    """
    Return every customer that the list holds, read to its end; `progress` counts customers.

    - `since` (seconds since 1970) narrows the list to what was created from then on.
    - A `larger` limit is tried where the first page is full and not the last, for one request more at most; a
      `page_limit` above PAGE that is refused falls back to PAGE. `Live.page_limit` says what came of either.
    - `cuts` divide the list into ranges of created_at that are read at once. Where the server does not narrow by
      them, the list is read in one. `Live.narrows` says what came of it.
    - `keep` replaces values by equal ones that are in memory already; without it, what many share is kept once.

    A customer that is on two pages counts once, as the later page has it. Raises NotTheApi where a
    reply is no page or a customer has no id, Incomplete where the cursors lead nowhere, ApiFailed.
    """
    before, keep = client.requests, keep or sharing()
    if cuts and (ranges := await _in_ranges(client, page_limit, cuts, progress, keep)):
        return _live(ranges, requests=client.requests - before, narrows=True)
    narrowed = () if since is None else (("created_at_start", rfc3339(since)),)
    turned = ListReader(client, page_limit, narrowed, progress, keep=keep)
    learned = 0
    if larger and not cuts:
        turned, learned = await _tried_larger(turned, larger)
    elif page_limit > PAGE and not await _took_first(turned):
        turned, learned = ListReader(client, PAGE, narrowed, progress, keep=keep), PAGE
    await turned.turn()
    # Where the limit was refused too, that may have been all that was wrong with the ranges.
    narrows = False if cuts and not learned else None
    return _live((turned,), requests=client.requests - before, page_limit=learned, narrows=narrows)


def _live(lists: Sequence[ListReader], *, requests: int, page_limit: int = 0, narrows: bool | None = None) -> Live:
    """Return what the lists hold together."""
    return Live(
        listed=_merged(lists),
        ends=tuple(one.end for one in lists),
        longest_page=max(one.longest_page for one in lists),
        pages=sum(one.pages for one in lists),
        page_limit=page_limit,
        narrows=narrows,
        read_at=min(one.began_at for one in lists),
        requests=requests,
    )


def _merged(lists: Sequence[ListReader]) -> Mapping[CustomerId, LiveCustomer]:
    """Return the customers of all lists, each once."""
    if len(lists) == 1:
        return lists[0].customers
    merged: dict[CustomerId, LiveCustomer] = {}
    for one in lists:
        for customer in one.customers.values():
            if merged.setdefault(customer.id, customer) is not customer:
                keep(merged, customer)
    return merged


async def _in_ranges(
    client: ApiClient, limit: int, cuts: Sequence[int], progress: Progress | None, keep: Keep | None
) -> tuple[ListReader, ...] | None:
    """Return the ranges, each read to its end; None where the server refuses them, or lists others in them too."""

    def told(_: int, whole: int | None) -> None:
        if progress is not None:
            progress(sum(len(one.customers) for one in ranges), whole)

    ranges = tuple(ListReader(client, limit, one.query(), told, one, keep=keep) for one in ranges_of(cuts))
    try:
        await in_flight(ListReader.turn, ranges, width=AT_ONCE)
    except StrayError:
        return None
    except Rejected as refused:
        if refused.status not in _NOT_TAKEN:
            raise
        return None
    return ranges


async def _tried_larger(turned: ListReader, larger: int) -> tuple[ListReader, int]:
    """
    Return the listing to continue with, and the limit that the server is known to take: 0 where none was to be tried.

    There is nothing to gain where all is on one page, or where a page is shorter than asked already.

    The larger limit begins again: a cursor is opaque, and may count pages as long as those before.
    """
    await turned.turn_one()
    if not turned.more or turned.last_page < turned.limit:
        return turned, 0
    anew = ListReader(turned.client, larger, turned.query, turned.progress, keep=turned.keep)
    taken = await _took_first(anew)
    # A limit that is cut to no more than before, or to a default that is shorter, is no gain.
    if not taken or (anew.more and anew.last_page <= turned.last_page):
        return turned, turned.limit
    return anew, larger


async def _took_first(turned: ListReader) -> bool:
    """Turn the first page, and say whether the server takes such a limit."""
    try:
        await turned.turn_one()
    except Rejected as refused:
        if refused.status not in _NOT_TAKEN:
            raise
        return False
    return True
