"""What lists show: their shape, order, cursors and bounds, a larger limit, and how soon a create is seen."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.answers import NO, YES, Question
from reconciler.api.pages import Page, read_page
from reconciler.api.times import rfc3339
from reconciler.apply.probe import read
from reconciler.apply.probe.asking import Asking
from reconciler.kinds.wire import CUSTOMERS, customer_path, read_customer

LARGER = 1000
_USUAL = 100
SEEN_WITHIN_S = 60.0
"""So long a create is waited for."""
_ASK_EVERY_S = 0.5
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Before:
    """The list before anything was made: ids of its first two customers, and the cursor after the first."""

    first: str = ""
    second: str = ""
    cursor: str = ""
    more: bool = False


async def look(asking: Asking) -> Before:
    """Return how the list begins, having answered what a list tells by itself: five requests at most."""
    said = await asking.read(CUSTOMERS, ("limit", "1"))
    if said.refused is not None:
        raise said.refused
    asking.answer(Question.PAGE_SHAPE, read.page_shape(said.body))
    first = read_page(said.body, f"GET {CUSTOMERS}", said.at_s)
    await _narrowed(asking, anybody=bool(first.rows))
    many = await _larger(asking)
    rows = [one for one in map(read_customer, many.rows) if one is not None]
    order = read.order_of([one.created_at for one in rows])
    asking.answer(Question.ORDER, order, "" if order else "the account has too few customers to tell")
    ids = [one.id for one in rows]
    alone = read_customer(first.rows[0]) if first.rows else None
    if alone is None or len(ids) < 2 or ids[0] != alone.id:  # noqa: PLR2004 - the first and the one after it
        return Before()
    return Before(ids[0], ids[1], first.end_cursor, first.has_next)


async def _narrowed(asking: Asking, *, anybody: bool) -> None:
    """Answer whether a list of what will be created from tomorrow on is empty, as it must be; `anybody` is there."""
    start = rfc3339(asking.sending.client.server_now() + _DAY_S)
    rows = (await asking.page(("limit", "1"), ("created_at_start", start))).rows
    asking.narrows = False if rows else True if anybody else None
    found = {None: "", True: YES, False: NO}[asking.narrows]
    asking.answer(Question.NARROWS, found, "" if found else "the account has no customers to tell")


async def _larger(asking: Asking) -> Page:
    """Return the first page of a list with a larger limit, or with the usual one where that is refused."""
    said = await asking.read(CUSTOMERS, ("limit", str(LARGER)))
    if said.refused is not None:
        asking.answer(Question.LARGER_LIMIT, "refused", said.words)
        asking.answer(Question.LONGEST_PAGE, "", "a larger limit is refused")
        usual = await asking.read(CUSTOMERS, ("limit", str(_USUAL)))
        return await asking.page() if usual.refused is not None else read_page(usual.body, f"GET {CUSTOMERS}")
    page = read_page(said.body, f"GET {CUSTOMERS}", said.at_s)
    length = len(page.rows)
    small = f"the account has no more than {length} customers"
    found = "taken" if length > _USUAL else "cut" if page.has_next else ""
    asking.answer(Question.LARGER_LIMIT, found, "" if found else f"not refused; {small}")
    asking.answer(Question.LONGEST_PAGE, str(length) if page.has_next else "", "" if page.has_next else small)
    return page


async def seen(asking: Asking) -> None:
    """Wait until get and list show the first customer, and answer how long that took."""
    customer = asking.made[0].live
    began_s = asking.clock.monotonic()
    got_s = listed_s = None
    while listed_s is None and (passed_s := asking.clock.monotonic() - began_s) <= SEEN_WITHIN_S:
        if got_s is None and (await asking.read(customer_path(customer.id))).refused is None:
            got_s = passed_s
        if got_s is not None and await asking.lists(customer) is not False:
            listed_s = passed_s
        else:
            await asking.sending.pause(_ASK_EVERY_S)
    asking.lag_s = SEEN_WITHIN_S if listed_s is None else listed_s
    if listed_s is None:
        what = "get" if got_s is None else "list"
        asking.answer(Question.LAG, "", f"within {SEEN_WITHIN_S:g} s no {what} showed it")
    else:
        asking.answer(Question.LAG, f"{listed_s:.1f}")
    late = (
        {True: "reads", False: "lists"}[got_s is None or got_s >= _ASK_EVERY_S] if asking.lag_s >= _ASK_EVERY_S else ""
    )
    asking.answer(Question.LAG_ON, late, "" if late else "none was late")


async def bounds(asking: Asking) -> None:
    """Answer whether the bounds of a list hold the moment itself: two requests."""
    customer = asking.made[0].live
    for question in (Question.START_INCLUSIVE, Question.END_INCLUSIVE):
        moment = customer.created_at
        starts = question is Question.START_INCLUSIVE
        held = await (asking.lists(customer, start=moment) if starts else asking.lists(customer, end=moment))
        asking.answer(question, *read.told(held))


async def cursor(asking: Asking, before: Before) -> None:
    """Answer what a cursor from before the create leads to after it: one request."""
    if asking.answers[Question.ORDER].found != "newest" or not before.more:
        asking.answer(Question.PAGING, "", "only in a list that begins with the newest can one request tell")
        return
    page = await asking.page(("limit", "1"), ("after", before.cursor))
    row = read_customer(page.rows[0]) if page.rows else None
    found = {before.first: "offset", before.second: "position"}.get(row.id if row is not None else "", "")
    asking.answer(Question.PAGING, found, "" if found else "others wrote meanwhile")
