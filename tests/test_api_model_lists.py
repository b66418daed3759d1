"""The model of the API lists as the reference says, in each way that the reference leaves open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from api_account import nth_id
from api_ways import Order, Ways
from emulated import Server


@pytest.mark.parametrize("ways", [Ways(), Ways(page_nested=True), Ways(cursor_counts=True), Ways(page_uneven=True)])
@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("page_max", [1, 2, 5, 100])
def test_the_pages_of_a_list_hold_each_customer_once(ways: Ways, order: Order, page_max: int) -> None:
    server = Server(replace(ways, order=order, page_max=page_max))
    ids = [server.account.create(name="A") for _ in range(5)]
    server.account.edit(ids[1], name="B")
    pages = server.pages()
    assert sorted(one for page in pages for one in page) == sorted(ids)
    assert max(len(page) for page in pages) <= page_max
    assert server.api.complaints == []


@pytest.mark.parametrize(
    ("order", "numbers"),
    [(Order.OLDEST, [1, 2, 3]), (Order.NEWEST, [3, 2, 1]), (Order.UPDATED, [1, 3, 2]), (Order.ID, [2, 3, 1])],
)
def test_a_list_has_the_order_of_the_server(order: Order, numbers: list[int]) -> None:
    server = Server(Ways(order=order))
    for age in (30, 20, 10):
        server.account.add({"external_id": str(age)}, age_s=age)
    server.account.edit(nth_id(2), name="B")
    by_number = [nth_id(number) for number in numbers]
    assert server.pages() == [sorted(by_number) if order is Order.ID else by_number]


def test_the_page_before_a_cursor_ends_there() -> None:
    server = Server(Ways(order=Order.OLDEST, page_max=2))
    ids = [server.account.create() for _ in range(5)]
    last = server.http.get("/customers", params={"after": server.http.get("/customers").json()["end_cursor"]}).json()
    page = server.http.get("/customers", params={"before": last["start_cursor"]}).json()
    assert [row["id"] for row in page["data"]] == ids[:2]


def test_a_cursor_that_was_not_percent_encoded_is_refused_and_complained_of() -> None:
    server = Server(Ways(page_max=1))
    server.account.create()
    cursor = server.http.get("/customers").json()["end_cursor"]
    assert server.http.get(f"/customers?after={cursor}").status_code == 400
    assert len(server.api.complaints) == 1


@pytest.mark.parametrize(("refused", "status"), [(False, 200), (True, 400)])
def test_a_larger_limit_is_cut_or_refused(refused: bool, status: int) -> None:
    server = Server(Ways(larger_refused=refused))
    statuses = [server.http.get("/customers", params={"limit": limit}).status_code for limit in (100, 101)]
    assert statuses == [200, status]


def test_rows_shift_under_a_cursor_that_counts_while_others_archive() -> None:
    server = Server(Ways(order=Order.OLDEST, page_max=1, cursor_counts=True))
    ids = [server.account.create() for _ in range(3)]
    cursor = server.http.get("/customers").json()["end_cursor"]
    server.account.archive(ids[0])
    page = server.http.get("/customers", params={"after": cursor}).json()
    assert [row["id"] for row in page["data"]] == [ids[2]]


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [(True, True, [1, 2, 3]), (False, True, [2, 3]), (True, False, [1, 2]), (False, False, [2])],
)
def test_the_bounds_of_created_at_are_inclusive_or_not(start: bool, end: bool, numbers: list[int]) -> None:
    server = Server(Ways(order=Order.OLDEST, start_inclusive=start, end_inclusive=end))
    for age in (3, 2, 1, 0):
        server.account.add({}, age_s=age)
    bounds = {"created_at_start": "2026-01-05T11:59:57Z", "created_at_end": "2026-01-05T12:59:59+01:00"}
    assert server.pages(**bounds) == [[nth_id(number) for number in numbers]]


def test_a_list_can_be_narrowed_to_a_name() -> None:
    server = Server()
    one = server.account.create(name="Acme Corp")
    server.account.create(name="Globex")
    assert server.pages(company_name="acme") == [[one]]


def test_users_are_listed_in_pages_after_they_were_created() -> None:
    server = Server(Ways(page_max=1))
    one = server.account.create()
    for name in ("jane", "joe"):
        server.http.post(f"/customers/{one}/users", json={"email": f"{name}@x.example", "first_name": name})
    assert server.pages(f"/customers/{one}/users") == [["usr_1"], ["usr_2"]]
    assert [user.first_name for user in server.account.users_of(one)] == ["jane", "joe"]
