"""
The plan: changes and all else that leads from live to desired, as one value; and what became of a change.

It holds no function and no client, so that it can be shown, saved, compared and tested without a
server: the same inputs make the same plan. Its parts are the nouns of `model`; it is apart from
them because its `entries` are rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as having
from enum import StrEnum

from reconciler.errors import Source
from reconciler.model.core import (
    Action,
    Address,
    Cause,
    CustomerId,
    EnvironmentRef,
    LiveCustomer,
    Read,
    Reason,
    SourceFile,
    Status,
)
from reconciler.model.ledger import Binding, Pass, PutUsers
from reconciler.model.policy import Since
from reconciler.model.reasons import BlockedReason, Ending, KeepReason, NoteKind, ReasonParts, UnknownKind, check_parts


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    One of several customers that share an external_id.

    `key` is what the ledger binds it to, None where it is bound to nothing; `users` and `payment_methods`
    count what it has, None where that was not read yet.
    """

    customer: LiveCustomer
    key: str | None
    users: int | None
    payment_methods: int | None


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Customers that share an external_id, the one to keep first, and why that one."""

    external_id: str
    candidates: tuple[Candidate, ...]
    why: KeepReason

    @property
    def kept(self) -> Candidate:
        """Return the one to keep."""
        return self.candidates[0]


MOST_ALIKE = 3.0
"""The score of two customers that agree in name, address and email domain; an equal email may exceed it."""


@dataclass(frozen=True, slots=True)
class Twins:
    """
    Customers that agree in `fields`, (field, value as the first one has it), and do not share an external_id.

    `alike` are those of name, address and domain that are written otherwise and alike, `score` how much, up to 3.
    """

    fields: tuple[tuple[str, str], ...]
    customers: tuple[LiveCustomer, ...]
    alike: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Doubles:
    """What is there twice; `reads` is what must be read before it can be said which one to keep."""

    groups: tuple[DuplicateGroup, ...] = ()
    twins: tuple[Twins, ...] = ()
    reads: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """
    One field of a change. `before` and `after` are as written, "" or None for empty.

    `after` None is a field declared `null`: declared empty. For creates `before` is "" and `cause` config.
    """

    name: str
    before: str
    after: str | None
    cause: Cause = Cause.CONFIG


@dataclass(frozen=True, slots=True)
class Change:
    """
    One request to be sent.

    ===========  =============  ==========================================  ====================
    action       id             fields                                      other
    ===========  =============  ==========================================  ====================
    restore      the customer   none; with `otherwise`: those of a create   otherwise, or None
    patch        the customer   what differs
    create       None           what is declared and not empty
    create_user  the customer,  what is declared and not empty, and email   unless_listed
                 or None where
                 this plan
                 creates it
    archive      the customer   none                                        payment_methods
    ===========  =============  ==========================================  ====================

    - `otherwise` is `create` where a get answered 404 to a customer that the ledger held active: it is
      hidden or gone, and only the restore's own answer tells.
    - `unless_listed`: the customer's users are listed after its restore, and one found is not created.
    - `payment_methods`: how many the customer has, where they were counted.
    """

    action: Action
    address: Address
    id: CustomerId | None
    reason: Reason
    fields: tuple[FieldChange, ...] = ()
    source: Source | None = None
    otherwise: Action | None = None
    unless_listed: bool = False
    payment_methods: int | None = None


class BindingAction(StrEnum):
    """Changes to the ledger alone: they are shown, written by any apply, and are no changes for the exit code."""

    ADOPT = "adopt"
    MOVE = "move"
    FORGET = "forget"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class BindingChange:
    """A binding that begins, changes its key, or ends. `origin` is the former key of a move."""

    action: BindingAction
    address: Address
    id: CustomerId
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Rename:
    """That the key `origin` may be called `to` now: what a `moved` line would say."""

    origin: str
    to: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """
    What should be done and cannot be done, and why: `report.messages` says it, and what to do about it.

    `moved` is there where the create of one key and the end of another may be one customer.
    """

    address: Address
    reason: BlockedReason
    field: str | None = None
    source: Source | None = None
    ids: tuple[CustomerId, ...] = ()
    moved: Rename | None = None
    parts: ReasonParts = having(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that the reason does not carry."""
        check_parts(self.reason, self.parts)


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader of the plan should know and need not act on; `address` is None for the whole plan."""

    kind: NoteKind
    address: Address | None = None
    parts: ReasonParts = having(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that the kind does not carry."""
        check_parts(self.kind, self.parts)


