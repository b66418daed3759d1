"""
A rollout driven: wave by wave, the accounts of each applied, then looked at again, then the next wave.

All that is decided is read from the table, so that whoever continues a rollout, here or after a kill, decides the
same. Whoever carries the jobs out, a pool or an engine, is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from reconciler.fleet.job import Job
from reconciler.fleet.rollouts import Rollouts
from reconciler.model.fleet import (
    AccountState,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.report.layout import count

BEAT_S = 1.0
"""So often a driver says that it lives."""
SILENT_S = 10.0
"""After so long without a sign a driver is taken for dead."""

ENDED = (ItemState.DONE, ItemState.FAILED, ItemState.REFUSED)
"""Where an account's part in a rollout is over."""


Carry = Callable[[Iterable[Job], Callable[[JobResult], None], Callable[[Job], bool]], None]
"""
What does jobs, many at once, and hands on each result; a job that the last argument is against is left out.

It returns when all have ended, or when nothing begins any more.
"""


@dataclass(slots=True)
class Surroundings:
    """
    What a driver works with.

    `job_of` makes the job of an item; `carry` does jobs; `stopped` says that the person who drives wants it to end;
    `wait` lets seconds pass, and returns early where that is so; `fit` says why an account must not begin now, "" where
    it may; `began` and `ended` are notified of each account, `at_wave` of each wave.
    """

    now: Callable[[], float]
    wait: Callable[[float], None]
    stopped: Callable[[], bool]
    carry: Carry
    job_of: Callable[[RolloutItem, JobKind], Job]
    fit: Callable[[str], str] = field(default=lambda _: "")
    ended: Callable[[JobResult, RolloutItem], None] = field(default=lambda _, __: None)
    at_wave: Callable[[Rollout, Sequence[RolloutItem], str], None] = field(default=lambda _, __, ___: None)


def run_rollout(rollouts: Rollouts, rollout: Rollout, around: Surroundings) -> Rollout:
    """
    Drive a rollout until it has ended, or is paused, stopped or aborted, and return it as it is then.

    `rollout` is one that the caller drives. What is raised, of a table that cannot be written for example, leaves it
    as it was; continuing it is safe.
    """
    driver = _Driver(rollouts, rollout, around)
    for wave in range(max(rollout.wave, 1), rollout.waves + 1):
        driver.rollout = rollouts.put_wave(rollout, wave)
        if not driver.wave(wave, last=wave == rollout.waves):
            break
    else:
        driver.set_state(RolloutState.DONE)
    rollouts.leave(rollout)
    return rollouts.find(rollout.id) or rollout


