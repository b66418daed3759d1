"""Users listed beside the pages: as many as the pages leave time for, and none of whom the listing does not show."""

from __future__ import annotations

import httpx
import pytest
from clocks import run
from scripted_apply import Server, ok, page, talk

from reconciler import live
from reconciler.errors import Forbidden
from reconciler.model.core import CustomerId, ListUsers, Live, LiveUser

ONE, TWO, GONE = CustomerId("one"), CustomerId("two"), CustomerId("gone")
JANE = {"id": "1", "email": "jane@acme.example"}


def _beside(
    users: dict[CustomerId, httpx.Response], *, pages: int = 2, slow_s: float = 1.0, rate_per_s: float = 0.0
) -> tuple[Live, list[str], list[float]]:
    """Return a listing of `one` and `two` in so many pages, with users; the paths and times of what was sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        if len(parts) > 1:
            return users[CustomerId(parts[1])]
        number = int(request.url.params.get("after", "0")) + 1
        rows = ({"id": "one"}, {"id": "two"}, {"id": f"of page {number}"})
        return page(*rows, next_cursor=str(number) if number < pages else "")

    async def take() -> tuple[Live, list[str], list[float]]:
        server = Server(answer, slow_s=slow_s)
        async with talk(server, rate_per_s=rate_per_s) as client:
            taken = await live.with_users(client, live.listing(client), [ListUsers(one) for one in users])
        return taken, [line.partition("?")[0] for line in server.heard], server.times

    return run(take())


def test_users_are_listed_while_pages_are_read() -> None:
    taken, sent, times = _beside({ONE: page(JANE), TWO: page()})
    assert taken.users == {ONE: (LiveUser("1", "jane@acme.example", {}),), TWO: ()}
    assert times == [0.0, 1.0, 1.0, 1.0, 2.0]
    assert sorted(sent[:3]) == ["GET /customers", "GET /customers/one/users", "GET /customers/two/users"]
    assert taken.requests == 5


def test_what_the_pages_left_no_time_for_is_not_asked() -> None:
    many = {CustomerId(f"c{number}"): page() for number in range(20)}
    taken, sent, _ = _beside(many, pages=1)
    assert sent.count("GET /customers") == 1
    assert len(sent) == 1 + 3
    assert taken.requests == 1 + 1 + 3


def test_users_of_who_is_not_listed_are_left_out() -> None:
    taken, sent, _ = _beside({ONE: page(JANE), GONE: page(JANE)})
    assert set(taken.users) == {ONE}
    assert "GET /customers/gone/users" in sent


@pytest.mark.parametrize(("customer", "got"), [(ONE, {ONE: None}), (GONE, {})])
def test_users_that_answer_404_say_so_of_who_is_listed_and_nothing_of_others(
    customer: CustomerId, got: dict[CustomerId, None]
) -> None:
    assert _beside({customer: httpx.Response(404)})[0].got == got


def test_without_users_to_list_only_pages_are_read() -> None:
    taken, sent, _ = _beside({})
    assert (sent, taken.users, taken.requests) == (["GET /customers"] * 2, {}, 3)


def test_users_that_fail_end_the_listing() -> None:
    with pytest.raises(Forbidden):
        _beside({ONE: ok({"code": "forbidden"}, status=403)}, pages=50)


def test_pages_keep_their_share_of_the_pace() -> None:
    many = {CustomerId(f"c{number}"): page() for number in range(200)}
    _, sent, _ = _beside(many, pages=10, slow_s=0.0, rate_per_s=5.0)
    assert sent.count("GET /customers") == 10
    assert len(sent) <= 10 * 4
