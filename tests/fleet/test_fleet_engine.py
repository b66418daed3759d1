"""The queue of a fleet: what is asked of procrastinate, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import postgres_server
import pytest

from reconciler.errors import LedgerFailed
from reconciler.fleet.engine import JobOrder, Priority, ProcrastinateEngine, Pulse, Slots, make_tables
from reconciler.model.fleet import JobKind

QUICK = Pulse(poll_s=0.01, beat_s=0.05, stalled_s=0.3)
LONGEST_S = 60
ONE_EACH = Slots(1, 1)
DRIFT = JobOrder(JobKind.DRIFT, "acme/production")


@pytest.fixture
def url() -> str:
    return postgres_server.database("fleet_engine")


@asynccontextmanager
async def _working(
    engine: ProcrastinateEngine, run: Callable[[JobOrder], Coroutine[Any, Any, None]], slots: Slots = ONE_EACH
) -> AsyncIterator[None]:
    """Yield while an engine works, then drain it."""
    async with engine.opened():
        work = asyncio.create_task(engine.work(run, slots))
        try:
            yield
        finally:
            engine.drain()
            await asyncio.wait_for(work, LONGEST_S)


def _jobs(url: str) -> list[tuple[Any, ...]]:
    return postgres_server.ask("SELECT id, status::text, priority FROM procrastinate_jobs ORDER BY id", url=url)


def _stalled(url: str) -> None:
    """Let every worker have been silent for an hour."""
    postgres_server.ask("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'", url=url)


async def _until(true: Callable[[], bool]) -> None:
    """Return once a condition holds; TimeoutError where it does not in a minute."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


def test_an_order_like_one_that_waits_is_not_queued_again(url: str) -> None:
    async def queued() -> list[int]:
        engine = ProcrastinateEngine(url, "msp/production")
        async with engine.opened():
            one = await engine.defer([DRIFT, DRIFT, JobOrder(JobKind.DRIFT, "globex/production")])
            return [one, await engine.defer([DRIFT]), await engine.defer([JobOrder(JobKind.APPLY, DRIFT.account)])]

    assert asyncio.run(queued()) == [2, 0, 1]


def test_a_check_that_is_asked_for_is_queued_beside_the_scheduled_one_and_is_first(url: str) -> None:
    ran: list[JobOrder] = []

    async def run(order: JobOrder) -> None:
        ran.append(order)

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with engine.opened():
            await engine.defer([DRIFT])
            await engine.defer([JobOrder(JobKind.DRIFT, DRIFT.account, priority=Priority.SOON)])
        async with _working(engine, run):
            await _until(lambda: len(ran) == 2)

    asyncio.run(work())
    assert [order.priority for order in ran] == [Priority.SOON, Priority.CHECK]


def test_orders_that_two_queue_at_once_are_queued_once_and_the_others_are_not_lost(url: str) -> None:
    orders = [JobOrder(JobKind.DRIFT, f"account-{number}/production") for number in range(40)]

    async def queued() -> int:
        one, two = (ProcrastinateEngine(url, "msp/production") for _ in range(2))
        async with one.opened(), two.opened():
            return sum(await asyncio.gather(one.defer(orders), two.defer([*reversed(orders)])))

    assert asyncio.run(queued()) == 40
    assert len(_jobs(url)) == 40


def test_two_fleets_in_one_database_do_not_take_each_others_orders(url: str) -> None:
    ran: list[str] = []

    async def run(order: JobOrder) -> None:
        ran.append(order.account)

    async def work() -> None:
        ours, theirs = (ProcrastinateEngine(url, name, QUICK) for name in ("ours", "theirs"))
        async with theirs.opened():
            await theirs.defer([JobOrder(JobKind.DRIFT, "theirs")])
        async with _working(ours, run):
            await ours.defer([JobOrder(JobKind.DRIFT, "ours")])
            await _until(lambda: bool(ran))

    asyncio.run(work())
    assert ran == ["ours"]
    assert len(_jobs(url)) == 1


def test_an_account_has_one_job_at_a_time(url: str) -> None:
    running: list[JobOrder] = []
    most: list[int] = []

    async def run(order: JobOrder) -> None:
        running.append(order)
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(order)

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with _working(engine, run, Slots(2, 2)):
            for kind in (JobKind.DRIFT, JobKind.APPLY):
                await engine.defer([JobOrder(kind, DRIFT.account)])
            await engine.defer([JobOrder(JobKind.DRIFT, DRIFT.account, priority=Priority.SOON)])
            await _until(lambda: len(most) == 3)

    asyncio.run(work())
    assert most == [1, 1, 1]


def test_applies_leave_slots_to_checks(url: str) -> None:
    checked = asyncio.Event()

    async def run(order: JobOrder) -> None:
        if order.kind is JobKind.DRIFT:
            checked.set()
        await checked.wait()

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with engine.opened():
            await engine.defer([JobOrder(JobKind.APPLY, f"account-{n}", priority=Priority.APPLY) for n in range(9)])
            await engine.defer([DRIFT])
        async with _working(engine, run, Slots(1, 3)):
            await asyncio.wait_for(checked.wait(), LONGEST_S)

    asyncio.run(work())


