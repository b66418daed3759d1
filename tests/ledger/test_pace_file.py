"""Several clients that share one key on one machine: together they keep the rate, and nobody waits for the dead."""

from __future__ import annotations

import asyncio
import fcntl
import os
from bisect import bisect_left
from itertools import chain
from pathlib import Path

import pytest
from clocks import VirtualClock, run

from reconciler.api.limit import Board, Limiter
from reconciler.ledger.lock import PaceFile
from reconciler.pace import HAIR, Pace, Slot, reserve

MINUTE_S = 60.0


def _board(folder: Path, clock: VirtualClock, client_id: str = "key") -> PaceFile:
    return PaceFile("https://api.example", client_id, clock, folder)


async def _minute(limiter: Limiter, clock: VirtualClock, *, late_s: float = 0.0) -> list[float]:
    """Send for a minute as a process does, each tenth request `late_s` after its turn; return when each left."""
    times = []
    until_s = clock.monotonic() + MINUTE_S
    while clock.monotonic() < until_s:
        turn = await limiter.turn()
        if late_s and len(times) % 10 == 0:
            await clock.sleep(late_s)
        await limiter.left(turn)
        times.append(clock.monotonic())
    return [time for time in times if time < until_s]


def _busiest_second(times: list[float]) -> int:
    """Return the most requests that any second holds, its end not in it."""
    return max(bisect_left(times, time + 1 - 1e-9) - place for place, time in enumerate(times))


@pytest.mark.parametrize("processes", [1, 2, 5, 8])
@pytest.mark.parametrize("late_s", [0.0, 0.15])
def test_processes_of_one_key_together_keep_the_rate_and_use_it(tmp_path: Path, processes: int, late_s: float) -> None:
    async def together() -> list[float]:
        clock = VirtualClock()
        limiters = [Limiter(clock, 5.0, _board(tmp_path, clock)) for _ in range(processes)]
        times = await asyncio.gather(*(_minute(limiter, clock, late_s=late_s) for limiter in limiters))
        return sorted(chain.from_iterable(times))

    times = run(together())
    assert _busiest_second(times) == 5
    # What one that sends nothing beside is late, nobody else can use.
    assert len(times) >= (0.9 if late_s else 0.95) * 5.0 * MINUTE_S


def test_each_process_has_its_share(tmp_path: Path) -> None:
    async def together() -> list[int]:
        clock = VirtualClock()
        limiters = [Limiter(clock, 5.0, _board(tmp_path, clock)) for _ in range(3)]
        return [len(times) for times in await asyncio.gather(*(_minute(limiter, clock) for limiter in limiters))]

    shares = run(together())
    assert max(shares) - min(shares) <= 2


def test_two_keys_have_a_pace_each(tmp_path: Path) -> None:
    async def together() -> list[float]:
        clock = VirtualClock()
        one, other = (Limiter(clock, 5.0, _board(tmp_path, clock, key)) for key in ("one", "other"))
        await asyncio.gather(one.turn(), other.turn())
        return [clock.monotonic()]

    assert run(together()) == [0.0]


def test_a_429_to_one_process_stops_and_slows_down_the_others(tmp_path: Path) -> None:
    async def together() -> list[float]:
        clock = VirtualClock()
        heard, other = (Limiter(clock, 5.0, _board(tmp_path, clock)) for _ in range(2))
        turn = await heard.turn()
        waiting = asyncio.create_task(other.turn())
        await clock.sleep(0.1)
        await heard.throttled(turn, 3.0)
        return [(await waiting).left_s, (await other.turn()).left_s]

    assert run(together()) == pytest.approx([3.1, 3.1 + 0.4 * HAIR])


def test_the_next_run_begins_at_the_rate_that_was_reached(tmp_path: Path) -> None:
    async def two_runs(later_s: float) -> float:
        clock = VirtualClock()
        first = Limiter(clock, 5.0, _board(tmp_path / str(later_s), clock))
        await first.throttled(await first.turn(), 1.0)
        await clock.sleep(later_s)
        second = Limiter(clock, 5.0, _board(tmp_path / str(later_s), clock))
        await second.turn()
        return second.rate_per_s

    assert (run(two_runs(60.0)), run(two_runs(601.0))) == (2.5, 5.0)


def test_a_slot_that_a_dead_process_reserved_is_one_requests_time(tmp_path: Path) -> None:
    async def after_a_death() -> float:
        clock = VirtualClock()

        def reserved(kept: Pace) -> tuple[Pace, Slot]:
            return reserve(kept, 5.0, clock.monotonic())

        await _board(tmp_path, clock).change(reserved)
        return (await Limiter(clock, 5.0, _board(tmp_path, clock)).turn()).left_s

    assert run(after_a_death()) == pytest.approx(0.2 * HAIR)


def test_who_slept_through_his_slot_takes_another(tmp_path: Path) -> None:
    async def suspended() -> list[float]:
        clock = VirtualClock()
        limiters = [Limiter(clock, 5.0, _board(tmp_path, clock)) for _ in range(8)]
        turns = [asyncio.create_task(limiter.turn()) for limiter in limiters]
        await asyncio.sleep(0)
        asyncio.get_running_loop().pass_time(30.0)  # type: ignore[attr-defined]
        return sorted([(await turn).left_s for turn in turns])

    first, *others = run(suspended())
    assert first == 0.0
    assert others == pytest.approx([30 + n * 0.2 * HAIR for n in range(7)])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"next_s": "soon"}', '{"left_s": 1}', '{"next_s": 1e9}', '{"share": 0}', '{"left_s": ["x"]}'],
)
def test_a_file_that_tells_no_pace_of_now_begins_a_new_one(tmp_path: Path, text: str) -> None:
    async def begin() -> float:
        clock = VirtualClock()
        await _turn(_board(tmp_path, clock), clock)
        file = _file(tmp_path)
        file.write_text(text)
        await clock.sleep(1)
        return await _turn(_board(tmp_path, clock), clock)

    assert run(begin()) == 1.0


def test_where_nothing_can_be_written_a_process_keeps_its_own_pace(tmp_path: Path) -> None:
    taken = tmp_path / "a file"
    taken.write_text("")

    async def alone() -> list[float]:
        clock = VirtualClock()
        board = _board(taken / "state", clock)
        return [await _turn(board, clock), await _turn(board, clock)]

    assert run(alone()) == pytest.approx([0.0, 0.2 * HAIR])


def test_a_process_that_was_stopped_while_it_held_the_file_holds_up_nobody_for_long(tmp_path: Path) -> None:
    async def beside() -> float:
        clock = VirtualClock()
        await _turn(_board(tmp_path, clock), clock)
        file = _file(tmp_path)
        held = os.open(file, os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            return await _turn(_board(tmp_path, clock), clock)
        finally:
            os.close(held)

    assert run(beside()) <= 3.0


def test_the_file_names_no_key(tmp_path: Path) -> None:
    async def begin() -> str:
        clock = VirtualClock()
        await _turn(_board(tmp_path, clock, "very-own-key"), clock)
        file = _file(tmp_path)
        return file.name + file.read_text()

    assert "very-own-key" not in run(begin())


def _file(folder: Path) -> Path:
    """Return the one file that is kept."""
    (file,) = folder.iterdir()
    return file


async def _turn(board: Board, clock: VirtualClock) -> float:
    """Take one turn and return when it came."""
    return (await Limiter(clock, 5.0, board).turn()).left_s
