"""`fleet rollout`: a rollout that has begun: driven here, followed, paused, continued, ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import click

from reconciler.cli import output
from reconciler.cli.fleet import fleet_of
from reconciler.cli.fleet_run import local_accounts
from reconciler.cli.terminal import first_signal
from reconciler.errors import LedgerFailed, Refused
from reconciler.fleet.job import Job
from reconciler.fleet.pool import Pool
from reconciler.fleet.rollout import (
    BEAT_S,
    DEAD_S,
    ENDED,
    SILENT_S,
    STUCK_S,
    Ground,
    Surroundings,
    begin_item,
    item_after,
    run_rollout,
)
from reconciler.fleet.rollouts import Rollouts
from reconciler.fleet.table import DatabaseStore, FleetTable, open_table
from reconciler.fleet.workers import Signs, Workers
from reconciler.model.fleet import (
    UNFINISHED,
    AccountState,
    AccountStatus,
    GateVerdict,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.pipeline.resources import origin_of_run, real_clock
from reconciler.report.layout import count, duration
from reconciler.report.rollout import (
    SHORT,
    item_text,
    next_step,
    rollout_brief,
    rollout_json,
    rollout_text,
    wave_text,
)
from reconciler.settings import Options, Settings
from reconciler.settings.fleet import Fleet


@dataclass(slots=True)
class Stopping:
    """Whether the person who runs this wants it to end, and the pool that is at work."""

    wanted: threading.Event = field(default_factory=threading.Event)
    pool: Pool | None = None

    def stop(self) -> None:
        """End it: what has begun ends, and nothing begins."""
        self.wanted.set()
        if self.pool is not None:
            self.pool.stop()

    def signaled(self) -> None:
        """Take a person's first Ctrl-C."""
        self.stop()
        output.say("stopping: accounts that have begun will finish, and no other begins; Ctrl-C again stops at once")


@contextmanager
def stopped_by_signals() -> Iterator[Stopping]:
    """Yield what the first Ctrl-C stops; the next one ends the process at once."""
    stopping = Stopping()
    with first_signal(stopping.signaled, "stopped at once; `reconciler fleet rollout resume` continues"):
        yield stopping


def run_jobs(
    fleet: Fleet,
    stopping: Stopping,
    jobs: Iterable[Job],
    ended: Callable[[JobResult], None],
    may_begin: Callable[[Job], bool] = lambda _: True,
) -> Pool:
    """Do jobs, as many at once as the fleet says, and return the pool that did."""

    def paused(wait_s: float) -> None:
        output.say(f"most accounts get no answer: nothing begins for {duration(wait_s)}")

    pool = Pool(fleet.parallel, ended=ended, may_begin=may_begin, paused=paused)
    stopping.pool = pool
    if stopping.wanted.is_set():
        pool.stop()
    pool.run(jobs)
    return pool


# --- driving it here ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Drive:
    """What a rollout is driven with, in a process that has all of its accounts; `codes` are those of applies."""

    ground: Ground
    table: FleetTable
    stopping: Stopping
    codes: list[int] = field(default_factory=list)

    @property
    def shared(self) -> bool:
        """Say whether the table is in a database, which others can read too."""
        return isinstance(self.table.store, DatabaseStore)

    @property
    def rollouts(self) -> Rollouts:
        """Return the fleet's rollouts."""
        return Rollouts.of(self.table)

    def at_wave(self, rollout: Rollout, mine: Sequence[RolloutItem], doing: str) -> None:
        """Say which wave it is at."""
        if doing == "soaking":
            soak = duration(rollout.soaks[rollout.wave - 1])
            output.note(f"{wave_text(rollout)} is applied; its accounts are checked again in {soak}")
        else:
            output.note(f"{wave_text(rollout)}: {count(len(mine), 'account')}")

    def failed(self, item: RolloutItem) -> None:
        """Say which account has failed at the second look."""
        output.note(item_text(item))

    def apply(self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]) -> str:
        """Apply accounts in this process."""
        rollouts, now = self.rollouts, real_clock().now
        begun: dict[str, RolloutItem] = {}

        def jobs() -> Iterator[Job]:
            for item in items:
                if item.account in self.ground.accounts:
                    yield self.ground.apply_job(rollout, item, rollouts.plan_of(rollout.id, item.account))
                else:
                    begin_item(rollouts, item, rollout.driver, self.ground.misfit(item.account), now())

        def may_begin(job: Job) -> bool:
            name = job.account.name
            if name in begun:
                return runs()
            if not runs():
                return False
            item = begin_item(rollouts, rollouts.item(rollout.id, name), uuid4().hex, self.ground.misfit(name), now())
            if item is not None:
                begun[name] = item
            return item is not None

        def ended(result: JobResult) -> None:
            item = item_after(begun.pop(result.account), result)
            rollouts.finish(item)
            self._record(result)
            self.codes.append(result.code)
            output.note(item_text(item))

        try:
            pool = run_jobs(self.ground.fleet, self.stopping, jobs(), ended, may_begin)
        finally:
            for item in begun.values():
                rollouts.finish(replace(item, state=ItemState.WAITING))
        return "the API does not answer" if pool.breaker.gave_up else ""

    def check(
        self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]
    ) -> Mapping[str, AccountStatus]:
        """Check accounts for drift in this process."""
        del rollout
        accounts, found = self.ground.accounts, dict[str, AccountStatus]()

        def ended(result: JobResult) -> None:
            found[result.account] = self._record(result)

        jobs = (self.ground.job(JobKind.DRIFT, accounts[one.account]) for one in items if one.account in accounts)
        run_jobs(self.ground.fleet, self.stopping, jobs, ended, lambda _: runs())
        return found

    def _record(self, result: JobResult) -> AccountStatus:
        """Write what is known of an account now."""
        _, now = self.table.record(result, self.ground.accounts[result.account])
        return now


