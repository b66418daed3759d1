"""
The options that several commands share, each declared once, and how they reach a command.

It is imported for every `--help` and by a shell that completes, so what a value is read with is imported when one
is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reconciler.cli.completion import FilePath

if TYPE_CHECKING:
    from reconciler.model.policy import Share
    from reconciler.settings import Options

Command = Callable[..., Any]
Part = Callable[[Command], Command]
"""What adds an option to a command, or changes what it is handed."""

ANNOTATED = ("github", "sarif", "gitlab")
"""Formats that show findings at lines of files."""
SEVERAL = ("validate", "plan", "drift", "doctor")
"""Commands that take several environments at once."""
ONE_ONLY = f"only {', '.join(SEVERAL[:-1])} and {SEVERAL[-1]} take several: select one"
ACTIONS = ("restore", "patch", "create", "create_user", "archive")
"""The values of `Action`, whose module takes as long to import as the rest of a `--help`."""


DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the global options say, before the command or after it."""

    project_file: str | None = None
    environments: tuple[str, ...] = ()
    quiet: bool = False

    @property
    def environment(self) -> str | None:
        """Return the one environment that is named, None where none or several are."""
        return None if self.several or not self.environments else self.environments[0]

    @property
    def several(self) -> bool:
        """Say whether several environments are named, or a pattern, which may match several."""
        from reconciler.file_patterns import has_magic

        return len(set(self.environments)) > 1 or any(map(has_magic, self.environments))


@dataclass(frozen=True, slots=True)
class Ask:
    """Whether all is agreed to beforehand, how long another run is waited for, and where events go."""

    auto_approve: bool
    lock_timeout_s: float
    events: str | None


def out(text: str, **how: Any) -> Part:
    """Return the option that names where the result is written; every command takes it by the same three names."""
    kind = FilePath(readable=False) if how else FilePath(dir_okay=False, path_type=Path)
    return click.option("-o", "--out", "--output", "out", type=kind, help=text, **how)


