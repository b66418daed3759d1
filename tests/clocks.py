"""Virtual time: an event loop whose waits cost nothing, and its clock; and the death of a process at any step."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar


class Killed(KeyboardInterrupt):
    """The process is dead. An event loop lets no other kind through at once."""


class Dead(Exception):
    """What is left of a run after `Killed`: an event loop would let that through again, and leave tasks behind."""


@dataclass(slots=True)
class Death:
    """A `Step` at whose `at`-th call the process dies; a dead process takes no further step."""

    at: int
    taken: int = 0

    def __call__(self, step: str) -> None:
        self.taken += 1
        if self.taken == self.at:
            raise Killed(step)
        if self.taken > self.at:
            raise asyncio.CancelledError


Result = TypeVar("Result")

EPOCH_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where a `VirtualClock` begins unless told."""

_STUCK_S = 300.0


class _Selector(selectors.DefaultSelector):
    """Moves time instead of blocking."""

    passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; where nothing is, let `timeout` seconds of virtual time pass."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None:
            self.passed_s += timeout
            return ready
        # No timer is set: only a thread can wake the loop, and a thread takes real time.
        ready = super().select(_STUCK_S)
        if not ready:
            raise RuntimeError("every task waits, and nothing will wake one")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual seconds that have passed."""
        return self._virtual.passed_s

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - its shape
        """Wait for the threads, which take real time: a limit in virtual time is over at once."""
        await super().shutdown_default_executor()

    def pass_time(self, seconds: float) -> None:
        """Let time pass at once, as while a process is suspended: what waits wakes up late."""
        self._virtual.passed_s += seconds


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run `coroutine` in virtual time to its end and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class VirtualClock:
    """A `reconciler.clock.Clock` in the time of the running loop; `epoch_s` is its time of day at loop time 0."""

    def __init__(self, epoch_s: float = EPOCH_S) -> None:
        self.epoch_s = epoch_s

    def now(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return self.epoch_s + self.monotonic()

    def monotonic(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, wait_s: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(wait_s)
