"""What planning one customer adds to the plan: a `Part`, and how parts become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.model.core import Read
from reconciler.model.ledger import Binding, PutUsers
from reconciler.model.plan import BindingChange, Blocked, Change, Note


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
