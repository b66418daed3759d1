"""
The queue of a fleet that several machines work on: `Engine`, five verbs, and procrastinate behind them.

The queue is a hint. What is due is in the fleet's table, what was done in the ledgers, and no two write to one account
because a ledger has a lease. So nothing is lost with the queue, a job may run twice, and the engine retries nothing.
Only public calls of procrastinate are used, and `tests/fleet/test_fleet_engine.py` holds it to what they do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from itertools import chain, repeat
from typing import Protocol

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status

from reconciler.errors import LedgerFailed
from reconciler.ledger.postgres.session import DatabaseError, DatabaseSession, failed, ledger_errors
from reconciler.model.fleet import JobKind

log = logging.getLogger(__name__)


class Priority(IntEnum):
    """Which job begins first, where several wait."""

    CHECK = 0
    SOON = 50
    APPLY = 100
    TICK = 1000


@dataclass(frozen=True, slots=True)
class JobOrder:
    """A job of an account, asked for; it begins at `at` or later, in seconds since 1970. `rollout` is of an apply."""

    kind: JobKind
    account: str
    at: float = 0.0
    priority: Priority = Priority.CHECK
    rollout: str = ""

    @property
    def prompt(self) -> bool:
        """Say whether it was asked for, and runs though the account is not due."""
        return self.priority > Priority.CHECK


@dataclass(frozen=True, slots=True)
class Slots:
    """How many jobs a process runs at once: `checks` of drift alone, and `any` of any kind, so that neither starves."""

    checks: int = 8
    any: int = 12

    @property
    def all(self) -> int:
        """Return how many they are."""
        return self.checks + self.any


@dataclass(frozen=True, slots=True)
class Pulse:
    """Seconds: between two looks at the queue, between two signs of life, and without one until a worker is dead."""

    poll_s: float = 1.0
    beat_s: float = 10.0
    stalled_s: float = 30.0


Run = Callable[[JobOrder], Awaitable[None]]
Tick = Callable[[], Awaitable[None]]


class Engine(Protocol):
    """What the workers of a fleet need of a queue."""

    async def defer(self, orders: Iterable[JobOrder]) -> int:
        """Queue the orders of which none like them waits, and return how many; LedgerFailed where it cannot."""

    def tick(self, tick: Tick) -> None:
        """Have `tick` called each minute, in one worker of all."""

    async def work(self, run: Run, slots: Slots) -> None:
        """Run orders, one of an account at a time, until `drain` is called and those that run have ended."""

    async def reap(self) -> int:
        """End the jobs of workers that died, and queue new ones; return how many."""

    def drain(self) -> None:
        """Let this process begin no further job."""


_JOB, _TICK = "reconciler.job", "reconciler.tick"
_APPLIES, _CHECKS, _TICKS = "apply", "check", "tick"
_LONGEST_QUEUE = 100
"""Characters of a fleet's name in the name of a queue, which has 128."""
_LOST_S = 1.0
"""After so long without an end, a worker of the queue without a job has lost that it was to end."""
_RESTART_S = (1.0, 2.0, 5.0, 10.0)
_SIZE = 4


