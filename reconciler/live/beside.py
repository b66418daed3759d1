"""Users that are known to be needed, listed beside the pages: pages wait for each other, and users for nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.live.listing import PAGE
from reconciler.live.reads import Found
from reconciler.model.core import ListUsers, Live

_AT_ONCE = 3
"""So few that pages keep a share of the pace, and the users last as long as the pages do."""


async def with_users(client: ApiClient, listing: Awaitable[Live], reads: Sequence[ListUsers]) -> Live:
    """
    Return the listing with the users that could be listed before its end; what is left is for whoever asks then.

    Users of a customer that turns out not to be listed say nothing, and are left out.
    """
    before = client.requests
    found = Found({}, {}, {}, {})
    waiting = iter(reads)
    listed: list[Live] = []

    async def pages() -> None:
        listed.append(await listing)

    async def users() -> None:
        for read in waiting:
            if listed:
                return
            await found.read(client, read, PAGE)

    async def begin(one: Callable[[], Awaitable[None]]) -> None:
        await one()

    await in_flight(begin, [pages, *[users] * _AT_ONCE], width=1 + _AT_ONCE)
    (live,) = listed
    return replace(
        live,
        got={customer: got for customer, got in found.got.items() if customer in live.listed},
        users={customer: users for customer, users in found.users.items() if customer in live.listed},
        unaddressed={customer: count for customer, count in found.unaddressed.items() if customer in live.listed},
        requests=client.requests - before,
    )
