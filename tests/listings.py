"""How many list requests a whole listing takes, in one or in ranges: from the specification and the model's ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from api_account import Customer
from api_routes import Seen
from api_ways import Ways
from story import Ran

from reconciler.model.core import Action

_SEEK_S = 4.0


def is_narrow(one: Seen) -> bool:
    """Say whether a list looks for one customer: it is narrowed to two seconds around a moment."""
    start_s, end_s = _bounds(one)
    return start_s is not None and end_s is not None and end_s - start_s <= _SEEK_S


def window(one: Seen) -> str:
    """Return what a list is narrowed to, whatever the page."""
    return "&".join(part for part in one.query.split("&") if part.startswith("created_at"))


def the_listing_is_read_once(ran: Ran, sent: Sequence[Seen]) -> Iterator[str]:
    """
    Yield where the pages of the listing, `sent`, are not each asked for once.

    Before a create, a last page that is as long as any was is asked for its successor once, and where the listing
    took several pages, it is read a second time, in one, unless the ledger has an earlier listing that lacked the key.
    A listing is in ranges where the ledger says where to cut, unless the server was found not to narrow: at most one
    for ten pages, and one request more a range.
    """
    assert all("limit=100" in one.query for one in sent)
    by_window: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in sent:
        by_window[window(one)].append(one)
    learned = ran.records.learned
    created = {
        one.address.external_id for one in ran.applied.plan.changes if Action.CREATE in (one.action, one.otherwise)
    }
    again = pages_of(len(ran.listed), ran.ways)
    if created - ran.records.lacked.keys() and len(again) > 1:
        second = len(again) + (again[-1] == max(learned.longest_page, *again))
        if len(by_window[""]) < second:
            yield f"{len(by_window[''])} pages of a second listing, {second} are needed"
        by_window[""] = by_window[""][:-second]
        if not by_window[""]:
            del by_window[""]
    in_ranges = {key: seen for key, seen in by_window.items() if key}
    if in_ranges and "" not in by_window and len(in_ranges) != len(learned.cuts) + 1:
        yield f"{len(in_ranges)} ranges were read, the ledger has {len(learned.cuts)} cuts"
    if in_ranges and "" in by_window:
        # The server turned out not to narrow: what was asked of ranges was in vain, once.
        if ran.ways.narrows or learned.narrows is not None:
            yield "the listing was read in ranges, and in one"
        in_ranges = {}
    lists = {key: (by_window[key], _within(ran, by_window[key][0])) for key in in_ranges or [""]}
    creates = bool(created)
    cut = {key: pages_of(rows, ran.ways) for key, (_, rows) in lists.items()}
    longest = max(learned.longest_page, *(max(pages) for pages in cut.values()))
    for key, (seen, _) in lists.items():
        needed = len(cut[key]) + (creates and 0 < cut[key][-1] == longest)
        if len(seen) != needed:
            yield f"{len(seen)} pages of {key or 'the list'}, {needed} are needed (a create is planned: {creates})"


def pages_of(rows: int, ways: Ways) -> list[int]:
    """Return how long each page of a list of `rows` is, as the model cuts them; a page may hold one fewer."""
    size, pages, start = min(100, ways.page_max), list[int](), 0
    while not pages or start < rows:
        held = size - (start // size % 2 if ways.page_uneven and size > 1 else 0)
        pages.append(min(held, rows - start))
        start += held
    return pages


def _within(ran: Ran, one: Seen) -> int:
    """Return how many of the listed customers a narrowed list holds."""
    start_s, end_s = _bounds(one)
    return sum(_is_in(customer, start_s, end_s, ran.ways) for customer in ran.listed)


def _is_in(customer: Customer, start_s: float | None, end_s: float | None, ways: Ways) -> bool:
    """Say whether a customer stands between bounds that are inclusive or not, as the server has it."""
    created_s = customer.created_us / 1_000_000
    late = start_s is None or created_s > start_s or (ways.start_inclusive and created_s == start_s)
    early = end_s is None or created_s < end_s or (ways.end_inclusive and created_s == end_s)
    return (late and early) or not ways.narrows


def _bounds(one: Seen) -> tuple[float | None, float | None]:
    """Return what a list is narrowed to, in seconds since 1970."""
    query = parse_qs(one.query)
    start_s, end_s = (
        datetime.fromisoformat(query[name][0]).timestamp() if name in query else None
        for name in ("created_at_start", "created_at_end")
    )
    return start_s, end_s
