"""Time as a parameter: everything that waits or stamps takes a `Clock`; only the pipeline makes the real one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Clock(Protocol):
    """What time it is, and waiting."""

    def now(self) -> float:
        """Return the time of day by this machine, in seconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back, and counts the machine's sleep where it can."""

    async def sleep(self, wait_s: float) -> None:
        """Wait."""


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since the machine started, its sleep included (CLOCK_BOOTTIME) where the system has it."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot is None else time.clock_gettime(boot)

    async def sleep(self, wait_s: float) -> None:
        import asyncio  # noqa: PLC0415 - what reads a ledger and waits for nothing, as a completion does, needs it not

        await asyncio.sleep(wait_s)


async def sleep_unless(clock: Clock, wait_s: float, stop: asyncio.Event | None) -> None:
    """Wait this many seconds by `clock`, or until `stop` is set."""
    import asyncio  # noqa: PLC0415 - the same

    if stop is None:
        await clock.sleep(wait_s)
        return
    first = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(clock.sleep(wait_s))]
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in first:
            one.cancel()
        await asyncio.gather(*first, return_exceptions=True)
