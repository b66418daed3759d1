"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from reconciler.settings.values import rate as parse_rate
from reconciler.settings.values import seconds
from reconciler.terms import Share

Command = TypeVar("Command", bound=Callable[..., Any])


class ShareType(click.ParamType[Share]):
    """`N` or `N%`."""

    name = "N|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Share:  # noqa: ANN401
        """Return the limit that `value` writes."""
        if isinstance(value, Share):
            return value
        try:
            return Share.parse(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class DurationType(click.ParamType[float]):
    """A time: `30s`, `500ms`, `5m`; a number alone is seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return the seconds that `value` writes."""
        text = str(value)
        try:
            return seconds(text if not text or text[-1].isalpha() else f"{text}s")
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class RateType(click.ParamType[float]):
    """Requests per second, 0 for no limit."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return the rate that `value` writes."""
        try:
            return parse_rate(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


files = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="PATH",
    help="A customers file, a folder, a glob, or - for standard input; repeatable.",
)
rate = click.option(
    "--rate", "rate_per_s", type=RateType(), help="Requests per second; 0: no limit, for an emulator. Default: 5."
)
strict = click.option("--strict", is_flag=True, help="Take warnings for errors.")
redact = click.option("--redact", is_flag=True, help="Mask personal values, by field.")


def output_format(*choices: str) -> Callable[[Command], Command]:
    """Return the `--format` option with these choices, the first being the default."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print it."
    )


def limits(command: Command) -> Command:
    """Add the limits that a plan may not exceed."""
    for name, what in (("changes", "changes in all"), ("restores", "restores of what others archived")):
        text = f"Allow so many {what}, in numbers or per cent."
        command = click.option(f"--max-{name}", type=ShareType(), help=text)(command)
    return click.option("--max-archives", type=ShareType(), help="Allow so many archives, in numbers or per cent.")(
        command
    )


def targets(command: Command) -> Command:
    """Add `--target`, `--exclude` and `--refresh`."""
    command = click.option(
        "--refresh",
        type=click.Choice(["auto", "full"]),
        default="auto",
        show_default=True,
        help="full: list the users of every customer with declared users, also where the ledger has them.",
    )(command)
    command = click.option(
        "--exclude", "excludes", multiple=True, metavar="GLOB", help="Leave these external_ids out; repeatable."
    )(command)
    return click.option(
        "--target", "targets", multiple=True, metavar="GLOB", help="Only these external_ids; repeatable."
    )(command)
