"""
What must hold before anything is sent, whoever sends it: limits, windows and approvals of the policy.

Every way to change an account comes through `check`. A person can give an approval at a terminal, and nobody can go
beyond a limit or a window. Protection needs no check here: a plan never archives who is protected.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import Exceeded, Plan
from reconciler.model.policy import Terms
from reconciler.plan.limits import allow_line, closed, day_of, ended, unapproved
from reconciler.report.layout import count
from reconciler.report.messages.plan import note_text
from reconciler.report.plan_text import allow_phrase, limit_phrase, limit_way

_NAMED = 3
"""How many customers are in a refusal by name."""


def check_limits(plan: Plan, terms: Terms, now_s: float) -> None:
    """
    Raise Refused where a plan exceeds a limit, or no window is open to a change of it.

    `now_s`, in seconds since 1970, is the server's clock: hours may have passed since the plan was made.
    """
    if plan.limits:
        raise _refused(plan, plan.limits, terms, now_s)
    if shut := closed(plan.changes, terms.windows, now_s):
        raise _refused(plan, shut, terms, now_s)
    for note in ended(plan, day_of(now_s)):
        raise Refused(
            visible(f"what allowed this plan has ended: {note_text(note)} Nothing was sent"),
            "set a later date, and plan again",
        )


def check(plan: Plan, terms: Terms, now_s: float, approved: Collection[Action] = ()) -> None:
    """Raise Refused as `check_limits` does, and where an approval is missing; `approved` were given at a terminal."""
    check_limits(plan, terms, now_s)
    given = replace(terms, approved=terms.approved.union(approved))
    for row in unapproved(plan.changes, given, day_of(now_s)):
        rule = "" if row.source is None else f" ({row.source})"
        raise Refused(
            visible(f"the policy{rule} wants {row.action} approved; nothing was sent"),
            visible(f"give {row.flag} (in a script: approve=[{str(row.action)!r}]){_or_allow(plan, given, now_s)}"),
        )


def _refused(plan: Plan, limits: Sequence[Exceeded], terms: Terms, now_s: float) -> Refused:
    """Return the refusal: what is exceeded, the changes that a closed window concerns, and what allows them."""
    over = "; ".join(map(limit_phrase, limits))
    shut = {row.action for row in limits}
    keys = list(dict.fromkeys(one.address.external_id for one in plan.changes if one.action in shut))
    more = f" and {count(len(keys) - _NAMED, 'customer')} more" if len(keys) > _NAMED else ""
    concerned = f" (it concerns {', '.join(keys[:_NAMED])}{more})" if keys else ""
    flags = " ".join(row.flag for row in limits if row.flag)
    ways = [f"read the plan, then allow it once with {flags}{_or_allow(plan, terms, now_s)}"] if flags else []
    ways += [limit_way(row) for row in limits if not row.flag]
    return Refused(
        visible(f"{'outside a window' if not flags else 'over a limit'}: {over}{concerned}; nothing was sent"),
        visible("; ".join(dict.fromkeys(ways))),
    )


def _or_allow(plan: Plan, terms: Terms, now_s: float) -> str:
    """Return what to write into the project file instead of giving a flag; "" where there is none."""
    today = day_of(now_s)
    line = allow_line(plan.limits, unapproved(plan.changes, terms, today), terms, today)
    return "" if line is None else f"; or, in the repository, {allow_phrase(line)}"
