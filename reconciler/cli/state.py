"""`state`: what the ledger holds."""

from __future__ import annotations

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.cli.state_change import forget, matching, move, relocate, rm, unblock, unprotect
from reconciler.cli.state_copy import pull, push, rekey
from reconciler.cli.state_lock import unlock
from reconciler.errors import ReconcilerError
from reconciler.model import Address
from reconciler.pipeline import opening
from reconciler.report.show import CustomerView, binding_json, bindings_text, customer_json, customer_text
from reconciler.settings import Environment


@click.group("state")
def command() -> None:
    """
    Look at what the ledger holds, correct it, copy all of it, or end its lock.

    \b
    Example:
      reconciler state list
      reconciler state rm acme
    """  # noqa: D301 - click's mark


@command.command("list", short_help="List the customers that the ledger binds")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@shared.output_format("text", "json")
@click.pass_context
def list_(ctx: click.Context, patterns: tuple[str, ...], form: str) -> None:
    """
    List the customers that the ledger binds, those whose external_id matches a GLOB where one is given.

    \b
    Example:
      reconciler state list "west-*" --format json
    """  # noqa: D301 - click's mark
    with opening.open_ledger(_environment(ctx), writable=False) as ledger:
        rows = matching(ledger, patterns)
        if not rows:
            output.warn_of_nobody(patterns, lambda: ledger.records().bindings)
    if form == "json":
        output.json_result({"bindings": [binding_json(row) for row in rows]})
    else:
        output.result(bindings_text(rows, width=output.width(), color=output.color()))


@command.command("show", short_help="Show what the ledger holds of one customer")
@click.argument("key")
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def show(ctx: click.Context, key: str, form: str, *, redact: bool) -> None:
    """
    Show what the ledger holds of one customer, without asking the API.

    \b
    Example:
      reconciler state show acme
    """  # noqa: D301 - click's mark
    external_id = Address.parse(key).external_id
    with opening.open_ledger(_environment(ctx), writable=False) as ledger:
        row = ledger.binding(external_id)
    if row is None:
        raise ReconcilerError(f"{key}: the ledger does not hold it", "`reconciler state list` shows what it holds")
    view = CustomerView(external_id, recorded=row)
    if form == "json":
        output.json_result(customer_json(view, redact=redact))
    else:
        output.result(customer_text(view, width=output.width(), color=output.color(), redact=redact))


for _one in (rm, move, relocate, unprotect, unblock, forget, pull, push, rekey, unlock):
    command.add_command(_one)


def _environment(ctx: click.Context) -> Environment:
    """Return the environment that is meant."""
    chosen: Chosen = ctx.obj
    return settings_of(options_of(chosen)).environment()
