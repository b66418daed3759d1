"""
A worker of a fleet: it takes accounts that are due from the queue, and writes to the fleet's table what it found.

Several do so at once, on any machines. What is due and what was found is in the table alone: whoever empties the queue
loses nothing, and a worker that is killed leaves accounts that are still due.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from reconciler.clock import Clock
from reconciler.errors import ReconcilerError
from reconciler.fleet.engine import Engine, JobOrder, Priority, Slots
from reconciler.fleet.job import Job, Stopper, is_big, run_job
from reconciler.fleet.pool import GAP_S, MOST_BIG, Breaker
from reconciler.fleet.table import FleetTable, Store, is_due
from reconciler.ledger.lock import this_process
from reconciler.model.fleet import AccountStatus, FleetAccount, JobKind, JobResult
from reconciler.model.reports import Rule
from reconciler.pipeline.resources import NOWHERE, Origin
from reconciler.report.fleet_page import FleetStatus
from reconciler.settings import Settings
from reconciler.settings.fleet import Fleet

log = logging.getLogger(__name__)

TICK_S = 60.0
"""How far ahead a tick looks: to the next one."""
BEAT_S = 2.0
"""Between two looks at whether this worker is to drain, each of which shows that it is alive."""
DEAD_S = 60.0
"""A worker that has shown no sign of life for that many seconds is dead."""
HEALTHY_S = 30.0
"""A worker whose database has not answered for longer is not ready."""
_AHEAD_S = 120.0
"""A check that is due later was done meanwhile; clocks of workers may differ by less."""
_RECORD_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits between attempts to write a result: a database may be away for a while."""

Change = tuple[AccountStatus, AccountStatus]
"""What was known of an account before a job, and after it."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ground:
    """What jobs are made of: read again at each tick, as files change under a worker."""

    settings: Settings = field(repr=False)
    fleet: Fleet
    origin: Origin = NOWHERE
    rules: tuple[Rule, ...] = ()


# --- which workers there are --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker: its host, how many jobs it runs, when it was seen, in seconds since 1970, and whether it drains."""

    name: str
    host: str
    running: int
    seen_at: float
    draining: bool


