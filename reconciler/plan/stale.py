"""
Whether a saved plan is still true of the account, judged from the plan alone, without the files it was made from.

Each change is held against what is live now: what a patch replaces is still there, what is created is
not, what is archived is active, what is restored is not. What earlier runs of the plan did is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from reconciler.errors import Refused
from reconciler.kinds.customer import FIELDS
from reconciler.model import Action, Address, Change, Cost, Live
from reconciler.plan.draft import Draft
from reconciler.plan.presence import Active, Presence, Sight, presence
from reconciler.plan.ways import LEARNING, overruled, sight_of, to_learn_from
from reconciler.plan.windows import WINDOWS, closed
from reconciler.plans import Plan
from reconciler.records import Records
from reconciler.terms import Terms

Key = tuple[Action, Address]


def draft_of_saved(
    plan: Plan, done: AbstractSet[Key], sent: AbstractSet[Key], live: Live, records: Records, terms: Terms
) -> Draft:
    """
    Return what is left to do of a saved plan, `done` being what its earlier runs did.

    `sent` is what they sent without an answer: where it is not needed any more, it was done. Raises
    Refused where something else is no longer as the plan saw it.
    """
    learned = overruled(records, live, terms)
    sight = sight_of(live, learned, terms)
    left = remaining(plan, done)
    while (stale := first_stale(left, records, sight)) is not None:
        change, why = stale
        if (change.action, change.address) not in sent:
            raise Refused(
                f"the plan is stale: {change.action} {change.address}: it {why}; nothing was sent",
                "make a new plan with `plan --out`",
            )
        done = done | {(change.action, change.address)}
        left = remaining(plan, done)
    learning = LEARNING if to_learn_from(records, learned, terms, live.read_at) is not None else 0
    cost = Cost(len(left.changes), live.requests + learning, terms.rate_per_s)
    # The counts were agreed to when it was saved; the hour is today's.
    limits = tuple(row for row in left.limits if row.name != WINDOWS)
    limits += closed(left.changes, terms.windows, live.read_at)
    return Draft(replace(left, cost=cost, limits=limits), (), learned)


def remaining(plan: Plan, done: AbstractSet[Key]) -> Plan:
    """
    Return what is left to do of `plan`: without the changes that are done, and what they would have recorded.

    The rows of customers that an earlier run of it touched are in the ledger already, and newer there.
    """
    touched = {address.external_id for _, address in done}
    return replace(
        plan,
        changes=tuple(change for change in plan.changes if (change.action, change.address) not in done),
        bindings=tuple(row for row in plan.bindings if row.address.external_id not in touched),
        entries=tuple(entry for entry in plan.entries if entry.external_id not in touched),
        users=() if done else plan.users,
    )


def first_stale(plan: Plan, records: Records, sight: Sight) -> tuple[Change, str] | None:
    """Return the first change of `plan` that is not true of the account any more, and why; None where all are."""
    rows = {row.bound_id: row for row in records.bindings.values()}
    holders = {customer.external_id for customer in sight.live.listed.values()}
    restored = {change.id for change in plan.changes if change.action is Action.RESTORE}
    for change in plan.changes:
        if change.action is Action.CREATE:
            why = "was created meanwhile" if change.address.external_id in holders else None
        elif change.id is None or (change.id in restored and change.action is not Action.RESTORE):
            why = None
        else:
            why = _why(change, presence(sight, change.id, rows.get(change.id)))
        if why is not None:
            return change, why
    return None


def _why(change: Change, there: Presence) -> str | None:
    """Return why a change of a known customer is not true any more."""
    if isinstance(there, Active):
        if change.action is Action.RESTORE:
            return "is active already"
        return _other_value(change, there.customer.fields) if change.action is Action.PATCH else None
    # One that would have to be asked for is not listed: a restore needs no more, and nothing else may go on.
    return None if change.action is Action.RESTORE else "is not active any more"


def _other_value(change: Change, live: Mapping[str, str]) -> str | None:
    """Return which field of a patch is not as the plan saw it."""
    other = [field.name for field in change.fields if not FIELDS[field.name].same(live.get(field.name), field.before)]
    return f"has another {', '.join(other)} now" if other else None
