"""`schema`: prints a JSON Schema, or the contract of the API."""

from __future__ import annotations

import click

from reconciler.cli import output
from reconciler.shipped import shipped

NAMES = ("customers", "project", "plan", "result", "events", "history", "duplicates", "drift", "drift-ignore", "doctor")
CONTRACT = "openapi"


@click.command("schema")
@click.argument("name", type=click.Choice([*NAMES, CONTRACT]), default=NAMES[0])
def command(name: str) -> None:
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
    file = "openapi.yaml" if name == CONTRACT else f"{name}.schema.json"
    output.result(output.read_text(shipped(f"schema/{file}")))
