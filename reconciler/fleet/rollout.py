"""
A rollout driven: wave by wave, the accounts of each applied, then looked at again, then the next wave.

All that is decided is read from the table, so that whoever continues a rollout, here or after a kill, decides the
same. Who does the jobs, this process or the fleet's workers, is a `Carrier`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from reconciler.errors import Invalid
from reconciler.fleet.job import LEAST_APPLY_S, Job, is_big
from reconciler.fleet.rollouts import Rollouts
from reconciler.model.fleet import (
    AccountState,
    AccountStatus,
    FleetAccount,
    ItemState,
    JobKind,
    JobResult,
    Rollout,
    RolloutItem,
    RolloutState,
)
from reconciler.model.reports import Rule
from reconciler.pipeline.resources import NOWHERE, Origin
from reconciler.report.layout import count
from reconciler.settings import Settings
from reconciler.settings.fleet import Fleet

BEAT_S = 1.0
"""So often a driver says that it lives."""
SILENT_S = 10.0
"""After so long without a sign a driver is taken for dead."""
DEAD_S = 60.0
"""Whoever follows a rollout pauses it where its driver has given no sign for that long."""
STUCK_S = 600.0
"""A rollout on workers of which nothing runs, begins or ends for that long, or that none drives, is paused."""

ENDED = (ItemState.DONE, ItemState.FAILED, ItemState.REFUSED)
"""Where an account's part in a rollout is over."""


# --- the jobs of a rollout ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Ground:
    """What jobs are made of: the files as they were read once."""

    settings: Settings = field(repr=False)
    fleet: Fleet
    origin: Origin = NOWHERE
    rules: tuple[Rule, ...] = ()

    @cached_property
    def accounts(self) -> Mapping[str, FleetAccount]:
        """Return the fleet's accounts by name."""
        return {one.name: one for one in self.fleet.accounts}

    def job(self, kind: JobKind, account: FleetAccount, customers: int = 0, *, save: bool = False) -> Job:
        """Return a job of an account; `customers` is how many it had last, 0 where that is unknown."""
        big = is_big(self.settings.root, account, customers)
        return Job(kind, account, self.settings, self.origin, self.rules, save=save, big=big)

    def jobs(
        self,
        kind: JobKind,
        accounts: Iterable[FleetAccount],
        known: Mapping[str, AccountStatus],
        *,
        save: bool = False,
    ) -> Iterator[Job]:
        """Yield a job of each account, made when it is about to begin."""
        for one in accounts:
            yield self.job(kind, one, known[one.name].customers if one.name in known else 0, save=save)

    def apply_job(self, rollout: Rollout, item: RolloutItem, plan: str) -> Job:
        """Return the job that applies a saved plan, with what was approved when the rollout began."""
        account = self.accounts[item.account]
        agreed = replace(self.settings, options=replace(self.settings.options, approved=rollout.approved))
        job = self.job(JobKind.APPLY, account)
        return replace(job, settings=agreed, least_s=LEAST_APPLY_S, plan=plan, digest=item.digest)

    def misfit(self, name: str) -> str:
        """Return why an account must not be applied, "" where it may."""
        account = self.accounts.get(name)
        if account is None:
            return "the project has no such account any more; nothing was sent"
        try:
            return "it is suspended by now; nothing was sent" if self.settings.suspended_now(account) else ""
        except Invalid as exc:
            return str(exc.problems[0])


def begin_item(rollouts: Rollouts, item: RolloutItem, holder: str, misfit: str, now: float) -> RolloutItem | None:
    """Begin an attempt of an account, and return it; None where it must not begin. A `misfit` is refused."""
    begun = rollouts.claim(item, holder, now)
    if begun is None or not misfit:
        return begun
    rollouts.finish(replace(begun, state=ItemState.REFUSED, ended_at=now, error="Refused", message=misfit))
    return None


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


# --- the waves ---------------------------------------------------------------------------------------


class Carrier(Protocol):
    """Who does the jobs of a wave, many at once; `runs` says whether the rollout is to go on."""

    def apply(self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]) -> str:
        """Apply accounts until all have ended, and write how; where nothing begins any more, return why, if known."""

    def check(
        self, rollout: Rollout, items: Sequence[RolloutItem], runs: Callable[[], bool]
    ) -> Mapping[str, AccountStatus]:
        """Check accounts for drift, and return what is known of them then; those that were not checked are left out."""


