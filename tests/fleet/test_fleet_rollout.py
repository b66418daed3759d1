"""A rollout that workers carry out: attempts that are claimed, waves that one worker drives, and workers that die."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import postgres_server
import pytest
from test_fleet_worker import _in_sync, _serving, _until, folder, url  # noqa: F401 - fixtures

from reconciler.cli.rollout import Following
from reconciler.errors import LedgerFailed
from reconciler.fleet.engine import JobOrder, Priority
from reconciler.fleet.job import Job, Stopper
from reconciler.fleet.rollout import DEAD_S, STUCK_S, Surroundings, begin_item, run_rollout
from reconciler.fleet.rollouts import Rollouts
from reconciler.fleet.table import DatabaseStore, FileStore, FleetTable
from reconciler.fleet.worker import AGAIN_S, MOST_ATTEMPTS, QueueCarrier
from reconciler.fleet.workers import SILENT_S, Signs, WorkerRow, Workers
from reconciler.model.fleet import (
    AccountState,
    FleetAccount,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.pipeline.resources import Origin

NAMES = ("acme", "globex", "initech")
ID = "0123456789abcdef0123456789abcdef"
ROLLOUT = Rollout(ID, "msp/production", RolloutState.RUNNING, 1.0, waves=2, wave=1, on_workers=True)
ITEMS = tuple(RolloutItem(ID, name, 1 if name == "acme" else 2) for name in NAMES)


def _begin(table: FleetTable, rollout: Rollout = ROLLOUT, items: Sequence[RolloutItem] = ITEMS) -> Rollouts:
    """Write a rollout with its accounts and a plan for each."""
    rollouts = Rollouts.of(table)
    assert rollouts.begin(rollout, items, {one.account: "a plan" for one in items})
    return rollouts


@pytest.fixture(params=["file", "postgres"])
def rollouts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollouts]:
    if request.param == "file":
        store: FileStore | DatabaseStore = FileStore(tmp_path / "fleet.db", create=True)
    else:
        store = DatabaseStore(postgres_server.database("fleet_rollout"))
    with FleetTable(store, "production", "msp") as table:
        yield _begin(table)


# --- attempts -----------------------------------------------------------------------------------------


def test_of_two_that_begin_an_account_at_once_one_does(rollouts: Rollouts) -> None:
    read = rollouts.item(ID, "acme")
    first, second = rollouts.claim(read, "one/1", 5.0), rollouts.claim(read, "two/1", 5.0)
    assert (first is not None and first.attempts, second) == (1, None)
    assert rollouts.item(ID, "acme").holder == "one/1"


def test_a_claim_whose_answer_was_lost_is_a_claim(rollouts: Rollouts) -> None:
    read = rollouts.item(ID, "acme")
    assert rollouts.claim(read, "one/1", 5.0) == rollouts.claim(read, "one/1", 5.0) is not None
    assert rollouts.item(ID, "acme").attempts == 1


@pytest.mark.parametrize("state", [RolloutState.PAUSED, RolloutState.STOPPED, RolloutState.ABORTED])
def test_no_account_begins_in_a_rollout_that_does_not_run(rollouts: Rollouts, state: RolloutState) -> None:
    read = rollouts.item(ID, "acme")
    assert rollouts.set_state(ID, state, of=(RolloutState.RUNNING,))
    assert rollouts.claim(read, "one/1", 5.0) is None
    assert rollouts.item(ID, "acme") == read


def test_no_account_of_a_later_wave_begins(rollouts: Rollouts) -> None:
    assert rollouts.claim(rollouts.item(ID, "globex"), "one/1", 5.0) is None


def test_an_account_that_must_not_be_applied_is_refused_with_the_reason(rollouts: Rollouts) -> None:
    assert begin_item(rollouts, rollouts.item(ID, "acme"), "one/1", "it is suspended", 5.0) is None
    found = rollouts.item(ID, "acme")
    assert (found.state, found.message) == (ItemState.REFUSED, "it is suspended")


def _taken_over(rollouts: Rollouts) -> tuple[RolloutItem, RolloutItem]:
    """Return an account's attempt that was taken for dead, and the one that took it over."""
    first = rollouts.claim(rollouts.item(ID, "acme"), "one/1", 5.0)
    assert first is not None
    second = rollouts.claim(first, "two/1", 6.0)
    assert second is not None
    return first, second


def test_what_failed_in_an_attempt_that_was_taken_over_does_not_count(rollouts: Rollouts) -> None:
    first, second = _taken_over(rollouts)
    assert not rollouts.finish(replace(first, state=ItemState.FAILED, error="TakenOver"))
    assert rollouts.item(ID, "acme") == second
    assert rollouts.finish(replace(second, state=ItemState.DONE))


