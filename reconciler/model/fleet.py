"""
Many accounts: the accounts of a fleet, what is known of each, a job and its result, a rollout. Values, no I/O.

An *account* is a folder of customers files with an API key of its own. A *job* checks, plans or applies one account. A
*rollout* applies many, wave by wave. Nothing here holds a customer's name or another personal value, but for the text
of a saved plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum

from reconciler.errors import Problem
from reconciler.model.policy import Share


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """
    An account of a fleet; `environment` is the one of the project file that says how it is reached.

    `folder` is that of its customers files, from the project's. It is checked every `every_s` seconds, not where it is
    `suspended`. `fault` is why there is a folder for it that cannot be an account's: every job of it fails with that.
    """

    name: str
    environment: str
    folder: str
    labels: Mapping[str, str] = field(default_factory=dict)
    every_s: float = 3600.0
    suspended: bool = False
    fault: Problem | None = field(default=None, compare=False)

    @property
    def address(self) -> str:
        """Return what `-e` and its ledger call it: no environment has a slash in its name."""
        return f"{self.name}/{self.environment}"


class AccountState(StrEnum):
    """What the last job of an account found, the worst last; the order in which a status lists them is the reverse."""

    SUSPENDED = "suspended"
    NEW = "new"
    IN_SYNC = "in_sync"
    PENDING = "pending"
    DRIFTED = "drifted"
    BLOCKED = "blocked"
    FAILED = "failed"


MISCONFIGURED = ("Invalid", "Unauthorized", "Forbidden")
"""Kinds of errors that only a person ends: such an account is not tried again soon."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """
    What is known of an account; times are seconds since 1970, 0 for never.

    `since`: when `state` began. `failures`: jobs that failed in a row. `drifted`, `pending` and `blocked` count
    customers. `error` is the kind of the last error, `message` what it said, without personal values.
    """

    account: str
    environment: str
    state: AccountState = AccountState.NEW
    since: float = 0.0
    checked_at: float = 0.0
    ok_at: float = 0.0
    next_due: float = 0.0
    failures: int = 0
    customers: int = 0
    drifted: int = 0
    pending: int = 0
    blocked: int = 0
    requests: int = 0
    seconds: float = 0.0
    commit: str = ""
    error: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """How many accounts there were on a day (`2026-11-30`, UTC), and how many were drifted and failing at its end."""

    day: str
    environment: str
    accounts: int
    drifted: int
    failing: int


class JobKind(StrEnum):
    """What a job does with its account."""

    DRIFT = "drift"
    PLAN = "plan"
    APPLY = "apply"


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """How many changes a plan has, or how many of them were made."""

    creates: int = 0
    patches: int = 0
    restores: int = 0
    archives: int = 0
    users: int = 0

    @property
    def changes(self) -> int:
        """Return how many they are in all."""
        return self.creates + self.patches + self.restores + self.archives + self.users


def total(counts: Iterable[ChangeCounts]) -> ChangeCounts:
    """
    Return the sum of counts.

    >>> total([ChangeCounts(creates=1), ChangeCounts(creates=2, archives=1)])
    ChangeCounts(creates=3, patches=0, restores=0, archives=1, users=0)
    """
    rows = [astuple(one) for one in counts]
    return ChangeCounts(*map(sum, zip(*rows, strict=True))) if rows else ChangeCounts()


@dataclass(frozen=True, slots=True)
class JobResult:
    """
    How a job ended; `code` is the exit code that a command for the one account would have had.

    `drifted`, `pending` and `blocked` count customers. `planned` is what the plan has, `done` and `undone` what an
    apply made of it, and what failed, is in doubt or was not begun. `exceeded` names limits, approvals and windows that
    are against the plan. `left` is how many changes the account needed after the apply. `unanswered`: the API gave no
    answer, or one that says that it is down. `plan` is a saved plan as text, sealed where there is a key; `digest`
    names it, and `fingerprint` its changes. `exposed` are files that others on this machine can read, each with the
    mode that ends that.
    """

    account: str
    kind: JobKind
    state: AccountState
    code: int
    began_at: float
    ended_at: float
    customers: int = 0
    drifted: int = 0
    pending: int = 0
    blocked: int = 0
    planned: ChangeCounts = ChangeCounts()
    done: ChangeCounts = ChangeCounts()
    undone: int = 0
    left: int = 0
    exceeded: tuple[str, ...] = ()
    requests: int = 0
    throttled: int = 0
    commit: str = ""
    error: str = ""
    message: str = ""
    hint: str = ""
    unanswered: bool = False
    plan: str = field(default="", repr=False)
    digest: str = ""
    fingerprint: str = ""
    exposed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wave:
    """
    A step of a rollout: accounts with all of `labels`, up to a `share` of those that change; `soak_s` seconds after it.

    Without both it takes whoever is left.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    share: Share | None = None
    soak_s: float = 0.0


