"""
Drift: what the live side changed since we applied, as one value.

It is read off a plan and what the plan was made from, so that it cannot tell another story than the plan. What
is live as it is declared is no drift, whatever the ledger says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from reconciler.changes import Blocked, Unverified
from reconciler.errors import Source
from reconciler.model import Action, Address, Cause, CustomerId, EnvironmentRef


class Kind(StrEnum):
    """What happened to a customer, other than by our doing."""

    CHANGED = "changed"
    ARCHIVED = "archived"
    RESTORED = "restored"
    GONE = "gone"
    DUPLICATED = "duplicated"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class Moved:
    """
    One field that is not as it was applied.

    `applied` is what the server held after our last write, None where there is no record; `declared` None is wanted
    empty. `cause` says who moved: the live side (drift), both, or nobody knows (unknown).
    """

    name: str
    applied: str | None
    live: str
    declared: str | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Finding:
    """One customer (or user) that drifted. `ids` are those that share an external_id, where it is duplicated."""

    kind: Kind
    address: Address
    id: CustomerId | None
    text: str
    fields: tuple[Moved, ...] = ()
    source: Source | None = None
    ids: tuple[CustomerId, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """An edit of the files that is not applied yet: no drift."""

    action: Action
    address: Address
    fields: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One entry of the ignore file: findings that it fits are not counted until the day after `until`.

    `key` is a shell pattern of external_ids, `kinds` and `fields` are empty where all are meant.
    """

    key: str
    until: date
    reason: str
    source: Source
    kinds: frozenset[Kind] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding, or those of its fields, that a rule hides."""

    finding: Finding
    rule: Rule


@dataclass(frozen=True, slots=True)
class Drift:
    """
    All that the live side changed, and what stands beside it.

    - `findings`: the drift. `pending`: edits that are not applied. `ignored`: what rules hide; `expired`: rules
      whose day has passed, and that hide nothing any more.
    - `blocked`: what the plan could not do for another reason than drift.
    - `unknown`: what cannot be known, there being no ledger. `unobservable`: what no request shows on this server.
    - `unverified`: customers that were written so lately that whether they drifted cannot be said yet.
    - `managed` of `live` customers are bound: the coverage.
    """

    environment: EnvironmentRef
    project: str
    findings: tuple[Finding, ...] = ()
    pending: tuple[Pending, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    expired: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = ()
    unobservable: tuple[str, ...] = ()
    unverified: tuple[Unverified, ...] = ()
    managed: int = 0
    live: int = 0
    requests: int = 0

    def count(self, kind: Kind) -> int:
        """Return how many findings are of one kind."""
        return sum(one.kind is kind for one in self.findings)
