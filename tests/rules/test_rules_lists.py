from __future__ import annotations

import pytest
from emulated import NOW, PLAIN, UNKNOWN, body, flat, ids, made, numbered, read_all

from reconciler.api.times import rfc3339
from reconciler.rules import (
    Account,
    Behaviour,
    LagOn,
    LargerLimit,
    Order,
    PageShape,
    Paging,
    Precision,
    archive,
    create,
    create_user,
    get,
    list_customers,
    list_users,
    patch,
)
from reconciler.rules.listing import RefusedParameter, decode_id, encode_id

NEWEST = Behaviour(order=Order.NEWEST)


@pytest.mark.parametrize(
    "ways",
    [
        Behaviour(),
        NEWEST,
        Behaviour(order=Order.OLDEST),
        Behaviour(page_shape=PageShape.NESTED),
        Behaviour(paging=Paging.OFFSET),
        Behaviour(paging=Paging.OFFSET, order=Order.NEWEST),
        Behaviour(paging=Paging.OFFSET, order=Order.OLDEST),
        Behaviour(precision=Precision.S),
    ],
)
def test_the_pages_together_are_the_list_each_customer_once(ways: Behaviour) -> None:
    account = Account()
    created = numbered(account, 25, ways)
    order = {Order.NEWEST: created[::-1], Order.OLDEST: created, Order.ID: sorted(created)}[ways.order]
    assert read_all(account, ways, limit="10") == [order[:10], order[10:20], order[20:]]


def test_customers_of_one_moment_are_all_listed() -> None:
    account = Account()
    created = numbered(account, 7, step_s=0)
    assert sorted(flat(read_all(account, PLAIN, limit="3"))) == sorted(created)


def test_before_returns_the_page_that_precedes() -> None:
    account = Account()
    newest = numbered(account, 9)[::-1]
    first = body(list_customers(account, NEWEST, {"limit": "3"}, NOW))
    second = body(list_customers(account, NEWEST, {"limit": "3", "after": first["end_cursor"]}, NOW))
    third = body(list_customers(account, NEWEST, {"limit": "3", "after": second["end_cursor"]}, NOW))
    back = list_customers(account, NEWEST, {"limit": "3", "before": third["start_cursor"]}, NOW)
    assert ids(back) == newest[3:6]
    assert (body(back)["has_next_page"], body(back)["has_previous_page"]) == (True, True)
    begin = list_customers(account, NEWEST, {"limit": "3", "before": second["start_cursor"]}, NOW)
    assert (ids(begin), body(begin)["has_previous_page"]) == (newest[:3], False)


def test_a_position_cursor_does_not_shift_when_others_create() -> None:
    account = Account()
    newest = numbered(account, 6)[::-1]
    first = body(list_customers(account, NEWEST, {"limit": "3"}, NOW))
    made(account, now=NOW + 5)
    assert ids(list_customers(account, NEWEST, {"limit": "3", "after": first["end_cursor"]}, NOW)) == newest[3:]


def test_an_offset_cursor_shifts_when_others_create() -> None:
    account, ways = Account(), Behaviour(paging=Paging.OFFSET, order=Order.NEWEST)
    newest = numbered(account, 6)[::-1]
    first = body(list_customers(account, ways, {"limit": "3"}, NOW))
    made(account, now=NOW + 5)
    assert ids(list_customers(account, ways, {"limit": "3", "after": first["end_cursor"]}, NOW)) == newest[2:5]


def test_a_list_by_id_is_read_by_cursors_that_hold_an_id_and_a_new_customer_may_be_on_a_page_already_read() -> None:
    account = Account()
    numbered(account, 6)
    first = body(list_customers(account, PLAIN, {"limit": "3"}, NOW))
    seen = [row["id"] for row in first["data"]]
    assert decode_id(first["end_cursor"]) == (0, seen[-1])
    while min(account.customers) not in (missed := set(account.customers) - set(seen)):
        made(account, now=NOW + 5)
    after = ids(list_customers(account, PLAIN, {"limit": "500", "after": first["end_cursor"]}, NOW + 60))
    assert min(missed) not in after