@dataclass(slots=True)
class Surroundings:
    """
    What a driver works with.

    `carrier` does jobs; `stopped` says that this driver is to end; `wait` lets seconds pass, and returns early where
    that is so; `failed` is notified of each account that has failed at the second look, `at_wave` of each wave.
    """

    now: Callable[[], float]
    wait: Callable[[float], object]
    stopped: Callable[[], bool]
    carrier: Carrier
    failed: Callable[[RolloutItem], None] = field(default=lambda _: None)
    at_wave: Callable[[Rollout, Sequence[RolloutItem], str], None] = field(default=lambda _, __, ___: None)


def run_rollout(rollouts: Rollouts, rollout: Rollout, around: Surroundings) -> Rollout:
    """
    Drive a rollout until it has ended, or is paused, stopped or aborted, and return it as it is then.

    `rollout` is one that the caller drives. A driver that is to end pauses it, unless workers carry it out, of whom
    another one goes on. What is raised, of a table that cannot be written for example, leaves it as it was; continuing
    it is safe.
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

    def set_state(self, state: RolloutState, why: str = "") -> None:
        """Write where the rollout is, unless someone else has ended or paused it."""
        of = (RolloutState.RUNNING,)
        self.rollouts.set_state(self.rollout.id, state, of=of, why=why, now=self.around.now())

    def runs(self) -> bool:
        """Say whether it is to go on, and by this driver."""
        if self.around.stopped():
            return False
        found = self.rollouts.find(self.rollout.id)
        return found is not None and found.state is RolloutState.RUNNING and found.driver == self.rollout.driver

    def wave(self, wave: int, *, last: bool) -> bool:
        """Apply the accounts of a wave, wait, look at them again, and say whether the next wave may begin."""
        mine = [one for one in self.rollouts.items(self.rollout.id) if one.wave == wave]
        todo = [one for one in mine if one.state not in ENDED]
        self.around.at_wave(self.rollout, mine, "applying")
        if todo and not self._applied(wave, todo):
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
            if not self.rollout.on_workers:
                self.set_state(RolloutState.PAUSED, "interrupted")
            return False
        return self.runs()

    def _within_limit(self) -> bool:
        """Say whether few enough accounts have failed; it stops where they are too many."""
        items = self.rollouts.items(self.rollout.id)
        failed = [one for one in items if one.state in (ItemState.FAILED, ItemState.REFUSED)]
        most = self.rollout.max_failed
        if len(failed) > most:
            self.set_state(
                RolloutState.STOPPED, f"{count(len(failed), 'account')} failed, and max_failed allows {most}"
            )
        return self._goes_on()

    def _applied(self, wave: int, todo: Sequence[RolloutItem]) -> bool:
        """Apply accounts, and say whether all of them have ended."""
        why = self.around.carrier.apply(self.rollout, todo, self.runs)
        left = self.rollouts.open_items(self.rollout.id, wave)
        if not left:
            return True
        if self._goes_on() and why:
            self.set_state(RolloutState.PAUSED, f"{why}: {count(len(left), 'account')} did not begin")
        return False

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
        items = self.rollouts.items(self.rollout.id)
        done = [one for one in items if one.wave == wave and one.state is ItemState.DONE]
        found = self.around.carrier.check(self.rollout, done, self.runs)
        for item in done:
            status = found.get(item.account)
            if status is None or status.state not in _NOT_AS_APPLIED:
                continue
            number = {AccountState.DRIFTED: status.drifted, AccountState.PENDING: status.pending}.get(status.state, 0)
            changed = f"{count(number, 'customer')} changed after the apply, while the rollout waited"
            error, message = status.error or "Drifted", status.message or changed
            failed = replace(item, state=ItemState.FAILED, error=error, message=message)
            self.rollouts.put(failed)
            self.around.failed(failed)
        return self._goes_on()


_NOT_AS_APPLIED = (AccountState.FAILED, AccountState.DRIFTED, AccountState.PENDING)
