"""What a whole listing teaches of the server. Pure."""

from __future__ import annotations

from dataclasses import replace

from reconciler.live.ranges import cuts_of
from reconciler.model.core import Live
from reconciler.model.ledger import Learned


def taught(learned: Learned, live: Live) -> Learned:
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