@pytest.mark.parametrize("customer_id", ["0211a5c1-5400-4461-b1c6-f97f4bc8b9c7", "cus_1", "a b/é", ""])
def test_a_cursor_of_an_id_comes_back_as_that_id(customer_id: str) -> None:
    assert decode_id(encode_id(customer_id)) == (0, customer_id)


@pytest.mark.parametrize(
    "cursor", ["", "=", "gaFpxBAC", "gaFp2gAFYQ", "x" * 28, "\u00e9", "gaFpxBACEaXBVABEYbHG X9LyLnH"]
)
def test_a_text_that_is_no_cursor_of_an_id_is_refused(cursor: str) -> None:
    with pytest.raises(RefusedParameter):
        decode_id(cursor)


def test_a_list_by_id_is_narrowed_by_creation_like_any_other() -> None:
    account = Account()
    created = numbered(account, 9, step_s=60)
    query = {"created_at_start": rfc3339(NOW + 120), "created_at_end": rfc3339(NOW + 300)}
    assert flat(read_all(account, PLAIN, limit="2", **query)) == sorted(created[2:6])


def test_a_cursor_holds_a_plus_and_breaks_unless_it_is_encoded() -> None:
    account = Account()
    numbered(account, 3)
    cursor = body(list_customers(account, NEWEST, {"limit": "1"}, NOW))["end_cursor"]
    assert "+" in cursor
    assert list_customers(account, NEWEST, {"after": cursor.replace("+", " ")}, NOW).status == 400


def test_a_cursor_of_another_list_is_refused() -> None:
    account = Account()
    one, other = numbered(account, 2)
    create_user(account, PLAIN, one, {"email": "a@x.example"}, NOW)
    cursor = body(list_users(account, PLAIN, one, {}, NOW))["end_cursor"]
    assert list_users(account, PLAIN, one, {"after": cursor}, NOW).status == 200
    assert list_users(account, PLAIN, other, {"after": cursor}, NOW).status == 400
    assert list_customers(account, PLAIN, {"after": cursor}, NOW).status == 400
    assert list_customers(account, NEWEST, {"after": "gaFpxBACEaXBVABEYbHG+X9LyLnH"}, NOW).status == 400


def test_the_successor_of_the_last_page_is_empty() -> None:
    account = Account()
    numbered(account, 2)
    last = body(list_customers(account, PLAIN, {}, NOW))
    reply = list_customers(account, PLAIN, {"after": last["end_cursor"]}, NOW)
    assert reply.body == {
        "data": [],
        "start_cursor": "",
        "end_cursor": "",
        "has_next_page": False,
        "has_previous_page": True,
    }


@pytest.mark.parametrize(
    ("ways", "limit", "status", "length"),
    [
        (Behaviour(), "", 400, 0),
        (Behaviour(), "7", 200, 7),
        (Behaviour(), "500", 200, 100),
        (Behaviour(page_max=250), "500", 200, 120),
        (Behaviour(larger_limit=LargerLimit.REFUSE), "500", 400, 0),
        (Behaviour(page_holds=20), "100", 200, 20),
        (Behaviour(), "0", 400, 0),
        (Behaviour(), "ten", 400, 0),
        (Behaviour(), "-1", 400, 0),
    ],
)
def test_a_page_is_as_long_as_the_limit_and_the_behaviour_allow(
    ways: Behaviour, limit: str, status: int, length: int
) -> None:
    account = Account()
    numbered(account, 120)
    reply = list_customers(account, ways, {"limit": limit}, NOW)
    assert (reply.status, len(body(reply).get("data", []))) == (status, length)


def test_uneven_pages_hold_every_customer_and_some_hold_fewer() -> None:
    account = Account()
    created = numbered(account, 60)
    pages = read_all(account, Behaviour(page_uneven=True), limit="5")
    assert flat(pages) == sorted(created)
    assert {len(page) for page in pages[:-1]} == {4, 5}


