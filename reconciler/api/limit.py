"""When a request may leave (`reconciler.pace` has the rules), what a run may still send, and requests in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeVar

from reconciler import pace
from reconciler.clock import Clock, sleep_unless
from reconciler.errors import OverBudget, Stopped
from reconciler.model.policy import UNBOUNDED, Allowance
from reconciler.pace import NO_WAIT_S, Pace, Slot

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


@dataclass(slots=True)
class Hold:
    """Requests that are promised to one change; `left` are not sent yet."""

    left: int = 0


class Budget:
    """
    Counts the requests of a run, which began when this was made, against its allowance.

    A change first holds what it may need: its request, and the one that would settle it. So nothing is
    begun that could not be settled, and no request leaves beyond the allowance, whoever sends it.
    """

    def __init__(self, clock: Clock, allowance: Allowance = UNBOUNDED) -> None:
        self.allowance = allowance
        self.sent = 0
        self._clock = clock
        self._until_s = None if allowance.max_duration_s is None else clock.monotonic() + allowance.max_duration_s
        self._held = 0
        self._kept = 0
        self._given_back = asyncio.Event()

    def spend(self, hold: Hold | None = None) -> None:
        """Count a request that leaves now; OverBudget where it must not."""
        if not self.time_for(0.0):
            raise OverBudget(f"the budget is used up: {self.allowance}")
        if hold is not None and hold.left:
            hold.left -= 1
            self._held -= 1
        elif not self.room(1):
            raise OverBudget(f"the budget is used up: {self.allowance}, and another request is needed")
        self.sent += 1

    def room(self, requests: int) -> bool:
        """Say whether that many requests more fit, beside those that are held."""
        most = self.allowance.max_requests
        return most is None or self.sent + self._held + self._kept + requests <= most

    def time_for(self, seconds: float) -> bool:
        """Say whether a request may leave this many seconds from now."""
        return self._until_s is None or self._clock.monotonic() + seconds < self._until_s

    async def held(self, hold: Hold, requests: int) -> bool:
        """Hold that many requests; wait for what others may give back, and say False where they cannot fit any more."""
        while not self.room(requests):
            if not self._held:
                return False
            self._given_back.clear()
            await self._given_back.wait()
        hold.left += requests
        self._held += requests
        return True

    def give_back(self, hold: Hold) -> None:
        """End a hold whose change needs nothing more."""
        self._held -= hold.left
        hold.left = 0
        self._given_back.set()

    def keep(self, hold: Hold) -> None:
        """Keep a hold for what is settled when all else has ended; others no longer wait for it."""
        self._kept += hold.left
        self.give_back(hold)

    def settle(self) -> None:
        """Let what was kept for settling be spent."""
        self._kept = 0


Result = TypeVar("Result")

# How much of what it took before is left where it is less now, and the most: a fresh intent is 2.5 s old at most.
_FADES, _LONGEST_AHEAD_S = 0.9, 0.5
_LATE_S = 0.001
"""What a request may leave late without a word: the hair of the spacing is for that."""


@dataclass(slots=True)
class Turn:
    """
    Leave to send one request; `left_s` (monotonic) is when it was given, then when the request really left.

    `slot` is the one to wait for yet, where the turn was given ahead of it; None where it has come. `stop` ends that.
    """

    left_s: float
    number: int = -1
    slot: Slot | None = None
    stop: asyncio.Event | None = None


class Board(Protocol):
    """Where a pace is kept, for one process or for all that use a key."""

    async def change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Replace the pace by the one that `move` makes of it, while nobody else does; return what `move` says."""

    def close(self) -> None:
        """Let go of what is held open for it."""