@dataclass(slots=True)
class _Driver:
    """What drives one rollout."""

    rollouts: Rollouts
    rollout: Rollout
    around: Surroundings
    begun: set[str] = field(default_factory=set)

    def set_state(self, state: RolloutState, why: str = "") -> None:
        """Write where the rollout is, unless someone else has ended or paused it."""
        of = (RolloutState.RUNNING,)
        self.rollouts.set_state(self.rollout.id, state, of=of, why=why, now=self.around.now())

    def runs(self) -> bool:
        """Say whether it is to go on, and by this driver."""
        found = self.rollouts.find(self.rollout.id)
        return found is not None and found.state is RolloutState.RUNNING and found.driver == self.rollout.driver

    def items(self) -> tuple[RolloutItem, ...]:
        """Return the accounts of the rollout as the table has them."""
        return self.rollouts.items(self.rollout.id)

    def item(self, account: str) -> RolloutItem:
        """Return one account of the rollout as the table has it."""
        return self.rollouts.item(self.rollout.id, account)

    def wave(self, wave: int, *, last: bool) -> bool:
        """Apply the accounts of a wave, wait, look at them again, and say whether the next wave may begin."""
        mine = [one for one in self.items() if one.wave == wave]
        todo = [one for one in mine if one.state not in ENDED]
        self.around.at_wave(self.rollout, mine, "applying")
        if todo and not self._applied(todo):
            return False
        if not self._within_limit():
            return False
        soak_s = self.rollout.soaks[wave - 1] if wave <= len(self.rollout.soaks) else 0.0
        if soak_s and not last:
            self.around.at_wave(self.rollout, mine, "soaking")
            if not self._soaked(soak_s) or not self._looked_at(wave):
                return False
            return self._within_limit()
        return self._goes_on()

    def _goes_on(self) -> bool:
        """Say whether it is to go on; where the person who drives it wants it to end, it is paused."""
        if self.around.stopped():
            self.set_state(RolloutState.PAUSED, "interrupted")
        return self.runs()

    def _within_limit(self) -> bool:
        """Say whether few enough accounts have failed; it stops where they are too many."""
        failed = [one for one in self.items() if one.state in (ItemState.FAILED, ItemState.REFUSED)]
        most = self.rollout.max_failed
        if len(failed) > most:
            self.set_state(
                RolloutState.STOPPED, f"{count(len(failed), 'account')} failed, and max_failed allows {most}"
            )
        return self._goes_on()

    def _applied(self, todo: Sequence[RolloutItem]) -> bool:
        """Apply accounts, and say whether all of them have ended."""
        jobs = (self.around.job_of(one, JobKind.APPLY) for one in todo)
        try:
            self.around.carry(jobs, self._ended, self._may_begin)
        finally:
            left = [one for one in self.items() if one.account in self.begun]
            back = [replace(one, state=ItemState.WAITING) for one in left if one.state is ItemState.APPLYING]
            if back and self.runs():
                self.rollouts.put(*back)
        names = {one.account for one in todo}
        open_ = [one for one in self.items() if one.account in names and one.state not in ENDED]
        if not open_:
            return True
        if self._goes_on():
            why = f"the API does not answer: {count(len(open_), 'account')} did not begin"
            self.set_state(RolloutState.PAUSED, why)
        return False

    def _may_begin(self, job: Job) -> bool:
        """Say whether an account may begin, and write that it has."""
        if not self.runs():
            return False
        item = self.item(job.account.name)
        if (why := self.around.fit(item.account)) != "":
            now = self.around.now()
            self.rollouts.put(replace(item, state=ItemState.REFUSED, ended_at=now, error="Refused", message=why))
            return False
        if item.account not in self.begun:
            self.begun.add(item.account)
            now = self.around.now()
            begun = replace(item, state=ItemState.APPLYING, started_at=now, attempts=item.attempts + 1)
            self.rollouts.put(begun)
        return True

    def _ended(self, result: JobResult) -> None:
        """Write how an account ended."""
        self.begun.discard(result.account)
        item = item_after(self.item(result.account), result)
        self.rollouts.put(item)
        self.around.ended(result, item)

    def _soaked(self, soak_s: float) -> bool:
        """Let a time pass, and say whether it is to go on."""
        until = self.around.now() + soak_s
        while (left := until - self.around.now()) > 0:
            if not self._goes_on():
                return False
            self.around.wait(min(left, BEAT_S))
        return self._goes_on()

    def _looked_at(self, wave: int) -> bool:
        """Check the accounts of a wave for drift: one that has any has failed; say whether it is to go on."""
        done = [one for one in self.items() if one.wave == wave and one.state is ItemState.DONE]

        def ended(result: JobResult) -> None:
            item = self.item(result.account)
            if result.state in (AccountState.FAILED, AccountState.DRIFTED, AccountState.PENDING):
                what = {AccountState.DRIFTED: result.drifted, AccountState.PENDING: result.pending}.get(result.state, 0)
                changed = f"{count(what, 'customer')} changed after the apply, while the rollout waited"
                item = replace(
                    item, state=ItemState.FAILED, error=result.error or "Drifted", message=result.message or changed
                )
                self.rollouts.put(item)
            self.around.ended(result, item)

        self.around.carry((self.around.job_of(one, JobKind.DRIFT) for one in done), ended, lambda _: self.runs())
        return self._goes_on()


def item_after(item: RolloutItem, result: JobResult) -> RolloutItem:
    """
    Return an account of a rollout after an apply of it.

    One that was stopped before all was sent waits again. One whose plan is not empty afterwards has failed.
    """
    state = ItemState.DONE
    message, error = result.message, result.error
    if result.code == _INTERRUPTED:
        state = ItemState.WAITING
    elif result.code == _REFUSED and result.error:
        state = ItemState.REFUSED
    elif result.error or result.undone:
        state = ItemState.FAILED
    elif result.left:
        state, error = ItemState.FAILED, "NotInSync"
        message = f"{count(result.left, 'change')} needed after the apply that the plan does not have"
    return replace(item, state=state, done=result.done, ended_at=result.ended_at, error=error, message=message)


_INTERRUPTED = 130
_REFUSED = 3
