from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from clocks import EPOCH_S, run
from scripted_apply import Answer, Server, ok, page, talk

from reconciler import live
from reconciler.errors import Incomplete, NotTheApi, Unanswered
from reconciler.kinds.wire import Parts
from reconciler.model.core import (
    AskSuccessor,
    CustomerId,
    End,
    Get,
    ListAgain,
    ListPaymentMethods,
    ListUsers,
    Live,
    LiveCustomer,
    LiveUser,
    Read,
    Seek,
)

ONE, TWO, THREE = CustomerId("one"), CustomerId("two"), CustomerId("three")
CREATED = "2025-06-01T12:00:00Z"


def _row(customer: str, **fields: str) -> dict[str, str]:
    """Return a customer as the API writes it."""
    return {"id": customer, "external_id": f"x-{customer}", "created_at": CREATED, **fields}


def _customer(customer: CustomerId, **fields: str) -> LiveCustomer:
    """Return the customer that `_row` is read as."""
    return LiveCustomer(id=customer, external_id=f"x-{customer}", created_at=CREATED, fields=fields)


def _listing(*answers: Answer) -> tuple[Live, Server, list[tuple[int, int | None]]]:
    """Return a listing, its server and the progress that it told."""

    async def take() -> tuple[Live, Server, list[tuple[int, int | None]]]:
        server = Server(*answers)
        told: list[tuple[int, int | None]] = []
        async with talk(server) as client:
            taken = await live.listing(client, page_limit=2, progress=lambda done, whole: told.append((done, whole)))
        return taken, server, told

    return run(take())


def _answer(before: Live, reads: Sequence[Read], *answers: Answer, latency_s: float = 0.0) -> tuple[Live, Server]:
    """Return what `reads` add to `before`."""

    async def ask() -> tuple[Live, Server]:
        server = Server(*answers, slow_s=latency_s)
        async with talk(server) as client:
            return await live.answer(client, before, reads, page_limit=2), server

    return run(ask())


def test_a_listing_holds_every_page_and_what_it_took() -> None:
    taken, server, told = _listing(
        page(_row("one", city="Bonn"), _row("two"), next_cursor="a+b"), page(_row("three"), next_cursor="")
    )
    assert taken == Live(
        listed={ONE: _customer(ONE, city="Bonn"), TWO: _customer(TWO), THREE: _customer(THREE)},
        ends=(End(1),),
        longest_page=2,
        pages=2,
        read_at=EPOCH_S,
        requests=3,
    )
    assert server.heard == ["GET /customers?limit=2", "GET /customers?limit=2&after=a%2Bb"]
    assert told == [(2, None), (3, None)]


def test_an_empty_account_is_a_listing_of_nobody() -> None:
    assert _listing(page())[0] == Live(ends=(End(0),), pages=1, read_at=EPOCH_S, requests=2)


def test_a_customer_on_two_pages_counts_once_as_the_later_has_it() -> None:
    taken = _listing(page(_row("one", city="Bonn"), _row("two"), next_cursor="a"), page(_row("one", city="Ulm")))[0]
    assert taken.listed == {ONE: _customer(ONE, city="Ulm"), TWO: _customer(TWO)}


def test_a_last_page_as_long_as_the_longest_is_full_and_its_cursor_is_kept() -> None:
    last = ok({"data": [_row("three"), _row("two")], "has_next_page": False, "end_cursor": "z"})
    taken = _listing(page(_row("one"), _row("two"), next_cursor="a"), last)[0]
    assert (taken.longest_page, taken.ends) == (2, (End(2, "z"),))


def test_a_listing_began_by_the_clock_of_the_server() -> None:
    date = {"date": "Thu, 01 Jan 2026 00:00:40 GMT"}
    taken = _listing(ok({"data": [], "has_next_page": False}, headers=date))[0]
    assert taken.read_at == EPOCH_S + 40


def test_a_customer_without_an_id_is_not_the_api() -> None:
    with pytest.raises(NotTheApi, match="no usable id"):
        _listing(page({"name": "Acme"}))


