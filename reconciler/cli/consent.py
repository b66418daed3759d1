"""What must hold before anything is sent: somebody who agrees, limits, and a saved plan that is still true."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from reconciler.errors import Refused
from reconciler.model import Action, EnvironmentRef
from reconciler.plans import Plan
from reconciler.report.plan_text import summary_line


def can_be_asked(*, auto_approve: bool) -> None:
    """Raise Refused where there is nobody to ask."""
    if not auto_approve and not sys.stdin.isatty():
        raise Refused("there is no terminal to ask for consent on; nothing was sent", "give --auto-approve")


def same_account(saved: Plan, here: EnvironmentRef) -> None:
    """Raise Refused where a saved plan is of another environment, base URL or account."""
    for name, theirs, ours in (
        ("environment", saved.environment.name, here.name),
        ("base URL", saved.environment.base_url, here.base_url),
    ):
        if theirs != ours:
            raise Refused(
                f"the plan is for the {name} {theirs}, and this is {ours}; nothing was sent", "name it with -e"
            )
    if saved.environment.account != here.account:
        raise Refused("the plan is for another API key's account; nothing was sent", "check the credentials")


def still_true(saved: Plan, now: Plan) -> None:
    """
    Raise Refused unless all that is planned now stands in the saved plan.

    What the saved plan holds besides was done meanwhile, by a run of it that stopped half way.
    """
    known = {(change.action, change.address): change for change in saved.changes}
    for change in now.changes:
        then = known.get((change.action, change.address))
        if then is None:
            raise Refused(
                f"the plan is stale: {change.action} {change.address} is needed now and is not in it; nothing was sent",
                "make a new plan with `plan --out`",
            )
        if (then.id, then.fields) != (change.id, change.fields):
            raise Refused(
                f"the plan is stale: {change.action} {change.address} is another one now; nothing was sent",
                "make a new plan with `plan --out`",
            )


def within_limits(plan: Plan) -> None:
    """Raise Refused where the plan exceeds a limit."""
    if plan.limits:
        over = "; ".join(f"{row.name}: {row.planned} planned, {row.allowed} allowed" for row in plan.limits)
        raise Refused(
            f"over a limit: {over}; nothing was sent",
            f"look at the plan, then allow it once with {' '.join(row.flag for row in plan.limits)}",
        )


def given(plan: Plan, wanted: Iterable[Action], approved: frozenset[Action], auto_approve: bool) -> None:
    """
    Ask for consent; raise Refused where it is not given.

    `wanted` are the actions that the policy wants approved by name: by --approve, or by the word typed.
    """
    for action in wanted:
        if plan.count(action) and action not in approved:
            _word(plan, action)
    if auto_approve:
        return
    if not click.confirm(f"{summary_line(plan)}\nApply this plan?", default=False, err=True):
        raise Refused("not applied: no consent was given; nothing was sent")


def _word(plan: Plan, action: Action) -> None:
    """Ask for the word of an action that the policy wants approved."""
    if not sys.stdin.isatty():
        raise Refused(
            f"the policy wants {action.value} approved, and there is no terminal to ask on; nothing was sent",
            f"give --approve {action.value}",
        )
    typed = click.prompt(f"{plan.count(action)} x {action.value}: type {action.value} to approve", err=True, default="")
    if typed.strip() != action.value:
        raise Refused(f"not applied: {action.value} was not approved; nothing was sent")
