"""The moment at which a request leaves: its intent must be fresh, and the limiter wants to know."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from reconciler.api.limit import Turn
from reconciler.clock import Clock
from reconciler.errors import Unreachable

LEAVES_WITHIN_S = 5.0
"""
A request leaves within this time of its intent's commit, or not at all.

Whoever finds the intent of a dead or sleeping process knows by it when the request can no longer come.
"""


class Intent:
    """
    What `before` makes durable ahead of the first sending; made durable again where much time has passed.

    A sending after a 429 that asked for a long wait would otherwise leave on an old commit.
    """

    def __init__(self, before: Callable[[], Awaitable[None]], clock: Clock, name: str) -> None:
        self._before = before
        self._clock = clock
        self._name = name
        self._committed_s = -math.inf

    async def commit(self) -> None:
        """Await `before`, unless it was less than half the allowed time ago."""
        if self._age_s() > LEAVES_WITHIN_S / 2:
            began_s = self._clock.monotonic()
            await self._before()
            self._committed_s = began_s

    def check(self) -> None:
        """Raise Unreachable where the commit is too old for the request to leave now."""
        if self._age_s() > LEAVES_WITHIN_S:
            raise Unreachable(f"{self._name}: held up for over {LEAVES_WITHIN_S:.0f} s before it left; it was not sent")

    def _age_s(self) -> float:
        """Return how long ago the commit began."""
        return self._clock.monotonic() - self._committed_s


class Leaving:
    """One sending's hook into the transport, called at the moment when its first byte is to be written."""

    def __init__(self, turn: Turn, intent: Intent | None, left: Callable[[Turn], Awaitable[None]]) -> None:
        self._turn = turn
        self._intent = intent
        self._left = left

    async def now(self) -> None:
        """Tell the limiter (`left`) that the request leaves; raise Unreachable where it may not any more."""
        self._check()
        await self._left(self._turn)
        # Again, as the telling may have had to wait.
        self._check()

    def _check(self) -> None:
        """Raise Unreachable where the intent is too old."""
        if self._intent is not None:
            self._intent.check()

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Be httpcore's `trace` extension: a new connection may have taken seconds since the turn."""
        # A proxy is first sent a CONNECT, which carries nothing of ours.
        if event.endswith("send_request_headers.started") and details["request"].method != b"CONNECT":
            await self.now()
