"""What a plan is made under: limits, patterns, what is known of the server. Values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from enum import StrEnum

from reconciler.errors import Source
from reconciler.model.core import Action, EnvironmentRef
from reconciler.model.reasons import NoteKind, ReasonParts

_MOST_DIGITS = 15


class Prune(StrEnum):
    """
    Whose absence from the YAML archives a customer.

    `managed`: those whose entry this project had and removed. `all`: as well, live ones whose
    external_id matches an `owns` pattern. `none`: no one's.
    """

    MANAGED = "managed"
    ALL = "all"
    NONE = "none"


class Lifecycle(StrEnum):
    """
    Who decides whether a customer that an integration syncs is active.

    `manage`: the files, as of any customer. `observe`: the integration; what it archives or restores is reported.
    """

    MANAGE = "manage"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class SyncedRules:
    """What an integration owns of the customers that it syncs; `fields` are reported and never patched."""

    lifecycle: Lifecycle = Lifecycle.MANAGE
    fields: frozenset[str] = frozenset()


NOTHING_OWNED = SyncedRules()


LOCAL = "local:"
"""How the place of a folder begins that has no git remote: the same folder is the same place, another one may be."""


@dataclass(frozen=True, slots=True)
class Share:
    """
    A limit: a number, or a percentage of something.

    >>> Share.parse("10%").of(120), Share.parse("10%").of(3), Share.parse("25").of(3)
    (12, 1, 25)
    """

    amount: float
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return the limit that `text` (`N` or `N%`) writes; ValueError for anything else."""
        number = text.strip().removesuffix("%")
        if not number.isascii() or not number.replace(".", "", 1).isdigit():
            raise ValueError(f"{text!r} is not a number or a percentage, such as 25 or 5%")
        percent = text.strip().endswith("%")
        if not percent and not number.isdigit():
            raise ValueError(f"{text!r} is not a whole number")
        if len(number) > _MOST_DIGITS:
            raise ValueError("this number is too long")
        return cls(float(number), percent)

    def of(self, count: int) -> int:
        """Return how many are allowed of `count`: a percentage is rounded down, and at least 1 unless it is 0%."""
        if not self.percent:
            return int(self.amount)
        return max(1, int(count * self.amount / 100)) if self.amount else 0

    def __str__(self) -> str:
        """Return `N` or `N%`."""
        return f"{self.amount:g}%" if self.percent else f"{self.amount:g}"


@dataclass(frozen=True, slots=True)
class Window:
    """
    When some actions are allowed: on `days` from `opens` to `closes`, by the clocks of `zone`.

    `days` are those on which it opens, Monday being 0. `opens` and `closes` are minutes after midnight; where
    `closes` is not the later one, it closes on the next day. `said` is the rule in words.
    """

    actions: frozenset[Action]
    days: frozenset[int]
    opens: int
    closes: int
    zone: tzinfo
    said: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """
    An `allow` of a policy: what is allowed beyond its rules up to a day, that day included, in UTC, and why.

    `shares`: by the name of a limit, what it is then. `approve`: actions that need no approval then.
    """

    until: date
    reason: str
    shares: Mapping[str, Share] = field(default_factory=dict)
    approve: frozenset[Action] = frozenset()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    What one run may take: requests of any kind, and seconds from its begin; None is no bound.

    >>> print(Allowance(100, 1800.0))
    --max-requests 100 --max-duration 30m
    """

    max_requests: int | None = None
    max_duration_s: float | None = None

    def __str__(self) -> str:
        """Return the options that say it."""
        requests = () if self.max_requests is None else (f"--max-requests {self.max_requests}",)
        return " ".join((*requests, *self._time()))

    def _time(self) -> tuple[str, ...]:
        """Return the option of the time, in minutes where those are whole."""
        if self.max_duration_s is None:
            return ()
        minutes, rest = divmod(self.max_duration_s, 60)
        return (f"--max-duration {self.max_duration_s:g}s" if rest or not minutes else f"--max-duration {minutes:g}m",)


UNBOUNDED = Allowance()


SHORT = 12
"""So many characters of a commit are shown."""


@dataclass(frozen=True, slots=True)
class Since:
    """
    A plan that is narrowed to the customers whose entries changed since a commit.

    - `ref` is the commit as it was named, `commit` the merge base of it and HEAD.
    - `planned` of `customers` are in the plan. `whole` says, with its `parts`, why all of them are; None: they are not.
    """

    ref: str
    commit: str
    customers: int
    planned: int
    whole: NoteKind | None = None
    parts: ReasonParts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """
    All that `make_plan` obeys in addition to desired, live and records.

    - `place`: the repository and folder that the project is in; begins with `LOCAL` for a folder without a remote,
      "" where it is unknown.
    - `owns`, `protect`, `targets`, `excludes`: shell patterns of external_ids (`*`, `?`, `[…]`).
    - `since`: what `targets` come from, where no one named them; without targets it then plans nobody.
    - `equal`: for a field, canonical text → the one that stands for its class.
    - `lists_archived`, `gets_archived`, `lag_s` (how long a write may stay unseen): as the environment states them,
      None where it does not.
    - `rate_per_s`: 0 is no limit.
    - `windows`: when actions are allowed; one that no window names always is.
    - `approval`: actions that need approval. `approved`: those that an option, or a script, approves.
    - `allow`: what is allowed for a time. `by_option`: names of limits that an option sets, to which it does not apply.
    - `policy_at`: where the project file has the policy, or of what it is in, as much as is written; `policy_lacks` are
      the keys that are not. None where there is no project file.
    - `places`: for a rule of the policy, where it is written; not those that an option replaces.
    - `reset`: archive whatever is not declared, also what another file's or project's entries made.
    - `accept_new_key`: go on with an API key that the ledger's customers do not prove.
    - `refresh_users`: list the users of every customer with declared users, also where the ledger has them.
    - `disposable`: nobody is billed here, so that two customers of one name or email are no matter.
    - `recreate`: keys whose customers are created though those of keys that are gone look like them.
    - `synced`: what an integration owns of the customers that it syncs.
    - `lookalikes`: False creates whatever looks like whom, as in the trial of a plan that was held against it before.
    """

    environment: EnvironmentRef
    project: str = "default"
    place: str = ""
    prune: Prune = Prune.MANAGED
    owns: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    equal: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    max_archives: Share = Share(10, percent=True)
    max_restores: Share = Share(10, percent=True)
    max_changes: Share | None = None
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    since: Since | None = None
    lists_archived: bool | None = None
    gets_archived: bool | None = None
    lag_s: float | None = None
    rate_per_s: float = 5.0
    windows: tuple[Window, ...] = ()
    approval: tuple[Action, ...] = ()
    approved: frozenset[Action] = frozenset()
    allow: tuple[Waiver, ...] = ()
    by_option: frozenset[str] = frozenset()
    policy_at: Source | None = field(default=None, compare=False)
    policy_lacks: tuple[str, ...] = field(default=(), compare=False)
    places: Mapping[str, Source] = field(default_factory=dict, compare=False)
    refresh_users: bool = False
    accept_new_key: bool = False
    reset: bool = False
    disposable: bool = False
    recreate: tuple[str, ...] = ()
    lookalikes: bool = True
    synced: SyncedRules = SyncedRules()