def test_a_page_that_never_comes_fails_the_listing() -> None:
    with pytest.raises(Unanswered):
        _listing(page(_row("one"), next_cursor="a"), httpx.Response(502))


def test_a_second_pass_replaces_the_first_and_says_whether_they_differ() -> None:
    first = Live(listed={ONE: _customer(ONE), TWO: _customer(TWO)}, requests=2, longest_page=2, successor_asked=True)
    same = _answer(first, [ListAgain()], page(_row("two"), _row("one", city="Ulm")))[0]
    assert same == Live(
        listed={ONE: _customer(ONE, city="Ulm"), TWO: _customer(TWO)},
        listings=2,
        pages=1,
        ends=(End(2),),
        longest_page=2,
        read_at=EPOCH_S,
        requests=4,
    )
    other = _answer(first, [ListAgain()], page(_row("two"), _row("three")))[0]
    assert (other.passes_differ, set(other.listed)) == (True, {TWO, THREE})


def test_a_successor_joins_the_listing() -> None:
    first = Live(listed={ONE: _customer(ONE)}, longest_page=1)
    asked, server = _answer(
        first, [AskSuccessor((End(1, "z"),))], page(_row("two"), next_cursor="y"), page(_row("three"))
    )
    assert server.heard == ["GET /customers?limit=2&after=z", "GET /customers?limit=2&after=y"]
    assert (asked.successor_asked, set(asked.listed), asked.requests) == (True, {ONE, TWO, THREE}, 3)


def test_a_last_page_without_a_cursor_has_no_successor_to_ask_for() -> None:
    asked, server = _answer(Live(), [AskSuccessor((End(2),))])
    assert (asked, server.requests) == (Live(successor_asked=True), [])


def test_a_successor_of_a_range_is_asked_for_within_the_range() -> None:
    range_ = End(2, "z", (("created_at_end", CREATED),))
    server = _answer(Live(), [AskSuccessor((range_,))], page())[1]
    assert server.heard == ["GET /customers?limit=2&created_at_end=2025-06-01T12%3A00%3A00Z&after=z"]


def test_a_customer_is_sought_two_seconds_around_its_creation_through_all_pages() -> None:
    asked, server = _answer(
        Live(), [Seek(TWO, "2025-06-01T12:00:00.500Z")], page(_row("two"), next_cursor="a"), page(_row("one"))
    )
    assert asked.sought == {TWO: True}
    narrow = "created_at_start=2025-06-01T11%3A59%3A58.500000Z&created_at_end=2025-06-01T12%3A00%3A02.500000Z"
    assert server.heard == [f"GET /customers?limit=2&{narrow}", f"GET /customers?limit=2&{narrow}&after=a"]


def test_a_customer_that_the_narrow_list_lacks_is_not_found() -> None:
    assert _answer(Live(), [Seek(TWO, CREATED)], page(_row("one")))[0].sought == {TWO: False}


def test_a_customer_without_a_creation_time_cannot_be_sought() -> None:
    with pytest.raises(Incomplete, match="without a created_at"):
        _answer(Live(), [Seek(TWO, "")])


def test_a_get_answers_with_the_customer_or_with_none() -> None:
    def server(request: httpx.Request) -> httpx.Response:
        return ok(_row("one")) if request.url.path == "/customers/one" else httpx.Response(404)

    asked = _answer(Live(), [Get(ONE), Get(TWO)], server)[0]
    assert asked.got == {ONE: _customer(ONE), TWO: None}


def test_a_get_that_answers_with_another_customer_is_not_the_api() -> None:
    with pytest.raises(NotTheApi):
        _answer(Live(), [Get(ONE)], ok(_row("two")))


def test_users_are_read_through_all_pages_and_those_without_an_email_left_out() -> None:
    jane = {"id": "1", "email": "jane@acme.example", "first_name": "Jane"}
    asked = _answer(
        Live(), [ListUsers(ONE)], page(jane, {"id": "2"}, next_cursor="a"), page(jane, {"email": "joe@acme.example"})
    )[0]
    assert asked.users == {
        ONE: (
            LiveUser("1", "jane@acme.example", {"first_name": "Jane"}),
            LiveUser("", "joe@acme.example", {}),
        )
    }


