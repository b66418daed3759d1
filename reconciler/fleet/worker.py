"""
A worker of a fleet: it takes accounts from the queue that are due or are to be applied, and writes what became of them.

Several do so at once, on any machines. What is due, what a rollout has left and what was found is in the table alone:
whoever empties the queue loses nothing, and a worker that is killed leaves accounts that are still due, or still open
in their rollout. One worker of all drives the rollout; another one takes over from it where it shows no sign of life.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from itertools import count as numbers
from typing import TypeVar

from reconciler.clock import Clock
from reconciler.errors import LedgerFailed, ReconcilerError
from reconciler.fleet.engine import Engine, JobOrder, Priority, Slots
from reconciler.fleet.job import Job, Stopper, run_job
from reconciler.fleet.pool import GAP_S, MOST_BIG, Breaker
from reconciler.fleet.rollout import ENDED, STUCK_S, Ground, Surroundings, begin_item, item_after, run_rollout
from reconciler.fleet.rollouts import Rollouts
from reconciler.fleet.table import FleetTable, is_due
from reconciler.fleet.workers import FORGOTTEN_S, Signs, Workers
from reconciler.ledger.lock import this_process
from reconciler.model.fleet import (
    AccountStatus,
    FleetAccount,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.report.fleet_page import FleetStatus
from reconciler.report.layout import count
from reconciler.report.rollout import wave_text

log = logging.getLogger(__name__)

TICK_S = 60.0
"""How far ahead a tick looks: to the next one."""
BEAT_S = 2.0
"""Between two looks at whether this worker is to drain, each of which shows that it is alive."""
AGAIN_S = 15.0
"""So often a driver queues the accounts of a wave again that have not ended: the queue may have lost them."""
MOST_ATTEMPTS = 5
"""An account whose worker has died that often is not tried again."""
HEALTHY_S = 30.0
"""A worker whose database has not answered for longer is not ready."""
_AHEAD_S = 120.0
"""A check that is due later was done meanwhile; clocks of workers may differ by less."""
_RECORD_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits between attempts to write a result: a database may be away for a while."""

