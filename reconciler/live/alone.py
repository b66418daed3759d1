"""Customers read alone, by lists narrowed to when each was created."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.api.client import ApiClient
from reconciler.api.limit import in_flight
from reconciler.api.times import from_rfc3339
from reconciler.live.listing import PAGE
from reconciler.live.ranges import Range
from reconciler.live.reads import SEEK_S
from reconciler.live.turned import Turned
from reconciler.model.core import Live, Seek

Window = tuple[float, float]


async def alone(client: ApiClient, seeks: Sequence[Seek], *, page_limit: int = PAGE) -> Live | None:
    """
    Return what the narrowed lists hold, as a `Live` that is `narrowed`; None where a created_at is no time.

    Lists that overlap are one. `sought` says of each customer whether its list held it. Raises as `listing` does.
    """
    before = client.requests
    moments = [from_rfc3339(seek.created_at) for seek in seeks]
    if None in moments:
        return None
    lists = [
        Turned(client, page_limit, Range(begin_s, end_s).query())
        for begin_s, end_s in _windows(moment for moment in moments if moment is not None)
    ]
    await in_flight(Turned.turn, lists)
    listed = {one: customer for turned in lists for one, customer in turned.customers.items()}
    return Live(
        listed=listed,
        narrowed=True,
        sought={seek.id: seek.id in listed for seek in seeks},
        read_at=min(turned.began_at for turned in lists),
        requests=client.requests - before,
    )


def _windows(moments: Iterable[float]) -> list[Window]:
    """
    Return what is to be listed around moments, overlapping windows made one.

    >>> _windows([10.0, 30.0, 13.0])
    [(8.0, 15.0), (28.0, 32.0)]
    """
    windows: list[Window] = []
    for moment_s in sorted(moments):
        begin_s, end_s = moment_s - SEEK_S, moment_s + SEEK_S
        if windows and begin_s <= windows[-1][1]:
            begin_s = windows.pop()[0]
        windows.append((begin_s, end_s))
    return windows
