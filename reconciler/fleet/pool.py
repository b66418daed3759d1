"""
Many jobs at once in one process: each in a thread, begun one after the other, and none while the API is down.

It holds no queue and no schedule of its own: what is to be done is given to it, and whoever runs it again after it was
killed gives it what is not done yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Protocol

from reconciler.fleet.job import Job, Stopper, run_job
from reconciler.model.fleet import JobResult
from reconciler.pipeline.resources import real_clock

GAP_S = 0.03
"""Between the starts of two jobs: all read their files first, which takes the interpreter from the others."""
MOST_BIG = 2
"""How many accounts with many customers are worked on at once: each takes hundreds of megabytes."""

_WINDOW = 20
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 600.0
_LOOK_S = 1.0


class PoolClock(Protocol):
    """What time it is, and waiting for the next result."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""

    def take(self, ended: SimpleQueue[JobResult | None], wait_s: float) -> JobResult | None:
        """Return the next result, None after this many seconds without one."""


class RealPoolClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self._clock = real_clock()

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return self._clock.monotonic()

    def take(self, ended: SimpleQueue[JobResult | None], wait_s: float) -> JobResult | None:
        """Return the next result, None after this many seconds without one."""
        try:
            return ended.get(timeout=wait_s) if wait_s > 0 else ended.get_nowait()
        except Empty:
            return None


@dataclass(slots=True)
class Breaker:
    """
    Whether jobs may begin: not for a while after most of the last ones had no answer from the API.

    After a pause one job begins, and its answer decides; the pauses double. After the longest one has been in vain,
    the API is given up (`gave_up`).
    """

    until_s: float = 0.0
    gave_up: bool = False
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _pause_s: float = 0.0
    _trying: str = ""

    def may_begin(self, account: str, now_s: float) -> bool:
        """Say whether a job may begin now, and take it for the one that is tried after a pause, if one is due."""
        if self._pause_s == 0:
            return True
        if self._trying or self.gave_up or now_s < self.until_s:
            return False
        self._trying = account
        return True

    def leave(self, account: str) -> None:
        """Take that a job which might begin did not: another one is tried."""
        if self._trying == account:
            self._trying = ""

    def take(self, result: JobResult, now_s: float) -> bool:
        """Take a result, and say whether a pause begins."""
        if self._pause_s == 0:
            self._last.append(result.unanswered)
            if sum(self._last) <= _WINDOW // 2:
                return False
            return self._pause(_FIRST_PAUSE_S, now_s)
        if not result.unanswered:
            # Whichever it was: the API answers again.
            self._last.clear()
            self._pause_s, self._trying = 0.0, ""
            return False
        if result.account != self._trying:
            return False  # it began before the pause
        self._trying = ""
        if self._pause_s >= _LONGEST_PAUSE_S:
            self.gave_up = True
            return False
        return self._pause(min(2 * self._pause_s, _LONGEST_PAUSE_S), now_s)

    def _pause(self, pause_s: float, now_s: float) -> bool:
        self._pause_s, self.until_s = pause_s, now_s + pause_s
        return True


def _nothing(_: float) -> None:
    """Do nothing."""


def _always(_: Job) -> bool:
    """Say yes."""
    return True


class Pool:
    """
    Up to `parallel` jobs at once.

    `ended` takes each result, in the thread that runs the pool; `paused` how many seconds nothing begins. A job that
    `may_begin` is against is left out.
    """

    def __init__(
        self,
        parallel: int,
        *,
        ended: Callable[[JobResult], None],
        may_begin: Callable[[Job], bool] = _always,
        paused: Callable[[float], None] = _nothing,
        clock: PoolClock | None = None,
        work: Callable[[Job, Stopper], JobResult] = run_job,
    ) -> None:
        self._parallel = parallel
        self._ended = ended
        self._may_begin = may_begin
        self._paused = paused
        self._clock = clock or RealPoolClock()
        self._work = work
        self._results: SimpleQueue[JobResult | None] = SimpleQueue()
        self._running: dict[str, bool] = {}
        self._stop = Stopper()
        self.breaker = Breaker()

    def stop(self) -> None:
        """Begin nothing more, and let what has begun end early where it can; may be called by a signal's handler."""
        self._stop.stop()
        self._results.put(None)

    @property
    def stopped(self) -> bool:
        """Say whether it was stopped."""
        return self._stop.stopped

    @property
    def running(self) -> int:
        """Return how many jobs have begun and not ended."""
        return len(self._running)

    def run(self, jobs: Iterable[Job]) -> None:
        """Do the jobs, until all have ended, it is stopped, or the API is given up."""
        waiting = _Waiting(iter(jobs))
        next_s = self._clock.monotonic()
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="account") as threads:
            try:
                while self._running or (waiting and not self.stopped and not self.breaker.gave_up):
                    now_s = self._clock.monotonic()
                    wait_s = next_s - now_s
                    if wait_s <= 0:
                        wait_s = GAP_S if self._begun(waiting, threads, now_s) else _LOOK_S
                        next_s = now_s + min(wait_s, GAP_S)
                    result = self._clock.take(self._results, wait_s)
                    if result is not None:
                        self._take(result)
            except BaseException:
                self.stop()
                raise

    def _begun(self, waiting: _Waiting, threads: ThreadPoolExecutor, now_s: float) -> bool:
        """Begin the next job, if one may, and say whether it did."""
        while not self.stopped and len(self._running) < self._parallel:
            job = waiting.take(big=sum(self._running.values()) < MOST_BIG)
            if job is None:
                return False
            if not self._may_begin(job):
                continue
            if not self.breaker.may_begin(job.account.name, now_s):
                waiting.put_back(job)
                return False
            self._running[job.account.name] = job.big
            threads.submit(copy_context().run, self._worked, job)
            return True
        return False

    def _worked(self, job: Job) -> None:
        """Do a job, and hand on its result."""
        self._results.put(self._work(job, self._stop))

    def _take(self, result: JobResult) -> None:
        """Take a result."""
        del self._running[result.account]
        now_s = self._clock.monotonic()
        if self.breaker.take(result, now_s):
            self._paused(self.breaker.until_s - now_s)
        self._ended(result)


class _Waiting:
    """The jobs that have not begun, in their order; big ones wait for each other and hold up no other."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._next: deque[Job] = deque()
        self._big: deque[Job] = deque()
        self._ended = False

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._big) or self._look()

    def _look(self) -> bool:
        """Say whether there is a job in their order."""
        if not self._next and not self._ended:
            job = next(self._jobs, None)
            self._ended = job is None
            if job is not None:
                self._next.append(job)
        return bool(self._next)

    def take(self, *, big: bool) -> Job | None:
        """Return the next job, None where all that are left are big and no `big` one may begin."""
        if big and self._big:
            return self._big.popleft()
        while self._look():
            job = self._next.popleft()
            if big or not job.big:
                return job
            self._big.append(job)
        return None

    def put_back(self, job: Job) -> None:
        """Put a job back, to be the next."""
        (self._big if job.big else self._next).appendleft(job)
