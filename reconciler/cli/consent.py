"""What must hold before anything is sent: someone who agrees, and limits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

from reconciler.cli import output
from reconciler.cli.output import is_terminal
from reconciler.cli.terminal import typed_line
from reconciler.errors import Refused, Source
from reconciler.escape import visible
from reconciler.model.core import Action
from reconciler.model.plan import Exceeded, Plan
from reconciler.model.policy import Window
from reconciler.plan.limits import closed
from reconciler.report.layout import count
from reconciler.report.plan_text import limit_phrase, limit_way, question_text

_NAMED = 3
"""How many customers are in a refusal by name."""


def can_be_asked(*, auto_approve: bool) -> None:
    """Raise Refused where there is nobody to ask."""
    if not auto_approve and not is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent; nothing was sent", "give --auto-approve")


def within_limits(plan: Plan) -> None:
    """Raise Refused where the plan exceeds a limit."""
    if plan.limits:
        _refuse(plan, plan.limits)


def within_windows(plan: Plan, windows: Sequence[Window], now_s: float) -> None:
    """Raise Refused where no window is open to a change of the plan; `now_s` is in seconds since 1970."""
    rows = closed(plan.changes, windows, now_s)
    if rows:
        _refuse(plan, rows)


def _refuse(plan: Plan, limits: Sequence[Exceeded]) -> None:
    """Raise Refused with what is exceeded, the changes that a closed window concerns, and what allows them."""
    over = "; ".join(map(limit_phrase, limits))
    shut = {row.action for row in limits}
    keys = list(dict.fromkeys(one.address.external_id for one in plan.changes if one.action in shut))
    more = f" and {count(len(keys) - _NAMED, 'customer')} more" if len(keys) > _NAMED else ""
    concerned = f" (it concerns {', '.join(keys[:_NAMED])}{more})" if keys else ""
    flags = " ".join(row.flag for row in limits if row.flag)
    ways = [f"read the plan, then allow it once with {flags}"] if flags else []
    ways += [limit_way(row) for row in limits if not row.flag]
    raise Refused(
        visible(f"{'outside a window' if not flags else 'over a limit'}: {over}{concerned}; nothing was sent"),
        visible("; ".join(dict.fromkeys(ways))),
    )


def given(
    plan: Plan,
    wanted: Iterable[Action],
    dangers: Iterable[Action],
    approved: frozenset[Action],
    auto_approve: bool,
    *,
    wanted_at: Source | None = None,
) -> None:
    """
    Ask for consent; raise Refused where it is not given.

    `wanted` are the actions that the policy wants approved by name: by --approve, or by the word typed. That is
    written at `wanted_at`. What is left of `dangers` wants words too, where a person is asked.
    """
    named = set(approved)
    for action in wanted:
        if plan.count(action) and action not in named:
            _word(plan, action, wanted_at)
            named.add(action)
    if auto_approve:
        return
    left = [action for action in dangers if action not in named]
    output.page(question_text(plan, left, width=output.error_width()))
    if not left:
        if _typed("Apply this plan? [y/N]: ").lower() not in ("y", "yes"):
            raise Refused("not applied, because you did not agree; nothing was sent")
        return
    words = " ".join(f"{action.value} {plan.count(action)}" for action in left)
    if " ".join(_typed(f"Type {words} to apply it: ").lower().split()) != words:
        raise Refused(f"not applied: {words} was not typed; nothing was sent")


def _word(plan: Plan, action: Action, wanted_at: Source | None) -> None:
    """Ask for the word of an action that the policy wants approved."""
    if not is_terminal(sys.stdin):
        rule = f" ({wanted_at})" if wanted_at is not None else ""
        raise Refused(
            f"the policy{rule} wants {action.value} approved, and there is no terminal to ask; nothing was sent",
            f"give --approve {action.value}",
        )
    if _typed(f"{plan.count(action)} x {action.value}: type {action.value} to approve: ") != action.value:
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