_SEEN = (
    "INSERT INTO fleet_workers (fleet, worker, host, running, seen_at, draining) VALUES (?, ?, ?, ?, ?, 0) "
    "ON CONFLICT (fleet, worker) DO UPDATE SET running = excluded.running, seen_at = excluded.seen_at"
)
_GONE = "DELETE FROM fleet_workers WHERE fleet = ? AND worker = ?"
_DEAD = "DELETE FROM fleet_workers WHERE fleet = ? AND seen_at < ?"
_DRAIN = "UPDATE fleet_workers SET draining = 1 WHERE fleet = ? AND worker = ?"
_WORKERS = "SELECT worker, host, running, seen_at, draining FROM fleet_workers WHERE fleet = ? ORDER BY worker"


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a fleet, in its table."""

    store: Store
    fleet: str

    def seen(self, name: str, running: int, now: float) -> bool:
        """Write that a worker is alive, and return whether it is to drain."""
        self.store.write([(_SEEN, [(self.fleet, name, platform.node(), running, now)])])
        return any(one.draining for one in self.all() if one.name == name)

    def gone(self, name: str) -> None:
        """Write that a worker has ended."""
        self.store.write([(_GONE, [(self.fleet, name)])])

    def all(self) -> list[WorkerRow]:
        """Return the workers that have not ended, dead ones too."""
        rows = self.store.rows(_WORKERS, self.fleet)
        return [
            WorkerRow(name, host, running, seen_at, bool(draining)) for name, host, running, seen_at, draining in rows
        ]

    def drain(self, names: Collection[str]) -> None:
        """Have workers begin no further job, and end once those that run have ended."""
        self.store.write([(_DRAIN, [(self.fleet, name) for name in names])])

    def forget_dead(self, now: float) -> None:
        """Forget workers that are dead."""
        self.store.write([(_DEAD, [(self.fleet, now - DEAD_S)])])


# --- one worker ---------------------------------------------------------------------------------------


def _nothing(*_: object) -> None:
    """Do nothing."""


class Worker:
    """
    A worker of a fleet.

    `read` gives what jobs are made of, and raises ReconcilerError where files cannot be read. `ended` takes each
    result that was written, and how late its job began, in seconds; `changed` what jobs since the last tick have
    changed. Both are called in the loop's thread. Each tick calls `notify`, in a thread of its own.
    """

    def __init__(
        self,
        read: Callable[[], Ground],
        table: FleetTable,
        engine: Engine,
        clock: Clock,
        *,
        slots: Slots,
        ended: Callable[[JobResult, float], None] = _nothing,
        changed: Callable[[Sequence[Change]], None] = _nothing,
        notify: Callable[[], None] = _nothing,
        work: Callable[[Job, Stopper], JobResult] = run_job,
    ) -> None:
        self._read, self._table, self._engine, self._clock = read, table, engine, clock
        self._slots, self._ended, self._changed, self._work = slots, ended, changed, work
        self._notify = notify
        self.ground = read()
        self.name = f"{this_process()} {id(self):x}"
        self.draining = False
        self.running: set[str] = set()
        self.answered_at = 0.0
        self._workers = Workers(table.store, table.name)
        self._accounts: dict[str, FleetAccount] = {}
        self._changes: list[Change] = []
        self._breaker = Breaker()
        self._next_start = 0.0
        self._told_at = clock.now()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def environment(self) -> str:
        """Return the environment that the fleet's accounts share."""
        return self.ground.fleet.environment

    async def serve(self) -> None:
        """Work until drained."""
        self._loop = asyncio.get_running_loop()
        if self.draining:
            return
        self._big = asyncio.Semaphore(MOST_BIG)
        self._begin_all(self.ground)
        self._engine.tick(self.tick)
        with ThreadPoolExecutor(self._slots.all, thread_name_prefix="account") as self._threads:
            beating = asyncio.create_task(self._beating())
            try:
                await self._engine.work(self.run, self._slots)
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
        with suppress(ReconcilerError):
            await asyncio.to_thread(self._workers.gone, self.name)
        self._tell()

    def drain(self) -> None:
        """Begin no further job; any thread, and a signal's handler, may call it."""
        self.draining = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._engine.drain)

    def healthy(self) -> bool:
        """Say whether the database answered a moment ago."""
        return self._clock.now() - self.answered_at < HEALTHY_S

    def status(self) -> FleetStatus:
        """Return what is known of the accounts; any thread may ask."""
        ground, now = self.ground, self._clock.now()
        rows = self._table.statuses()
        labels = {one.name: one.labels for one in ground.fleet.accounts}
        return FleetStatus(self.environment, ground.settings.project, tuple(rows.values()), now, labels)

    def ask(self, account: str) -> bool:
        """
        Let an account be checked soon, and return whether there is such an account; from another thread than the loop.

        It is due from now on whatever becomes of the queue. ReconcilerError where the table cannot be written.
        """
        if self._loop is None:
            raise ReconcilerError("the worker has not begun", "try again later")
        if account not in self._accounts:
            return False
        self._table.make_due([account], self._clock.now())
        order = JobOrder(JobKind.DRIFT, account, priority=Priority.SOON)
        asyncio.run_coroutine_threadsafe(self._deferred([order]), self._loop).result(_ASK_S)
        return True

    async def tick(self) -> None:
        """Queue what is due until the next tick."""
        try:
            self._begin_all(await asyncio.to_thread(self._read))
        except ReconcilerError as error:
            log.warning("the files cannot be read, and the former settings are used: %s", error)
        now = self._clock.now()
        await asyncio.to_thread(self._table.put_accounts, list(self._accounts.values()))
        statuses = await asyncio.to_thread(self._table.statuses)
        due = [
            (status.next_due if status else 0.0, account.name)
            for account in self._accounts.values()
            if is_due(account, status := statuses.get(account.name), now + TICK_S)
        ]
        count = await self._deferred([JobOrder(JobKind.DRIFT, name, at=at) for at, name in sorted(due)])
        log.info("tick: %d due, %d of them queued now", len(due), count)
        await asyncio.to_thread(self._table.count_day, now)
        await asyncio.to_thread(self._workers.forget_dead, now)
        await asyncio.to_thread(self._notify)

    async def run(self, order: JobOrder) -> None:
        """Do a job that the queue gave; nothing where it is not due any more."""
        account = self._accounts.get(order.account) or await self._found(order.account)
        if account is None or account.suspended:
            return
        status = await asyncio.to_thread(self._table.status, account)
        now = self._clock.now()
        if not order.prompt and status.next_due > now + _AHEAD_S:
            return
        if not self._breaker.may_begin(account.name, self._clock.monotonic()):
            return  # it is still due, and the next tick queues it again
        self.running.add(account.name)
        try:
            await self._spread()
            result = await self._worked(order, account, status)
        finally:
            self.running.discard(account.name)
        if self._breaker.take(result, self._clock.monotonic()):
            pause_s = self._breaker.until_s - self._clock.monotonic()
            log.warning("the API does not answer: no job begins for %.0f s", pause_s)
        if self._breaker.gave_up:
            self._breaker = Breaker()
        former, now_known = await self._kept(lambda: self._table.record(result, account))
        if former.state is not now_known.state:
            self._changes.append((former, now_known))
        self._ended(result, max(now - status.next_due, 0.0) if status.next_due else 0.0)

    async def _worked(self, order: JobOrder, account: FleetAccount, status: AccountStatus) -> JobResult:
        """Do a job in a thread of its own."""
        ground = self.ground
        big = await asyncio.to_thread(is_big, ground.settings.root, account, status.customers)
        job = Job(order.kind, account, ground.settings, ground.origin, ground.rules, big=big)
        if not big:
            return await self._in_thread(job)
        async with self._big:
            return await self._in_thread(job)

    async def _in_thread(self, job: Job) -> JobResult:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, self._work, job, Stopper())

    async def _spread(self) -> None:
        """Wait for this job's turn to begin: all read their files first, which takes the interpreter from others."""
        now_s = self._clock.monotonic()
        self._next_start = max(self._next_start, now_s) + GAP_S
        await self._clock.sleep(self._next_start - GAP_S - now_s)

    async def _found(self, name: str) -> FleetAccount | None:
        """Return an account that another worker knows already."""
        with suppress(ReconcilerError):
            self._begin_all(await asyncio.to_thread(self._read))
        return self._accounts.get(name)

    async def _deferred(self, orders: Sequence[JobOrder]) -> int:
        return await self._engine.defer(orders)

    async def _kept(self, write: Callable[[], Result]) -> Result:
        """Write to the table, again where the database is away; the last error where it stays away."""
        for wait_s in _RECORD_S:
            try:
                return await asyncio.to_thread(write)
            except ReconcilerError as error:
                log.warning("a result cannot be written yet: %s", error)
                await self._clock.sleep(wait_s)
        return await asyncio.to_thread(write)

    async def _beating(self) -> None:
        """Show that this worker is alive, and look whether it is to drain."""
        while True:
            try:
                now = self._clock.now()
                if await asyncio.to_thread(self._workers.seen, self.name, len(self.running), now):
                    self.drain()
                self.answered_at = now
            except ReconcilerError as error:
                log.warning("the fleet's table cannot be reached: %s", error)
            if self._clock.now() >= self._told_at + TICK_S:
                self._tell()
            await self._clock.sleep(BEAT_S)

    def _begin_all(self, ground: Ground) -> None:
        """Take what was read."""
        self.ground = ground
        self._accounts = {one.name: one for one in ground.fleet.accounts}

    def _tell(self) -> None:
        """Hand on what has changed, all at once."""
        self._told_at = self._clock.now()
        changes, self._changes = self._changes, []
        if changes:
            self._changed(changes)


_ASK_S = 10.0