Change = tuple[AccountStatus, AccountStatus]
"""What was known of an account before a job, and after it."""
Result = TypeVar("Result")


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
        self._rollouts = Rollouts.of(table)
        self._signs = Signs()
        self._attempts = numbers(1)
        self._driving: asyncio.Task[None] | None = None
        self._leaving = threading.Event()
        self._over = asyncio.Event()
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
        self._engine.tick(self.tick)
        with suppress(ReconcilerError):
            # Before it begins anything: what a worker without a sign has begun is taken for a dead one's.
            await asyncio.to_thread(self._workers.seen, self.name, 0, self._clock.now())
        with ThreadPoolExecutor(self._slots.all, thread_name_prefix="account") as self._threads:
            beating = asyncio.create_task(self._beating())
            try:
                await self._engine.work(self.run, self._slots)
            finally:
                self._leaving.set()
                self._over.set()
                driving = () if self._driving is None else (self._driving,)
                await asyncio.gather(beating, *driving, return_exceptions=True)
        with suppress(ReconcilerError):
            await asyncio.to_thread(self._workers.gone, self.name)
        self._tell()

    def drain(self) -> None:
        """Begin no further job; any thread, and a signal's handler, may call it."""
        self.draining = True
        self._leaving.set()
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
        if account not in self.ground.accounts:
            return False
        self._table.make_due([account], self._clock.now())
        self._queued([JobOrder(JobKind.DRIFT, account, priority=Priority.SOON)])
        return True

    async def tick(self) -> None:
        """Queue what is due until the next tick."""
        await self._read_again()
        now = self._clock.now()
        accounts = list(self.ground.accounts.values())
        await asyncio.to_thread(self._table.put_accounts, accounts)
        statuses = await asyncio.to_thread(self._table.statuses)
        due = [
            (status.next_due if status else 0.0, account.name)
            for account in accounts
            if is_due(account, status := statuses.get(account.name), now + TICK_S)
        ]
        new = await self._engine.defer([JobOrder(JobKind.DRIFT, name, at=at) for at, name in sorted(due)])
        log.info("tick: %d due, %d of them queued now", len(due), new)
        await asyncio.to_thread(self._table.count_day, now)
        if forgotten := self._signs.silent(FORGOTTEN_S, self._clock.monotonic()):
            await asyncio.to_thread(self._workers.gone, *forgotten)
        await asyncio.to_thread(self._notify)

    async def run(self, order: JobOrder) -> None:
        """Do a job that the queue gave; nothing where it is not due any more, or is not to be applied."""
        if order.account not in self.ground.accounts:
            await self._read_again()  # another worker knows it already
        if order.kind is JobKind.APPLY:
            await self._apply(order)
        else:
            await self._check(order)

    async def _check(self, order: JobOrder) -> None:
        """Check an account, if it is due yet or was asked for."""
        account = self.ground.accounts.get(order.account)
        if account is None or account.suspended:
            return
        status = await asyncio.to_thread(self._table.status, account)
        now = self._clock.now()
        if not order.prompt and status.next_due > now + _AHEAD_S:
            return
        if not self._breaker.may_begin(account.name, self._clock.monotonic()):
            return  # it is still due, and the next tick queues it again
        ground = self.ground
        job = await asyncio.to_thread(ground.job, order.kind, account, status.customers)
        result = await self._worked(job)
        await self._record(result, account, max(now - status.next_due, 0.0) if status.next_due else 0.0)

    async def _apply(self, order: JobOrder) -> None:
        """Apply an account of a rollout, unless it must not begin or has ended."""
        if (rollout := await asyncio.to_thread(self._rollouts.find, order.rollout)) is None:
            return
        if rollout.commit not in ("", self.ground.origin.commit):
            await self._read_again()
            if rollout.commit != self.ground.origin.commit:
                log.info("%s waits for a worker that has the files of %s", order.account, rollout.commit)
                return
        if not self._breaker.may_begin(order.account, self._clock.monotonic()):
            return  # it is still open, and the driver queues it again
        begun = None
        try:
            begun = await asyncio.to_thread(self._begun, order, rollout, self.ground)
        finally:
            if begun is None:
                self._breaker.leave(order.account)
        if begun is None:
            return
        item, job = begun
        await self._take(item, job.account, await self._worked(job))

    async def _take(self, item: RolloutItem, account: FleetAccount, result: JobResult) -> None:
        """Write how an attempt ended, unless another one has taken it over."""
        ended = item_after(item, result)
        if result.error == LedgerFailed.__name__ and item.attempts < MOST_ATTEMPTS:
            # The database was away: the driver queues it again.
            ended = replace(ended, state=ItemState.WAITING)
        if ended.state is ItemState.DONE:
            # First: a worker that dies in between leaves an account that is begun again, and no status of before.
            await self._record(result, account, 0.0)
            await self._kept(lambda: self._rollouts.finish(ended))
            return
        counts = await self._kept(lambda: self._rollouts.finish(ended))
        if counts and ended.state is not ItemState.WAITING:
            await self._record(result, account, 0.0)
            return
        self._weigh(result)
        self._ended(result, 0.0)
        if counts:
            log.warning("%s is tried again: %s", item.account, result.message)
        else:
            log.warning("%s was taken over by another worker: %s does not count", item.account, ended.state)

    def _begun(self, order: JobOrder, rollout: Rollout, ground: Ground) -> tuple[RolloutItem, Job] | None:
        """Begin an attempt of an account and return it with its job, None where it must not begin."""
        item, now = self._rollouts.item(rollout.id, order.account), self._clock.now()
        if rollout.state is not RolloutState.RUNNING or item.state in ENDED:
            return None
        if item.state is ItemState.APPLYING and self._is_held(item):
            return None
        holder = f"{self.name}{_OF_WORKER}{next(self._attempts)}"
        begun = begin_item(self._rollouts, item, holder, ground.misfit(item.account), now)
        if begun is None:
            return None
        if begun.attempts > MOST_ATTEMPTS:
            message = f"each worker that applied it died: {count(MOST_ATTEMPTS, 'attempt')}"
            failed = replace(begun, state=ItemState.FAILED, ended_at=now, error="WorkerDied", message=message)
            self._rollouts.finish(failed)
            return None
        return begun, ground.apply_job(rollout, begun, self._rollouts.plan_of(rollout.id, item.account))

    def _is_held(self, item: RolloutItem) -> bool:
        """Say whether the worker that has begun an account lives."""
        worker = item.holder.rpartition(_OF_WORKER)[0]
        if worker == self.name:
            return item.account in self.running
        now_s = self._clock.monotonic()
        # One that began after the last beat is found only here.
        self._signs.take(self._workers.all(), now_s)
        return not self._signs.is_dead(worker, now_s)

    async def _worked(self, job: Job) -> JobResult:
        """Do a job in a thread of its own."""
        self.running.add(job.account.name)
        try:
            await self._spread()
            if not job.big:
                return await self._in_thread(job)
            async with self._big:
                return await self._in_thread(job)
        finally:
            self.running.discard(job.account.name)

    async def _record(self, result: JobResult, account: FleetAccount, late_s: float) -> None:
        """Write what is known of an account after a job, and tell of it."""
        self._weigh(result)
        former, now_known = await self._kept(lambda: self._table.record(result, account))
        if former.state is not now_known.state:
            self._changes.append((former, now_known))
        self._ended(result, late_s)

    def _weigh(self, result: JobResult) -> None:
        """Let what a job found decide whether further ones may begin."""
        if self._breaker.take(result, self._clock.monotonic()):
            pause_s = self._breaker.until_s - self._clock.monotonic()
            log.warning("the API does not answer: no job begins for %.0f s", pause_s)
        if self._breaker.gave_up:
            self._breaker = Breaker()

    async def _in_thread(self, job: Job) -> JobResult:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, self._work, job, Stopper())

    async def _spread(self) -> None:
        """Wait for this job's turn to begin: all read their files first, which takes the interpreter from others."""
        now_s = self._clock.monotonic()
        self._next_start = max(self._next_start, now_s) + GAP_S
        await self._clock.sleep(self._next_start - GAP_S - now_s)

    async def _read_again(self) -> None:
        """Read what jobs are made of; what was read before stays where the files cannot be read."""
        try:
            self.ground = await asyncio.to_thread(self._read)
        except ReconcilerError as error:
            log.warning("the files cannot be read, and the former settings are used: %s", error)

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
        while not self._over.is_set():
            try:
                now = self._clock.now()
                rows = await asyncio.to_thread(self._workers.seen, self.name, len(self.running), now)
                if any(one.draining for one in rows if one.name == self.name):
                    self.drain()
                self._signs.take(rows, self._clock.monotonic())
                await self._drive()
                self.answered_at = now
            except ReconcilerError as error:
                log.warning("the fleet's table cannot be reached: %s", error)
            if self._clock.now() >= self._told_at + TICK_S:
                self._tell()
            # Never ended in a call to the table, whose thread would go on with a connection that nobody closes.
            waits = {asyncio.create_task(self._clock.sleep(BEAT_S)), asyncio.create_task(self._over.wait())}
            _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in pending:
                one.cancel()

    async def _drive(self) -> None:
        """Drive the rollout that workers carry out, if no living worker does."""
        if self.draining or (self._driving is not None and not self._driving.done()):
            return
        rollout = await asyncio.to_thread(self._rollouts.unfinished)
        if rollout is None or not rollout.on_workers or rollout.state is not RolloutState.RUNNING:
            return
        now_s = self._clock.monotonic()
        if rollout.driver not in ("", self.name) and not self._signs.is_dead(rollout.driver, now_s):
            return
        taken = await asyncio.to_thread(self._rollouts.take, rollout, self.name, self._clock.now())
        if taken is not None:
            log.info("drives the rollout %s", taken.id)
            self._driving = asyncio.create_task(asyncio.to_thread(self._driven, taken))

    def _driven(self, rollout: Rollout) -> None:
        """Drive a rollout, in a thread; after an error the next look at it goes on."""
        around = Surroundings(
            now=self._clock.now,
            wait=self._leaving.wait,
            stopped=self._leaving.is_set,
            carrier=QueueCarrier(self._rollouts, self._table, self._queued, self._leaving.wait, self._clock.monotonic),
            at_wave=lambda now, items, doing: log.info(
                "%s of the rollout %s: %s, %s", wave_text(now), now.id, doing, count(len(items), "account")
            ),
        )
        try:
            ended = run_rollout(self._rollouts, rollout, around)
        except ReconcilerError as error:
            log.warning("the rollout %s cannot be driven: %s", rollout.id, error)
        else:
            log.info("the rollout %s is %s", ended.id, ended.state)

    def _queued(self, orders: Sequence[JobOrder]) -> None:
        """Queue orders, from another thread than the loop; ReconcilerError where that cannot be done."""
        if self._loop is None:
            raise ReconcilerError("the worker has not begun", "try again later")
        asyncio.run_coroutine_threadsafe(self._engine.defer(orders), self._loop).result(_ASK_S)

    def _tell(self) -> None:
        """Hand on what has changed, all at once."""
        self._told_at = self._clock.now()
        changes, self._changes = self._changes, []
        if changes:
            self._changed(changes)