class OwnBoard:
    """The pace of one process alone."""

    def __init__(self) -> None:
        self._pace = Pace()

    async def change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Replace the pace and return what `move` says."""
        self._pace, result = move(self._pace)
        return result

    def close(self) -> None:
        """Do nothing."""


class Limiter:
    """
    Lets requests leave in the order in which they ask, evenly, `rate_per_s` of them; 0 is no limit.

    Two rules hold at once. A turn comes a spacing after the one before, also after idleness, so that
    there are no bursts. And, as a turn may be used late (the intent's commit, a connection's handshake),
    the n-th request before it must have really left a second ago, n being the requests of a second.

    `board` is where the pace is kept: those that share it keep both rules together.
    """

    def __init__(self, clock: Clock, rate_per_s: float, board: Board | None = None) -> None:
        self._clock = clock
        self._full = rate_per_s
        self._board = board or OwnBoard()
        self._share = 1.0
        self._ahead_s = 0.0
        self._paused_until_s = -inf
        self._queue = asyncio.Lock()

    def close(self) -> None:
        """Let go of the board."""
        self._board.close()

    @property
    def rate_per_s(self) -> float:
        """The rate now: lower than the full one for a while after a 429; 0 is no limit."""
        return self._full * self._share

    async def turn(self, *, early: bool = False, stop: asyncio.Event | None = None) -> Turn:
        """
        Wait until a request may leave, and return its turn; raise Stopped as soon as `stop` is set.

        An `early` one is returned so long before as what was last done ahead of a turn (`ahead`) took: done after
        it, that would delay the request, and with it every n-th one that follows.
        """
        if not self._full:
            await self._until(lambda: self._paused_until_s, stop)
            return Turn(self._clock.monotonic())
        async with self._queue:
            slot = await self._change(lambda kept: pace.reserve(kept, self._full, self._clock.monotonic()))
            turn = Turn(slot.due_s, slot.number, slot, stop)
            if early and self._ahead_s:
                await self._until(lambda: slot.due_s - self._ahead_s, stop)
            else:
                await self._come(turn)
        return turn

    async def ahead(self, turn: Turn, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, which an early turn was given for, and wait until the turn has come."""
        began_s = self._clock.monotonic()
        await work()
        took_s = self._clock.monotonic() - began_s
        self._ahead_s = min(max(took_s, self._ahead_s * _FADES), _LONGEST_AHEAD_S)
        await self._come(turn)

    async def _come(self, turn: Turn) -> None:
        """Wait until the request of a turn may leave."""
        slot = turn.slot
        while slot is not None and not slot.taken:
            due_s = slot.due_s
            await self._until(lambda due_s=due_s: due_s, turn.stop)  # type: ignore[misc]
            slot = await self._change(self._taking(slot))
            turn.left_s, turn.number = slot.due_s, slot.number
        turn.slot = None

    def _taking(self, slot: Slot) -> Callable[[Pace], tuple[Pace, Slot]]:
        """Return the move that takes a slot."""
        return lambda kept: pace.take(kept, slot, self._full, self._clock.monotonic())

    async def _until(self, due_s: Callable[[], float], stop: asyncio.Event | None) -> None:
        """Wait until a moment, which may become a later one meanwhile."""
        while (wait_s := due_s() - self._clock.monotonic()) > NO_WAIT_S:
            _go_on(stop)
            await sleep_unless(self._clock, wait_s, stop)
        _go_on(stop)

    async def left(self, turn: Turn) -> None:
        """Note that the request of a turn leaves now, maybe later than its turn came."""
        now_s = self._clock.monotonic()
        late_s, turn.left_s = now_s - turn.left_s, now_s
        if late_s > _LATE_S and turn.number >= 0:
            await self._change(lambda kept: (pace.after_leaving(kept, turn.number, now_s), None))

    async def throttled(self, turn: Turn, wait_s: float) -> None:
        """Slow down after a 429: nothing leaves for `wait_s`, then at half the rate."""
        now_s = self._clock.monotonic()
        self._paused_until_s = max(self._paused_until_s, now_s + wait_s)
        await self._change(lambda kept: (pace.after_throttle(kept, turn.left_s, wait_s, now_s), None))

    async def answered(self) -> None:
        """Come back to the full rate by a fiftieth of it for each request that was answered."""
        if self._share < 1:
            await self._change(lambda kept: (pace.after_answer(kept, self._clock.monotonic()), None))

    async def _change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Change the pace, and remember its share of the rate."""

        def seen(kept: Pace) -> tuple[Pace, Result]:
            changed, result = move(kept)
            self._share = pace.share_at(changed, self._clock.monotonic())
            return changed, result

        return await self._board.change(seen)


def _go_on(stop: asyncio.Event | None) -> None:
    """Raise Stopped where `stop` is set."""
    if stop is not None and stop.is_set():
        raise Stopped("the run was stopped before it was sent")
