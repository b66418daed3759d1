"""Ranges of created_at: where a listing is cut, what each range asks, what a server makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from math import ceil
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from clocks import run
from hypothesis import given
from hypothesis import strategies as st
from scripted_apply import Answer, Server, ok, page, talk

from reconciler import live
from reconciler.errors import Forbidden, Incomplete
from reconciler.live.listing import MOST, PAGES_A_RANGE, Range, cuts_of, ranges_of
from reconciler.model.core import CustomerId, End, ListAgain, Live

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
CUT = int(NOON.timestamp())


def _created(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _row(customer: str, seconds: float) -> dict[str, str]:
    return {"id": customer, "created_at": _created(seconds)}


def _size(created: Sequence[int], one: Range) -> int:
    """Return how many were created in a range, its ends included."""
    return sum(
        (one.start_s is None or CUT + second >= one.start_s) and (one.end_s is None or CUT + second <= one.end_s)
        for second in created
    )


def _listing(*answers: Answer, cuts: Sequence[int] = (CUT,), page_limit: int = live.PAGE) -> tuple[Live, list[str]]:
    """Return a listing, and the query of each request for it."""

    async def take() -> tuple[Live, list[str]]:
        server = Server(*answers)
        async with talk(server) as client:
            taken = await live.listing(client, page_limit=page_limit, cuts=cuts)
        return taken, [line.removeprefix("GET /customers?").replace("%3A", ":") for line in server.heard]

    return run(take())


def test_a_small_listing_is_not_cut() -> None:
    created = [_created(60 * number) for number in range(1999)]
    assert cuts_of(created[:1900], 100) == ()
    assert len(cuts_of(created, 100)) == 1


def test_a_listing_is_cut_into_parts_of_about_ten_pages_that_take_one_request_more_in_all() -> None:
    created = [60 * number for number in range(6000)]
    cuts = cuts_of(map(_created, created), 100)
    sizes = [_size(created, one) for one in ranges_of(cuts)]
    assert len(sizes) == 6
    assert sum(ceil(size / 100) for size in sizes) == 61
    assert max(sizes) <= 1100
    assert [size for size in sizes[:-1] if size % 100 == 0] == []


def test_a_listing_is_cut_by_the_moment_whatever_the_offset_it_is_written_with() -> None:
    created = [NOON + timedelta(minutes=number) for number in range(3000)]
    zoned = [one.astimezone(timezone(timedelta(hours=-7))).isoformat() for one in created]
    far = [one.replace(tzinfo=None).isoformat() + "+00:00" for one in created]
    assert cuts_of(zoned, 100) == cuts_of(far, 100) != ()


def test_where_somebody_has_no_moment_of_creation_nothing_is_cut() -> None:
    created = [_created(60 * number) for number in range(6000)]
    assert cuts_of([*created, ""], 100) == ()


def test_where_all_were_created_at_once_nothing_is_cut() -> None:
    assert cuts_of([_created(number / 1000) for number in range(6000)], 100) == ()


def test_a_listing_is_cut_beside_those_who_were_created_at_once() -> None:
    early = [60 * number for number in range(-3000, 0)]
    created = [*early, *[0] * 1500, *[60 * number for number in range(1, 1500)]]
    cuts = cuts_of(map(_created, created), 100)
    assert len(cuts) >= 2
    assert [cut for cut in cuts if abs(cut - CUT) <= 2] == []


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 60)), min_size=1, max_size=60),
    st.integers(1, 4),
)
def test_ranges_are_one_for_ten_pages_at_most_and_take_one_request_more_each_at_most(
    bursts: list[tuple[int, int]], size: int
) -> None:
    created = [second for second, count in bursts for _ in range(count)]
    cuts = cuts_of(map(_created, created), size)
    pages = ceil(len(created) / size)
    ranges = ranges_of(cuts)
    assert list(cuts) == sorted(set(cuts))
    assert len(ranges) <= max(1, min(pages // PAGES_A_RANGE, MOST))
    assert sum(ceil(_size(created, one) / size) for one in ranges) <= pages + (len(ranges) if cuts else 0)


def test_ranges_are_asked_for_at_once_open_at_both_ends_and_overlap_by_four_seconds() -> None:
    taken, asked = _listing(page(_row("old", -60)), page(_row("mid", 30)), page(_row("new", 90)), cuts=(CUT, CUT + 60))
    assert asked == [
        "limit=100&created_at_end=2025-06-01T12:00:02Z",
        "limit=100&created_at_start=2025-06-01T11:59:58Z&created_at_end=2025-06-01T12:01:02Z",
        "limit=100&created_at_start=2025-06-01T12:00:58Z",
    ]
    assert (set(taken.listed), taken.narrows, taken.requests) == ({"old", "mid", "new"}, True, 4)
    assert [end.rows for end in taken.ends] == [1, 1, 1]


def test_who_stands_in_two_ranges_counts_once() -> None:
    taken, _ = _listing(page(_row("old", -60), _row("both", 1)), page(_row("both", 1), _row("new", 60)))
    assert list(taken.listed) == ["old", "both", "new"]


def test_each_range_keeps_its_own_end() -> None:
    older = ok({"data": [_row("old", -60)], "has_next_page": False, "end_cursor": "z"})
    taken, _ = _listing(older, page(_row("new", 60), _row("newer", 61)))
    assert taken.ends == (
        End(1, "z", (("created_at_end", "2025-06-01T12:00:02Z"),)),
        End(2, "", (("created_at_start", "2025-06-01T11:59:58Z"),)),
    )
    assert taken.longest_page == 2


def test_pages_of_different_ranges_are_in_flight_together() -> None:
    async def take() -> Sequence[float]:
        server = Server(page(), slow_s=1.0)
        async with talk(server) as client:
            await live.listing(client, cuts=[CUT, CUT + 60, CUT + 120])
        return server.times

    assert run(take()) == [0.0, 1.0, 1.0, 1.0, 1.0]


def _whole(*rows: dict[str, str]) -> Answer:
    """Return a server that ignores what narrows a list."""
    return lambda _: page(*rows)


def test_a_server_that_does_not_narrow_is_noticed_and_the_list_is_read_in_one() -> None:
    taken, asked = _listing(_whole(_row("old", -60), _row("new", 60)))
    assert (set(taken.listed), taken.narrows) == ({"old", "new"}, False)
    assert asked[-1] == "limit=100"
    assert [end.query for end in taken.ends] == [()]


@pytest.mark.parametrize("heard", ["created_at_start", "created_at_end"])
def test_a_server_that_hears_one_bound_only_is_noticed(heard: str) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        query = parse_qs(urlsplit(str(request.url)).query)
        rows = [("old", -60), ("new", 60)]
        if heard in query:
            rows = rows[1:] if heard == "created_at_start" else rows[:1]
        return page(*(_row(*row) for row in rows))

    taken, asked = _listing(server)
    assert (set(taken.listed), taken.narrows, asked[-1]) == ({"old", "new"}, False, "limit=100")


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_the_bounds_is_read_in_one(status: int) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        if "created_at" in str(request.url):
            return ok({"code": "bad_request"}, status=status)
        return page(_row("old", -60), _row("new", 60))

    taken, _ = _listing(server)
    assert (set(taken.listed), taken.narrows) == ({"old", "new"}, False)


def test_a_limit_that_is_refused_says_nothing_of_the_bounds() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return ok({"code": "bad_request"}, status=400) if "limit=1000" in str(request.url) else page(_row("old", -60))

    taken, asked = _listing(server, page_limit=1000)
    assert (taken.page_limit, taken.narrows, asked[-1]) == (100, None, "limit=100")


def test_another_refusal_of_a_range_is_raised() -> None:
    with pytest.raises(Forbidden):
        _listing(ok({"code": "forbidden"}, status=403))


def _again(first: Live, *rows: dict[str, str]) -> Live:
    """Return what a second pass, which finds `rows`, makes of `first`."""

    async def ask() -> Live:
        server = Server(page(*rows))
        async with talk(server) as client:
            return await live.answer(client, first, [ListAgain()])

    return run(ask())


def _in_ranges(*rows: dict[str, str]) -> Live:
    """Return a listing in ranges that was read an hour after noon."""
    taken, _ = _listing(page(*rows), cuts=())
    return Live(listed=taken.listed, narrows=True, read_at=CUT + 3600.0)


def test_a_listing_in_one_that_holds_somebody_whom_the_ranges_lacked_is_the_first_pass_from_then_on() -> None:
    again = _again(_in_ranges(_row("old", -60)), _row("old", -60), _row("lost", 0))
    assert (set(again.listed), again.listings, again.passes_differ, again.narrows) == ({"old", "lost"}, 1, False, False)


def test_a_listing_in_one_that_holds_only_more_who_are_new_leaves_ranges_trusted() -> None:
    again = _again(_in_ranges(_row("old", -60)), _row("old", -60), _row("new", 3590))
    assert (again.listings, again.passes_differ, again.narrows) == (2, False, True)


def test_a_second_pass_that_lacks_somebody_leaves_ranges_trusted() -> None:
    again = _again(_in_ranges(_row("old", -60), _row("gone", -50)), _row("old", -60))
    assert (again.listings, again.passes_differ, again.narrows) == (2, True, True)
    assert CustomerId("gone") not in again.listed


def test_ranges_that_hold_one_customer_under_two_external_ids_are_refused() -> None:
    first, second = {**_row("one", 0), "external_id": "a"}, {**_row("one", 0), "external_id": "b"}
    with pytest.raises(Incomplete):
        _listing(page(first, next_cursor=""), page(second, next_cursor=""))
