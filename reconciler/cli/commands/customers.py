"""
`import`, `seed`, `match`, `show`, `duplicates`: the customers of an account.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath


@click.command("import", short_help="Write live customers as YAML that plans to nothing")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@shared.out(
    "Write it to a new file; to FOLDER/, or a folder that exists: a new file for each customer, all or none.",
    metavar="PATH",
)
@click.option(
    "--pinned",
    metavar="PATH",
    type=FilePath(readable=False),
    help="Write those that need an id: line to another new file or folder, an overlay say.",
)
@click.option(
    "--anonymise",
    is_flag=True,
    help="Replace everything that is theirs, keyed by the secret in RECONCILER_ANONYMISE_KEY.",
)
@click.option("--bind", "binds", is_flag=True, help="Bind them in the ledger too, so that the next plan is empty.")
@click.option("--no-users", is_flag=True, help="Leave users out: they cost one request for each customer.")
@shared.settings(shared.rate)
def import_(**given: Any) -> None:
    """
    Write live customers and their users as YAML that plans to nothing: all, or those whose external_id matches.

    On stdout stands the YAML alone. A customer without an external_id stands under its id, with an id: pin.

    With --bind the ledger knows each of them from then on, as after an apply of that file; the account is only read.

    With --anonymise no key, name, number, address or e-mail of the account is written: the same secret makes the
    same replacements again, and what was equal stays equal. Such a file is for another environment.

    \b
    Example:
      reconciler import "west-*" -o customers.yaml
      reconciler import "east-*" -o customers/
    """  # noqa: D301 - click's mark
    from reconciler.cli.import_ import run

    run(**given)


@click.command("seed", short_help="Fill an environment that is not production")
@shared.files
@click.option("--customers", type=click.IntRange(min=1), help="Generate so many customers instead of reading files.")
@click.option("--users", type=click.IntRange(min=0), default=0, show_default=True, help="Generate so many users each.")
@click.option("--seed", "number", type=int, default=1, show_default=True, help="Another number makes other customers.")
@click.option("--reset", is_flag=True, help="Archive all that is not declared: in a disposable environment only.")
@click.option("--real-addresses", is_flag=True, help="Allow e-mail addresses that may be somebody's.")
@shared.settings(shared.recreate, shared.budget, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@shared.consent
@click.pass_context
def seed(ctx: click.Context, /, **given: Any) -> None:
    """
    Fill an environment from files, or with generated customers; a run that stopped goes on where it stopped.

    Never production. Addresses must be of example domains, since a created user may get an e-mail. --reset
    archives every customer with an external_id that is not declared, where the project file marks the
    environment `disposable: true`.

    \b
    Example:
      reconciler -e demo seed --customers 300 --users 2
      reconciler -e demo seed -f profiles/small.yaml --reset
    """  # noqa: D301 - click's mark
    from reconciler.cli.seed import run

    run(ctx, **given)


@click.command("match", short_help="Print id: lines for declared customers that may be live already")
@shared.settings(shared.files, shared.rate)
@shared.redact
def match(**given: Any) -> None:
    """
    Print id: lines for declared customers that may be live already, without an external_id to tell them by.

    Each such pair agrees in EIN, e-mail or name, or nearly in external_id. On stdout stands YAML, with the reasons as
    comments. Nothing is written, neither to the account nor to the ledger.

    \b
    Example:
      reconciler match -f customers.yaml
    """  # noqa: D301 - click's mark
    from reconciler.cli.import_ import match

    match(**given)


@click.command("show", short_help="Show one customer: declared, live and recorded")
@click.argument("key", type=completion.Key())
@shared.settings(shared.files, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@click.option("--raw", is_flag=True, help="Print the API's own reply to a get of it, with fields that are not known.")
def show(**given: Any) -> None:
    """
    Show one customer by its external_id: declared, live, recorded, its users and payment methods.

    \b
    Example:
      reconciler show acme
      reconciler show acme --raw
    """  # noqa: D301 - click's mark
    from reconciler.cli.show import run

    run(**given)


@click.command("duplicates", short_help="Find live customers that are there twice, and archive the others")
@click.option(
    "--keep", multiple=True, metavar="ID", help="Keep this one of those that share an external_id; repeatable."
)
@click.option("--archive", is_flag=True, help="Plan to archive the others, ask, and do it.")
@shared.out("Write what was found to a file instead.")
@shared.settings(shared.limits, shared.budget, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@shared.consent
@click.pass_context
def duplicates(ctx: click.Context, /, **given: Any) -> None:
    """
    Find active customers that share an external_id, say which one to keep and why, and list likely twins.

    Kept is the one that --keep names, else the bound one, else one with payment methods, else one with
    users, else the oldest. With --archive the others are archived, after a plan and consent, and with the
    exit codes of apply. Twins, which agree in EIN, e-mail or name, or nearly in external_id, are shown and never
    archived.

    \b
    Example:
      reconciler duplicates
      reconciler duplicates --archive --keep cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.undo import duplicates

    duplicates(ctx, **given)
