"""`state`: what the ledger holds."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.main import Chosen
from reconciler.cli.session import options_of, settings_of
from reconciler.cli.state_copy import pull, push
from reconciler.cli.state_lock import unlock
from reconciler.errors import ReconcilerError, Refused
from reconciler.ledger.base import Ledger
from reconciler.model import Address
from reconciler.pipeline import opening, writing
from reconciler.plan.scope import matcher
from reconciler.records import Binding, DropBinding, PutBinding, PutUsers, Via
from reconciler.report.show import CustomerView, binding_json, bindings_text, customer_json, customer_text
from reconciler.settings import Environment
from reconciler.text import visible


@click.group("state")
def command() -> None:
    """
    Look at what the ledger holds, correct it, copy all of it, or end its lock.

    \b
    Example:
      reconciler state list
      reconciler state rm acme
    """  # noqa: D301 - click's mark


command.add_command(pull)
command.add_command(push)
command.add_command(unlock)


def _environment(ctx: click.Context) -> Environment:
    """Return the environment that is meant."""
    chosen: Chosen = ctx.obj
    return settings_of(options_of(chosen)).environment()


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
        rows = _matching(ledger, patterns)
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


@command.command("rm", short_help="Forget bindings; the customers stay as they are")
@click.argument("patterns", nargs=-1, required=True, metavar="KEY|GLOB...")
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@click.pass_context
def rm(ctx: click.Context, patterns: tuple[str, ...], *, dry_run: bool) -> None:
    """
    Forget bindings; the customers stay as they are, and are found again by their external_ids.

    \b
    Example:
      reconciler state rm acme
      reconciler state rm "old-*" --dry-run
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    settings = settings_of(options_of(chosen))
    environment = settings.environment()
    if dry_run:
        with opening.open_ledger(environment, writable=False) as ledger:
            _told(_found(ledger, patterns), "would be forgotten")
        return
    with writing.locked_ledger(environment, doing="state rm") as ledger:
        rows = _found(ledger, patterns)
        ledger.commit([DropBinding(row.external_id) for row in rows])
    _told(rows, "forgotten")


@command.command("move")
@click.argument("old")
@click.argument("new")
@click.pass_context
def move(ctx: click.Context, old: str, new: str) -> None:
    """
    Bind the customer of one key to another one, as a `moved` line in the YAML does.

    \b
    Example:
      reconciler state move old-key acme
    """  # noqa: D301 - click's mark
    key, to = _customer(old), _customer(new)
    with writing.locked_ledger(_environment(ctx), doing="state move") as ledger:
        row = _one(ledger, key)
        other = ledger.binding(to)
        if other is not None:
            raise Refused(
                f"{visible(new)}: this key is bound already, to {visible(other.bound_id)}",
                f"`reconciler state rm {visible(new)}` forgets that",
            )
        via = Via.MATCHED if row.live_external_id == to else Via.MOVED
        users = ledger.records().users.get(row.bound_id)
        seen = [] if users is None else [PutUsers(row.bound_id, users)]
        ledger.commit([DropBinding(key), PutBinding(replace(row, external_id=to, via=via)), *seen])
    _told([row], f"moved to {visible(str(Address(to)))}")


@command.command("unprotect")
@click.argument("key")
@click.pass_context
def unprotect(ctx: click.Context, key: str) -> None:
    """
    Lift the protection that the ledger remembers of a customer whose entry has gone.

    An entry that says `protect: true` still protects.

    \b
    Example:
      reconciler state unprotect acme
    """  # noqa: D301 - click's mark
    with writing.locked_ledger(_environment(ctx), doing="state unprotect") as ledger:
        row = _one(ledger, _customer(key))
        ledger.commit([PutBinding(replace(row, protected=False))])
    _told([row], "no longer protected" if row.protected else "it was not protected")


def _customer(key: str) -> str:
    """Return the external_id of a customer's address; ReconcilerError for a user's."""
    address = Address.parse(key)
    if address.email is not None:
        raise ReconcilerError(f"{key}: this is a user's address", "write a / that belongs to the key as %2F")
    return address.external_id


def _one(ledger: Ledger, external_id: str) -> Binding:
    """Return the row of a key; ReconcilerError where there is none."""
    row = ledger.binding(external_id)
    if row is None:
        key = visible(str(Address(external_id)))
        raise ReconcilerError(f"{key}: the ledger does not hold it", "`reconciler state list` shows what it holds")
    return row


def _matching(ledger: Ledger, patterns: tuple[str, ...]) -> list[Binding]:
    """Return the rows whose key matches a pattern, or is one; all without patterns."""
    keys = {Address.parse(pattern).external_id for pattern in patterns}
    matches = matcher(keys)
    rows = sorted(ledger.records().bindings.values(), key=lambda row: row.external_id)
    return [row for row in rows if not patterns or row.external_id in keys or matches(row.external_id)]


def _found(ledger: Ledger, patterns: tuple[str, ...]) -> list[Binding]:
    """Return the rows that are meant; ReconcilerError where there are none."""
    rows = _matching(ledger, patterns)
    if not rows:
        raise ReconcilerError("the ledger holds none of them", "`reconciler state list` shows what it holds")
    return rows


def _told(rows: list[Binding], what: str) -> None:
    """Print what became of each row."""
    for row in rows:
        output.result(f"{visible(str(Address(row.external_id)))} ({row.id}): {what}")
