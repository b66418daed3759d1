"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.cli.complete import FilePath
from reconciler.model import Action
from reconciler.settings.values import rate as parse_rate
from reconciler.settings.values import seconds
from reconciler.terms import Allowance, Share

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Limits:
    """What the options say of the limits of a plan; its fields are those of `Options`."""

    max_archives: Share | None = None
    max_restores: Share | None = None
    max_changes: Share | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What the options narrow a plan to, and how much of it is read; its fields are those of `Options`."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    refresh_users: bool = False


def out(text: str, **how: Any) -> Callable[[Command], Command]:  # noqa: ANN401 - click's
    """Return the option that names where the result is written; every command takes it by the same three names."""
    kind = FilePath(readable=False) if how else FilePath(dir_okay=False, path_type=Path)
    return click.option("-o", "--out", "--output", "out", type=kind, help=text, **how)


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
    type=FilePath(readable=False),
    help="A customers file, a folder, a glob, or - for standard input; repeatable.",
)
rate = click.option(
    "--rate", "rate_per_s", type=RateType(), help="Requests per second; 0: no limit, for an emulator. Default: 5."
)
REDACTED = "reconciler.redact"
"""Where a command's context says that `--redact` was given."""

strict = click.option("--strict", is_flag=True, help="Take warnings for errors.")


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    """Remember that values are masked, for an error that ends the command."""
    ctx.meta[REDACTED] = value
    return value


redact = click.option(
    "--redact", is_flag=True, callback=_remember, help="Mask personal values, by field, and what the server says."
)

recreate = click.option(
    "--allow-recreate",
    "recreate",
    multiple=True,
    metavar="KEY",
    help="Create this customer though the one of a key that is gone looks like it; repeatable.",
)
lock_timeout = click.option(
    "--lock-timeout",
    type=DurationType(),
    default="0",
    show_default=True,
    help="Wait so long for another run to end: 30s, 5m.",
)
approve = click.option(
    "--approve",
    "approved",
    multiple=True,
    type=click.Choice([action.value for action in Action]),
    help="Approve an action that the policy wants approved; repeatable.",
)


def output_format(*choices: str) -> Callable[[Command], Command]:
    """Return the `--format` option with these choices, the first being the default."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print it."
    )


def gathered(name: str, value: Callable[..., object], *options: str) -> Callable[[Command], Command]:
    """Return what hands a command `options`, in their order, as one parameter `name`: what `value` makes of them."""

    def gathering(command: Command) -> Command:
        @wraps(command)
        def called(*words: Any, **given: Any) -> Any:  # noqa: ANN401 - a command's own
            made = value(*(given.pop(option) for option in options))
            return command(*words, **given, **{name: made})

        return called  # type: ignore[return-value]

    return gathering


def limits(command: Command) -> Command:
    """Add the limits that a plan may not exceed, as the parameter `limits`."""
    command = gathered("limits", Limits, "max_archives", "max_restores", "max_changes")(command)
    for name, what in (("changes", "changes in all"), ("restores", "restores of what others archived")):
        text = f"Allow so many {what}, in numbers or per cent."
        command = click.option(f"--max-{name}", type=ShareType(), help=text)(command)
    return click.option("--max-archives", type=ShareType(), help="Allow so many archives, in numbers or per cent.")(
        command
    )


def targets(command: Command) -> Command:
    """Add `--target`, `--exclude` and `--refresh`, as the parameter `scope`."""
    command = gathered("scope", _scope, "targets", "excludes", "refresh")(command)
    command = click.option(
        "--refresh",
        type=click.Choice(["auto", "full"]),
        default="auto",
        show_default=True,
        help="full: list the users of every customer with declared users, also where the ledger has them.",
    )(command)
    command = click.option(
        "--exclude", "excludes", multiple=True, metavar="KEY|GLOB", help="Leave these customers out; repeatable."
    )(command)
    return click.option(
        "--target", "targets", multiple=True, metavar="KEY|GLOB", help="Only these customers; repeatable."
    )(command)


def _scope(targets: tuple[str, ...], excludes: tuple[str, ...], refresh: str) -> Scope:
    """Return what `--target`, `--exclude` and `--refresh` say."""
    return Scope(targets, excludes, refresh == "full")


def budget(command: Command) -> Command:
    """Add `--max-requests` and `--max-duration`, as the parameter `budget`."""
    command = gathered("budget", Allowance, "max_requests", "max_duration_s")(command)
    command = click.option(
        "--max-duration",
        "max_duration_s",
        type=DurationType(),
        help="Stop in good order after so long, with exit code 2: 90s, 30m, 2h.",
    )(command)
    return click.option(
        "--max-requests",
        type=click.IntRange(min=0),
        metavar="N",
        help="Stop in good order before request N + 1, with exit code 2.",
    )(command)
