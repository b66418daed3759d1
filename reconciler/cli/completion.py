"""`completion SHELL`: the script that makes a shell complete."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli import output

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """
    Print the script that makes a shell complete commands, options, environments, keys and runs.

    Put `eval "$(reconciler completion bash)"` into ~/.bashrc, the same with zsh into ~/.zshrc, or
    `reconciler completion fish | source` into ~/.config/fish/config.fish.

    \b
    Example:
      reconciler completion bash
    """  # noqa: D301 - click's mark
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no script for {shell}")
    output.result(kind(ctx.find_root().command, {}, "reconciler", "_RECONCILER_COMPLETE").source())
