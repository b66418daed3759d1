"""`history`: what each run did; `history prune` removes the values of old runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciler.cli import output
from reconciler.cli.session import settings_of
from reconciler.errors import ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.kinds.kind import canonical_email
from reconciler.ledger.base import Ledger
from reconciler.model.core import Address
from reconciler.model.ledger import Intent, Run
from reconciler.pipeline import resources
from reconciler.pipeline.history import Retention, named_run, retention
from reconciler.pipeline.resources import real_clock
from reconciler.report.history import changes_json, life_text, run_text, runs_json, runs_text
from reconciler.report.layout import count
from reconciler.settings import Options


def listed(run: str | None, key: str | None, form: str, *, options: Options, redact: bool) -> None:
    """Print the runs, or the changes of one or of a customer."""
    environment = settings_of(options).environment()
    if run is not None and key is not None:
        raise click.UsageError("give a run or --key, not both")
    how: dict[str, Any] = {"width": output.width(), "color": output.color()}
    with resources.open_ledger(environment, writable=False) as ledger:
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


def prune(days: int, *, options: Options, auto_approve: bool) -> None:
    """Remove the values of runs that began more than `days` days ago."""
    from reconciler.pipeline.apply import rfc3339_us

    environment = settings_of(options).environment()
    now = datetime.fromtimestamp(real_clock().now(), UTC)
    before = now - timedelta(days=days)
    with resources.locked_ledger(environment, doing="history prune") as ledger:
        found = retention(ledger, before=rfc3339_us(before), now=rfc3339_us(now))
        for run in found.in_doubt:
            output.say(f"run {run.id} is left as it is: the next run that writes settles what it left in doubt")
        if not found.runs:
            output.report(f"Nothing to remove: no run with values began before {before:%Y-%m-%d}.")
            return
        if not auto_approve:
            _agreed(found, f"{before:%Y-%m-%d}")
        ledger.commit(found.writes)
    for run in found.runs:
        output.report(visible(f"{run.id}  {run.started_at}  {run.command}"))
    output.report(f"Removed the values of {_told(found)}.")


def _agreed(found: Retention, before: str) -> None:
    """Ask; Refused where there is no consent."""
    if not output.is_terminal(sys.stdin):
        raise Refused("there is no terminal to ask for consent on; nothing was removed", "give --auto-approve")
    question = f"Remove the values of {_told(found)}, begun before {before}? They cannot be undone then."
    if not click.confirm(question, default=False, err=True):
        raise Refused("nothing was removed")


def _told(found: Retention) -> str:
    """Return in words what is removed."""
    return f"{count(len(found.runs), 'run')} ({count(found.changes, 'change')})"