def test_an_attempt_that_was_taken_over_and_has_applied_the_plan_counts(rollouts: Rollouts) -> None:
    first, second = _taken_over(rollouts)
    assert rollouts.finish(replace(first, state=ItemState.DONE))
    assert not rollouts.finish(replace(second, state=ItemState.FAILED, error="Locked"))
    assert (rollouts.item(ID, "acme").state, rollouts.plan_of(ID, "acme")) == (ItemState.DONE, "")


# --- which workers live -------------------------------------------------------------------------------


def test_a_worker_is_dead_once_its_sign_has_not_changed_for_long_whatever_its_clock_says() -> None:
    signs = Signs()
    assert not signs.is_dead("one", 0.0)
    for second in range(0, 60, 2):
        # Of `one` the clock is a minute late; `two` gives no sign any more.
        times = {"one": second - 60.0, "two": 9999.0}
        signs.take([WorkerRow(name, "here", 0, at, draining=False) for name, at in times.items()], float(second))
        assert signs.is_dead("two", float(second)) is (second > SILENT_S)
    assert not signs.is_dead("one", 58.0)
    assert signs.is_dead("three", 58.0)


# --- a wave in the queue ------------------------------------------------------------------------------


@dataclass
class Time:
    """A clock whose waiting takes no time, and does what is next."""

    now_s: float = 0.0
    acts: list[Callable[[], object]] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        if self.acts:
            self.acts.pop(0)()


def _carrier(rollouts: Rollouts, time: Time, queue: Callable[[Sequence[JobOrder]], None]) -> QueueCarrier:
    table = FleetTable(rollouts.store, "production", "msp")
    return QueueCarrier(rollouts, table, queue, time.wait, lambda: time.now_s)


def _applied(rollouts: Rollouts, name: str) -> None:
    begun = rollouts.claim(rollouts.item(ID, name), "one/1", 5.0)
    assert begun is not None
    rollouts.finish(replace(begun, state=ItemState.DONE))


def test_a_wave_that_the_queue_has_lost_is_queued_again(rollouts: Rollouts) -> None:
    queued: list[JobOrder] = []
    time = Time(acts=[lambda: None] * int(AGAIN_S + 1))
    time.acts.append(lambda: _applied(rollouts, "acme"))
    assert _carrier(rollouts, time, queued.extend).apply(ROLLOUT, ITEMS[:1], lambda: True) == ""
    assert queued == [JobOrder(JobKind.APPLY, "acme", priority=Priority.APPLY, rollout=ID)] * 2


def test_a_queue_that_cannot_be_reached_is_tried_again(rollouts: Rollouts) -> None:
    tried: list[int] = []

    def queue(orders: Sequence[JobOrder]) -> None:
        tried.append(len(orders))
        if len(tried) == 1:
            raise LedgerFailed("the database is away", "")
        _applied(rollouts, "acme")

    assert _carrier(rollouts, Time(), queue).apply(ROLLOUT, ITEMS[:1], lambda: True) == ""
    assert tried == [1, 1]


def test_a_wave_of_which_nothing_begins_for_long_says_what_it_needs(rollouts: Rollouts) -> None:
    time = Time()
    rollout = replace(ROLLOUT, commit="abcdef0123456789")
    why = _carrier(rollouts, time, lambda _: None).apply(rollout, ITEMS[:1], lambda: True)
    needed = "they need a worker that has the files of abcdef012345, and an API that answers"
    assert why == f"nothing has moved for 10 minutes; {needed}"
    assert time.now_s >= STUCK_S


def test_a_driver_that_is_to_end_leaves_the_wave_that_it_waits_for(rollouts: Rollouts) -> None:
    time = Time()
    around = Surroundings(
        now=lambda: 5.0,
        wait=time.wait,
        stopped=lambda: time.now_s > AGAIN_S,
        carrier=_carrier(rollouts, time, lambda _: None),
    )
    taken = rollouts.take(ROLLOUT, "one", 5.0)
    assert taken is not None
    ended = run_rollout(rollouts, taken, around)
    assert (ended.state, ended.driver) == (RolloutState.RUNNING, "")


def test_an_account_that_is_being_applied_is_waited_for(rollouts: Rollouts) -> None:
    begun = rollouts.claim(rollouts.item(ID, "acme"), "one/1", 5.0)
    assert begun is not None
    time = Time(acts=[lambda: None] * int(2 * STUCK_S))
    time.acts.append(lambda: rollouts.finish(replace(begun, state=ItemState.DONE)))
    assert _carrier(rollouts, time, lambda _: None).apply(ROLLOUT, ITEMS[:1], lambda: True) == ""


