"""
The commands that need no account, and those that serve one on this machine.

What a command does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.cli import options as shared
from reconciler.cli.completion import FilePath

SCHEMAS = (
    "customers",
    "project",
    "plan",
    "result",
    "events",
    "history",
    "duplicates",
    "drift",
    "drift-ignore",
    "integration",
    "doctor",
    "openapi",
)


@click.command("init", short_help="Create a starter project")
@click.argument("folder", default=".", type=FilePath(file_okay=False, path_type=Path))
def init(**given: Any) -> None:
    """
    Write a starter project into FOLDER: project file, customers, schemas for the editor, CI workflows, .gitignore.

    A file that is there already stays as it is, and the rest is written.

    \b
    Example:
      reconciler init billing && cd billing && reconciler -e local plan
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import init

    init(**given)


@click.command("validate", short_help="Check customers files and the project file, offline")
@shared.settings(shared.files)
@shared.strict
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def validate(ctx: click.Context, /, **given: Any) -> None:
    """
    Check customers files and the project file, offline.

    Every error of every file comes in one run. With a project file and no -e, each environment is checked
    with its overlays. Exit code 0 for no error, 1 for errors.

    \b
    Example:
      reconciler validate -f customers/ --strict
    """  # noqa: D301 - click's mark
    from reconciler.cli.files import validate

    validate(ctx, **given)


@click.command("fmt", short_help="Format customers files")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, exit code 1 for any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@shared.settings(shared.files)
@click.pass_context
def fmt(ctx: click.Context, /, **given: Any) -> None:
    """
    Format customers files: one canonical layout.

    Two spaces a level, keys in the order of the schema, quotes where they are needed; comments are kept, and so is
    what the file says. PATH is a file, a folder, a glob, or - (standard input to standard output); without one, the
    project's files and overlays. The names of files that changed are printed.

    \b
    Example:
      reconciler fmt customers/
      reconciler fmt --check
    """  # noqa: D301 - click's mark
    from reconciler.cli.files import fmt

    fmt(ctx, **given)


@click.command("schema", short_help="Print a JSON Schema")
@click.argument("name", type=click.Choice(SCHEMAS), default=SCHEMAS[0])
def schema(**given: Any) -> None:
    """
    Print a JSON Schema (2020-12), or the API's contract (OpenAPI 3.1).

    Of customers files, of the project file, and of what is printed with --format json: a plan, what an apply
    did (result), the history, the duplicates, the drift, what doctor found. Of the ignore file of drift. And of one
    line of --json-events (events). openapi is every request and field of the API, its source, and what is not
    documented, as YAML.

    \b
    Example:
      reconciler schema customers > customers.schema.json
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import print_schema

    print_schema(**given)


@click.command("doctor", short_help="Check credentials, network, clock, ledger and lock")
@click.option("--report", is_flag=True, help="Leave out all that is a secret or personal, so that it can be shared.")
@click.option("--probe", is_flag=True, help="Find out what the documentation leaves open, with a customer of its own.")
@click.option("--account", metavar="KEY", help="Allow --probe on this account, which is not marked disposable.")
@click.option("--auto-approve", is_flag=True, help="Do not ask before the probe.")
@click.option(
    "--lock-timeout",
    "lock_timeout_s",
    type=shared.DurationType(),
    default="0",
    show_default=True,
    help="With --probe, wait up to this long for another run to end: 30s, 5m.",
)
@shared.settings(shared.rate)
@shared.output_format("text", "json")
@click.pass_context
def doctor(ctx: click.Context, /, **given: Any) -> None:
    """
    Check credentials, network, scopes, clock, ledger and lock, and say how to fix what is wrong.

    It sends two requests, a token's and a list of one customer, and changes nothing. Exit code 1 where
    something is wrong.

    --probe finds out, on an environment that is marked disposable or named with --account, what the API's
    documentation leaves open: it makes a customer, tries it, and archives it. The answers go into the ledger.

    \b
    Example:
      reconciler -e production doctor
      reconciler doctor --report > report.txt
      reconciler -e demo doctor --probe
    """  # noqa: D301 - click's mark
    from reconciler.cli.doctor import run

    run(ctx, **given)


@click.command("emulator", short_help="Run an emulator of the API on this machine")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8085, show_default=True, help="The port; 0 takes a free one.")
@click.option("--data", type=FilePath(dir_okay=False, path_type=Path), help="Keep the account in this SQLite file.")
@click.option(
    "--rate", "rate_per_s", type=shared.RateType(), default="5", show_default=True, help="Its limit; 0: none."
)
@click.option("--payment-methods", type=FilePath(dir_okay=False, path_type=Path), help="A JSON file, by customer id.")
@click.option(
    "--integration",
    type=FilePath(dir_okay=False, path_type=Path),
    help="A JSON file: who else writes into it.",
)
@click.option("--set", "switches", multiple=True, metavar="NAME=VALUE", help="A switch of its behaviour; repeatable.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME=WHEN", help="A fault, and when; repeatable. `help` lists them."
)
@click.option("--seed", default=0, help="The same seed and requests give the same faults.")
@click.option(
    "--clock-offset", "offset_s", type=float, default=0.0, metavar="SECONDS", help="How far its clock is ahead."
)
@click.option("--log", is_flag=True, help="Write each request to stderr.")
@click.option("--switches", "list_switches", is_flag=True, help="Print the switches of its behaviour, and end.")
def emulator(**given: Any) -> None:
    """
    Run an emulator of the API on this machine: every endpoint, its rate limit, and its open questions as switches.

    Credentials: client id "local", secret "local"; "read-only", twice, is a key that may only read. SIGTERM or
    Ctrl-C ends it.

    \b
    Example:
      reconciler emulator --data account.db
      reconciler emulator --set lists_archived=true --fault lost_after=0.1,writes
      reconciler emulator --integration integration.json --set sync_undoes=archive,restore
      reconciler emulator --fault slow=next:3 --fault slow_s=40 --fault expired_token=at:20
    """  # noqa: D301 - click's mark
    from reconciler.cli.emulator import serve

    serve(**given)


@click.command("completion", short_help="Print the completion script for your shell")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, **given: Any) -> None:
    """
    Print the completion script for your shell: it completes commands, options, environments, keys and runs.

    Put `eval "$(reconciler completion bash)"` into ~/.bashrc, the same with zsh into ~/.zshrc, or
    `reconciler completion fish | source` into ~/.config/fish/config.fish.

    \b
    Example:
      reconciler completion bash
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import print_completion

    print_completion(ctx, **given)


@click.command("demo", short_help="Plan and apply example customers on an emulator")
def demo() -> None:
    """
    Plan and apply example customers on an emulator, in one go: create, patch, archive, restore.

    \b
    Example:
      reconciler demo
    """  # noqa: D301 - click's mark
    from reconciler.cli.emulator import play

    play()
