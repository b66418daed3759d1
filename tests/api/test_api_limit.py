from __future__ import annotations

import asyncio

import pytest
from clocks import VirtualClock, run

from reconciler.api.limit import Limiter
from reconciler.pace import HAIR

SPACING = 0.2 * HAIR


async def _times(limiter: Limiter, clock: VirtualClock, count: int) -> list[float]:
    """Take `count` turns at once and return when they came."""
    times = []

    async def take() -> None:
        await limiter.turn()
        times.append(clock.monotonic())

    await asyncio.gather(*(take() for _ in range(count)))
    return times


def test_turns_come_evenly_and_a_hair_slower_than_the_rate() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        return await _times(Limiter(clock, 5.0), clock, 12)

    assert run(measure()) == pytest.approx([n * SPACING for n in range(12)], abs=1e-6)


def test_idleness_saves_up_no_burst() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        limiter = Limiter(clock, 5.0)
        await limiter.turn()
        await clock.sleep(60)
        return await _times(limiter, clock, 3)

    assert run(measure()) == pytest.approx([60, 60 + SPACING, 60 + 2 * SPACING], abs=1e-6)


def test_without_a_rate_nothing_waits() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        return await _times(Limiter(clock, 0.0), clock, 100)

    assert run(measure()) == [0.0] * 100


def test_a_turn_used_late_keeps_the_sixth_request_a_second_away() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        limiter = Limiter(clock, 5.0)
        first = await limiter.turn()
        await clock.sleep(0.15)
        await limiter.left(first)
        return await _times(limiter, clock, 5)

    assert run(measure())[4] == pytest.approx(0.15 + 1.005, abs=1e-6)


def test_a_429_stops_everybody_then_halves_the_rate() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        limiter = Limiter(clock, 5.0)
        await limiter.throttled(await limiter.turn(), 3.0)
        return await _times(limiter, clock, 3)

    assert run(measure()) == pytest.approx([3.0, 3.0 + 2 * SPACING, 3.0 + 4 * SPACING], abs=1e-2)


def test_without_a_rate_a_429_still_stops_everybody() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        limiter = Limiter(clock, 0.0)
        await limiter.throttled(await limiter.turn(), 3.0)
        return await _times(limiter, clock, 2)

    assert run(measure()) == [3.0, 3.0]


def test_who_already_waits_obeys_a_429_too() -> None:
    async def measure() -> list[float]:
        clock = VirtualClock()
        limiter = Limiter(clock, 5.0)
        first = await limiter.turn()
        waiting = asyncio.create_task(_times(limiter, clock, 1))
        await clock.sleep(0.1)
        await limiter.throttled(first, 2.0)
        return await waiting

    assert run(measure()) == pytest.approx([2.1], abs=1e-6)


def test_many_429s_of_one_moment_halve_the_rate_once() -> None:
    async def measure() -> float:
        clock = VirtualClock()
        limiter = Limiter(clock, 5.0)
        turns = [await limiter.turn() for _ in range(3)]
        for turn in turns:
            await limiter.throttled(turn, 1.0)
        return limiter.rate_per_s

    assert run(measure()) == 2.5


def test_the_full_rate_comes_back_by_fiftieths() -> None:
    async def measure() -> list[float]:
        limiter = Limiter(VirtualClock(), 5.0)
        await limiter.throttled(await limiter.turn(), 1.0)
        rates = []
        for _ in range(26):
            await limiter.answered()
            rates.append(limiter.rate_per_s)
        return rates

    rates = run(measure())
    assert (rates[0], rates[-2], rates[-1]) == pytest.approx((2.6, 5.0, 5.0))


def test_the_rate_never_falls_below_a_sixteenth() -> None:
    async def measure() -> float:
        limiter = Limiter(VirtualClock(), 5.0)
        for _ in range(9):
            await limiter.throttled(await limiter.turn(), 1.0)
        return limiter.rate_per_s

    assert run(measure()) == 5.0 / 16