_QUARTER, _TWENTIETH = Share(25, percent=True), Share(5, percent=True)


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """
    What a rollout must keep to; None is no limit. Shares are of all chosen accounts, but `max_archives`, of customers.

    `max_failed` counts accounts: beyond it no further wave begins.
    """

    max_accounts_changed: Share | None = _QUARTER
    max_accounts_archiving: Share | None = _TWENTIETH
    max_archives: Share | None = None
    max_failed: Share = _TWENTIETH


@dataclass(frozen=True, slots=True)
class FleetExcess:
    """
    A limit of the fleet's policy that the plans exceed together, and the accounts that count towards it, by name.

    `planned` and `allowed` are accounts, of `max_archives` customers; they are shares of `base`.
    """

    limit: str
    planned: int
    allowed: int
    base: int
    share: Share
    accounts: tuple[str, ...]

    @property
    def flag(self) -> str:
        """Return the option that allows it once."""
        return f"--{self.limit.replace('_', '-')} {self.planned}"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """
    What the gate found in the plans of the chosen accounts.

    `changing` are those that can be applied, `unplanned` those without a plan, `held` those whose own policy is
    against theirs, `blocked` those that have customers who cannot be changed. `max_failed` counts accounts.
    """

    results: tuple[JobResult, ...]
    exceeded: tuple[FleetExcess, ...]
    max_failed: int
    skip: bool = False

    @property
    def chosen(self) -> int:
        """Return how many accounts were planned."""
        return len(self.results)

    @property
    def unplanned(self) -> tuple[JobResult, ...]:
        """Return the accounts that could not be planned."""
        return tuple(one for one in self.results if one.error)

    @property
    def held(self) -> tuple[JobResult, ...]:
        """Return the accounts whose own policy is against their plan."""
        return tuple(one for one in self.results if one.exceeded and not one.error)

    @property
    def blocked(self) -> tuple[JobResult, ...]:
        """Return the accounts that have customers who cannot be changed."""
        return tuple(one for one in self.results if one.blocked and not one.error)

    @property
    def changing(self) -> tuple[JobResult, ...]:
        """Return the accounts whose plans can be applied."""
        return tuple(one for one in self.results if one.planned.changes and not one.error and not one.exceeded)

    @property
    def planned(self) -> ChangeCounts:
        """Return how many changes the plans that can be applied have."""
        return total(one.planned for one in self.changing)

    @property
    def open(self) -> bool:
        """Say whether the rollout may begin: accounts that are not ready are left out where that was asked for."""
        return not self.exceeded and (self.skip or not (self.unplanned or self.held))


class RolloutState(StrEnum):
    """Where a rollout is: `stopped` by its policy, `paused` and `aborted` by a person."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABORTED = "aborted"
    DONE = "done"


UNFINISHED = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.STOPPED)
"""States in which a rollout can be continued; a fleet has one such at most."""


class ItemState(StrEnum):
    """Where an account of a rollout is; `refused` is a plan that did not hold any more."""

    WAITING = "waiting"
    APPLYING = "applying"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rollout:
    """
    An apply to many accounts; `id` is a text of 32 hexadecimal digits. `waves` is how many it has, `wave` the current.

    `chosen` is how many accounts were planned, those without a change too. `driver` names the process that goes on
    with it, seen last at `seen_at`; `on_workers` is one that the fleet's workers carry out, of which one drives.
    `approved` are actions that whoever began it approved, and `soaks` the seconds after each wave.
    """

    id: str
    fleet: str
    state: RolloutState
    started_at: float
    who: str = ""
    commit: str = ""
    ci_url: str = ""
    chosen: int = 0
    waves: int = 0
    wave: int = 0
    max_failed: int = 0
    ended_at: float = 0.0
    why: str = ""
    driver: str = ""
    seen_at: float = 0.0
    approved: tuple[str, ...] = ()
    soaks: tuple[float, ...] = ()
    on_workers: bool = False


@dataclass(frozen=True, slots=True)
class RolloutItem:
    """
    An account of a rollout, with what its plan has and what was done; `wave` counts from 1.

    `holder` names the latest of its `attempts`: what an attempt that was taken for dead finds later does not count.
    """

    rollout: str
    account: str
    wave: int
    state: ItemState = ItemState.WAITING
    digest: str = ""
    fingerprint: str = ""
    planned: ChangeCounts = ChangeCounts()
    done: ChangeCounts = ChangeCounts()
    started_at: float = 0.0
    ended_at: float = 0.0
    attempts: int = 0
    error: str = ""
    message: str = ""
    holder: str = ""
