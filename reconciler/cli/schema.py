"""`schema`: prints a JSON Schema."""

from __future__ import annotations

import click

from reconciler.cli import output
from reconciler.shipped import shipped

NAMES = ("customers", "project", "plan", "result", "events", "history", "duplicates", "drift", "drift-ignore", "doctor")


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES), default=NAMES[0])
def command(name: str) -> None:
    """
    Print a JSON Schema (2020-12).

    Of customers files, of the project file, and of what is printed with --format json: a plan, what an apply
    did (result), the history, the duplicates, the drift, what doctor found. Of the ignore file of drift. And of one
    line of --json-events (events).

    \b
    Example:
      reconciler schema customers > customers.schema.json
    """  # noqa: D301 - click's mark
    output.result(output.read_text(shipped(f"schema/{name}.schema.json")))