class ShareType(click.ParamType["Share"]):
    """`N` or `N%`."""

    name = "N|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        """Return the limit that `value` writes."""
        from reconciler.model.policy import Share

        if isinstance(value, Share):
            return value
        try:
            return Share.parse(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class DurationType(click.ParamType[float]):
    """A time: `30s`, `500ms`, `5m`; a number alone is seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds that `value` writes."""
        from reconciler.settings.values import seconds

        text = str(value)
        try:
            return seconds(text if not text or text[-1].isalpha() else f"{text}s")
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class RateType(click.ParamType[float]):
    """Requests per second, 0 for no limit."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the rate that `value` writes."""
        from reconciler.settings.values import rate

        try:
            return rate(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class DigestType(click.ParamType[str]):
    """The digest of a saved plan: 64 hexadecimal digits."""

    name = "HEX"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the digest in lower case."""
        text = str(value).strip().lower()
        if len(text) != DIGEST_DIGITS or not set(text) <= set("0123456789abcdef"):
            self.fail(f"a digest has {DIGEST_DIGITS} hexadecimal digits; `plan --out FILE` prints it", param, ctx)
        return text


def gathered(name: str, value: Callable[..., object], *options: str) -> Part:
    """Return what hands a command `options`, in their order, as one parameter `name`: what `value` makes of them."""

    def gathering(command: Command) -> Command:
        @wraps(command)
        def called(*words: Any, **given: Any) -> Any:
            made = value(*(given.pop(option) for option in options))
            return command(*words, **given, **{name: made})

        return called

    return gathering


def settings(*parts: Part) -> Part:
    """
    Return what adds `parts`, and hands a command `options`: what these, and the global options, say to the settings.

    An option is one of the settings where its parameter is a field of `Options`, also one that was added apart.
    Where several environments are named, the command runs once for each.
    """

    def adding(command: Command) -> Command:
        @wraps(command)
        def called(*words: Any, **given: Any) -> Any:
            from reconciler.settings import Options

            ctx = click.get_current_context()
            chosen: Chosen = ctx.obj
            said = {field.name: given.pop(field.name) for field in fields(Options) if field.name in given}
            options = Options(project_file=chosen.project_file, environment=chosen.environment, **said)
            if not chosen.several:
                return command(*words, **given, options=options)
            if ctx.command.name not in SEVERAL:
                named = ", ".join(dict.fromkeys(chosen.environments))
                raise click.UsageError(f"-e selects several environments ({named}); {ONE_ONLY}", ctx)
            from reconciler.cli.environments import run_each

            return run_each(ctx, command, given, options, chosen.environments)

        return together(*parts)(called)

    return adding


def mode(flag: str, *, own: Sequence[str], both: Sequence[str]) -> Part:
    """
    Return what refuses, as a usage error, parameters that do not fit whether the command's `flag` was given.

    With it only those in `own` and `both` may be given, without it all but `own`.
    """

    def guarding(command: Command) -> Command:
        @wraps(command)
        def called(*words: Any, **given: Any) -> Any:
            ctx = click.get_current_context()
            named = next(param for param in ctx.command.params if param.name == flag)
            chosen = ctx.params[flag]
            for param in ctx.command.params:
                name = str(param.name)
                typed = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
                # An argument that may be left out counts as typed.
                if param is named or not typed or ctx.params.get(name) in (None, ()):
                    continue
                if name not in (*own, *both) if chosen else name in own:
                    verb = "cannot be used with" if chosen else "needs"
                    raise click.UsageError(f"{param.get_error_hint(ctx)} {verb} {named.get_error_hint(ctx)}", ctx)
            return command(*words, **given)

        return called

    return guarding


def together(*parts: Part) -> Part:
    """Return what adds `parts`, which `--help` lists in this order."""

    def adding(command: Command) -> Command:
        for part in reversed(parts):
            command = part(command)
        return command

    return adding


# --- what goes to the settings: each parameter is a field of `Options` ---------------------------------

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
recreate = click.option(
    "--allow-recreate",
    "recreate",
    multiple=True,
    metavar="KEY",
    help="Create this customer even if it looks like one whose key was removed; repeatable.",
)
approve = click.option(
    "--approve",
    "approved",
    multiple=True,
    type=click.Choice(ACTIONS),
    help="Approve an action that needs approval under the policy; repeatable.",
)
limits = together(
    click.option("--max-archives", type=ShareType(), help="Allow up to N archives, or N%."),
    click.option(
        "--max-restores",
        type=ShareType(),
        help="Allow up to N restores, or N%, of customers that others archived.",
    ),
    click.option("--max-changes", type=ShareType(), help="Allow up to N changes in all, or N%."),
    approve,
)
targets = together(
    click.option("--target", "targets", multiple=True, metavar="KEY|GLOB", help="Only these customers; repeatable."),
    click.option(
        "--exclude", "excludes", multiple=True, metavar="KEY|GLOB", help="Leave these customers out; repeatable."
    ),
    click.option(
        "--refresh",
        "refresh_users",
        type=click.Choice(["auto", "full"]),
        callback=lambda _ctx, _param, value: value == "full",
        default="auto",
        show_default=True,
        help="full: list the users of every customer with declared users, even if the ledger knows them.",
    ),
)
budget = together(
    click.option(
        "--max-requests",
        type=click.IntRange(min=0),
        metavar="N",
        help="Stop cleanly before request N + 1, with exit code 2.",
    ),
    click.option(
        "--max-duration",
        "max_duration_s",
        type=DurationType(),
        help="Stop cleanly after this time, with exit code 2: 90s, 30m, 2h.",
    ),
)
new_key = click.option(
    "--accept-new-key",
    is_flag=True,
    help="Go on with an API key that the ledger does not know, although its customers do not prove the account.",
)
changed_since = click.option(
    "--changed-since",
    metavar="REF",
    help="Only customers whose entries differ from the commit where REF and HEAD branch.",
)
plan = settings(files, targets, changed_since, limits, recreate, new_key, budget, rate)
"""What `plan` and `apply` are given alike."""

# --- how it is printed ---------------------------------------------------------------------------------

REDACTED = "reconciler.redact"
"""Where a command's context says that `--redact` was given."""


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    """Remember that values are masked, for an error that ends the command."""
    ctx.meta[REDACTED] = value
    return value


strict = click.option("--strict", is_flag=True, help="Treat warnings as errors.")
redact = click.option(
    "--redact", is_flag=True, callback=_remember, help="Mask personal values and the server's messages."
)


class ReportType(FilePath):
    """`FORMAT=FILE`: a format, and the file that is written in it."""

    name = "FORMAT=FILE"

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the format and the path that `value` writes."""
        if isinstance(value, tuple):
            return value
        form, equals, path = str(value).partition("=")
        if not equals or not path or form not in self._choices:
            self.fail(f"{value!r} is not FORMAT=FILE; the formats are {', '.join(self._choices)}", param, ctx)
        return form, super().convert(path, param, ctx)


def reports(*choices: str) -> Part:
    """Return the `--report` option with these formats."""
    return click.option(
        "--report",
        "reports",
        multiple=True,
        metavar="FORMAT=FILE",
        type=ReportType(choices),
        help="Also write the report to FILE, in whose path {environment} becomes its name; repeatable. "
        f"Formats: {', '.join(choices)}.",
    )


def _no_dash(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Return the path; BadParameter for the one that means stdout elsewhere."""
    if value is not None and str(value) == "-":
        raise click.BadParameter("metrics are written to a file, not to stdout; name one")
    return value


def metrics(command: Command) -> Command:
    """Return a command of `settings` with `--metrics`, which is handed what takes down what it does, or None."""

    @wraps(command)
    def called(*words: Any, options: Options, metrics: Path | None, **given: Any) -> Any:
        from reconciler.cli.session import measured

        name = str(click.get_current_context().command.name)
        with measured(metrics, name, options) as run:
            return command(*words, options=options, measured=run, **given)

    return click.option(
        "--metrics",
        type=FilePath(dir_okay=False, readable=False, path_type=Path),
        callback=_no_dash,
        help="Write Prometheus metrics of the run to FILE, for node_exporter's textfile collector.",
    )(called)


def output_format(*choices: str) -> Part:
    """Return the `--format` option with these choices, the first being the default."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="The output format."
    )


# --- what a command that writes is agreed to -----------------------------------------------------------

lock_timeout = click.option(
    "--lock-timeout",
    "lock_timeout_s",
    type=DurationType(),
    default="0",
    show_default=True,
    help="Wait up to this long for another run to end: 30s, 5m.",
)
json_events = click.option(
    "--json-events",
    "events",
    metavar="FILE",
    type=FilePath(readable=False),
    help="Write events as JSON, one object per line, to a file, or to stdout (-) instead of the text.",
)
consent = together(
    click.option("--auto-approve", is_flag=True, help="Do not ask."),
    lock_timeout,
    json_events,
    gathered("ask", Ask, "auto_approve", "lock_timeout_s", "events"),
)
"""`--auto-approve`, `--lock-timeout` and `--json-events`, as the parameter `ask`."""
