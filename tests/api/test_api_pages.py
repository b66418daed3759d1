from __future__ import annotations

import httpx
import pytest
from clocks import run
from scripted_apply import Answer, Server, ok, page, talk

from reconciler.api.pagination import Page, pages, read_page
from reconciler.errors import Incomplete, NotTheApi, ReconcilerError


def _turn(*answers: Answer, after: str = "", query: tuple[tuple[str, str], ...] = ()) -> tuple[list[object], list[str]]:
    """Return the rows of all pages, and what the server heard."""

    async def turn() -> tuple[list[object], list[str]]:
        server = Server(*answers)
        async with talk(server) as client:
            rows = [row async for one in pages(client, "/customers", query, after=after) for row in one.rows]
        return rows, server.heard

    return run(turn())


def _refused(*answers: Answer) -> ReconcilerError:
    """Return the error that turning pages ends in."""
    with pytest.raises(ReconcilerError) as caught:
        _turn(*answers)
    return caught.value


def test_cursors_are_followed_to_the_end_each_encoded_once() -> None:
    rows, heard = _turn(page(1, 2, next_cursor="gaFp+X9%2F/="), page(3, next_cursor="ü &"), page())
    assert rows == [1, 2, 3]
    assert heard == [
        "GET /customers?limit=100",
        "GET /customers?limit=100&after=gaFp%2BX9%252F%2F%3D",
        "GET /customers?limit=100&after=%C3%BC%20%26",
    ]


def test_pages_in_the_guides_shape_are_read_too() -> None:
    first = ok({"data": [1], "pagination": {"has_next_page": True, "end_cursor": "c"}})
    last = ok({"data": [2], "pagination": {"has_next_page": False, "end_cursor": None}})
    assert _turn(first, last)[0] == [1, 2]


def test_pages_begin_at_a_cursor_and_keep_their_query() -> None:
    heard = _turn(page(), after="c", query=(("created_at_start", "2025-01-01T00:00:00Z"),))[1]
    assert heard == ["GET /customers?limit=100&created_at_start=2025-01-01T00%3A00%3A00Z&after=c"]


@pytest.mark.parametrize("rows", [(), (1, 2), ({"id": "a", "name": "other"},), ("a", {"x": []})])
def test_three_pages_without_anybody_new_are_a_list_without_end(rows: tuple[object, ...]) -> None:
    first = page({"id": "a"}, 1, 2, "a", {"x": []}, next_cursor="0")
    refused = _refused(first, *(page(*rows, next_cursor=str(number)) for number in (1, 2, 3)))
    assert isinstance(refused, Incomplete)
    assert str(refused) == (
        "GET /customers: 3 pages in a row have no new customer and say "
        "that there is another page, so the list may have no end"
    )


def test_pages_without_anybody_new_may_come_apart_or_at_the_end() -> None:
    barren = [page(1, next_cursor=str(number)) for number in range(6)]
    answers = (page(1, next_cursor="a"), *barren[:2], page(2, next_cursor="b"), *barren[2:4], page(1))
    assert _turn(*answers)[0] == [1, 1, 1, 2, 1, 1, 1]


def test_an_empty_page_in_the_middle_is_no_end() -> None:
    assert _turn(page(1, next_cursor="a"), page(next_cursor="b"), page(2))[0] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"data": []},
        {"has_next_page": False},
        {"data": {}, "has_next_page": False},
        {"data": [], "has_next_page": "false"},
        {"data": [], "has_next_page": None},
        {"data": [], "pagination": {}},
        {"data": [], "pagination": None},
        {"data": [], "has_next_page": True, "end_cursor": 7},
    ],
)
def test_a_reply_without_the_shape_of_a_page_is_not_the_api(body: object) -> None:
    assert type(_refused(ok(body))) is NotTheApi


def test_a_cursor_that_repeats_is_incomplete() -> None:
    error = _refused(page(1, next_cursor="a"), page(2, next_cursor="b"), page(3, next_cursor="a"))
    assert type(error) is Incomplete
    assert "is a repeat" in str(error)


def test_a_server_that_ignores_cursors_is_incomplete() -> None:
    assert type(_refused(page(1, next_cursor="a"))) is Incomplete


def test_another_page_without_a_cursor_to_it_is_incomplete() -> None:
    assert type(_refused(ok({"data": [1], "has_next_page": True, "end_cursor": ""}))) is Incomplete


def test_a_page_that_fails_fails_the_list() -> None:
    with pytest.raises(ReconcilerError, match="404"):
        _turn(page(1, next_cursor="a"), httpx.Response(404))


def test_null_rows_are_none() -> None:
    assert read_page({"data": None, "has_next_page": False}, "GET /x") == Page((), "", has_next=False)
