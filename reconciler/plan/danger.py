"""What of a plan wants a word typed, and not a yes: what is seldom meant in such numbers, or ends a bill. Pure."""

from __future__ import annotations

from reconciler.model.core import Action
from reconciler.model.plan import Plan

MANY_CREATES = 20
"""More creates than these are seldom meant in production: a ledger or an external_id that was lost looks so."""


def dangers(plan: Plan, *, production: bool, disposable: bool) -> tuple[Action, ...]:
    """
    Return the actions of `plan` that a person should name: archives, restores, and many creates in production.

    An archive ends what somebody pays, a restore begins it anew, and a create may be the second of one customer.
    In a `disposable` environment nothing is dangerous.
    """
    if disposable:
        return ()
    found = [action for action in (Action.ARCHIVE, Action.RESTORE) if plan.count(action)]
    if production and plan.count(Action.CREATE) > MANY_CREATES:
        found.append(Action.CREATE)
    return tuple(found)
