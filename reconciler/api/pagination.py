"""Turn pages: cursors followed to the end, in both shapes that the documentation shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from reconciler.api.client import ApiClient
from reconciler.api.exchange import Request
from reconciler.errors import Incomplete, NotTheApi


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page: its rows as parsed JSON, and where the next begins ("" where no cursor came).

    `server_time_s` is the reply's.
    """

    rows: tuple[object, ...]
    end_cursor: str
    has_next: bool
    server_time_s: float = 0.0


_MOST_BARREN = 3


async def pages(
    client: ApiClient, path: str, query: tuple[tuple[str, str], ...] = (), *, limit: int = 100, after: str = ""
) -> AsyncGenerator[Page, None]:
    """
    Yield the pages of a list from the cursor `after` ("" is its beginning) to its end, in order.

    Raises NotTheApi where a reply is no page, Incomplete where its cursors do not lead to the end, or do not come
    nearer to it, and what `Client.send` raises: whoever has seen the end has seen all.
    """
    seen = {after}
    ids: set[int] = set()
    barren = 0
    while True:
        cursor = (("after", after),) if after else ()
        request = Request("GET", path, (("limit", str(limit)), *query, *cursor))
        reply = await client.send(request)
        page = read_page(reply.body, request.name, reply.server_time_s)
        if page.has_next:
            if not page.end_cursor:
                raise Incomplete(f"{request.name}: a page says that there is another one, but has no cursor for it")
            if page.end_cursor in seen:
                raise Incomplete(f"{request.name}: a page's cursor is a repeat, so the list has no end")
            known = len(ids)
            ids.update(map(_identity, page.rows))
            barren = 0 if len(ids) > known else barren + 1
            if barren == _MOST_BARREN:
                raise Incomplete(
                    f"{request.name}: {barren} pages in a row have no new customer and say that there is another "
                    "page, so the list may have no end"
                )
        yield page
        if not page.has_next:
            return
        after = page.end_cursor
        seen.add(after)


def _identity(row: object) -> int:
    """Return what tells a row from others: its id, else all of it; a number, as there may be a million."""
    return hash(row["id"] if isinstance(row, dict) and isinstance(row.get("id"), str) else repr(row))


async def whole(
    client: ApiClient, path: str, query: tuple[tuple[str, str], ...] = (), *, limit: int = 100, after: str = ""
) -> AsyncGenerator[Page, None]:
    """
    Yield what `pages` does, and where the last page is full, what follows it: it may have ended the list too early.

    That is one request more, whose page is empty where the list had ended.
    """
    longest, last = 0, None
    async for page in pages(client, path, query, limit=limit, after=after):
        longest, last = max(longest, len(page.rows)), page
        yield page
    if last is not None and last.end_cursor and last.end_cursor != after and 0 < longest == len(last.rows):
        async for page in pages(client, path, query, limit=limit, after=last.end_cursor):
            yield page


def read_page(body: object, name: str, server_time_s: float = 0.0) -> Page:
    """
    Return the page in a reply to the request called `name`; raises NotTheApi where there is none.

    The reference page has `has_next_page` and `end_cursor` beside `data`, one guide has them in
    `pagination`. A reply with neither is refused: its first page would pass for everything.

    >>> read_page({"data": [1], "pagination": {"has_next_page": True, "end_cursor": "a+b"}}, "GET /customers")
    Page(rows=(1,), end_cursor='a+b', has_next=True, server_time_s=0.0)
    """
    if not isinstance(body, dict) or not isinstance(body.get("data"), list | None) or "data" not in body:
        raise _no_page(name, "data")
    nested = body.get("pagination")
    turning = body if "has_next_page" in body or not isinstance(nested, dict) else nested
    has_next = turning.get("has_next_page")
    if not isinstance(has_next, bool):
        raise _no_page(name, "has_next_page")
    cursor = turning.get("end_cursor")
    if not isinstance(cursor, str | None):
        raise _no_page(name, "a text as end_cursor")
    return Page(tuple(body["data"] or ()), cursor or "", has_next, server_time_s)


def _no_page(name: str, lacking: str) -> NotTheApi:
    """Return the error for a reply without the shape of a page."""
    return NotTheApi(f"{name}: the reply is not a page of a list (it lacks {lacking}); check the base URL")
