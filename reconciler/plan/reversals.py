"""
An archive, or a restore, that someone else reverses each time: the third one is not sent. Pure.

Fields that come back are held back in the same way (`diff.UNSTABLE_RUNS`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.errors import Source
from reconciler.model.core import Address
from reconciler.model.ledger import Binding, BindingState
from reconciler.model.plan import Blocked
from reconciler.plan.diff import UNSTABLE_RUNS

FIELD = "archived"
"""What of an entry is blocked then: the key that declares it."""


def reversed_again(entry: Binding, source: Source | None) -> Blocked | None:
    """
    Return that a customer is not archived, or restored, once more; None where it may be.

    `entry` is its row in a plan that would do so: the last of our archives, or restores, was reversed too.
    """
    made = entry.reversals()
    if made is None or len(made.at) < UNSTABLE_RUNS:
        return None
    address = Address(entry.external_id)
    times = ", ".join(_minute(at) for at in made.at)
    retry = f"stop that (an integration?) and run `reconciler state unblock {address}`, so that the next apply"
    if made.made is BindingState.ARCHIVED:
        reason = f"Reconciler archived it {len(made.at)} times ({times}), and each time it was restored elsewhere"
        hint = f"delete `archived: true` if it should be active, or {retry} archives it"
    else:
        reason = f"Reconciler restored it {len(made.at)} times ({times}), and each time it was archived elsewhere"
        hint = f"declare `archived: true` if it should be archived, or {retry} restores it"
    return Blocked(address, reason, hint, field=FIELD, source=source, ids=() if entry.id is None else (entry.id,))


def _minute(at: float) -> str:
    """
    Return a moment, seconds since 1970, as people read it.

    >>> _minute(1_767_225_600.0)
    '2026-01-01 00:00Z'
    """
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}"
