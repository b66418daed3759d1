"""`schema`: prints a JSON Schema."""

from __future__ import annotations

import click

from reconciler.cli import output
from reconciler.shipped import shipped

NAMES = ("customers", "project", "plan", "result", "events")


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES), default=NAMES[0])
def command(name: str) -> None:
    """
    Print a JSON Schema (2020-12).

    Of customers files, of the project file, of a plan, of what an apply did (result: --format json), or of
    one of its events (events: --json-events).

    \b
    Example:
      reconciler schema customers > customers.schema.json
    """  # noqa: D301 - click's mark
    output.result(output.read_text(shipped(f"schema/{name}.schema.json")))
