"""A worker of a fleet on a real queue and table, with jobs that the test does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import postgres_server
import pytest

from reconciler.clock import RealClock
from reconciler.fleet.engine import JobOrder, ProcrastinateEngine, Pulse, Slots
from reconciler.fleet.job import Job, Stopper
from reconciler.fleet.rollout import Ground
from reconciler.fleet.table import FleetTable, open_table
from reconciler.fleet.worker import Change, Worker
from reconciler.fleet.workers import Workers
from reconciler.model.fleet import AccountState, JobKind, JobResult
from reconciler.pipeline.resources import NOWHERE, Origin, real_clock
from reconciler.settings import Options, read_settings

QUICK = Pulse(poll_s=0.01, beat_s=0.05, stalled_s=0.5)
LONGEST_S = 60
PROJECT = """\
project: msp
fleet: {accounts: accounts/*, environment: production}
environments:
  production:
    base_url: http://127.0.0.1:1
    client_id: "{account}"
    client_secret: ${AP_CLIENT_SECRET}
    state: ${RECONCILER_STATE}
"""
NAMES = ("acme", "globex", "initech")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.yaml").write_text(PROJECT)
    for name in NAMES:
        (tmp_path / "accounts" / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def url() -> str:
    return postgres_server.database("fleet_worker")


def _ground(folder: Path, url: str, origin: Origin = NOWHERE) -> Ground:
    variables = {"AP_CLIENT_SECRET": "local", "RECONCILER_STATE": url}
    settings = read_settings(Options(), variables=variables, cwd=folder)
    return Ground(settings, settings.fleet(), origin)


def _in_sync(job: Job, _: Stopper) -> JobResult:
    now = real_clock().now()
    return JobResult(job.account.name, job.kind, AccountState.IN_SYNC, 0, now, now, customers=7)


@asynccontextmanager
async def _serving(
    folder: Path,
    url: str,
    work: Callable[[Job, Stopper], JobResult] = _in_sync,
    changed: Callable[[object], None] = lambda _: None,
    origin: Origin = NOWHERE,
    ended: Callable[[JobResult, float], None] = lambda _, __: None,
) -> AsyncIterator[tuple[Worker, ProcrastinateEngine, FleetTable]]:
    """Yield a worker that serves, with its queue and its table; drained afterwards."""
    ground = _ground(folder, url)
    with open_table(ground.settings, "production") as table:
        engine = ProcrastinateEngine(url, table.name, QUICK)
        worker = Worker(
            lambda: _ground(folder, url, origin),
            table,
            engine,
            real_clock(),
            slots=Slots(1, 2),
            ended=ended,
            changed=changed,
            work=work,
        )
        async with engine.opened():
            serving = asyncio.create_task(worker.serve())
            try:
                yield worker, engine, table
            finally:
                worker.drain()
                await asyncio.wait_for(serving, LONGEST_S)


async def _until(true: Callable[[], bool]) -> None:
    """Return once a condition holds; TimeoutError where it does not in a minute."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            if await asyncio.to_thread(true):
                return
            await asyncio.sleep(0.01)


def _checked(table: FleetTable) -> set[str]:
    return {name for name, one in table.statuses().items() if one.state is AccountState.IN_SYNC}


def test_each_account_that_is_due_is_checked_and_no_other(folder: Path, url: str) -> None:
    (folder / "accounts" / "initech" / "account.yaml").write_text("suspend: true\n")

    async def work() -> None:
        async with _serving(folder, url) as (_, _, table):
            await _until(lambda: _checked(table) == {"acme", "globex"})
            assert table.statuses()["acme"].customers == 7

    asyncio.run(work())


def test_with_the_queue_emptied_what_is_due_is_checked_after_the_next_tick(folder: Path, url: str) -> None:
    async def work() -> None:
        async with _serving(folder, url) as (worker, _, table):
            await _until(lambda: _checked(table) == set(NAMES))
            former = {name: one.checked_at for name, one in table.statuses().items()}
            table.make_due(NAMES, 0.0)
            emptied = "TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers CASCADE"
            postgres_server.ask(emptied, url=url)
            await worker.tick()
            await _until(lambda: all(one.checked_at > former[name] for name, one in table.statuses().items()))

    asyncio.run(work())


def test_a_job_whose_account_was_checked_meanwhile_does_nothing(folder: Path, url: str) -> None:
    ran: list[str] = []

    def work(job: Job, stopper: Stopper) -> JobResult:
        ran.append(job.account.name)
        return _in_sync(job, stopper)

    async def served() -> None:
        async with _serving(folder, url, work) as (worker, _, table):
            await _until(lambda: _checked(table) == set(NAMES))
            await worker.run(JobOrder(JobKind.DRIFT, "acme"))

    asyncio.run(served())
    assert sorted(ran) == sorted(NAMES)


def test_an_account_that_is_asked_for_is_checked_though_it_is_not_due(folder: Path, url: str) -> None:
    async def served() -> None:
        async with _serving(folder, url) as (worker, _, table):
            await _until(lambda: _checked(table) == set(NAMES))
            former = table.statuses()["acme"].checked_at
            assert await asyncio.to_thread(worker.ask, "acme")
            assert not await asyncio.to_thread(worker.ask, "nobody")
            await _until(lambda: table.statuses()["acme"].checked_at > former)

    asyncio.run(served())


def test_an_account_that_fails_is_recorded_and_keeps_no_other_from_its_check(folder: Path, url: str) -> None:
    def work(job: Job, stopper: Stopper) -> JobResult:
        if job.account.name != "globex":
            return _in_sync(job, stopper)
        now = real_clock().now()
        return JobResult("globex", job.kind, AccountState.FAILED, 1, now, now, error="Forbidden", message="no")

    changes: list[Change] = []

    async def served() -> None:
        async with _serving(folder, url, work, changes.extend) as (_, _, table):
            await _until(lambda: {one.state for one in table.statuses().values()} >= {AccountState.FAILED})
            await _until(lambda: _checked(table) == {"acme", "initech"})

    asyncio.run(served())
    # Told at the end at the latest, each once.
    assert {(now.account, now.state.value) for _, now in changes} == {
        ("acme", "in_sync"),
        ("globex", "failed"),
        ("initech", "in_sync"),
    }


def test_a_worker_that_is_to_drain_ends_after_the_jobs_that_run(folder: Path, url: str) -> None:
    begun, end = threading.Event(), threading.Event()

    def work(job: Job, stopper: Stopper) -> JobResult:
        begun.set()
        end.wait(LONGEST_S)
        return _in_sync(job, stopper)

    async def served() -> None:
        async with _serving(folder, url, work) as (worker, _, table):
            await asyncio.to_thread(begun.wait, LONGEST_S)
            workers = Workers(table.store, table.name)
            await _until(lambda: [one.name for one in workers.all()] == [worker.name])
            workers.drain([worker.name])
            await _until(lambda: worker.draining)
            assert [one.name for one in workers.all()] == [worker.name]
            end.set()
            await _until(lambda: workers.all() == [])

    asyncio.run(served())


HANGING = """
import asyncio, sys, threading
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_fleet_worker import _serving
def work(job, stopper):
    print(job.account.name, flush=True)
    threading.Event().wait()
async def main():
    async with _serving(Path({folder!r}), {url!r}, work):
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.real_time
def test_the_jobs_of_a_worker_that_was_killed_are_done_by_another(folder: Path, url: str) -> None:
    tests = str(Path(__file__).parent)
    code = HANGING.format(tests=tests, folder=str(folder), url=url)
    paths = {"PYTHONPATH": ":".join([tests, str(Path(tests).parent), *sys.path])}
    killed = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=paths)
    try:
        assert killed.stdout is not None
        begun = {killed.stdout.readline().strip() for _ in range(3)}
    finally:
        killed.kill()
        killed.communicate()

    async def served() -> None:
        async with _serving(folder, url) as (_, _, table):
            await _until(lambda: _checked(table) == set(NAMES))

    asyncio.run(served())
    assert begun == set(NAMES)


class Ahead(RealClock):
    """The machine's clock, some seconds ahead."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_s = ahead_s

    def now(self) -> float:
        return super().now() + self._ahead_s


def test_workers_whose_clocks_differ_by_a_minute_check_each_account_once_and_leave_none(folder: Path, url: str) -> None:
    # Seldom enough for no account to be due again by chance while this runs.
    (folder / "reconciler.yaml").write_text(PROJECT.replace("production}", "production, every: 10000h}"))
    ran: list[str] = []
    ahead, behind = Ahead(60.0), Ahead(0.0)

    def made(clock: Ahead, table: FleetTable, engine: ProcrastinateEngine) -> Worker:
        def work(job: Job, _: Stopper) -> JobResult:
            ran.append(job.account.name)
            return JobResult(job.account.name, job.kind, AccountState.IN_SYNC, 0, clock.now(), clock.now())

        return Worker(lambda: _ground(folder, url), table, engine, clock, slots=Slots(1, 2), work=work)

    async def served() -> None:
        async with AsyncExitStack() as stack:
            table = stack.enter_context(open_table(_ground(folder, url).settings, "production"))
            workers, serving = [], []
            for clock in (ahead, behind):
                engine = ProcrastinateEngine(url, table.name, QUICK)
                await stack.enter_async_context(engine.opened())
                workers.append(made(clock, table, engine))
                serving.append(asyncio.create_task(workers[-1].serve()))
            await _until(lambda: _checked(table) == set(NAMES))
            for worker in workers:
                await worker.tick()
            # Due by the clock that is ahead, and begun by the other; then it is due no more.
            table.make_due(["acme"], ahead.now())
            await workers[1].run(JobOrder(JobKind.DRIFT, "acme"))
            await workers[0].run(JobOrder(JobKind.DRIFT, "acme"))
            for worker in workers:
                worker.drain()
            await asyncio.wait_for(asyncio.gather(*serving), LONGEST_S)

    asyncio.run(served())
    assert sorted(ran) == sorted([*NAMES, "acme"])
