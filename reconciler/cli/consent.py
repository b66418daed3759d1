"""What must hold before anything is sent: somebody who agrees, and limits."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import click

from reconciler.cli.output import is_terminal
from reconciler.errors import Refused
from reconciler.model import Action
from reconciler.plans import Plan
from reconciler.report.plan_text import summary_line


def can_be_asked(*, auto_approve: bool) -> None:
    """Raise Refused where there is nobody to ask."""
    if not auto_approve and not is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent on; nothing was sent", "give --auto-approve")


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
    # On a terminal the summary stands just above.
    summary = "" if is_terminal(sys.stdout) else f"{summary_line(plan)}\n"
    if _typed(f"{summary}Apply this plan? [y/N]: ").lower() not in ("y", "yes"):
        raise Refused("not applied: no consent was given; nothing was sent")


def _word(plan: Plan, action: Action) -> None:
    """Ask for the word of an action that the policy wants approved."""
    if not is_terminal(sys.stdin):
        raise Refused(
            f"the policy wants {action.value} approved, and there is no terminal to ask on; nothing was sent",
            f"give --approve {action.value}",
        )
    if _typed(f"{plan.count(action)} x {action.value}: type {action.value} to approve: ") != action.value:
        raise Refused(f"not applied: {action.value} was not approved; nothing was sent")


def _typed(question: str) -> str:
    """
    Return the line that is typed as the answer; "" at the end of input.

    Not click's prompt: it takes the end of input, which is no consent, for Ctrl-C.
    """
    click.echo(question, nl=False, err=True)
    return sys.stdin.readline().strip()