def test_a_second_look_waits_for_a_check_after_it_was_asked_for(rollouts: Rollouts) -> None:
    acme = FleetAccount("acme", "production", "accounts/acme")
    table = FleetTable(rollouts.store, "production", "msp")
    table.put_accounts([acme])

    def checked(state: AccountState, at: float) -> None:
        table.record(JobResult("acme", JobKind.DRIFT, state, 0, at, at, drifted=1), acme)

    checked(AccountState.IN_SYNC, 100.0)
    # By the clock of the worker that checks, it is earlier than that.
    time = Time(acts=[lambda: None, lambda: checked(AccountState.DRIFTED, 50.0)])
    found = _carrier(rollouts, time, lambda _: None).check(ROLLOUT, ITEMS[:1], lambda: True)
    assert [(name, one.state) for name, one in found.items()] == [("acme", AccountState.DRIFTED)]


# --- a rollout that is followed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_workers", "after_s", "why"),
    [
        (True, STUCK_S, "no worker has driven it for 10 min"),
        (False, DEAD_S, "the process that drives it has given no sign for 1 min"),
    ],
)
def test_a_rollout_that_nobody_drives_is_paused_by_whoever_follows_it(
    tmp_path: Path, on_workers: bool, after_s: float, why: str
) -> None:
    with FleetTable(FileStore(tmp_path / "fleet.db", create=True), "production", "msp") as table:
        rollouts = _begin(table, replace(ROLLOUT, on_workers=on_workers, driver="gone"))
        time = Time()
        following = Following(table, ROLLOUT, lambda: time.now_s)
        following.look()
        time.wait(after_s)
        following.look()
        assert following.rollout.state is RolloutState.RUNNING
        time.wait(1.0)
        following.look()
        assert (found := rollouts.find(ID)) is not None
        assert (found.state, found.why) == (RolloutState.PAUSED, why)


def test_a_rollout_whose_driver_gives_signs_is_followed_for_as_long_as_it_takes(tmp_path: Path) -> None:
    with FleetTable(FileStore(tmp_path / "fleet.db", create=True), "production", "msp") as table:
        rollouts = _begin(table, replace(ROLLOUT, driver="one"))
        workers = Workers(table.store, table.name)
        time = Time()
        following = Following(table, ROLLOUT, lambda: time.now_s)
        for _ in range(int(2 * STUCK_S / 10)):
            workers.seen("one", 1, time.now_s)
            following.look()
            time.wait(10.0)
        assert rollouts.find(ID) == following.rollout
        assert following.rollout.state is RolloutState.RUNNING


# --- workers on a real queue --------------------------------------------------------------------------


def _ended(rollouts: Rollouts) -> bool:
    found = rollouts.find(ID)
    return found is not None and found.state is not RolloutState.RUNNING