def driven(drive: Drive, rollout: Rollout, form: str, verdict: GateVerdict | None = None) -> int:
    """Drive a rollout, report what became of it, and return the exit code."""
    stopping, rollouts = drive.stopping, drive.rollouts
    around = Surroundings(
        now=real_clock().now,
        wait=stopping.wanted.wait,
        stopped=stopping.wanted.is_set,
        carrier=drive,
        failed=drive.failed,
        at_wave=drive.at_wave,
    )
    try:
        with _heart(rollouts, rollout, stopping):
            rollout = run_rollout(rollouts, rollout, around)
    except LedgerFailed as exc:
        run = rollout.id[:SHORT]
        hint = f"{exc.hint}; then continue with `reconciler fleet rollout resume {run}`: nothing is done twice"
        raise LedgerFailed(exc.message, hint) from exc
    items = rollouts.items(rollout.id)
    report(rollout, items, form, verdict)
    return _code(rollout, items, drive.codes, verdict, interrupted=stopping.wanted.is_set())


def _is_taken(rollouts: Rollouts, rollout: Rollout) -> bool:
    """Say whether another process drives a rollout by now; at its end nobody does."""
    found = rollouts.find(rollout.id)
    return found is None or found.driver not in ("", rollout.driver)


@contextmanager
def _heart(rollouts: Rollouts, rollout: Rollout, stopping: Stopping) -> Iterator[None]:
    """Say in the table, as long as this lasts, that the driver lives; it stops where another one drives by now."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                if not rollouts.beat(rollout, real_clock().now()) and _is_taken(rollouts, rollout):
                    stopping.stop()
                    return
            except LedgerFailed:
                continue  # whoever writes the next account says so

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def report(rollout: Rollout, items: Sequence[RolloutItem], form: str, verdict: GateVerdict | None) -> None:
    """Print where a rollout is."""
    match form:
        case "json":
            output.json_result(rollout_json(rollout, items, verdict))
        case "brief":
            output.result(rollout_brief(rollout, items))
        case _:
            output.result(rollout_text(rollout, items, width=output.width(), color=output.color()))
    if form == "text" and (step := next_step(rollout)):
        output.next_step(step)


def left_code(verdict: GateVerdict) -> int:
    """Return the exit code of what the gate left out: 1 for an account without a plan, 3 for one that is held."""
    if verdict.unplanned:
        return 1
    return 3 if verdict.held or verdict.blocked else 0


def _code(
    rollout: Rollout,
    items: Sequence[RolloutItem],
    codes: Sequence[int],
    verdict: GateVerdict | None,
    *,
    interrupted: bool,
) -> int:
    """Return the exit code: interrupted, then what failed, then what is refused or blocked, then what is left."""
    if interrupted:
        return 130
    left = 0 if verdict is None else left_code(verdict)
    states = {one.state for one in items}
    if ItemState.FAILED in states or left == 1:
        return 1
    if rollout.state in (RolloutState.STOPPED, RolloutState.ABORTED) or ItemState.REFUSED in states:
        return 3
    if left or 3 in codes:  # noqa: PLR2004 - blocked
        return 3
    return 0 if rollout.state is RolloutState.DONE else 2


# --- rollout -----------------------------------------------------------------------------------------


@contextmanager
def _tables(options: Options) -> Iterator[tuple[Settings, Fleet, FleetTable]]:
    """Yield the settings, the fleet and its tables."""
    settings, fleet, _ = fleet_of(options, (), ())
    with open_table(settings, fleet.environment, create=False) as table:
        yield settings, fleet, table


def status(ctx: click.Context, run: str | None, form: str, *, options: Options, wait: bool) -> None:
    """Print where a rollout is, from the table alone, and where it ended if that is waited for."""
    with _tables(options) as (_, _, table):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        if wait:
            ctx.exit(follow(table, rollout, form))
        report(rollout, rollouts.items(rollout.id), form, None)
    ctx.exit(0)


def follow(table: FleetTable, rollout: Rollout, form: str, verdict: GateVerdict | None = None) -> int:
    """
    Say what becomes of a rollout until it does not run any more; report, and return the exit code.

    One that nobody drives for long is paused. A database that does not answer is waited for.
    """
    following = Following(table, rollout, real_clock().monotonic)

    def signaled() -> None:
        following.left.set()
        output.say(f"the rollout goes on; `reconciler fleet rollout pause {rollout.id[:SHORT]}` pauses it")

    with first_signal(signaled, "the rollout goes on"):
        following.run()
    rollout, items = following.rollout, following.rollouts.items(rollout.id)
    report(rollout, items, form, verdict)
    statuses = table.statuses()
    done = [one.account for one in items if one.state is ItemState.DONE and one.account in statuses]
    codes = [3] if any(statuses[name].state is AccountState.BLOCKED for name in done) else []
    return _code(rollout, items, codes, verdict, interrupted=following.left.is_set())


class Following:
    """Looks at a rollout that others drive, and says what becomes of it."""

    def __init__(self, table: FleetTable, rollout: Rollout, monotonic: Callable[[], float]) -> None:
        self.rollout = rollout
        self.rollouts = Rollouts.of(table)
        self.left = threading.Event()
        self._workers, self._signs, self._monotonic = Workers(table.store, table.name), Signs(), monotonic
        self._told = {one.account for one in self.rollouts.items(rollout.id) if one.state in ENDED}
        self._wave = 0
        self._seen_at = 0.0
        self._away = False
        self._driven_s = self._answered_s = self._monotonic()

    def run(self) -> None:
        """Look until it does not run any more, or until the person who looks leaves."""
        while True:
            try:
                self.look()
            except LedgerFailed as exc:
                if self._monotonic() - self._answered_s > STUCK_S:
                    run = self.rollout.id[:SHORT]
                    hint = f"the rollout goes on; `reconciler fleet rollout status {run} --wait` follows it again"
                    raise LedgerFailed(exc.message, hint) from exc
                if not self._away:
                    output.note(f"{exc.message}; looking again")
                self._away = True
            if self.rollout.state is not RolloutState.RUNNING or self.left.is_set():
                return
            self.left.wait(BEAT_S)

    def look(self) -> None:
        """Look once, and say what is new."""
        self.rollout = rollout = self.rollouts.find(self.rollout.id) or self.rollout
        items = self.rollouts.items(rollout.id)
        for one in items:
            if one.state in ENDED and one.account not in self._told:
                self._told.add(one.account)
                output.note(item_text(one))
        if rollout.wave != self._wave:
            self._wave = rollout.wave
            mine = sum(one.wave == rollout.wave for one in items)
            output.note(f"{wave_text(rollout)}: {count(mine, 'account')}")
        now_s = self._answered_s = self._monotonic()
        self._away = False
        self._signs.take(self._workers.all(), now_s)
        if self._is_driven(rollout, now_s):
            self._driven_s = now_s
        silent_s, limit_s = now_s - self._driven_s, STUCK_S if rollout.on_workers else DEAD_S
        if silent_s > limit_s:
            who = "no worker has driven it" if rollout.on_workers else "the process that drives it has given no sign"
            why = f"{who} for {duration(limit_s)}"
            self.rollouts.set_state(rollout.id, RolloutState.PAUSED, of=(RolloutState.RUNNING,), why=why)

    def _is_driven(self, rollout: Rollout, now_s: float) -> bool:
        """Say whether someone drives it, by whether their signs change."""
        if not rollout.on_workers:
            former, self._seen_at = self._seen_at, rollout.seen_at
            return former != rollout.seen_at
        return rollout.driver in self._signs and not self._signs.is_dead(rollout.driver, now_s)


_TO = {
    "pause": (RolloutState.PAUSED, (RolloutState.RUNNING,), "paused: accounts that have begun will finish"),
    "abort": (RolloutState.ABORTED, UNFINISHED, "aborted: no account begins any more, and those that have will finish"),
}


def change(ctx: click.Context, run: str | None, verb: str, *, options: Options) -> None:
    """Pause or abort a rollout."""
    state, of, said = _TO[verb]
    with _tables(options) as (_, _, table):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        who = origin_of_run(Path.cwd()).who
        if not rollouts.set_state(rollout.id, state, of=of, why=f"by {who}", now=real_clock().now()):
            found = rollouts.find(rollout.id) or rollout
            raise Refused(f"the rollout {rollout.id[:SHORT]} is {found.state}, and cannot be {state}", "")
        output.report(f"Rollout {rollout.id[:SHORT]} is {said}.")
        now = rollouts.find(rollout.id) or rollout
        if step := next_step(now):
            output.next_step(step)
    ctx.exit(0)


def resume(ctx: click.Context, run: str | None, form: str, *, options: Options) -> None:
    """Continue a rollout whose driver has ended, or that is paused or stopped; one on workers is left to them."""
    with (
        _tables(options) as (settings, fleet, table),
        local_accounts(settings, fleet.environment),
        stopped_by_signals() as stopping,
    ):
        rollouts = Rollouts.of(table)
        rollout = rollouts.named(run)
        if rollout.state not in UNFINISHED:
            hint = "`reconciler fleet apply` begins another"
            raise Refused(f"the rollout {rollout.id[:SHORT]} is {rollout.state}; nothing was sent", hint)
        if not rollout.on_workers:
            rollout = _taken(rollouts, rollout, stopping)
        rollout, left = _reopened(rollouts, rollout)
        output.note(f"rollout {rollout.id[:SHORT]} continues: {count(left, 'account')} left")
        if rollout.on_workers:
            report(rollout, rollouts.items(rollout.id), form, None)
            ctx.exit(0)
        drive = Drive(Ground(settings, fleet, origin_of_run(settings.root)), table, stopping)
        ctx.exit(driven(drive, rollout, form))


def _reopened(rollouts: Rollouts, rollout: Rollout) -> tuple[Rollout, int]:
    """Let a rollout run again, with the accounts that failed; return it and how many accounts are left."""
    items = rollouts.items(rollout.id)
    waiting = [one for one in items if one.state in (ItemState.WAITING, ItemState.APPLYING)]
    again = [
        replace(one, state=ItemState.WAITING, attempts=0, error="", message="")
        for one in items
        if one.state is ItemState.FAILED and rollouts.plan_of(rollout.id, one.account)
    ]
    if again:
        rollouts.put(*again)
        wave = min(one.wave for one in (*waiting, *again))
        rollout = rollouts.put_wave(rollout, min(wave, rollout.wave))
    rollouts.set_state(rollout.id, RolloutState.RUNNING, of=UNFINISHED)
    return rollouts.find(rollout.id) or rollout, len(waiting) + len(again)


def _taken(rollouts: Rollouts, rollout: Rollout, stopping: Stopping) -> Rollout:
    """Become the driver of a rollout; Refused where another one lives, which its signs in the table show."""
    refused = Refused(
        f"another process drives the rollout {rollout.id[:SHORT]}; nothing was sent",
        f"pause it first: reconciler fleet rollout pause {rollout.id[:SHORT]}",
    )
    if rollout.driver:
        output.note(f"waiting {duration(SILENT_S)} for a sign of the process that drove it last")
        stopping.wanted.wait(SILENT_S)
        found = rollouts.find(rollout.id) or rollout
        if found.driver and found.seen_at != rollout.seen_at:
            raise refused
        rollout = found
    taken = rollouts.take(rollout, uuid4().hex, real_clock().now())
    if taken is None:
        raise refused
    return taken
