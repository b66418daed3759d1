"""`import`: live customers and their users as YAML that plans to nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.api.client import Client
from reconciler.cli import options as shared
from reconciler.cli import output
from reconciler.cli.folder import check_place, write_folder
from reconciler.cli.main import Chosen
from reconciler.cli.session import connected, options_of, settings_of, shown_progress
from reconciler.desired.adopt import adopt
from reconciler.desired.write import Written, write_customers
from reconciler.errors import ReconcilerError
from reconciler.pipeline import looking, opening
from reconciler.plan.scope import matcher
from reconciler.report.price import reading_price
from reconciler.report.words import count, duration

SCHEMA = "customers.schema.json"
ANONYMISE_KEY = "RECONCILER_ANONYMISE_KEY"
SHORTEST_SECRET = 16
"""In characters: with a shorter one, whoever has the file can try secrets until a name they know appears."""


@click.command("import")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@click.option(
    "-o",
    "--output",
    "out",
    metavar="PATH",
    help="Write it to a new file; to FOLDER/, or a folder that exists: a new file for each customer, all or none.",
)
@click.option(
    "--anonymise",
    is_flag=True,
    help="Replace everything that is theirs, keyed by the secret in RECONCILER_ANONYMISE_KEY.",
)
@click.option("--no-users", is_flag=True, help="Leave users out: they cost one request for each customer.")
@shared.rate
@click.pass_context
def command(
    ctx: click.Context,
    patterns: tuple[str, ...],
    out: str | None,
    rate_per_s: float | None,
    *,
    anonymise: bool,
    no_users: bool,
) -> None:
    """
    Write live customers and their users as YAML that plans to nothing: all, or those whose external_id matches.

    On stdout stands the YAML alone. A customer without an external_id stands under its id, with an id: pin.

    With --anonymise no key, name, number, address or e-mail of the account is written: the same secret makes the
    same replacements again, and what was equal stays equal. Such a file is for another environment.

    \b
    Example:
      reconciler import "west-*" -o customers.yaml
      reconciler import "east-*" -o customers/
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    if out is not None:
        _check_place(out)
    secret = _secret() if anonymise else ""
    options = options_of(chosen, rate_per_s=rate_per_s)
    settings = settings_of(options)
    environment = settings.environment()
    matches = matcher(patterns)
    with connected(settings, options, environment) as session:
        with opening.open_ledger(environment, writable=False) as ledger:
            records = ledger.records()
        with shown_progress(session.clock) as progress:
            progress.note(reading_price(records.learned, 0, environment.rate_per_s))
            reading = looking.account(
                session.client,
                records,
                chosen=lambda one: not patterns or matches(one.external_id),
                users=not no_users,
                say=progress.planning,
                price=lambda users: progress.note(_price(session.client, users, environment.rate_per_s)),
            )
            account = session.run(reading)
    adopted = adopt(account.customers, account.users)
    entries = adopted.entries
    if anonymise:
        # Only here: Faker takes half a second to load.
        from reconciler.synthetic.anonymise import anonymised  # noqa: PLC0415

        entries = tuple(anonymised(entries, secret))
        if adopted.left_out:
            # What it was names whom it was of.
            output.say(f"warning: {count(len(adopted.left_out), 'value')} that no file can hold, left out")
    else:
        for words in adopted.left_out:
            output.say(f"warning: {words}")
    _write(out, entries)
    written = count(len(entries), "customer")
    output.say(f"{written} written; {count(session.client.requests, 'request')}")


def _is_folder(out: str) -> bool:
    """Say whether a path is written as a folder's, or is one."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir()


def _check_place(out: str) -> None:
    """Raise ReconcilerError where nothing new can be written, before anything is asked of the account."""
    if not out:
        raise ReconcilerError("-o: an empty path", "name a new file, or a folder")
    if _is_folder(out):
        check_place(Path(out))
    else:
        output.check_new(Path(out))


def _write(out: str | None, entries: Sequence[Written]) -> None:
    """Write entries to stdout, to one file, or to one file each."""
    if out is not None and _is_folder(out):
        write_folder(Path(out), {entry.key: write_customers([entry], schema=SCHEMA) for entry in entries})
    else:
        output.document_to(None if out is None else Path(out), write_customers(entries, schema=SCHEMA))


def _secret() -> str:
    """Return the secret by which values are replaced; ReconcilerError where there is none to speak of."""
    secret = os.environ.get(ANONYMISE_KEY, "")
    if len(secret) < SHORTEST_SECRET:
        raise ReconcilerError(
            f"{ANONYMISE_KEY} is not set, or shorter than {SHORTEST_SECRET} characters",
            "set it to a long random text and keep it: the same secret makes the same replacements",
        )
    return secret


def _price(client: Client, users: int, rate_per_s: float) -> str:
    """Return what is about to be paid."""
    time = f", {duration(users / rate_per_s)}" if rate_per_s else ""
    sent = count(client.requests, "request")
    return f"{sent} sent; the users of {count(users, 'customer')} take {users} more{time}"
