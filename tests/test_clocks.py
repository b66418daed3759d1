from __future__ import annotations

import asyncio

from clocks import EPOCH_S, VirtualClock, run


def test_an_hour_of_waiting_passes_to_the_second() -> None:
    async def wait() -> tuple[float, float]:
        clock = VirtualClock()
        await clock.sleep(3600)
        return clock.monotonic(), clock.now()

    assert run(wait()) == (3600.0, EPOCH_S + 3600.0)


def test_tasks_wake_in_the_order_of_their_times() -> None:
    async def wake() -> list[tuple[str, float]]:
        clock, woken = VirtualClock(), []

        async def sleeper(name: str, wait_s: float) -> None:
            await clock.sleep(wait_s)
            woken.append((name, clock.monotonic()))

        await asyncio.gather(sleeper("late", 2.0), sleeper("early", 0.5), sleeper("between", 1.0))
        return woken

    assert run(wake()) == [("early", 0.5), ("between", 1.0), ("late", 2.0)]


def test_work_in_a_thread_ends_also_where_no_timer_is_set() -> None:
    async def work() -> int:
        return await asyncio.to_thread(sum, (1, 2, 3))

    assert run(work()) == 6
