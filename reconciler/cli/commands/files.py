"""
`init`, `validate`, `fmt`, `generate`, `schema`: files on this machine, and no request.

What a command does is in the module of its name, which is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.cli import options as shared
from reconciler.cli.complete import FilePath

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
    "doctor",
    "openapi",
)


@click.command("init", short_help="Write a starter project into a folder")
@click.argument("folder", default=".", type=FilePath(file_okay=False, path_type=Path))
def init(**given: Any) -> None:
    """
    Write a starter project into FOLDER: project file, customers, schemas for the editor, CI workflows, .gitignore.

    A file that is there already stays as it is, and the rest is written.

    \b
    Example:
      reconciler init billing && cd billing && reconciler -e local plan
    """  # noqa: D301 - click's mark
    from reconciler.cli.init import run

    run(**given)


@click.command("validate", short_help="Check customers files and project file, offline")
@shared.settings(shared.files)
@shared.strict
@shared.redact
@shared.output_format("text", "json")
@click.pass_context
def validate(ctx: click.Context, /, **given: Any) -> None:
    """
    Check customers files and project file, offline.

    Every error of every file comes in one run. With a project file and no -e, each environment is checked
    with its overlays. Exit code 0 for no error, 1 for errors.

    \b
    Example:
      reconciler validate -f customers/ --strict
    """  # noqa: D301 - click's mark
    from reconciler.cli.validate import run

    run(ctx, **given)


@click.command("fmt", short_help="Write customers files in their canonical layout")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, exit code 1 for any.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@shared.settings(shared.files)
@click.pass_context
def fmt(ctx: click.Context, /, **given: Any) -> None:
    """
    Write customers files in their canonical layout.

    Two blanks a level, keys in the order of the schema, quotes where they are needed; comments are kept, and so is
    what the file says. PATH is a file, a folder, a glob, or - (standard input to standard output); without one, the
    project's files and overlays. The names of files that changed are printed.

    \b
    Example:
      reconciler fmt customers/
      reconciler fmt --check
    """  # noqa: D301 - click's mark
    from reconciler.cli.fmt import run

    run(ctx, **given)


@click.command("generate", short_help="Write synthetic customers, to fill an environment")
@click.option("--customers", type=click.IntRange(min=0), default=10, show_default=True, help="How many customers.")
@click.option("--users", type=click.IntRange(min=0), default=0, show_default=True, help="How many users each has.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another number makes other customers.")
@shared.out("Write it to a new file.")
def generate(**given: Any) -> None:
    """
    Write synthetic customers and users as YAML, to fill an environment that is not production.

    The same seed gives the same customers, and a larger number holds the smaller one. All addresses of people
    are of example domains, since a created user may get an e-mail.

    \b
    Example:
      reconciler generate --customers 300 --users 2 -o customers/synthetic.yaml
    """  # noqa: D301 - click's mark
    from reconciler.cli.generate import run

    run(**given)


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
    from reconciler.cli.schema import run

    run(**given)
