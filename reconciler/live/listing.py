"""The whole listing: in pages as long as the server gives them, and in ranges that are read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.api.times import rfc3339
from reconciler.errors import Rejected
from reconciler.kinds.wire import Keep
from reconciler.live.ranges import AT_ONCE, ranges_of
from reconciler.live.turned import Progress, StrayError, Turned, keep, sharing
from reconciler.model.core import CustomerId, Live, LiveCustomer
from reconciler.model.ledger import Learned

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

    A customer that stands on two pages counts once, as the later page has it. Raises NotTheApi where a
    reply is no page or a customer has no id, Incomplete where the cursors lead nowhere, ApiFailed.
    """
    before, keep = client.requests, keep or sharing()
    if cuts and (ranges := await _in_ranges(client, page_limit, cuts, progress, keep)):
        return _live(ranges, requests=client.requests - before, narrows=True)
    narrowed = () if since is None else (("created_at_start", rfc3339(since)),)
    turned = Turned(client, page_limit, narrowed, progress, keep=keep)
    learned = 0
    if larger and not cuts:
        turned, learned = await _tried_larger(turned, larger)
    elif page_limit > PAGE and not await _took_first(turned):
        turned, learned = Turned(client, PAGE, narrowed, progress, keep=keep), PAGE
    await turned.turn()
    # Where the limit was refused too, that may have been all that was wrong with the ranges.
    narrows = False if cuts and not learned else None
    return _live((turned,), requests=client.requests - before, page_limit=learned, narrows=narrows)


def _live(lists: Sequence[Turned], *, requests: int, page_limit: int = 0, narrows: bool | None = None) -> Live:
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


def _merged(lists: Sequence[Turned]) -> Mapping[CustomerId, LiveCustomer]:
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
) -> tuple[Turned, ...] | None:
    """Return the ranges, each read to its end; None where the server refuses them, or lists others in them too."""

    def told(_: int, whole: int | None) -> None:
        if progress is not None:
            progress(sum(len(one.customers) for one in ranges), whole)

    ranges = tuple(Turned(client, limit, one.query(), told, one, keep=keep) for one in ranges_of(cuts))
    try:
        await in_flight(Turned.turn, ranges, width=AT_ONCE)
    except StrayError:
        return None
    except Rejected as refused:
        if refused.status not in _NOT_TAKEN:
            raise
        return None
    return ranges


async def _tried_larger(turned: Turned, larger: int) -> tuple[Turned, int]:
    """
    Return the listing to go on with, and the limit that the server is known to take: 0 where none was to be tried.

    There is nothing to gain where all is on one page, or where a page is shorter than asked already.

    The larger limit begins anew: a cursor is opaque, and may count pages as long as those before.
    """
    await turned.turn_one()
    if not turned.more or turned.last_page < turned.limit:
        return turned, 0
    anew = Turned(turned.client, larger, turned.query, turned.progress, keep=turned.keep)
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
        if refused.status not in _NOT_TAKEN:
            raise
        return False
    return True
