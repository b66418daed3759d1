"""Requests in flight together, so that latency costs nothing: the limiter alone sets the pace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

WIDTH = 16
"""Enough for 5 requests per second at three seconds of latency."""

Asked = TypeVar("Asked")


async def in_flight(
    one: Callable[[Asked], Awaitable[None]],
    asked: Sequence[Asked],
    *,
    width: int = WIDTH,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """
    Await `one` for each of `asked`, begun in their order, `width` at a time; `progress` counts those done.

    The first error is raised when the others, then cancelled, have ended.
    """
    waiting = iter(asked)
    done = 0

    async def work() -> None:
        nonlocal done
        for each in waiting:
            await one(each)
            done += 1
            if progress is not None:
                progress(done, len(asked))

    workers = [asyncio.create_task(work()) for _ in range(min(width, len(asked)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
