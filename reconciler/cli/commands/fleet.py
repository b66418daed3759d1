"""
`fleet`: many accounts, a folder for each.

What a command does is in `cli/fleet.py`, which is imported when it runs.
"""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import completion
from reconciler.cli import options as shared
from reconciler.escape import LEAST_BYTES, MAX_BYTES


@click.group("fleet", short_help="Work on many accounts, a folder for each")
def fleet() -> None:
    """
    Work on the accounts of a fleet: folders that `fleet:` in the project file names.

    `-e ACCOUNT/ENVIRONMENT` selects one of them for every other command.

    \b
    Example:
      reconciler init --fleet
      reconciler fleet list
      reconciler -e acme/production plan
    """  # noqa: D301 - click's mark


chosen = shared.together(
    click.argument("accounts", metavar="[ACCOUNT]...", nargs=-1, type=completion.AccountType()),
    click.option(
        "-l",
        "--label",
        "labels",
        multiple=True,
        metavar="LABEL=VALUE",
        help="Only accounts with this label, or with another value (LABEL!=VALUE); repeatable: all must hold.",
    ),
)
"""Which accounts a command is about, by name or pattern and by label."""


@fleet.command("list", short_help="List the accounts")
@chosen
@shared.settings()
@shared.output_format("text", "json", "brief")
@click.pass_context
def list_(ctx: click.Context, /, **given: Any) -> None:
    """
    List the accounts with their folders, labels and periods. No request is sent.

    \b
    Example:
      reconciler fleet list -l wave=canary
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import list_accounts

    list_accounts(ctx, **given)


@fleet.command("validate", short_help="Check the files and keys of all accounts, offline")
@chosen
@shared.settings()
@shared.strict
@shared.redact
@shared.output_format("text", "json", *shared.ANNOTATED)
@click.pass_context
def validate(ctx: click.Context, /, **given: Any) -> None:
    """
    Check the customers files of all accounts, and whether each has a key of its own, offline.

    Exit code 0: no errors, 1: errors.

    \b
    Example:
      reconciler fleet validate --strict
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import validate

    validate(ctx, **given)


@fleet.command("status", short_help="Show what is known of each account")
@chosen
@shared.settings()
@shared.output_format("text", "json", "markdown", "html", "prometheus")
@shared.out("Write the status to FILE.")
@click.option("--per-account", is_flag=True, help="With --format prometheus: a metric for each account, by its name.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=LEAST_BYTES),
    help=f"Shorten Markdown to N bytes, by whole entries. Default: {MAX_BYTES}, GitHub's limit.",
)
@click.pass_context
def status(ctx: click.Context, /, **given: Any) -> None:
    """
    Show what the last job of each account found, the worst first. No request is sent.

    html is one page to sort and search, with a chart by day. prometheus needs the extra `metrics`.

    \b
    Example:
      reconciler fleet status
      reconciler fleet status --format html -o fleet.html
    """  # noqa: D301 - click's mark
    from reconciler.cli.fleet import show_status

    show_status(ctx, **given)
