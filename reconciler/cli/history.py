"""`history`: what each run did."""

from __future__ import annotations

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.pipeline import opening
from reconciler.pipeline.runs import named_run
from reconciler.report.history import run_json, run_text, runs_json, runs_text


@click.command("history")
@click.argument("run", required=False)
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def command(ctx: click.Context, run: str | None, form: str, *, redact: bool) -> None:
    """
    List the runs that wrote to the account, newest last; with RUN, an id or how it begins, its changes.

    It reads the ledger and asks the API nothing.

    \b
    Example:
      reconciler history
      reconciler history 3f2a91c0 --format json
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
