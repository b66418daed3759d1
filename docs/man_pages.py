"""The manual pages, one for each command, and the completion files that a package installs; both from click."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
from click.shell_completion import get_completion_class

from reconciler import __version__
from reconciler.cli.app import Commands, cli

NAME = "reconciler"
SHELLS = {"bash": f"bash/{NAME}", "zsh": f"zsh/_{NAME}", "fish": f"fish/{NAME}.fish"}
"""Where each shell looks a file up by its name, below a folder of the shell's own."""


def man_pages() -> dict[str, str]:
    """Return each page by its file's name: `reconciler.1`, `reconciler-plan.1`, and so on."""
    context = click.Context(cli, info_name=NAME, **cli.context_settings)
    return {f"{one.command_path.replace(' ', '-')}.1": _page(one) for one in _walk(context)}


def completions() -> dict[str, str]:
    """Return each shell's file by its path below `completions/`."""
    files = {}
    for shell, path in SHELLS.items():
        kind = get_completion_class(shell)
        if kind is None:
            raise LookupError(f"click has no completion for {shell}")
        files[path] = kind(cli, {}, NAME, f"_{NAME.upper()}_COMPLETE").source().rstrip() + "\n"
    return files


def _walk(context: click.Context) -> Iterator[click.Context]:
    """Yield a command's context and those of the commands below it."""
    yield context
    for below in _below(context):
        yield from _walk(below)


def _below(context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of the commands just below one."""
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            if (command := group.get_command(context, name)) is not None:
                yield click.Context(command, info_name=name, parent=context)


def _page(context: click.Context) -> str:
    """Return one command's page. It names the version, and no date, so that it is the same whenever it is made."""
    command = context.command
    path = context.command_path
    prose, example = _help(command)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [
        f'.TH "{_text(path.replace(" ", "-").upper())}" "1" "" "{NAME} {__version__}" "Reconciler"',
        ".ad l",
        ".nh",
        ".SH NAME",
        f"{_text(path.replace(' ', '-'))} \\- {_text(_first(command))}",
        ".SH SYNOPSIS",
        f"\\fB{_text(path)}\\fR {_text(usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(prose),
    ]
    options = [record for one in command.params if (record := one.get_help_record(context)) is not None and record[1]]
    if options:
        lines.append(".SH OPTIONS")
    for names, text in options:
        lines += [".TP", f"\\fB{_text(names)}\\fR", _line(text)]
    lines += _commands(context)
    if example:
        lines += [".SH EXAMPLE", ".nf", ".RS 4", *map(_line, example.splitlines()), ".RE", ".fi"]
    lines += [".SH SEE ALSO", *_see_also(context)]
    return "\n".join(lines) + "\n"


def _commands(context: click.Context) -> list[str]:
    """Return the commands below one with what each does, under the headings of `--help`."""
    sections = (
        {heading: {str(one.name) for one in commands} for heading, commands in context.command.sections.items()}
        if isinstance(context.command, Commands)
        else {"Commands": {str(one.info_name) for one in _below(context)}}
    )
    lines = []
    for heading, names in sections.items():
        if names:
            lines.append(f".SH {heading.upper()}")
        for one in _below(context):
            if one.info_name in names:
                page = one.command_path.replace(" ", "-")
                lines += [".TP", f"\\fB{_text(page)}\\fR(1)", _line(_first(one.command))]
    return lines


def _see_also(context: click.Context) -> list[str]:
    """Return the page above, or those below where there is none above."""
    above = context.parent
    pages = [one.command_path for one in _below(context)] if above is None else [above.command_path]
    named = [f"\\fB{_text(one.replace(' ', '-'))}\\fR(1)" for one in pages]
    return [f"{one}," for one in named[:-1]] + named[-1:]


def _first(command: click.Command) -> str:
    """Return what a command does, in one line without a period."""
    return (command.short_help or _help(command)[0][0]).rstrip(".")


def _help(command: click.Command) -> tuple[list[str], str]:
    """Return the paragraphs of a command's help, and its example."""
    prose, example = [], ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            example = inspect.cleandoc(paragraph.partition("Example:\n")[2])
        else:
            prose.append(" ".join(paragraph.split()))
    return prose, example


def _paragraphs(prose: list[str]) -> list[str]:
    """Return paragraphs, with a request between them."""
    lines = [line for one in prose for line in (".PP", _line(one))]
    return lines[1:]


def _line(text: str) -> str:
    """Return a text as a line of its own, which no request begins."""
    return re.sub(r"^(?=[.'])", r"\\&", _text(" ".join(text.split())))


def _text(text: str) -> str:
    """Return a text as roff shows it: a hyphen stays one that can be copied into a shell."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