@pytest.mark.parametrize(
    "row", [None, "jane@acme.example", [], {"id": "1", "email": []}, {"id": "1", "email": {"x": 1}}]
)
def test_what_is_no_user_in_a_list_of_users_is_not_the_api(row: object) -> None:
    with pytest.raises(NotTheApi, match="the list contains something that is not a user"):
        _answer(Live(), [ListUsers(ONE)], page(row, {"email": "joe@acme.example"}))


def test_users_of_whom_none_has_an_email_are_not_taken_for_nobody() -> None:
    with pytest.raises(NotTheApi, match="no user in the list has an email"):
        _answer(Live(), [ListUsers(ONE)], page({"id": "1", "mail": "jane@acme.example"}, {"id": "2"}))


def test_users_that_answer_404_say_of_their_customer_what_a_get_would() -> None:
    asked = _answer(Live(), [ListUsers(ONE)], httpx.Response(404))[0]
    assert (asked.got, asked.users) == ({ONE: None}, {})


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        (ok([{"id": "1"}, {"id": "2"}]), 2),
        (ok({"data": [{"id": "1"}]}), 1),
        (ok([]), 0),
        (ok({"data": None}), 0),
        (httpx.Response(404), 0),
    ],
)
def test_payment_methods_are_counted_in_either_shape(reply: httpx.Response, count: int) -> None:
    assert _answer(Live(), [ListPaymentMethods(ONE)], reply)[0].payment_methods == {ONE: count}


@pytest.mark.parametrize("body", [None, {}, {"data": {}}, "text", 3])
def test_payment_methods_of_no_shape_are_not_the_api(body: object) -> None:
    with pytest.raises(NotTheApi):
        _answer(Live(), [ListPaymentMethods(ONE)], ok(body))


def test_reads_are_in_flight_together_and_each_is_sent_once() -> None:
    reads = [Get(CustomerId(f"c{number % 10}")) for number in range(20)]
    asked, server = _answer(Live(), reads, httpx.Response(404), latency_s=1.0)
    assert (len(asked.got), len(server.heard), asked.requests) == (10, 10, 11)
    assert set(server.times[1:]) == {1.0}


def test_what_was_known_stays_known() -> None:
    known = Live(got={ONE: None}, sought={ONE: False}, users={ONE: ()}, payment_methods={ONE: 3}, requests=5)
    asked = _answer(known, [Get(TWO)], httpx.Response(404))[0]
    assert asked == Live(
        got={ONE: None, TWO: None}, sought={ONE: False}, users={ONE: ()}, payment_methods={ONE: 3}, requests=7
    )


def test_the_first_error_ends_the_reading() -> None:
    with pytest.raises(Unanswered):
        _answer(Live(), [Get(ONE), Get(TWO)], httpx.Response(500))


def test_a_list_that_holds_one_customer_under_two_external_ids_is_refused() -> None:
    with pytest.raises(Incomplete) as refused:
        _listing(
            page(_row("one"), _row("two"), next_cursor="a"), page(_row("one", external_id="other"), next_cursor="")
        )
    assert "the list holds one twice, with the external_ids 'x-one' and 'other'" in str(refused.value)


def test_a_listing_asks_for_each_customer_whether_equal_values_are_in_memory_already() -> None:
    kept = {"name": "Acme"}

    def keep(parts: Parts) -> Parts:
        customer, external_id, created_at, fields = parts
        return customer, external_id, created_at, kept if fields == kept else fields

    async def listed() -> Live:
        async with talk(
            Server(lambda _: page({"id": "one", "name": "Acme"}, {"id": "two", "name": "Other"}))
        ) as client:
            return await live.listing(client, keep=keep)

    customers = run(listed()).listed
    assert customers[CustomerId("one")].fields is kept
    assert customers[CustomerId("two")].fields == {"name": "Other"}
