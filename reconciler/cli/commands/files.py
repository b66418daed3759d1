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
    "account",
    "map",
    "import",
    "plan",
    "result",
    "events",
    "history",
    "duplicates",
    "drift",
    "drift-ignore",
    "integration",
    "doctor",
    "contract",
    "environments",
    "fleet",
    "fleet-list",
    "fleet-status",
    "rollout",
    "openapi",
)


@click.command("init", short_help="Create a starter project")
@click.argument("folder", default=".", type=FilePath(file_okay=False, path_type=Path))
@click.option("--fleet", is_flag=True, help="Write a project with several accounts, a folder for each.")
def init(**given: Any) -> None:
    """
    Create a starter project in FOLDER: project file, customers, schemas for the editor, CI workflows, .gitignore.

    Existing files stay as they are.

    \b
    Example:
      reconciler init billing && cd billing && reconciler -e local plan
      reconciler init --fleet accounts && cd accounts && reconciler fleet list
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import init

    init(**given)


@click.command("validate", short_help="Check customers files and the project file, offline")
@shared.settings(shared.files)
@shared.strict
@shared.redact
@shared.output_format("text", "json", *shared.ANNOTATED)
@click.pass_context
def validate(ctx: click.Context, /, **given: Any) -> None:
    """
    Check customers files and the project file, offline.

    One run reports every error of every file. With a project file and no -e, each environment is checked with its
    overlays, and a problem that several have is reported once. Exit code 0: no errors, 1: errors.

    \b
    Example:
      reconciler validate -f customers/ --strict
    """  # noqa: D301 - click's mark
    from reconciler.cli.files import validate

    validate(ctx, **given)


@click.command("fmt", short_help="Format customers files")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--check", is_flag=True, help="Write nothing. List the files that would change, and exit with 1 if there are any."
)
@click.option("--diff", is_flag=True, help="Write nothing. Show what would change.")
@shared.settings(shared.files)
@click.pass_context
def fmt(ctx: click.Context, /, **given: Any) -> None:
    """
    Format customers files in the standard layout.

    The layout has two spaces per level, keys in the order of the schema, and quotes only where needed. Comments and
    meaning don't change. PATH is a file, a folder, a glob, or - (standard input to standard output); without it,
    the project's files and overlays are formatted. The names of changed files are printed.

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

    There are schemas for customers files, the project file, the map of a spreadsheet, the drift-ignore file, one line
    of --json-events (events), and the JSON output of import --from, plan, apply (result), history, duplicates, drift,
    doctor, doctor --openapi (contract) and a command for several environments (environments). openapi lists every
    request and field of the API with its source and what isn't documented, as YAML.

    \b
    Example:
      reconciler schema customers > customers.schema.json
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import print_schema

    print_schema(**given)


@click.command("doctor", short_help="Check credentials, network, clock, ledger and lock")
@click.option(
    "--report", is_flag=True, help="Leave out everything secret or personal, so that you can share the output."
)
@click.option(
    "--probe", is_flag=True, help="Find out what the documentation leaves open, with a customer created for it."
)
@click.option(
    "--openapi",
    type=FilePath(dir_okay=False, path_type=Path),
    help="Compare the vendor's OpenAPI file with what Reconciler uses; no request is sent.",
)
@click.option("--account", metavar="KEY", help="Allow --probe on this account, even if it isn't marked disposable.")
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
    Check credentials, network, scopes, clock, ledger and lock, and show how to fix what is wrong.

    This sends two requests, for a token and for a list of one customer, and changes nothing. Exit code 1 if
    something is wrong.

    --probe finds out what the API's documentation leaves open. It creates a customer, tries it, and archives it, in
    an environment that is marked disposable or named with --account. The ledger records the answers.

    --openapi lists what the vendor's file adds, removes or changes in the requests that Reconciler uses. Exit code 1
    if something is removed or changed.

    \b
    Example:
      reconciler -e production doctor
      reconciler doctor --openapi openapi.yaml
      reconciler doctor --report > report.txt
      reconciler -e demo doctor --probe
    """  # noqa: D301 - click's mark
    from reconciler.cli.doctor import run

    run(ctx, **given)


@click.command("emulator", short_help="Run an emulator of the API on this machine")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8085, show_default=True, help="The port; 0 picks a free one.")
@click.option(
    "--data",
    type=FilePath(path_type=Path),
    help="Keep the account in this SQLite file; with --accounts, each in a file of this folder.",
)
@click.option("--accounts", is_flag=True, help="An account for each client id, made at its first request.")
@click.option(
    "--rate",
    "rate_per_s",
    type=shared.RateType(),
    default="5",
    show_default=True,
    help="Requests per second; 0: no limit.",
)
@click.option(
    "--integration",
    type=FilePath(dir_okay=False, path_type=Path),
    help="A JSON file with what an integration writes into the account.",
)
@click.option(
    "--payment-methods",
    type=FilePath(dir_okay=False, path_type=Path),
    help="A JSON file with payment methods by customer id.",
)
@click.option(
    "--set", "switches", multiple=True, metavar="NAME=VALUE", help="Set a switch; repeatable. --switches lists them."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME=WHEN", help="Set a fault; repeatable. --fault help lists them."
)
@click.option("--seed", default=0, help="The same seed and requests give the same faults.")
@click.option(
    "--clock-offset",
    "offset_s",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="How far its clock is ahead, in seconds.",
)
@click.option("--log", is_flag=True, help="Write each request to stderr.")
@click.option("--switches", "list_switches", is_flag=True, help="List the switches and exit.")
def emulator(**given: Any) -> None:
    """
    Run an emulator of the API on this machine, with every endpoint and the rate limit.

    Credentials: client id "local", secret "local". For a key that can only read, use "read-only" for both. With
    --accounts any client id has an account of its own, and the secret is "local". SIGTERM or Ctrl-C stops it.

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

    For bash, put `eval "$(reconciler completion bash)"` in ~/.bashrc; for zsh, the same with zsh in ~/.zshrc; for
    fish, put `reconciler completion fish | source` in ~/.config/fish/config.fish.

    \b
    Example:
      reconciler completion bash
    """  # noqa: D301 - click's mark
    from reconciler.cli.tools import print_completion

    print_completion(ctx, **given)


@click.command("demo", short_help="Plan and apply example customers on an emulator")
@click.option("--fleet", "many", is_flag=True, help="Show twenty accounts that are applied wave by wave.")
def demo(*, many: bool) -> None:
    """
    Show a complete example on an emulator: create, patch, archive and restore customers.

    \b
    Example:
      reconciler demo
      reconciler demo --fleet
    """  # noqa: D301 - click's mark
    if many:
        from reconciler.cli.fleet_demo import play as play_many

        play_many()
        return
    from reconciler.cli.emulator import play

    play()