class ProcrastinateEngine:
    """
    The engine on the database that has the ledgers; `fleet` names whose queues these are, as a database may have many.

    `opened` makes it usable. Times are the database's: clocks of workers may differ.
    """

    def __init__(self, url: str, fleet: str, pulse: Pulse = Pulse()) -> None:
        session = DatabaseSession(url)
        self.place = session.place
        self._url, self._fleet, self._pulse = url, fleet[:_LONGEST_QUEUE], pulse
        # One object of the pool for all: jobs run elsewhere, and take no connection of these.
        self._app = App(
            connector=PsycopgConnector(kwargs=dict(session.arguments), min_size=1, max_size=_SIZE, timeout=30.0),
        )
        self._run: Run | None = None
        self._jobs = 0
        self._drained = asyncio.Event()
        self._tick: Tick | None = None
        self._app.task(name=_JOB)(self._ran)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Make its tables where there are none, and hold its connections; LedgerFailed where it cannot."""
        await asyncio.to_thread(make_tables, self._url)
        async with self._app.open_async():
            yield

    async def defer(self, orders: Iterable[JobOrder]) -> int:
        """Queue the orders of which none like them waits, and return how many; LedgerFailed where it cannot."""
        try:
            return await self._deferred(orders)
        except ConnectorException as error:
            raise LedgerFailed(self._why(error), "it is tried again while a worker runs") from error

    async def _deferred(self, orders: Iterable[JobOrder]) -> int:
        """Queue the orders of which none like them waits, and return how many."""
        jobs = {job.queueing_lock: job for job in map(self._job, orders)}
        for queue in {job.queue for job in jobs.values()}:
            for waiting in await self._app.job_manager.list_jobs_async(queue=queue, status=Status.TODO.value):
                jobs.pop(waiting.queueing_lock, None)
        # In one order for all who queue: two that queue the same jobs at once would else wait for each other.
        return await self._queued([job for _, job in sorted(jobs.items(), key=lambda row: str(row[0]))])

    def tick(self, tick: Tick) -> None:
        """Have `tick` called each minute, in one worker of all."""
        self._tick = tick
        task = self._app.task(name=_TICK, queue=self._queue(_TICKS), priority=Priority.TICK)(self._ticked)
        # One of an identity and a minute is made in all workers, and none where the one before still waits.
        self._app.periodic(cron="* * * * *", periodic_id=self._fleet)(task)

    async def work(self, run: Run, slots: Slots) -> None:
        """Run orders, one of an account at a time, until `drain` is called and those that run have ended."""
        self._run = run
        shared = ([_CHECKS, _TICKS], slots.checks), ([_TICKS, _APPLIES, _CHECKS], slots.any)
        works = [asyncio.create_task(self._kept(names, size)) for names, size in shared if size]
        reaper = asyncio.create_task(self._reaping())
        try:
            await asyncio.gather(*works)
        finally:
            for one in (*works, reaper):
                one.cancel()
            await asyncio.gather(*works, reaper, return_exceptions=True)

    async def reap(self) -> int:
        """
        End the jobs of workers that died, and queue new ones; return how many.

        Never by a retry of the same job: a second reaper would put back one that runs again. Of two, one finds that
        the job has ended. One that dies between the two steps leaves an account that the next tick finds due.
        """
        found = 0
        for queue in map(self._queue, (_APPLIES, _CHECKS, _TICKS)):
            jobs = await self._app.job_manager.get_stalled_jobs(
                queue=queue, seconds_since_heartbeat=self._pulse.stalled_s
            )
            for job in jobs:
                found += await self._replaced(job)
        return found

    def drain(self) -> None:
        """Let this process begin no further job."""
        self._drained.set()

    async def _queued(self, jobs: list[QueuedJob]) -> int:
        """Queue jobs all at once, or in halves where someone has queued one like them meanwhile; return how many."""
        if not jobs:
            return 0
        try:
            return len(await self._app.job_manager.batch_defer_jobs_async(jobs))
        except AlreadyEnqueued:
            half = len(jobs) // 2
            return await self._queued(jobs[:half]) + await self._queued(jobs[half:]) if half else 0

    def _job(self, order: JobOrder) -> QueuedJob:
        """Return an order as it is queued."""
        like = f"{order.kind.value}:{'soon:' if order.prompt else ''}{order.account}"
        return QueuedJob(
            task_name=_JOB,
            queue=self._queue(_APPLIES if order.kind is JobKind.APPLY else _CHECKS),
            priority=order.priority,
            lock=f"{self._fleet}:{order.account}",
            queueing_lock=f"{self._fleet}:{like}",
            scheduled_at=datetime.fromtimestamp(order.at, UTC) if order.at else None,
            task_kwargs={
                "kind": order.kind.value,
                "account": order.account,
                "rollout": order.rollout,
                "priority": int(order.priority),
            },
        )

    async def _replaced(self, job: QueuedJob) -> bool:
        """End a job and queue another in its place; False where someone else has ended it."""
        try:
            await self._app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
        except ConnectorException:
            return False
        if job.task_name != _JOB:
            return False  # a tick: the next comes within a minute
        log.warning("the worker of %s died: it is queued again", _named(job))
        return bool(await self._queued([self._job(_order(job))]))

    async def _kept(self, names: list[str], size: int) -> None:
        """Work on queues, again after each failure, until drained; the jobs that run end before."""
        pauses = chain(_RESTART_S, repeat(_RESTART_S[-1]))
        while not self._drained.is_set():
            working = asyncio.create_task(
                self._app.run_worker_async(
                    queues=[self._queue(name) for name in names],
                    concurrency=size,
                    install_signal_handlers=False,
                    listen_notify=False,
                    delete_jobs="always",
                    fetch_job_polling_interval=self._pulse.poll_s,
                    update_heartbeat_interval=self._pulse.beat_s,
                    stalled_worker_timeout=self._pulse.stalled_s,
                )
            )
            drained = asyncio.create_task(self._drained.wait())
            try:
                await asyncio.wait({working, drained}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                drained.cancel()
                ended = await self._ended(working)
            if not self._drained.is_set():
                # The database was away, or its tables were emptied: all that they knew is in the fleet's table.
                pause = next(pauses)
                log.warning("the queue cannot be worked on: %s; trying again in %g s", self._why(ended), pause)
                await self._paused(pause)

    async def _ended(self, working: asyncio.Task[None]) -> BaseException | None:
        """Let a worker of the queue end after the jobs that run, and return what ended it."""
        working.cancel()  # it lets the jobs that run end
        while not (await asyncio.wait({working}, timeout=_LOST_S))[0]:
            # One that has just begun may lose it, in a call to the database; a second one would end jobs that run.
            if not self._jobs:
                working.cancel()
        (ended,) = await asyncio.gather(working, return_exceptions=True)
        return ended

    async def _reaping(self) -> None:
        """Reap as often as a worker gives a sign of life."""
        while not self._drained.is_set():
            try:
                await self.reap()
            except ConnectorException as exc:
                log.warning("jobs of dead workers cannot be looked for: %s", self._why(exc))
            await self._paused(self._pulse.beat_s)

    async def _paused(self, seconds: float) -> None:
        """Wait, no longer than until drained."""
        drained = asyncio.create_task(self._drained.wait())
        await asyncio.wait({drained}, timeout=seconds)
        drained.cancel()

    async def _ran(self, kind: str, account: str, rollout: str, priority: int) -> None:
        """Run a job that was fetched."""
        if self._run is None:
            return
        self._jobs += 1
        try:
            await self._run(JobOrder(JobKind(kind), account, priority=Priority(priority), rollout=rollout))
        finally:
            self._jobs -= 1

    async def _ticked(self, timestamp: int) -> None:  # noqa: ARG002 - what a periodic task is given
        if self._tick is not None:
            await self._tick()

    def _why(self, error: object) -> str:
        """Return why the database did not do what it was asked."""
        cause = getattr(error, "__cause__", None) or error
        if (getattr(cause, "sqlstate", None) or "").startswith("23"):
            return f"{self.place}: rows of the queue are gone, such as this worker's own"
        return str(failed(self.place, cause)) if isinstance(cause, DatabaseError) else type(cause).__name__

    def _queue(self, name: str) -> str:
        """Return the name of one of the fleet's queues."""
        return f"{self._fleet}:{name}"


def make_tables(url: str) -> None:
    """Make the tables of procrastinate in a database, in the user's schema, where there are none; else LedgerFailed."""
    session = DatabaseSession(url)
    try:
        with ledger_errors(session.place), session.plain() as connection, connection.transaction():
            # Two workers may begin at once.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TABLES_LOCK,))
            if connection.execute("SELECT to_regclass('procrastinate_jobs') IS NULL").fetchone() == (True,):
                connection.execute(App(connector=PsycopgConnector()).schema_manager.get_schema())
    finally:
        session.close()


_TABLES_LOCK = 0x5265636F


def _order(job: QueuedJob) -> JobOrder:
    """Return the order that a job was queued for, to begin at once."""
    given = job.task_kwargs
    return JobOrder(
        JobKind(str(given["kind"])),
        str(given["account"]),
        priority=Priority(int(str(given["priority"]))),
        rollout=str(given["rollout"]),
    )


def _named(job: QueuedJob) -> str:
    """Return a job in words."""
    return f"{job.task_kwargs.get('kind')} {job.task_kwargs.get('account')}"