def test_checks_leave_slots_to_applies(url: str) -> None:
    applied = asyncio.Event()

    async def run(order: JobOrder) -> None:
        if order.kind is JobKind.APPLY:
            applied.set()
        if order.account != "account-0":
            await asyncio.sleep(0)
            return
        await applied.wait()

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with engine.opened():
            await engine.defer([JobOrder(JobKind.DRIFT, f"account-{n}") for n in range(30)])
            await engine.defer([JobOrder(JobKind.APPLY, "acme", priority=Priority.APPLY)])
        async with _working(engine, run, Slots(1, 1)):
            await asyncio.wait_for(applied.wait(), LONGEST_S)

    asyncio.run(work())


def test_a_job_that_ends_badly_is_not_tried_again_and_nothing_is_kept_of_it(url: str) -> None:
    ran: list[JobOrder] = []

    async def run(order: JobOrder) -> None:
        ran.append(order)
        raise RuntimeError(order.account)

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with _working(engine, run):
            await engine.defer([DRIFT])
            await _until(lambda: bool(ran) and not _jobs(url))

    asyncio.run(work())
    assert len(ran) == 1


def test_draining_lets_the_jobs_that_run_end_and_begins_none(url: str) -> None:
    ended: list[str] = []

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        begun = asyncio.Event()

        async def run(order: JobOrder) -> None:
            begun.set()
            await asyncio.sleep(0.05)
            ended.append(order.account)

        async with engine.opened():
            await engine.defer([DRIFT])
        async with _working(engine, run, Slots(0, 1)):
            await begun.wait()
            await engine.defer([JobOrder(JobKind.DRIFT, "globex/production")])

    asyncio.run(work())
    assert ended == [DRIFT.account]
    assert [status for _, status, _ in _jobs(url)] == ["todo"]


def test_two_reapers_at_one_lost_job_queue_one_new_job(url: str) -> None:
    async def reaped() -> list[int]:
        one, two = (ProcrastinateEngine(url, "msp/production", QUICK) for _ in range(2))
        async with one.opened(), two.opened():
            await one.defer([JobOrder(JobKind.APPLY, DRIFT.account, priority=Priority.APPLY, rollout="7")])
            postgres_server.ask("INSERT INTO procrastinate_workers DEFAULT VALUES", url=url)
            _stalled(url)
            taken = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = w.id FROM procrastinate_workers w"
            postgres_server.ask(taken, url=url)
            return await asyncio.gather(one.reap(), two.reap())

    found = asyncio.run(reaped())
    assert sorted(found) == [0, 1]
    # Not the lost job again: another one, whose end the lost worker cannot tell.
    ((number, status, priority),) = _jobs(url)
    assert (number > 1, status, priority) == (True, "todo", 100)


def test_the_job_of_a_worker_that_is_alive_is_not_reaped(url: str) -> None:
    async def work() -> int:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        begun, end = asyncio.Event(), asyncio.Event()

        async def run(_: JobOrder) -> None:
            begun.set()
            await end.wait()

        async with _working(engine, run):
            await engine.defer([DRIFT])
            await begun.wait()
            found = await engine.reap()
            end.set()
        return found

    assert asyncio.run(work()) == 0


def test_work_goes_on_after_the_tables_were_emptied(url: str, caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []

    async def run(order: JobOrder) -> None:
        ran.append(order.account)

    async def work() -> None:
        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        async with _working(engine, run):
            await engine.defer([DRIFT])
            await _until(lambda: len(ran) == 1)
            postgres_server.ask(
                "TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE", url=url
            )
            await engine.defer([DRIFT])
            await _until(lambda: len(ran) == 2)

    asyncio.run(work())
    assert "rows of the queue are gone" in caplog.text


def test_the_tables_are_made_once_whoever_comes_first(url: str) -> None:
    async def made() -> None:
        await asyncio.gather(*(asyncio.to_thread(make_tables, url) for _ in range(4)))

    asyncio.run(made())
    assert _jobs(url) == []


def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    engine = ProcrastinateEngine("postgresql://ana:hunter2@127.0.0.1:1/state", "msp/production")

    async def opened() -> None:
        async with engine.opened():
            pass

    with pytest.raises(LedgerFailed) as caught:
        asyncio.run(opened())
    assert "postgresql://127.0.0.1:1/state: it cannot be reached" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_two_workers_tick_once_a_minute(url: str) -> None:
    ticks: list[int] = []

    def ticking(number: int) -> ProcrastinateEngine:
        async def tick() -> None:
            ticks.append(number)

        engine = ProcrastinateEngine(url, "msp/production", QUICK)
        engine.tick(tick)
        return engine

    async def run(_: JobOrder) -> None:
        """Do nothing."""

    async def work() -> None:
        async with _working(ticking(1), run), _working(ticking(2), run):
            await _until(lambda: bool(ticks))
        minutes = postgres_server.ask("SELECT count(*) FROM procrastinate_periodic_defers", url=url)
        # Begun within a minute, as a rule; across its end there may be two.
        assert len(ticks) <= 2 >= minutes[0][0]

    asyncio.run(work())