_ASK_S = 10.0
_OF_WORKER = "/"
"""Between a worker's name and an attempt's, in a holder."""


# --- a rollout on workers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueCarrier:
    """Has the jobs of a wave done by all workers: queues them, and reads in the table what became of them."""

    rollouts: Rollouts
    table: FleetTable
    queue: Callable[[Sequence[JobOrder]], None] = field(repr=False)
    wait: Callable[[float], object] = field(repr=False)
    monotonic: Callable[[], float] = field(repr=False)

    def apply(self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]) -> str:
        """Apply accounts until all have ended; where nothing has moved for long, return why, if known."""
        former, moved_s = tuple(items), self.monotonic()
        left = {one.account for one in items}
        for now_s in self._looks(JobKind.APPLY, rollout, left, runs):
            found = self.rollouts.open_items(rollout.id, items[0].wave)
            left.intersection_update(one.account for one in found)
            if found != former or any(one.state is ItemState.APPLYING for one in found):
                moved_s = now_s
            elif now_s - moved_s > STUCK_S:
                return f"nothing has moved for {STUCK_S / 60:.0f} minutes; {_needed(rollout)}"
            former = found
        return ""

    def check(
        self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]
    ) -> Mapping[str, AccountStatus]:
        """Check accounts for drift, and return what is known of them then; those that were not checked are left out."""
        names = {one.account for one in items}
        # By whether it has changed: the clocks of workers may differ.
        former = {name: one.checked_at for name, one in self.table.statuses().items() if name in names}
        found: dict[str, AccountStatus] = {}
        left = set(names)
        for _ in self._looks(JobKind.DRIFT, rollout, left, runs):
            found = {
                name: one
                for name, one in self.table.statuses().items()
                if name in names and one.checked_at != former.get(name, 0.0)
            }
            left.difference_update(found)
        return found

    def _looks(self, kind: JobKind, rollout: Rollout, left: set[str], runs: Callable[[], bool]) -> Iterator[float]:
        """Yield when to look what became of a wave, while accounts are `left`, which are queued again now and then."""
        queued_s = -AGAIN_S
        while left and runs():
            now_s = self.monotonic()
            if now_s - queued_s >= AGAIN_S:
                queued_s = now_s
                self._queue(kind, rollout, sorted(left))
            self.wait(LOOK_S)
            yield self.monotonic()

    def _queue(self, kind: JobKind, rollout: Rollout, names: Sequence[str]) -> None:
        """Queue jobs; those that cannot be queued now are tried again later."""
        priority = Priority.APPLY if kind is JobKind.APPLY else Priority.SOON
        orders = [JobOrder(kind, name, priority=priority, rollout=rollout.id) for name in names]
        try:
            self.queue(orders)
        except (ReconcilerError, NoAnswer) as error:
            log.warning("the accounts of the rollout cannot be queued yet: %s", error)


LOOK_S = 1.0
"""Between two looks at what became of a wave."""


def _needed(rollout: Rollout) -> str:
    """Return what a rollout's accounts need to begin."""
    files = f" that has the files of {rollout.commit[:12]}" if rollout.commit else ""
    return f"they need a worker{files}, and an API that answers"
