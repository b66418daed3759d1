"""How the model of the API cuts a list into pages. Imports nothing of the package."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from api_account import Customer
from api_ways import Order, Ways

Place = list[Any]
"""What a list is sorted by: no two rows have the same."""


class BadQuery(Exception):
    """A page cannot be given; `foolish` where no right client asks so."""

    def __init__(self, message: str, *, foolish: bool) -> None:
        super().__init__(message)
        self.foolish = foolish


def place(number: int, changed_at: float, customer: Customer, order: Order) -> Place:
    """Return where the `number`-th customer stands in a list of customers."""
    match order:
        case Order.NEWEST:
            return [-customer.created_us, -number]
        case Order.OLDEST:
            return [customer.created_us, number]
        case Order.UPDATED:
            return [changed_at, number]
        case Order.ID:
            return [customer.id]


def page(rows: Sequence[tuple[Place, object]], query: Mapping[str, str], ways: Ways) -> dict[str, object]:
    """Return the page of `rows`, in their order, that `query` asks for; BadQuery."""
    limit = query.get("limit", "100")
    if not (limit.isascii() and limit.isdecimal() and int(limit)):
        raise BadQuery(f"limit is {limit!r}", foolish=True)
    if ways.larger_refused and int(limit) > max(100, ways.page_max):
        raise BadQuery("limit is too large", foolish=False)
    size = min(int(limit), ways.page_max)
    marks = [[number] if ways.cursor_counts else place for number, (place, _) in enumerate(rows)]
    after, before = (_mark(query.get(name, "")) for name in ("after", "before"))
    if after is None and before is not None:
        stop = sum(mark < before for mark in marks)
        start = max(0, stop - size)
    else:
        start = 0 if after is None else sum(mark <= after for mark in marks)
        if ways.page_uneven and start // size % 2 and size > 1:
            size -= 1
        stop = min(len(rows), start + size)
    data = [row for _, row in rows[start:stop]]
    ends = (_cursor(marks[start]), _cursor(marks[stop - 1])) if data else ("", "")
    if ways.page_nested:
        return {"data": data, "pagination": {"has_next_page": stop < len(rows), "end_cursor": ends[1]}}
    return {
        "data": data,
        "start_cursor": ends[0],
        "end_cursor": ends[1],
        "has_next_page": stop < len(rows),
        "has_previous_page": start > 0,
    }


def _cursor(mark: Place) -> str:
    """Return an opaque text; it holds `+`, so that one which is not percent-encoded comes back broken."""
    return "g+" + base64.b64encode(json.dumps(mark).encode()).decode()


def _mark(cursor: str) -> Place | None:
    """Return the mark in a cursor, None for an empty one; BadQuery for what is no cursor of ours."""
    if not cursor:
        return None
    try:
        mark = json.loads(base64.b64decode(cursor.removeprefix("g+"), validate=True))
    except ValueError:
        mark = None
    if not cursor.startswith("g+") or not isinstance(mark, list):
        raise BadQuery(f"{cursor!r} is no cursor of this list", foolish=True)
    return mark