@pytest.mark.parametrize(
    ("ways", "start", "end", "expected"),
    [
        (Behaviour(), "2023-11-14T22:13:21.25Z", "2023-11-14T22:13:23.25Z", [1, 2, 3]),
        (Behaviour(start_inclusive=False), "2023-11-14T22:13:21.25Z", "2023-11-14T22:13:23.25Z", [2, 3]),
        (Behaviour(end_inclusive=False), "2023-11-14T22:13:21.25Z", "2023-11-14T22:13:23.25Z", [1, 2]),
        (Behaviour(order=Order.ID), "2023-11-14T22:13:21.25Z", "2023-11-14T22:13:23.25Z", [1, 2, 3]),
        (Behaviour(precision=Precision.S), "2023-11-14T22:13:21Z", "2023-11-14T22:13:23Z", [1, 2, 3]),
        (Behaviour(precision=Precision.S, finer_inside=True), "2023-11-14T22:13:21Z", "2023-11-14T22:13:23Z", [1, 2]),
        (Behaviour(), "2023-11-14T23:13:21.25+01:00", "", [1, 2, 3, 4]),
        (Behaviour(), "", "2023-11-14T22:13:20.25Z", [0]),
        (Behaviour(), "2023-11-14T22:13:23Z", "2023-11-14T22:13:22Z", []),
        (Behaviour(narrows=False), "2023-11-14T22:13:23Z", "2023-11-14T22:13:22Z", [0, 1, 2, 3, 4]),
    ],
)
def test_a_list_is_narrowed_to_moments_as_the_behaviour_says(
    ways: Behaviour, start: str, end: str, expected: list[int]
) -> None:
    account = Account()
    created = numbered(account, 5, ways, step_s=1)
    bounds = {"created_at_start": start, "created_at_end": end}
    query = {name: bound for name, bound in bounds.items() if bound}
    assert sorted(ids(list_customers(account, ways, query, NOW))) == sorted(created[place] for place in expected)


@pytest.mark.parametrize("text", ["yesterday", "2023-11-14T22:13:20", "5"])
def test_a_bound_that_is_no_moment_is_refused(text: str) -> None:
    assert list_customers(Account(), PLAIN, {"created_at_start": text}, NOW).status == 400


def test_a_list_is_narrowed_to_a_company_name() -> None:
    account = Account()
    made(account, name="Globex")
    one = made(account, name="Acme Corp")
    assert ids(list_customers(account, PLAIN, {"company_name": "acme corp"}, NOW)) == [one]


def test_a_read_does_not_see_a_write_until_the_lag_has_passed() -> None:
    account, ways = Account(), Behaviour(lag_s=2)
    one = made(account, ways, NOW, external_id="acme", city="Boston")
    assert (get(account, ways, one, NOW + 1.9), ids(list_customers(account, ways, {}, NOW + 1.9))) == (UNKNOWN, [])
    patch(account, ways, one, {"city": "Rome"}, NOW + 3)
    archive(account, ways, one, NOW + 4)
    cities = [
        body(row)["city"] if (row := get(account, ways, one, NOW + at)).status == 200 else "" for at in (2, 4.9, 5)
    ]
    assert cities == ["Boston", "Boston", "Rome"]
    assert ids(list_customers(account, ways, {}, NOW + 5.9)) == [one]
    assert ids(list_customers(account, ways, {}, NOW + 6)) == []


def test_a_write_sees_every_write_before_it_whatever_the_lag() -> None:
    account, ways = Account(), Behaviour(lag_s=60, repeated_archive=400)
    one = made(account, ways, NOW, external_id="acme")
    assert create(account, ways, {"external_id": "acme"}, NOW).status == 400
    assert archive(account, ways, one, NOW).status == 200
    assert archive(account, ways, one, NOW).status == 400


def test_a_list_by_its_changes_has_what_was_written_last_first() -> None:
    account, ways = Account(), Behaviour(order=Order.UPDATED)
    one, two, three = numbered(account, 3, ways)
    patch(account, ways, two, {"city": "Boston"}, NOW + 1)
    assert read_all(account, ways, limit="2") == [[two, three], [one]]


def test_where_lists_lag_a_get_does_not() -> None:
    account, ways = Account(), Behaviour(lag_s=2, lag_on=LagOn.LISTS)
    one = made(account, ways)
    assert (get(account, ways, one, NOW).status, ids(list_customers(account, ways, {}, NOW))) == (200, [])
    assert ids(list_customers(account, ways, {}, NOW + 2)) == [one]
