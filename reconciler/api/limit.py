"""Pacing: when a request may leave. FAQ: 5 requests per second per key; "space requests out evenly"."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from reconciler.clock import Clock

HAIR = 1.005
"""The spacing over 1/rate: what timers and the network shift must not make a sixth request in a second."""
_LATE_S = 0.001
_NO_WAIT_S = 1e-6
"""Too short a wait may not move a clock of floats."""
_SLOWEST = 1 / 16
_RECOVERY = 1 / 50


@dataclass(slots=True)
class Turn:
    """Leave to send one request; `left_s` (monotonic) is when it was given, then when the request really left."""

    left_s: float


class Limiter:
    """
    Lets requests leave in the order in which they ask, evenly, `rate_per_s` of them; 0 is no limit.

    Two rules hold at once. A turn comes a spacing after the one before, also after idleness, so that
    there are no bursts. And, as a turn may be used late (the intent's commit, a connection's handshake),
    the n-th request before it must have really left a second ago, n being the requests of a second.
    """

    def __init__(self, clock: Clock, rate_per_s: float) -> None:
        self._clock = clock
        self._full = rate_per_s
        self._rate = rate_per_s
        self._next_s = 0.0
        self._paused_until_s = 0.0
        self._slowed_s = -1.0
        self._last_second: deque[Turn] = deque(maxlen=int(rate_per_s))
        self._queue = asyncio.Lock()

    @property
    def rate_per_s(self) -> float:
        """The rate now: lower than the full one for a while after a 429; 0 is no limit."""
        return self._rate

    async def turn(self) -> Turn:
        """Wait until a request may leave, and return its turn."""
        if not self._full and self._paused_until_s <= self._clock.monotonic():
            return Turn(self._clock.monotonic())
        async with self._queue:
            while (wait_s := self._due_s() - self._clock.monotonic()) > _NO_WAIT_S:
                await self._clock.sleep(wait_s)
            turn = Turn(self._clock.monotonic())
            if self._full:
                # What a timer is late is made up for by the next spacing; idleness is not.
                due_s = self._due_s()
                began_s = due_s if turn.left_s - due_s <= _LATE_S else turn.left_s
                self._next_s = began_s + HAIR / self._rate
                self._last_second.append(turn)
            return turn

    def _due_s(self) -> float:
        """Return the moment from which a request may leave."""
        due_s = max(self._next_s, self._paused_until_s)
        if self._last_second and len(self._last_second) == self._last_second.maxlen:
            due_s = max(due_s, self._last_second[0].left_s + HAIR * len(self._last_second) / self._full)
        return due_s

    def throttled(self, turn: Turn, wait_s: float) -> None:
        """
        Slow down after a 429: nothing leaves for `wait_s`, then at half the rate.

        Several 429s to requests that left before the first of them was heard are one event.
        """
        now_s = self._clock.monotonic()
        self._paused_until_s = max(self._paused_until_s, now_s + wait_s)
        if turn.left_s > self._slowed_s:
            self._slowed_s = now_s
            self._rate = max(self._rate / 2, self._full * _SLOWEST)

    def answered(self) -> None:
        """Come back to the full rate by a fiftieth of it for each request that was answered."""
        if self._rate < self._full:
            self._rate = min(self._full, self._rate + self._full * _RECOVERY)
