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


@click.command("import", short_help="Write live customers or a spreadsheet to YAML")
@click.argument("patterns", nargs=-1, metavar="[GLOB]...")
@shared.out(
    "Write to a new file. For FOLDER/ or an existing folder, write a new file for each customer: all or none. "
    "With --from or --match, edit the file if it exists.",
    metavar="PATH",
)
@click.option(
    "--pinned",
    metavar="PATH",
    type=FilePath(readable=False),
    help="Write customers that need an id: line to another new file or folder, such as an overlay.",
)
@click.option(
    "--anonymise",
    is_flag=True,
    help="Replace all personal data, keyed by the secret in RECONCILER_ANONYMISE_KEY.",
)
@click.option("--bind", "binds", is_flag=True, help="Record them in the ledger too, so that the next plan is empty.")
@click.option("--no-users", is_flag=True, help="Leave users out; they take one request per customer.")
@click.option(
    "--synced",
    type=click.Choice(["only", "exclude"]),
    help="Write only the customers that an integration syncs, or leave them out. Default: write all.",
)
@click.option("--match", "matches", is_flag=True, help="Print id: lines for declared customers that may be live.")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=FilePath(readable=False, path_type=Path),
    help="Read a spreadsheet instead of the account: CSV, TSV or .xlsx.",
)
@click.option(
    "--map",
    "map_name",
    metavar="MAP",
    help="With --from: a map file, auto to print one for review, or quickbooks-online, xero, connectwise, halopsa, "
    "autotask.",
)
@click.option(
    "--gone",
    type=click.Choice(["list", "archive"]),
    default="list",
    show_default=True,
    help="With --from: what to do about customers in the file that are no longer in the spreadsheet.",
)
@click.option(
    "--source", "sources", is_flag=True, help="With --from: add a comment with file and row to each customer."
)
@click.option("--dry-run", is_flag=True, help="With --from: print what would be written, and write nothing.")
@shared.settings(shared.files, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@shared.mode("matches", own=("files",), both=("out", "rate_per_s", "redact"))
@shared.mode("source", own=("map_name", "gone", "sources", "dry_run", "form"), both=("out", "redact"))
@click.pass_context
def import_(
    ctx: click.Context,
    /,
    *,
    matches: bool,
    source: Path | None,
    map_name: str | None,
    gone: str,
    sources: bool,
    dry_run: bool,
    form: str,
    options: Options,
    redact: bool,
    **given: Any,
) -> None:
    """
    Write live customers and their users as YAML: all, or those whose external_id matches.

    A plan of this YAML is empty. Only the YAML goes to stdout. A customer without an external_id is written under
    its id, with an id: line.

    A comment marks customers that an integration syncs.

    With --bind, the ledger records each customer, as after an apply of that file. The account is only read.

    With --anonymise, every key, name, number, address and email is replaced. The same secret makes the same
    replacements, and equal values stay equal. The file is for another environment.

    With --match it reads the customers files (-f), and prints id: lines for declared customers that may be live
    without an external_id to identify them: each pair has the same EIN, email or name, or nearly the same external_id.
    The reasons are comments. Nothing is written to the account or the ledger. With -o, the lines that are sure go into
    that file, and only the others are printed.

    With --from it reads a spreadsheet and needs no account. Lost zeros, numbers in scientific notation and cells with
    two addresses are repaired and reported. Errors come with line and column, and then nothing is written. Run it
    again on a newer export: it edits only the lines that changed.

    \b
    Example:
      reconciler import "west-*" -o customers.yaml
      reconciler import "east-*" -o customers/
      reconciler import --match -f customers.yaml -o customers.yaml
      reconciler import --from customers.csv --map quickbooks-online -o customers.yaml
    """  # noqa: D301 - click's mark
    if redact and not matches and source is None:
        raise click.UsageError("'--redact' needs '--match' or '--from'", ctx)
    if source is not None:
        from reconciler.cli.import_sheet import run as run_sheet

        run_sheet(
            ctx,
            source,
            map_name,
            given["out"],
            archive=gone == "archive",
            sources=sources,
            dry_run=dry_run,
            form=form,
            redact=redact,
        )
        return
    if matches:
        from reconciler.cli.match import match

        match(given["out"], options=options, redact=redact)
        return
    from reconciler.cli.import_ import run

    run(options=options, **given)


@click.command("seed", short_help="Fill a test environment, or print synthetic customers")
@shared.files
@click.option("--customers", type=click.IntRange(min=1), help="Generate N customers instead of reading files.")
@click.option("--users", type=click.IntRange(min=0), default=0, show_default=True, help="Generate N users each.")
@click.option(
    "--seed", "number", type=int, default=1, show_default=True, help="Another number generates other customers."
)
@click.option(
    "--print",
    "prints",
    is_flag=True,
    help="Print the generated customers as YAML, 10 by default. Create nothing.",
)
@shared.out("With --print, write them to a new file.")
@click.option(
    "--reset", is_flag=True, help="Archive every customer that isn't declared. Only in a disposable environment."
)
@click.option("--real-addresses", is_flag=True, help="Allow email addresses that may be real.")
@shared.settings(shared.approve, shared.recreate, shared.budget, shared.rate)
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

    Production is refused. Email addresses must be at example domains, because a created user may get an email.
    --reset archives every customer with an external_id that isn't declared, if the project file marks the
    environment `disposable: true`.

    The same --seed generates the same customers, and a larger number includes the smaller one. --print needs no
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
@click.option("--why", is_flag=True, help="Show why it is planned as it is: each rule with its evidence.")
@shared.settings(shared.files, shared.limits, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@click.option("--raw", is_flag=True, help="Print the API's reply for this customer, including unknown fields.")
@shared.mode(
    "why",
    own=("max_archives", "max_restores", "max_changes"),
    both=("key", "files", "rate_per_s", "redact", "form"),
)
def show(*, why: bool, raw: bool, **given: Any) -> None:
    """
    Show one customer by its external_id: declared, live, recorded, its users and payment methods.

    With --why, show why a customer (external_id) or user (external_id/email) is planned as it is, with the
    evidence. This makes the same plan as `plan`, with the same limits. Read access is enough, and nothing is
    written.

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
    "--keep", multiple=True, metavar="ID", help="Keep this one of the customers that share an external_id; repeatable."
)
@click.option("--archive", is_flag=True, help="Archive the others, after a plan and a question.")
@shared.out("Write the result to a file instead.")
@shared.settings(shared.limits, shared.budget, shared.rate)
@shared.redact
@shared.output_format("text", "json")
@shared.consent
@click.pass_context
def duplicates(ctx: click.Context, /, **given: Any) -> None:
    """
    Find active customers that share an external_id, show which one to keep and why, and list likely duplicates.

    It keeps the customer that --keep names, or else one that Reconciler manages, one with payment methods, one with
    users, or the oldest, in that order. With --archive, it shows a plan, asks, and archives the others; the exit
    codes are those of apply. Likely duplicates, with the same EIN, email or name or almost the same external_id,
    are listed but never archived.

    \b
    Example:
      reconciler duplicates
      reconciler duplicates --archive --keep cus_9f3
    """  # noqa: D301 - click's mark
    from reconciler.cli.undo import duplicates

    duplicates(ctx, **given)
