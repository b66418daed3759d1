"""`history`: what each run did; `history prune` removes the values of old runs."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.errors import Refused
from reconciler.pipeline import opening, writing
from reconciler.pipeline.applying import rfc3339_us
from reconciler.pipeline.opening import real_clock
from reconciler.pipeline.pruning import Pruning, pruning
from reconciler.pipeline.runs import named_run
from reconciler.report.history import run_json, run_text, runs_json, runs_text
from reconciler.report.words import count
from reconciler.text import visible


class History(click.Group):
    """A group whose command `list` need not be named: a run's id, which is hex, is none of its commands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments, with `list` before them where they name no command."""
        named = args and (args[0] in self.commands or args[0] in ("--help", "-h"))
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group("history", cls=History)
def command() -> None:
    """
    List the runs that wrote to the account, show the changes of one, or remove the values of old ones.

    `history` alone is `history list`, and `history RUN` is `history list RUN`.

    \b
    Example:
      reconciler history
      reconciler history 3f2a91c0
      reconciler history prune --older-than 400d
    """  # noqa: D301 - click's mark


@command.command("list")
@click.argument("run", required=False)
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def listed(ctx: click.Context, run: str | None, form: str, *, redact: bool) -> None:
    """
    List the runs that wrote to the account, newest last; with RUN, an id or how it begins, its changes.

    It reads the ledger and asks the API nothing.

    \b
    Example:
      reconciler history list
      reconciler history list 3f2a91c0 --format json
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    environment = settings_of(options_of(chosen)).environment()
    with opening.open_ledger(environment, writable=False) as ledger:
        if run is None:
            runs = ledger.runs()
            if form == "json":
                output.json_result(runs_json(runs))
            else:
                output.result(runs_text(runs, width=output.width(), color=output.color()))
            return
        named = named_run(ledger, run)
        intents = ledger.intents(named.id)
    if form == "json":
        output.json_result(run_json(named, intents, redact=redact))
    else:
        output.result(run_text(named, intents, width=output.width(), color=output.color(), redact=redact))


class DaysType(click.ParamType[int]):
    """`400d`."""

    name = "DAYS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Return the days that `value` writes."""
        match = re.fullmatch(r"(\d{1,5})d", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no number of days, such as 400d", param, ctx)
        return int(match[1])


@command.command("prune")
@click.option("--older-than", "days", required=True, type=DaysType(), help="Of runs that began so long ago: 400d.")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.pass_context
def prune(ctx: click.Context, days: int, *, auto_approve: bool) -> None:
    """
    Remove the values of old runs: what fields held before and after, messages, e-mails of users.

    The runs stay in the list, with their actions and external_ids, but cannot be undone any more. What newer
    runs and the next plan need stays. Nothing is sent to the API.

    \b
    Example:
      reconciler -e production history prune --older-than 400d
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    environment = settings_of(options_of(chosen)).environment()
    now = datetime.fromtimestamp(real_clock().now(), UTC)
    before = now - timedelta(days=days)
    with writing.locked_ledger(environment, doing="history prune") as ledger:
        found = pruning(ledger, before=rfc3339_us(before), now=rfc3339_us(now))
        for run in found.in_doubt:
            output.say(f"run {run.id} is left as it is: the next run that writes settles what it left in doubt")
        if not found.runs:
            output.sentence(f"Nothing to remove: no run with values began before {before:%Y-%m-%d}.")
            return
        if not auto_approve:
            _agreed(found, f"{before:%Y-%m-%d}")
        ledger.commit(found.writes)
    for run in found.runs:
        output.sentence(visible(f"{run.id}  {run.started_at}  {run.command}"))
    output.sentence(f"Removed the values of {_told(found)}.")


def _agreed(found: Pruning, before: str) -> None:
    """Ask; Refused where there is no consent."""
    if not output.is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent on; nothing was removed", "give --auto-approve")
    question = f"Remove the values of {_told(found)}, begun before {before}? They cannot be undone then."
    if not click.confirm(question, default=False, err=True):
        raise Refused("nothing was removed")


def _told(found: Pruning) -> str:
    """Return in words what is removed."""
    return f"{count(len(found.runs), 'run')} ({count(found.changes, 'change')})"
