"""Asking a person: whether a plan is to be applied, for the words of what is dangerous, and for approvals."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

import click

from reconciler.cli import output
from reconciler.cli.output import is_terminal
from reconciler.cli.terminal import typed_line
from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import Plan
from reconciler.report.plan_text import question_text


def can_be_asked(*, auto_approve: bool) -> None:
    """Raise Refused where there is nobody to ask."""
    if not auto_approve and not is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent; nothing was sent", "give --auto-approve")


def given(plan: Plan, dangers: Iterable[Action], approved: Collection[Action], *, auto_approve: bool) -> set[Action]:
    """
    Ask for consent, and return which actions a person approved by name; raise Refused where it is not given.

    Each approval that the plan lacks is a word to type; without a terminal, it stays missing. What is left of `dangers`
    wants words too, where a person is asked, but for what was `approved` by an option.
    """
    typed: set[Action] = set()
    for row in plan.approvals if is_terminal(sys.stdin) else ():
        if row.action is not None:
            _word(row.action, row.planned)
            typed.add(row.action)
    if auto_approve:
        return typed
    left = [action for action in dangers if action not in approved and action not in typed]
    output.page(question_text(plan, left, width=output.error_width()))
    if not left:
        if _typed("Apply this plan? [y/N]: ").lower() not in ("y", "yes"):
            raise Refused("not applied, because you did not agree; nothing was sent")
        return typed
    words = " ".join(f"{action.value} {plan.count(action)}" for action in left)
    if " ".join(_typed(f"Type {words} to apply it: ").lower().split()) != words:
        raise Refused(f"not applied: {words} was not typed; nothing was sent")
    return typed


def _word(action: Action, planned: int) -> None:
    """Ask for the word of an action that the policy wants approved."""
    if _typed(f"{planned} x {action.value}: type {action.value} to approve: ") != action.value:
        raise Refused(f"not applied: {action.value} was not approved; nothing was sent")


def word(what: str, wanted: str) -> None:
    """Ask for a word that is typed only on purpose; Refused where it is another one."""
    if _typed(f"{visible(what)}: type {visible(wanted)} to approve: ") != wanted:
        raise Refused("not applied: it was not approved; nothing was sent")


def asks(*, auto_approve: bool) -> bool:
    """Say whether a correction of the ledger is asked about: at a terminal. A script means what it says."""
    return not auto_approve and is_terminal(sys.stdin)


def yes(question: str) -> None:
    """Ask; Refused where the answer is no yes."""
    if _typed(question).lower() not in ("y", "yes"):
        raise Refused("not done, because you did not agree; nothing was changed")


def _typed(question: str) -> str:
    """
    Return the line that is typed as the answer; "" at the end of input.

    Not click's prompt: it takes the end of input, which is no consent, for Ctrl-C.
    """
    click.echo(f"{output.fitted(question.rstrip())} ", nl=False, err=True)
    return typed_line().strip()