@pytest.mark.real_time
def test_workers_apply_wave_after_wave_and_each_account_once(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    applied: list[str] = []

    def work(job: Job, stopper: Stopper) -> JobResult:
        if job.kind is JobKind.APPLY:
            assert job.plan == "a plan"
            applied.append(job.account.name)
        return _in_sync(job, stopper)

    async def served() -> None:
        async with _serving(folder, url, work) as (_, _, table), _serving(folder, url, work):
            rollouts = _begin(table)
            await _until(lambda: _ended(rollouts))
            assert {one.account: one.state for one in rollouts.items(ID)} == dict.fromkeys(NAMES, ItemState.DONE)
            assert (found := rollouts.find(ID)) is not None
            assert (found.state, found.driver, found.why) == (RolloutState.DONE, "", "")

    asyncio.run(served())
    assert (applied[0], sorted(applied)) == ("acme", sorted(NAMES))


@pytest.mark.real_time
def test_a_rollout_whose_driving_worker_drains_is_driven_by_another_one(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    begun, end = threading.Event(), threading.Event()

    def work(job: Job, stopper: Stopper) -> JobResult:
        if job.kind is JobKind.APPLY and job.account.name == "acme":
            begun.set()
            assert end.wait(60)
        return _in_sync(job, stopper)

    def driver(rollouts: Rollouts) -> str:
        found = rollouts.find(ID)
        return "" if found is None else found.driver

    async def served() -> None:
        async with _serving(folder, url, work) as (one, _, table), _serving(folder, url, work) as (two, _, _):
            rollouts = _begin(table)
            try:
                await asyncio.to_thread(begun.wait, 60)
                await _until(lambda: driver(rollouts) in (one.name, two.name))
                first, second = (one, two) if driver(rollouts) == one.name else (two, one)
                first.drain()
                await _until(lambda: driver(rollouts) == second.name)
            finally:
                end.set()
            await _until(lambda: _ended(rollouts))
            assert {row.state for row in rollouts.items(ID)} == {ItemState.DONE}

    asyncio.run(served())


# --- one worker ---------------------------------------------------------------------------------------

DRIVEN = replace(ROLLOUT, on_workers=False)
"""One that no worker drives: what becomes of an order is what the test sees."""
ORDER = JobOrder(JobKind.APPLY, "acme", priority=Priority.APPLY, rollout=ID)


def test_an_account_whose_worker_is_gone_is_begun_by_another_one(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    async def served() -> None:
        async with _serving(folder, url) as (worker, _, table):
            rollouts = _begin(table, DRIVEN)
            assert rollouts.claim(rollouts.item(ID, "acme"), "gone/1", 5.0)
            await _until(lambda: [one.name for one in Workers(table.store, table.name).all()] == [worker.name])
            await _until(worker.healthy)
            await worker.run(ORDER)
            found = rollouts.item(ID, "acme")
            assert (found.state, found.attempts) == (ItemState.DONE, 2)

    asyncio.run(served())


def test_an_account_whose_worker_lives_is_left_to_it(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    async def served() -> None:
        async with _serving(folder, url) as (worker, _, table), _serving(folder, url) as (other, _, _):
            rollouts = _begin(table, DRIVEN)
            begun = rollouts.claim(rollouts.item(ID, "acme"), f"{other.name}/1", 5.0)
            await _until(lambda: len(Workers(table.store, table.name).all()) == 2)
            await worker.run(ORDER)
            assert rollouts.item(ID, "acme") == begun

    asyncio.run(served())


def test_an_account_whose_workers_died_often_has_failed(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    async def served() -> None:
        async with _serving(folder, url) as (worker, _, table):
            rollouts = _begin(table, DRIVEN, [replace(ITEMS[0], attempts=MOST_ATTEMPTS)])
            await worker.run(ORDER)
            found = rollouts.item(ID, "acme")
            assert (found.state, found.error) == (ItemState.FAILED, "WorkerDied")

    asyncio.run(served())


def test_an_attempt_that_was_taken_over_is_counted(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    found: list[tuple[str, str]] = []

    async def served() -> None:
        def work(job: Job, stopper: Stopper) -> JobResult:
            if job.kind is JobKind.APPLY:
                assert rollouts.claim(rollouts.item(ID, "acme"), "another/1", 5.0)
                return replace(_in_sync(job, stopper), state=AccountState.FAILED, code=1, error="TakenOver")
            return _in_sync(job, stopper)

        def ended(result: JobResult, _: float) -> None:
            if result.kind is JobKind.APPLY:
                found.append((result.account, result.error))

        async with _serving(folder, url, work, ended=ended) as (worker, _, table):
            rollouts = _begin(table, DRIVEN)
            await worker.run(ORDER)
            assert rollouts.item(ID, "acme").holder == "another/1"

    asyncio.run(served())
    assert found == [("acme", "TakenOver")]


@pytest.mark.parametrize(("commit", "state"), [("a" * 40, ItemState.DONE), ("b" * 40, ItemState.WAITING)])
def test_a_worker_begins_where_it_has_the_files_of_the_commit(
    folder: Path,  # noqa: F811 - fixtures
    url: str,  # noqa: F811 - fixtures
    commit: str,
    state: ItemState,
) -> None:
    origin = Origin("someone", commit)

    async def served() -> None:
        async with _serving(folder, url, origin=origin) as (worker, _, table):
            rollouts = _begin(table, replace(DRIVEN, commit="a" * 40))
            await worker.run(ORDER)
            assert rollouts.item(ID, "acme").state is state

    asyncio.run(served())


def test_a_suspended_account_is_refused_and_an_ended_rollout_left_alone(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    (folder / "accounts" / "acme" / "account.yaml").write_text("suspend: true\n")

    async def served() -> None:
        async with _serving(folder, url) as (worker, _, table):
            rollouts = _begin(table, DRIVEN)
            await worker.run(ORDER)
            assert rollouts.item(ID, "acme").message == "it is suspended by now; nothing was sent"
            rollouts.set_state(ID, RolloutState.ABORTED, of=(RolloutState.RUNNING,))
            former = rollouts.items(ID)
            for name in NAMES:
                await worker.run(replace(ORDER, account=name))
            assert rollouts.items(ID) == former

    asyncio.run(served())


def test_an_account_whose_database_was_away_waits_to_be_tried_again(folder: Path, url: str) -> None:  # noqa: F811 - fixtures
    def work(job: Job, stopper: Stopper) -> JobResult:
        return replace(_in_sync(job, stopper), state=AccountState.FAILED, code=1, error="LedgerFailed", message="away")

    async def served() -> None:
        async with _serving(folder, url, work) as (worker, _, table):
            rollouts = _begin(table, DRIVEN)
            for state in [ItemState.WAITING] * (MOST_ATTEMPTS - 1) + [ItemState.FAILED]:
                await worker.run(ORDER)
                assert rollouts.item(ID, "acme").state is state

    asyncio.run(served())
