"""
No listing in ranges loses a customer who was there throughout, but for one that no listing would hold.

Held against the emulator's rules: whatever the server's order, precision and bounds, wherever the cuts are, in whatever
order the pages come, and whatever others write meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import httpx
from clocks import run
from emulated import NOW, body
from hypothesis import given
from hypothesis import strategies as st
from scripted_apply import ok, talk

from reconciler import live
from reconciler.emulator.fault_settings import switched
from reconciler.live.listing import cuts_of
from reconciler.model.core import CustomerId, Live
from reconciler.rules import (
    Account,
    Behaviour,
    LargerLimit,
    Order,
    PageShape,
    Paging,
    Precision,
    StoredCustomer,
    archive,
    create,
    list_customers,
    patch,
    put,
    restore,
)

WAYS = st.builds(
    Behaviour,
    page_max=st.integers(1, 4),
    page_uneven=st.booleans(),
    page_shape=st.sampled_from(PageShape),
    order=st.sampled_from(Order),
    narrows=st.sampled_from([True, True, True, False]),
    start_inclusive=st.booleans(),
    end_inclusive=st.booleans(),
    precision=st.sampled_from(Precision),
    finer_inside=st.booleans(),
    lists_archived=st.booleans(),
    larger_limit=st.just(LargerLimit.CUT),
)
# In a list by the last write, whoever is written meanwhile leaves the pages to come, also where it is read in one: the
# plan seeks whom it lacks. So there nobody patches.
BY_CREATION = [Order.NEWEST, Order.OLDEST, Order.ID]
# Microseconds around a few seconds in a row, and far away: what matters is what stands near a cut.
MOMENTS = st.integers(-6_000_000, 6_000_000) | st.integers(-6, 6).map(lambda one: one * 1_000_000) | st.just(10**12)
CREATED = st.lists(MOMENTS, min_size=1, max_size=40)
CUTS = st.lists(st.integers(-8, 8), min_size=1, max_size=5, unique=True).map(sorted)
WAITS = st.lists(st.integers(0, 3), min_size=1, max_size=8)
HANDS = st.lists(st.tuples(st.sampled_from(["create", "patch", "archive", "restore"]), st.integers(0, 99)), max_size=12)
BASE_S = int(NOW)


@dataclass
class Served:
    """An account that is read while others write: before each answer, one of `hands` does something."""

    ways: Behaviour
    account: Account
    waits: Sequence[int]
    hands: Iterator[tuple[str, int]]
    touched: set[str] = field(default_factory=set)
    heard: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, later or sooner."""
        if request.method == "POST":
            return ok({"access_token": "token", "token_type": "bearer", "expires_in": 3600})
        self.heard += 1
        await asyncio.sleep(self.waits[self.heard % len(self.waits)])
        self._write(*next(self.hands, ("", 0)))
        reply = list_customers(self.account, self.ways, dict(request.url.params), NOW)
        return httpx.Response(reply.status, content=json.dumps(reply.body))

    def _write(self, action: str, which: int) -> None:
        """Let somebody else write; `touched` remembers who did not exist, active, throughout."""
        there = sorted(self.account.customers)
        one = there[which % len(there)]
        match action:
            case "create":
                self.touched.add(str(body(create(self.account, self.ways, {}, BASE_S + which % 9))["id"]))
            case "patch":
                patch(self.account, self.ways, one, {"city": f"city {which}"}, NOW)
            case "archive":
                archive(self.account, self.ways, one, NOW)
                self.touched.add(one)
            case "restore":
                restore(self.account, self.ways, one, NOW)
            case _:
                pass


def _served(
    ways: Behaviour, created: Sequence[int], waits: Sequence[int], hands: Sequence[tuple[str, int]] = ()
) -> Served:
    account = Account()
    for moment_us in created:
        put(account, StoredCustomer(account.next_id(), BASE_S * 1_000_000 + moment_us, {}))
    return Served(ways, account, waits, iter(hands))


def _possible(ways: Behaviour, hands: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return what others may do while the list is read."""
    return [hand for hand in hands if ways.order in BY_CREATION or hand[0] != "patch"]


def _read(served: Served, take: Callable[..., object], **how: object) -> Live:
    async def read() -> Live:
        async with talk(served) as client:
            return await take(client, **how)  # type: ignore[misc, no-any-return]

    return run(read())


@given(WAYS, CREATED, CUTS, WAITS, HANDS)
def test_no_cut_bound_precision_order_or_hand_of_others_loses_who_was_there_throughout(
    ways: Behaviour, created: list[int], cuts: list[int], waits: list[int], hands: list[tuple[str, int]]
) -> None:
    served = _served(ways, created, waits, _possible(ways, hands))
    before = set(served.account.customers)
    taken = _read(served, live.listing, cuts=[BASE_S + cut for cut in cuts])
    assert before - served.touched <= set(taken.listed)
    assert taken.narrows or not ways.narrows


@given(WAYS, CREATED, CUTS, WAITS)
def test_ranges_hold_exactly_whom_the_list_in_one_holds_however_cursors_count(
    ways: Behaviour, created: list[int], cuts: list[int], waits: list[int]
) -> None:
    served = _served(switched(ways, {"paging": Paging.OFFSET}), created, waits)
    taken = _read(served, live.listing, cuts=[BASE_S + cut for cut in cuts])
    assert set(taken.listed) == {CustomerId(one) for one in served.account.customers}


@given(WAYS, st.lists(MOMENTS, min_size=80, max_size=120), WAITS, HANDS)
def test_the_cuts_that_a_listing_teaches_lose_nobody_in_the_next(
    ways: Behaviour, created: list[int], waits: list[int], hands: list[tuple[str, int]]
) -> None:
    served = _served(ways, created, waits)
    first = _read(served, live.listing)
    cuts = cuts_of((one.created_at for one in first.listed.values()), first.longest_page)
    served.hands = iter(_possible(ways, hands))
    taken = _read(served, live.listing, cuts=cuts)
    assert set(first.listed) - served.touched <= set(taken.listed)
