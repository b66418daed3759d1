"""
What a shell is offered of a command, from a shipped table: to import the command itself takes longer than to type.

`docs/generate.py` writes the table from the commands, and its `--check` fails where they differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reconciler.cli import complete

TABLE = Path(__file__).with_name("offered.json")

Row = Mapping[str, Any]

TOLD = ("name", "param_type_name", "opts", "secondary_opts", "nargs", "multiple", "is_flag", "help")
TOLD_OF_TYPE = ("param_type", "choices", "file_okay", "dir_okay")
NAMES = {
    "CustomerIdType": complete.Customer(),
    "Environment": complete.Environment(),
    "Key": complete.Key(),
    "Run": complete.Run(),
}
"""The types by which a shell is offered more than a name; any other is a text to it."""


def command(name: str) -> click.Command:
    """Return what a shell is told of the command `name`; nothing of it runs."""
    return _command(json.loads(TABLE.read_text(encoding="utf-8"))[name])


def written(commands: click.Group) -> str:
    """Return the table of `commands`, as it is shipped: one command a line."""
    ctx = click.Context(commands, **commands.context_settings)
    told = {name: commands.get_command(ctx, name) for name in commands.list_commands(ctx)}
    rows = (f"{json.dumps(name)}: {json.dumps(_row(one, name, ctx))}" for name, one in told.items() if one is not None)
    return "{" + ",\n".join(rows) + "}\n"


def _command(row: Row) -> click.Command:
    told: dict[str, Any] = {
        "name": row["name"],
        "short_help": row["help"],
        "params": [_parameter(one) for one in row["params"]],
        "add_help_option": False,
    }
    if "commands" not in row:
        return click.Command(**told)
    return click.Group(**told, commands={one["name"]: _command(one) for one in row["commands"]})


def _parameter(row: Row) -> click.Parameter:
    # The name comes first, as what completes asks by it for what was typed.
    names = [row["name"], *row["opts"], *row["secondary_opts"]]
    if row["param_type_name"] == "argument":
        return click.Argument(names[:1], required=False, nargs=row["nargs"], type=_type(row["type"]))
    if row["is_flag"]:
        return click.Option(names, is_flag=True, multiple=row["multiple"], help=row["help"])
    return click.Option(names, nargs=row["nargs"], multiple=row["multiple"], type=_type(row["type"]), help=row["help"])


def _type(row: Row) -> click.ParamType[Any]:
    match row["param_type"]:
        case "Choice":
            return click.Choice(row["choices"])
        case "FilePath":
            return complete.FilePath(file_okay=row["file_okay"], dir_okay=row["dir_okay"])
        case name:
            return NAMES.get(name, click.STRING)


def _row(one: click.Command, name: str, above: click.Context | None) -> Row:
    ctx = click.Context(one, info_name=name, parent=above)
    row: dict[str, Any] = {
        "name": name,
        "help": one.get_short_help_str(),
        "params": [_told(param) for param in one.get_params(ctx)],
    }
    if isinstance(one, click.Group):
        below = ((word, one.get_command(ctx, word)) for word in one.list_commands(ctx))
        row["commands"] = [_row(command, word, ctx) for word, command in below if command is not None]
    return row


def _told(parameter: click.Parameter) -> Row:
    """Return what `_parameter` reads."""
    told = parameter.to_info_dict()
    kind = {key: told["type"][key] for key in TOLD_OF_TYPE if key in told["type"]}
    return {key: told[key] for key in TOLD if key in told} | {"type": kind}
