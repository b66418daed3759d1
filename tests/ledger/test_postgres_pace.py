"""Runners on several machines that share a database and a key: together they keep the rate, whatever their clocks."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import postgres_server
import psycopg
import pytest
from clocks import EPOCH_S, VirtualClock, run

from reconciler.api.limit import Limiter
from reconciler.ledger import open_ledger
from reconciler.ledger.lock import PaceFile
from reconciler.ledger.postgres.coordination import Ahead, PaceTable
from reconciler.pace import HAIR, Pace

MINUTE_S = 60.0
MOMENT = "SELECT moment_s FROM told"

Result = TypeVar("Result")


class OtherClock(VirtualClock):
    """A machine's clock that is `ahead_s` ahead of the loop's."""

    def __init__(self, ahead_s: float) -> None:
        super().__init__()
        self.ahead_s = ahead_s

    def monotonic(self) -> float:
        """Return the loop's time by this machine."""
        return super().monotonic() + self.ahead_s


class Database:
    """A database of its own, whose clock a test moves to the loop's time before each change."""

    def __init__(self, folder: Path) -> None:
        self.url = postgres_server.database("paced")
        self.folder = folder
        with open_ledger(self.url, environment="demo", base_url="https://api.example"):
            pass
        self.told = psycopg.connect(self.url, autocommit=True)
        self.told.execute("CREATE TABLE told AS SELECT 0.0::float8 AS moment_s")

    def limiter(self, *, ahead_s: float = 0.0, key: str = "key") -> Limiter:
        """Return the limiter of a machine of its own."""
        clock = OtherClock(ahead_s)
        own = PaceFile("https://api.example", key, clock, self.folder / str(ahead_s))
        return Limiter(clock, 5.0, Told(PaceTable(self.url, key, clock, own, moment=MOMENT), self.told))


class Told:
    """A board that first tells the database what time it is."""

    def __init__(self, board: PaceTable, told: psycopg.Connection[Any]) -> None:
        self._board = board
        self._told = told

    async def change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Replace the pace and return what `move` says."""
        moment_s = EPOCH_S + asyncio.get_running_loop().time()
        self._told.execute("UPDATE told SET moment_s = %s", (moment_s,))
        return await self._board.change(move)

    def close(self) -> None:
        """Close the board."""
        self._board.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path)
    with made.told:
        yield made


async def _sent(limiter: Limiter, seconds: float) -> list[float]:
    """Send for so long as a process does, and return when each request left by the loop's time."""
    loop, times = asyncio.get_running_loop(), []
    while loop.time() < seconds:
        await limiter.left(await limiter.turn())
        times.append(loop.time())
    limiter.close()
    return [time for time in times if time < seconds]


def test_machines_with_wrong_clocks_together_keep_the_rate_and_use_it(database: Database) -> None:
    async def together() -> list[float]:
        limiters = [database.limiter(ahead_s=ahead_s) for ahead_s in (-3600.0, 0.0, 1e6)]
        times = await asyncio.gather(*(_sent(limiter, MINUTE_S) for limiter in limiters))
        return sorted(chain.from_iterable(times))

    times = run(together())
    assert max(bisect_left(times, time + 1 - 1e-6) - place for place, time in enumerate(times)) == 5
    assert len(times) >= 0.95 * 5.0 * MINUTE_S


def test_a_429_to_one_machine_slows_down_the_others(database: Database) -> None:
    async def together() -> list[float]:
        heard, other = database.limiter(ahead_s=100.0), database.limiter(ahead_s=-100.0)
        await heard.throttled(await heard.turn(), 3.0)
        turns = [await other.turn(), await other.turn()]
        heard.close()
        other.close()
        return [turn.left_s + 100.0 for turn in turns]

    assert run(together()) == pytest.approx([3.0, 3.0 + 0.4 * HAIR], abs=1e-6)


def test_two_keys_have_a_pace_each(database: Database) -> None:
    async def both() -> float:
        for key in ("one", "other"):
            limiter = database.limiter(key=key)
            await limiter.turn()
            limiter.close()
        return asyncio.get_running_loop().time()

    assert run(both()) == 0.0


@pytest.mark.parametrize("text", ["", "{", '{"next_s": 1e12}'])
def test_a_row_that_tells_no_pace_of_now_begins_a_new_one(database: Database, text: str) -> None:
    database.told.execute("INSERT INTO reconciler.paces VALUES ('key', %s)", (text,))
    assert run(_turns(database.limiter(), 1)) == [0.0]


def test_where_the_database_has_gone_the_machine_keeps_its_own_pace_and_says_so_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    gone = database.url.replace("/paced?", "/gone?")
    board = PaceTable(gone, "key", clock, PaceFile("https://api.example", "key", clock, database.folder))
    assert run(_turns(Limiter(clock, 5.0, board), 3)) == pytest.approx([0.0, 0.2 * HAIR, 0.4 * HAIR])
    assert [(one.levelname, "this machine alone" in one.message) for one in caplog.records] == [("WARNING", True)]


def test_a_row_that_somebody_holds_holds_up_nobody_for_longer_than_a_second_or_two(database: Database) -> None:
    run(_turns(database.limiter(), 1))
    with psycopg.connect(database.url) as holder:
        holder.execute("SELECT 1 FROM reconciler.paces FOR UPDATE")
        assert len(run(_turns(database.limiter(), 2))) == 2


async def _turns(limiter: Limiter, count: int) -> list[float]:
    """Take so many turns and return when they came."""
    times = [(await limiter.turn()).left_s for _ in range(count)]
    limiter.close()
    return times


def test_the_clocks_are_told_apart_by_the_quickest_answer_until_it_is_old_or_one_of_them_moves() -> None:
    exact = Ahead(100.0, 0.001, at_s=0.0)
    assert exact.better(Ahead(100.01, 0.02, at_s=10.0)) == exact
    assert exact.better(later := Ahead(100.01, 0.02, at_s=600.0)) == later
    assert exact.better(moved := Ahead(130.0, 0.02, at_s=10.0)) == moved
