"""How `--help` and usage errors are laid out: click's way, and below fifty columns one that nothing is torn by."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable

import click
from click.formatting import wrap_text

NARROW = 60
"""Below so many columns an option and its help do not stand side by side."""

_LEAST = 20


class Formatter(click.HelpFormatter):
    """
    click's, that takes a terminal of fewer than 50 columns as it is.

    There each term stands on a line of its own, what it means below it, and an example goes on after a backslash,
    as a shell reads it.
    """

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        super().__init__(indent_increment, width, max_width)
        columns = shutil.get_terminal_size().columns
        if width is None and columns - 2 < self.width:
            self.width = max(columns - 1, _LEAST)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        if self.width >= NARROW:
            super().write_usage(prog, args, prefix)
        else:
            self.write(wrap_text(f"{prefix or 'Usage: '}{prog} {args}", self.width, "", "    ") + "\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs; a line of an example that is too long goes on below."""
        before = len(self.buffer)
        super().write_text(text)
        written = "".join(self.buffer[before:])
        self.buffer[before:] = [
            "\n".join(part for line in written.split("\n") for part in _continued(line, self.width))
        ]

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write terms and what they mean."""
        rows = list(rows)
        if self.width >= NARROW or max((len(term) for term, _ in rows), default=0) <= self.width // 3:
            super().write_dl(rows, col_max, col_spacing)
            return
        margin = " " * self.current_indent
        for term, meaning in rows:
            # Choices may stand on several lines.
            parted = wrap_text(term.replace("|", "| "), self.width, margin, margin + "    ")
            self.write(parted.replace("| ", "|") + "\n")
            if meaning:
                self.write(wrap_text(meaning, self.width, margin + "  ", margin + "  ") + "\n")


class Context(click.Context):
    """click's, with our layout."""

    formatter_class = Formatter


def laid_out(command: click.Command) -> click.Command:
    """Return `command`, which lays out its help and that of its subcommands in our way."""
    command.context_class = Context
    if command.short_help is None and command.help:
        # click's own cuts a sentence where it likes, and ends it with dots.
        command.short_help = re.split(r"[.;](?:\s|$)", " ".join(command.help.split("\n\n")[0].split()))[0]
    if isinstance(command, click.Group):
        for one in command.commands.values():
            laid_out(one)
    return command


def _continued(line: str, width: int) -> Iterable[str]:
    """Return a line as lines of a shell, where it is too long for `width` and can be parted."""
    below = " " * (len(line) - len(line.lstrip()) + 2)
    while len(line) > width:
        begin = len(line) - len(line.lstrip())
        at = line.rfind(" ", begin, width - 1)
        if at < begin:
            break
        yield f"{line[:at]} \\"
        line = below + line[at + 1 :]
    yield line
