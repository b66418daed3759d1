"""`history`: what each run did; `history prune` removes the values of old runs."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciler.cli import complete, output
from reconciler.cli import options as shared
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.errors import ReconcilerError, Refused
from reconciler.kinds.kind import canonical_email
from reconciler.ledger.base import Ledger
from reconciler.model import Address
from reconciler.pipeline import opening, writing
from reconciler.pipeline.applying import rfc3339_us
from reconciler.pipeline.opening import real_clock
from reconciler.pipeline.pruning import Pruning, pruning
from reconciler.pipeline.runs import named_run
from reconciler.records import Intent, Run
from reconciler.report.history import changes_json, life_text, run_text, runs_json, runs_text
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
    List the runs that wrote to the account, show the changes of one or of a customer, or remove old values.

    `history` alone is `history list`, `history RUN` is `history list RUN`, and so on.

    \b
    Example:
      reconciler history
      reconciler history 3f2a91c0
      reconciler history --key acme
      reconciler history prune --older-than 400d
    """  # noqa: D301 - click's mark


@command.command("list")
@click.argument("run", required=False)
@click.option("--key", type=complete.Key(), help="The changes of one customer in all runs: its external_id or id.")
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def listed(ctx: click.Context, run: str | None, key: str | None, form: str, *, redact: bool) -> None:
    """
    List the runs that wrote to the account, newest last; with RUN, an id or how it begins, its changes.

    With --key every change of one customer and its users, oldest first: when, in which run, by whom, from which
    commit, why, and how it ended; also what was done under a former key. It reads the ledger and asks the API nothing.

    \b
    Example:
      reconciler history list
      reconciler history list 3f2a91c0 --format json
      reconciler history list --key acme
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    environment = settings_of(options_of(chosen)).environment()
    if run is not None and key is not None:
        raise click.UsageError("give a run or --key, not both")
    how: dict[str, Any] = {"width": output.width(), "color": output.color()}
    with opening.open_ledger(environment, writable=False) as ledger:
        tallies = ledger.tallies()
        if key is not None:
            runs, intents = _life(ledger, key)
        elif run is not None:
            named = named_run(ledger, run)
            runs, intents = (named,), ledger.intents(named.id)
        else:
            runs, intents = ledger.runs(), ()
    if form == "json":
        about_changes = run is not None or key is not None
        document = changes_json(runs, tallies, intents, redact=redact) if about_changes else runs_json(runs, tallies)
        output.json_result(document)
    elif key is not None:
        output.result(life_text(key, runs, intents, redact=redact, **how))
    elif run is not None:
        output.result(run_text(runs[0], tallies, intents, redact=redact, **how))
    else:
        output.result(runs_text(runs, tallies, **how))


def _life(ledger: Ledger, key: str) -> tuple[tuple[Run, ...], tuple[Intent, ...]]:
    """Return the changes of one customer, or of one user, and their runs; ReconcilerError where there are none."""
    address = Address.parse(key)
    intents = ledger.history(address.external_id)
    if address.email is not None:
        email = canonical_email(address.email)
        intents = tuple(one for one in intents if canonical_email(one.address.email or "") == email)
    if not intents:
        bound = ledger.binding(address.external_id) is not None
        hint = "it was bound as it was, and never changed" if bound else "an external_id is compared as it is"
        raise ReconcilerError(f"{key}: no run changed it", hint)
    names = {one.run for one in intents}
    return tuple(run for run in ledger.runs() if run.id in names), intents


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
