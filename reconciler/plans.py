"""
The plan: all that leads from live to desired, as one value; and what a saved one has become since.

It holds no function and no client, so that it can be shown, saved, compared and tested without a
server: the same inputs make the same plan. Its parts are the nouns of `model`; it stands apart from
them because its `entries` are rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.changes import BindingChange, Blocked, Change, Cost, Exceeded, Note, Unverified
from reconciler.model import Action, EnvironmentRef, SourceFile
from reconciler.records import Binding, Pass, PutUsers

_FREE = Cost(requests=0, overhead=0, rate_per_s=5.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What an apply will do, in its order, and all that a reader needs to consent to it.

    - `changes`: one request each: restores, patches, creates with their users, archives.
    - `bindings`: what begins, moves or ends in the ledger alone; any apply writes it.
    - `blocked`: what is wanted and cannot be done. `limits`: only those that are exceeded.
    - `unknown`: what cannot be known (there is no ledger yet, ...): the first lines of every rendering.
    - `cost`: the price in requests; planning itself stands in its overhead.
    - `unchanged`: declared customers with no change and nothing blocked, their users included.
    - `out_of_scope`: bindings of another project, or whose source file was not read now.
    - `fingerprint`: of what it was made from. `files`: the files that were read for it, `folders` and `globs`
      those that they were found by. `targets`, `excludes`: what it was narrowed to.
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
    notes: tuple[Note, ...] = ()
    unknown: tuple[str, ...] = ()
    cost: Cost = _FREE
    unchanged: int = 0
    out_of_scope: int = 0
    fingerprint: str = ""
    files: tuple[SourceFile, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    recreate: tuple[str, ...] = ()
    entries: tuple[Binding, ...] = ()
    users: tuple[PutUsers, ...] = ()
    listing: Pass | None = None
    unverified: tuple[Unverified, ...] = ()

    @property
    def applicable(self) -> bool:
        """Say whether no limit is exceeded; what is blocked does not stop the rest."""
        return not self.limits

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


def unverified_text(customers: Sequence[Unverified]) -> str:
    """
    Return how many customers cannot be verified yet, and how long ago they were written.

    >>> from reconciler.model import Address, CustomerId
    >>> acme, globex = (Unverified(Address(key), CustomerId(key), at, 1.0) for key, at in (("a", 3.4), ("b", 0.2)))
    >>> unverified_text([acme])
    '1 customer was written 3 s ago; its state cannot be verified yet'
    >>> unverified_text([acme, globex])
    '2 customers were written 1 to 3 s ago; their state cannot be verified yet'
    """
    ages = sorted({max(1, round(one.ago_s)) for one in customers})
    ago = f"{ages[0]} to {ages[-1]} s ago" if len(ages) > 1 else f"{ages[0]} s ago"
    if len(customers) == 1:
        return f"1 customer was written {ago}; its state cannot be verified yet"
    return f"{len(customers)} customers were written {ago}; their state cannot be verified yet"