@dataclass(frozen=True, slots=True)
class Unknown:
    """What cannot be known, and is said before all else."""

    kind: UnknownKind
    parts: ReasonParts = having(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that the kind does not carry."""
        check_parts(self.kind, self.parts)


@dataclass(frozen=True, slots=True)
class Unverified:
    """
    A customer that is read as it was before our last write: the read may lag, or someone brought that state back.

    By the server's clock it was written `ago_s` seconds before it was read; in `left_s` seconds reads can be trusted.
    """

    address: Address
    id: CustomerId
    ago_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Exceeded:
    """
    A limit that the plan exceeds, and the flag that allows it once: "" where only waiting, or another rule, does.

    `source` is where the limit is written, None where nobody wrote it. A window that is closed is a limit too:
    `action` is then what it holds back, `rule` when that is allowed, in words, and `opens_at` when it opens
    (RFC 3339 UTC), "" for never. An approval that is missing is one of none of its `action`.
    """

    name: str
    planned: int
    allowed: int
    flag: str
    source: Source | None = None
    action: Action | None = None
    rule: str = ""
    opens_at: str = ""


@dataclass(frozen=True, slots=True)
class AllowLine:
    """
    The line of the project file with which a plan is within its limits and approved, for a week.

    `line` goes into the mapping, or the list, that `under` names, "" for the file's top; `at` is where that is.
    """

    line: str
    under: str
    at: Source


@dataclass(frozen=True, slots=True)
class Fit:
    """In how many runs of that many requests and seconds a plan fits; 0: in none, as planning alone takes more."""

    windows: int
    max_requests: int | None = None
    max_duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """
    The price: one request a change, and `overhead`: what planning has sent and what apply adds.

    Overhead counts the token, the listing and the other reads of the plan, and the two requests that
    learn the server's ways where an apply of this plan will send them. `fit` is there where it was asked for.
    """

    requests: int
    overhead: int
    rate_per_s: float
    fit: Fit | None = None

    @property
    def seconds(self) -> float:
        """Return how long the changes take at the rate; 0 without a limit."""
        return self.requests / self.rate_per_s if self.rate_per_s else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a change; `ending` is why, None where there is nothing to say.

    `id` is the customer's, known after a create too. *In doubt* is not *failed*: only reading tells.
    """

    change: Change
    status: Status
    ending: Ending | None = None
    id: CustomerId | None = None


FORMAT_VERSION = "2"
"""The version of the public form of a plan."""

_FREE = Cost(requests=0, overhead=0, rate_per_s=5.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What an apply will do, in its order, and all that a reader needs to consent to it.

    - `changes`: one request each: restores, patches, creates with their users, archives.
    - `bindings`: what begins, moves or ends in the ledger alone; any apply writes it.
    - `blocked`: what is wanted and cannot be done. `limits`: only those that are exceeded.
    - `approvals`: those that the policy wants and nobody has given. `allow`: what to write to let the plan through,
      None where nothing does.
    - `unknown`: what cannot be known (there is no ledger yet, ...): the first lines of every rendering.
    - `cost`: the price in requests; planning itself is in its overhead.
    - `unchanged`: declared customers with no change and nothing blocked, their users included.
    - `out_of_scope`: bindings of another project, or whose source file was not read now.
    - `fingerprint`: of what it was made from. `files`: the files that were read for it, `folders` and `globs`
      those that they were found by. `targets`, `excludes`: what it was narrowed to, `since`: by which commit.
    - `recreate`: keys whose customers may be created though those of keys that are gone look like them.
    - `entries`: the ledger's rows as an apply of this plan writes them; an `id` is None where it creates.
    - `users`: the users of customers as the ledger shall know them, before the changes.
    - `listing`: of the account, which lacked every customer that the plan creates; None where it creates none.
    - `unverified`: customers that were written so lately that their state cannot be verified yet.
    """

    environment: EnvironmentRef
    project: str
    changes: tuple[Change, ...] = ()
    bindings: tuple[BindingChange, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    limits: tuple[Exceeded, ...] = ()
    approvals: tuple[Exceeded, ...] = ()
    allow: AllowLine | None = None
    notes: tuple[Note, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    cost: Cost = _FREE
    unchanged: int = 0
    out_of_scope: int = 0
    fingerprint: str = ""
    files: tuple[SourceFile, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    since: Since | None = None
    recreate: tuple[str, ...] = ()
    entries: tuple[Binding, ...] = ()
    users: tuple[PutUsers, ...] = ()
    listing: Pass | None = None
    unverified: tuple[Unverified, ...] = ()

    @property
    def empty(self) -> bool:
        """Say whether nothing would be sent; bindings may still be written."""
        return not self.changes

    def count(self, action: Action) -> int:
        """Return how many changes are of one action."""
        return sum(change.action is action for change in self.changes)


class StaleReason(StrEnum):
    """Why a change of a saved plan is not planned again as it was saved."""

    BLOCKED = "blocked"
    CUSTOMER = "customer"
    DECLARED = "declared"
    FIELDS = "fields"
    FORGOTTEN = "forgotten"
    INSTEAD = "instead"
    LEFT_OUT = "left_out"
    MOVED = "moved"
    NOT_DECLARED = "not_declared"
    NOT_NEEDED = "not_needed"
    NOT_READ = "not_read"
    PAYMENT_METHODS = "payment_methods"
    REASON = "reason"
    UNKNOWN = "unknown"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Stale:
    """
    A change of a saved plan that is not planned again as it was saved.

    `names` are its fields of which a value differs, the file that was not read, or its new key. `blocked` is what
    holds it back. `now` is the change that is planned instead, that has to come first, or that is another one.
    """

    change: Change
    reason: StaleReason
    names: tuple[str, ...] = ()
    blocked: Blocked | None = None
    now: Change | None = None


def unverified_parts(customers: Sequence[Unverified]) -> ReasonParts:
    """
    Return how many customers cannot be verified yet, and how long ago they were written: at least, and at most.

    >>> from reconciler.model.core import Address, CustomerId
    >>> acme, globex = (Unverified(Address(key), CustomerId(key), at, 1.0) for key, at in (("a", 3.4), ("b", 0.2)))
    >>> unverified_parts([acme]), unverified_parts([acme, globex])
    ({'customers': 1, 'ages_s': (3,)}, {'customers': 2, 'ages_s': (1, 3)})
    """
    ages = sorted({max(1, round(one.ago_s)) for one in customers})
    return {"customers": len(customers), "ages_s": tuple(ages) if len(ages) == 1 else (ages[0], ages[-1])}


@dataclass(frozen=True, slots=True)
class Part:
    """
    A share of a plan.

    `entries` are rows that the ledger shall hold (their id is None where the plan creates the customer),
    `users` what it shall know of users, `reads` what must be read before the rest can be trusted.
    """

    changes: tuple[Change, ...] = ()
    bindings: tuple[BindingChange, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    notes: tuple[Note, ...] = ()
    entries: tuple[Binding, ...] = ()
    users: tuple[PutUsers, ...] = ()
    reads: tuple[Read, ...] = ()

    def __add__(self, other: Part) -> Part:
        """Return both, in order."""
        if other is NOTHING:
            return self
        if self is NOTHING:
            return other
        return Part(
            changes=self.changes + other.changes,
            bindings=self.bindings + other.bindings,
            blocked=self.blocked + other.blocked,
            notes=self.notes + other.notes,
            entries=self.entries + other.entries,
            users=self.users + other.users,
            reads=self.reads + other.reads,
        )


NOTHING = Part()


def joined(parts: Iterable[Part]) -> Part:
    """Return all `parts` as one; linear in what they hold."""
    kept = [part for part in parts if part is not NOTHING]
    return Part(
        changes=tuple(row for part in kept for row in part.changes),
        bindings=tuple(row for part in kept for row in part.bindings),
        blocked=tuple(row for part in kept for row in part.blocked),
        notes=tuple(row for part in kept for row in part.notes),
        entries=tuple(row for part in kept for row in part.entries),
        users=tuple(row for part in kept for row in part.users),
        reads=tuple(dict.fromkeys(row for part in kept for row in part.reads)),
    )
