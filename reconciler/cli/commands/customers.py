"""
`import`, `seed`, `show`, `duplicates`: the customers of an account.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath

if TYPE_CHECKING:
    from reconciler.settings import Options


@click.command("import", short_help="Write live customers to YAML, or match declared ones to them")
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
    help="Replace all personal data, keyed by the secret in RECONCILER_ANONYMISE_KEY.",
)
@click.option("--bind", "binds", is_flag=True, help="Bind them in the ledger too, so that the next plan is empty.")
@click.option("--no-users", is_flag=True, help="Leave users out: they cost one request for each customer.")
@click.option("--match", "matches", is_flag=True, help="Print id: lines for declared customers that may be live.")
@shared.settings(shared.files, shared.rate)
@shared.redact
@shared.mode("matches", own=("files", "redact"), both=("rate_per_s",))
def import_(*, matches: bool, options: Options, redact: bool, **given: Any) -> None:
    """
    Write live customers and their users as YAML that plans to nothing: all, or those whose external_id matches.

    stdout gets the YAML alone. A customer without an external_id is written under its id, with an id: line.

    With --bind the ledger knows each of them from then on, as after an apply of that file; the account is only read.

    With --anonymise no key, name, number, address or e-mail of the account is written: the same secret makes the
    same replacements again, and what was equal stays equal. Such a file is for another environment.

    With --match it reads the customers files (-f), and prints id: lines for declared customers that may be live
    without an external_id to identify them: each pair has the same EIN, email or name, or nearly the same external_id.
    The reasons are comments. Nothing is written, neither to the account nor to the ledger.

    \b
    Example:
      reconciler import "west-*" -o customers.yaml
      reconciler import "east-*" -o customers/
      reconciler import --match -f customers.yaml
    """  # noqa: D301 - click's mark
    from reconciler.cli.import_ import match, run

    if matches:
        match(options=options, redact=redact)
    else:
        run(options=options, **given)


@click.command("seed", short_help="Fill a test environment, or print synthetic customers")
@shared.files
@click.option("--customers", type=click.IntRange(min=1), help="Generate N customers instead of reading files.")
@click.option("--users", type=click.IntRange(min=0), default=0, show_default=True, help="Generate N users each.")
@click.option("--seed", "number", type=int, default=1, show_default=True, help="Another number makes other customers.")
@click.option(
    "--print",
    "prints",
    is_flag=True,
    help="Print the generated customers as YAML, 10 unless --customers says how many; create nothing.",
)
@shared.out("With --print, write them to a new file.")
@click.option(
    "--reset", is_flag=True, help="Archive every customer that is not declared: in a disposable environment only."
)
@click.option("--real-addresses", is_flag=True, help="Allow e-mail addresses that may be real.")
@shared.settings(shared.recreate, shared.budget, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@shared.consent
@shared.mode("prints", own=("out",), both=("customers", "users", "number"))
@click.pass_context
def seed(
    ctx: click.Context,
    /,
    *,
    prints: bool,
    out: Path | None,
    customers: int | None,
    users: int,
    number: int,
    **given: Any,
) -> None:
    """
    Fill an environment from files, or with generated customers; an interrupted run resumes where it stopped.

    Production is refused. Addresses must be at example domains, since a created user may get an e-mail. --reset
    archives every customer with an external_id that is not declared, where the project file marks the
    environment `disposable: true`.

    The same --seed gives the same customers, and a larger number of them includes the smaller one. --print needs no
    environment, account or ledger.

    \b
    Example:
      reconciler -e demo seed --customers 300 --users 2
      reconciler seed --print --customers 300 --users 2 -o demo/synthetic.yaml
      reconciler -e demo seed -f profiles/small.yaml --reset
    """  # noqa: D301 - click's mark
    from reconciler.cli.seed import print_generated, run

    if prints:
        print_generated(customers, users, number, out)
    else:
        run(ctx, customers, users, number, **given)


@click.command("show", short_help="Show one customer, or with --why the reason for its changes")
@click.argument("key", type=completion.KeyType())
@click.option("--why", is_flag=True, help="Show why it is planned as it is: each rule, with its evidence.")
@shared.settings(shared.files, shared.limits, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@click.option("--raw", is_flag=True, help="Print the API's own reply to a get of it, with fields that are not known.")
@shared.mode(
    "why",
    own=("max_archives", "max_restores", "max_changes"),
    both=("key", "files", "rate_per_s", "redact", "form"),
)
def show(*, why: bool, raw: bool, **given: Any) -> None:
    """
    Show one customer by its external_id: declared, live, recorded, its users and payment methods.

    With --why it shows why a customer (external_id) or a user (external_id/email) is planned as it is, with the
    evidence. It makes the plan that `plan` would make, under the same limits, needs read access only, and writes
    nothing.

    \b
    Example:
      reconciler show acme
      reconciler show acme --raw
      reconciler show acme --why -f customers.yaml
    """  # noqa: D301 - click's mark
    from reconciler.cli.show import explain_key, run

    if why:
        explain_key(**given)
    else:
        run(raw=raw, **given)


@click.command("duplicates", short_help="Find customers that exist twice, and archive the extras")
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
