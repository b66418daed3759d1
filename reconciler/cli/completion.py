"""`completion SHELL`: the script that makes a shell complete."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli import output


def run(ctx: click.Context, shell: str) -> None:
    """Print the script."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no script for {shell}")
    output.result(kind(ctx.find_root().command, {}, "reconciler", "_RECONCILER_COMPLETE").source())
