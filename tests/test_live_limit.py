"""How long the pages of a listing are: what is tried, what a server makes of it, what is left after a refusal."""

from __future__ import annotations

import httpx
import pytest
from clocks import run
from scripted_apply import Answer, Server, ok, page, talk

from reconciler import live
from reconciler.errors import Forbidden, Rejected
from reconciler.model.core import Live


def _rows(count: int, first: int = 0) -> list[dict[str, str]]:
    return [{"id": f"c-{number}"} for number in range(first, first + count)]


def _listing(*answers: Answer, page_limit: int = live.PAGE, larger: int = live.LARGER) -> tuple[Live, list[str]]:
    """Return a listing, and the query of each request for it."""

    async def take() -> tuple[Live, list[str]]:
        server = Server(*answers)
        async with talk(server) as client:
            taken = await live.listing(client, page_limit=page_limit, larger=larger)
        return taken, [line.removeprefix("GET /customers?") for line in server.heard]

    return run(take())


def _refusal(status: int) -> httpx.Response:
    return ok({"code": "bad_request", "message": "limit is too large"}, status=status)


def _told(taken: Live) -> tuple[int, int, int, int]:
    """Return how many customers a listing holds and what it says of pages: the limit, the longest, the last."""
    (end,) = taken.ends
    return len(taken.listed), taken.page_limit, taken.longest_page, end.rows


def test_a_larger_limit_that_is_taken_begins_anew_and_is_kept() -> None:
    taken, asked = _listing(
        page(*_rows(100), next_cursor="a"), page(*_rows(1000), next_cursor="b"), page(*_rows(20, first=1000))
    )
    assert asked == ["limit=100", "limit=1000", "limit=1000&after=b"]
    assert _told(taken) == (1020, 1000, 1000, 20)


def test_a_larger_limit_that_is_cut_to_more_than_before_is_kept() -> None:
    taken, asked = _listing(
        page(*_rows(100), next_cursor="a"), page(*_rows(250), next_cursor="b"), page(*_rows(250, first=250))
    )
    assert asked == ["limit=100", "limit=1000", "limit=1000&after=b"]
    assert _told(taken) == (500, 1000, 250, 250)


@pytest.mark.parametrize("held", [100, 99, 20])
def test_a_larger_limit_that_is_cut_to_no_more_than_before_costs_one_request(held: int) -> None:
    taken, asked = _listing(
        page(*_rows(100), next_cursor="a"), page(*_rows(held), next_cursor="b"), page(*_rows(30, first=100))
    )
    assert asked == ["limit=100", "limit=1000", "limit=100&after=a"]
    assert _told(taken) == (130, 100, 100, 30)


@pytest.mark.parametrize("status", [400, 422])
def test_a_larger_limit_that_is_refused_costs_one_request(status: int) -> None:
    taken, asked = _listing(page(*_rows(100), next_cursor="a"), _refusal(status), page(*_rows(30, first=100)))
    assert asked == ["limit=100", "limit=1000", "limit=100&after=a"]
    assert _told(taken) == (130, 100, 100, 30)


@pytest.mark.parametrize("count", [0, 99, 100])
def test_no_larger_limit_is_tried_where_all_is_on_one_page(count: int) -> None:
    taken, asked = _listing(page(*_rows(count)))
    assert (taken.page_limit, asked) == (0, ["limit=100"])


def test_no_larger_limit_is_tried_where_a_page_holds_fewer_than_asked_already() -> None:
    taken, asked = _listing(page(*_rows(50), next_cursor="a"), page(*_rows(10, first=50)))
    assert asked == ["limit=100", "limit=100&after=a"]
    assert _told(taken) == (60, 0, 50, 10)


def test_a_known_limit_is_asked_from_the_first_page_on() -> None:
    taken, asked = _listing(page(*_rows(1000), next_cursor="a"), page(*_rows(1, first=1000)), page_limit=1000, larger=0)
    assert asked == ["limit=1000", "limit=1000&after=a"]
    assert _told(taken) == (1001, 0, 1000, 1)


def test_a_known_limit_that_is_refused_one_day_falls_back() -> None:
    answers = (_refusal(400), page(*_rows(100), next_cursor="a"), page(*_rows(1, first=100)))
    taken, asked = _listing(*answers, page_limit=1000, larger=0)
    assert asked == ["limit=1000", "limit=100", "limit=100&after=a"]
    assert _told(taken) == (101, 100, 100, 1)


def test_another_refusal_than_that_of_a_limit_is_raised_when_a_larger_one_is_tried() -> None:
    with pytest.raises(Forbidden):
        _listing(page(*_rows(100), next_cursor="a"), _refusal(403))


def test_another_refusal_than_that_of_a_limit_is_raised_when_one_is_known() -> None:
    with pytest.raises(Forbidden):
        _listing(_refusal(403), page_limit=1000, larger=0)


def test_a_refused_cursor_is_no_refused_limit() -> None:
    with pytest.raises(Rejected, match="400"):
        _listing(page(*_rows(1000), next_cursor="a"), _refusal(400), page_limit=1000, larger=0)
