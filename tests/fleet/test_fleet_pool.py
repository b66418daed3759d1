"""Many jobs at once: who begins when, and that nobody waits for an account that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from reconciler.fleet.job import Job, Stopper
from reconciler.fleet.pool import Breaker, Pool
from reconciler.model.fleet import AccountState, FleetAccount, JobKind, JobResult


def job(name: str, *, big: bool = False) -> Job:
    return Job(JobKind.DRIFT, FleetAccount(name, "production", name), None, big=big)  # type: ignore[arg-type]


def result(name: str, *, unanswered: bool = False) -> JobResult:
    state = AccountState.FAILED if unanswered else AccountState.IN_SYNC
    return JobResult(name, JobKind.DRIFT, state, int(unanswered), 0.0, 0.0, unanswered=unanswered)


@dataclass(slots=True)
class VirtualPoolClock:
    """Time that passes where nothing runs, and stands still where a result will come."""

    running: Callable[[], int] = lambda: 0
    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def take(self, ended: SimpleQueue[JobResult | None], wait_s: float) -> JobResult | None:
        if self.running() or not ended.empty():
            return ended.get()
        self.now += wait_s
        return None


def virtual(
    parallel: int, work: Callable[[Job, Stopper], JobResult], ended: list[JobResult], pauses: list[float]
) -> tuple[Pool, VirtualPoolClock]:
    clock = VirtualPoolClock()
    pool = Pool(
        parallel, ended=ended.append, clock=clock, work=work, paused=lambda wait_s: pauses.append(round(wait_s))
    )
    clock.running = lambda: pool.running
    return pool, clock


def test_every_job_is_done_once() -> None:
    ended: list[JobResult] = []
    pool, _ = virtual(4, lambda one, _: result(one.account.name), ended, [])
    pool.run(job(f"a{number}") for number in range(50))
    assert sorted(one.account for one in ended) == sorted(f"a{number}" for number in range(50))


def test_one_that_hangs_holds_up_nobody() -> None:
    release, done = threading.Event(), list[str]()

    def work(one: Job, _: Stopper) -> JobResult:
        if one.account.name == "hangs":
            assert release.wait(600)
        return result(one.account.name)

    def ended(one: JobResult) -> None:
        done.append(one.account)
        if len(done) == 10:
            release.set()

    Pool(2, ended=ended, work=work).run([job("hangs"), *(job(f"a{number}") for number in range(10))])
    assert done[-1] == "hangs"


def test_two_big_ones_at_most_run_at_once_and_hold_up_no_small_one() -> None:
    release, running, most, done = threading.Event(), list[str](), list[int](), list[str]()

    def work(one: Job, _: Stopper) -> JobResult:
        if one.big:
            running.append(one.account.name)
            most.append(len(running))
            assert release.wait(600)
            running.remove(one.account.name)
        return result(one.account.name)

    def ended(one: JobResult) -> None:
        done.append(one.account)
        if len(done) == 5:
            release.set()

    bigs = [job(f"big{number}", big=True) for number in range(4)]
    Pool(8, ended=ended, work=work).run([*bigs, *(job(f"a{number}") for number in range(5))])
    assert done[:5] == [f"a{number}" for number in range(5)]
    assert (len(done), max(most)) == (9, 2)


def test_a_job_may_be_left_out_just_before_it_begins() -> None:
    ended: list[JobResult] = []
    pool = Pool(
        2,
        ended=ended.append,
        work=lambda one, _: result(one.account.name),
        may_begin=lambda one: one.account.name != "b",
    )
    pool.run(map(job, "abc"))
    assert sorted(one.account for one in ended) == ["a", "c"]


def test_a_stop_begins_nothing_more_and_lets_what_runs_end() -> None:
    ended: list[JobResult] = []

    def work(one: Job, stopper: Stopper) -> JobResult:
        stopped = threading.Event()
        with stopper.first(stopped.set):
            pool.stop()
            assert stopped.is_set()
        return result(one.account.name)

    pool = Pool(1, ended=ended.append, work=work)
    pool.run(map(job, "abc"))
    assert [one.account for one in ended] == ["a"]
    assert pool.stopped


def test_while_the_api_is_down_nothing_begins_but_one_after_each_pause() -> None:
    calls: list[str] = []

    def work(one: Job, _: Stopper) -> JobResult:
        calls.append(one.account.name)
        # 11 until the first pause, then two in vain.
        return result(one.account.name, unanswered=len(calls) <= 13)

    pauses, ended = list[float](), list[JobResult]()
    pool, clock = virtual(1, work, ended, pauses)
    pool.run(job(f"a{number:02}") for number in range(20))
    assert pauses == [60, 120, 240]
    assert 420.0 <= clock.now < 430.0
    assert (len(ended), pool.breaker.gave_up) == (20, False)


def test_an_api_that_stays_down_is_given_up() -> None:
    pauses, ended = list[float](), list[JobResult]()
    pool, _ = virtual(1, lambda one, _: result(one.account.name, unanswered=True), ended, pauses)
    pool.run(job(f"a{number}") for number in range(200))
    assert pauses == [60, 120, 240, 480, 600]
    assert (pool.breaker.gave_up, len(ended)) == (True, 16)


def test_results_of_jobs_that_began_before_a_pause_do_not_prolong_it() -> None:
    breaker = Breaker()
    paused = [breaker.take(result(f"a{number}", unanswered=True), 0.0) for number in range(15)]
    assert (paused.count(True), breaker.until_s) == (1, 60.0)
    assert not breaker.may_begin("b", 59.0)
    assert breaker.may_begin("b", 60.0)
    assert not breaker.may_begin("c", 60.0)
    assert not breaker.take(result("a20", unanswered=True), 61.0)
    assert breaker.take(result("b", unanswered=True), 62.0)
    assert breaker.until_s == 182.0


def test_few_accounts_without_an_answer_stop_nobody() -> None:
    breaker = Breaker()
    for number in range(100):
        assert not breaker.take(result(f"a{number}", unanswered=number % 2 == 0), 0.0)
    assert breaker.may_begin("b", 0.0)
