"""The command group, how `--help` is laid out, and the one place where an exception becomes an exit code."""

from __future__ import annotations

import gc
import logging
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click
from click.formatting import wrap_text

from reconciler.cli import completion
from reconciler.cli.commands import api, customers, files, fleet, plans, state
from reconciler.cli.options import REDACTED, SEVERAL, Chosen
from reconciler.cli.terminal import inert_output
from reconciler.errors import Interrupted, Invalid, PlanFaulty, ReconcilerError
from reconciler.escape import visible

NARROW = 60
"""Below this many columns an option and its help are not side by side."""

_LEAST = 20


class Formatter(click.HelpFormatter):
    """
    click's, that takes a terminal of fewer than 50 columns as it is.

    There each term is on a line of its own, what it means below it, and an example goes on after a backslash,
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


def lay_out(command: click.Command) -> click.Command:
    """Return `command`, which lays out its help and that of its subcommands in our way."""
    command.context_class = Context
    if command.short_help is None and command.help:
        # click's own cuts a sentence where it likes, and ends it with dots.
        command.short_help = re.split(r"[.;](?:\s|$)", " ".join(command.help.split("\n\n")[0].split()))[0]
    if isinstance(command, click.Group):
        for one in command.commands.values():
            lay_out(one)
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


LINE_FEED = "\n"
_ASCII = ("ascii", "us-ascii", "ansi_x3.4-1968", "646")
# Since click 8.2 a group without a command raises its whole help.
NO_ARGUMENTS: type[click.UsageError] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())


FORMER_NAMES = {"explain": ("show", "--why"), "generate": ("seed", "--print"), "match": ("import", "--match")}
"""Former commands, and the command and flag that do the same now."""
WORDS = "reconciler.words"
"""Where the context holds the words of the command line."""


class Commands(click.Group):
    """The commands under headings, in the order in which a new user meets them."""

    context_class = Context
    sections: Mapping[str, Sequence[click.Command]] = {}
    """The commands by heading."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the commands, with one width of names under all headings."""
        longest = max(map(len, self.commands))
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(str(one.name).ljust(longest), str(one.short_help)) for one in commands])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the words that are left for the command, and remember all of them."""
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what the first word names; where that is nothing, say what it may have been meant for."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            if args[0] in FORMER_NAMES:
                name, flag = FORMER_NAMES[args[0]]
                before = ctx.meta[WORDS][: -len(args)]
                line = shlex.join(["reconciler", *before, name, flag, *args[1:]])
                raise click.UsageError(f"'{args[0]}' is now '{name} {flag}'; run `{line}`", ctx) from exc
            from reconciler.documents.scalars import did_you_mean

            hint = did_you_mean(args[0], self.commands)
            raise click.UsageError(f"{exc.message.rstrip('.')}; {hint}" if hint else exc.message, ctx) from exc

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; with `--redact` an error that ends it holds nothing that a server said."""
        try:
            return super().invoke(ctx)
        except ReconcilerError as exc:
            from reconciler.cli.tools import worded

            worded(exc, redact=bool(ctx.meta.get(REDACTED)))
            raise


def _say_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Write the version and end, where it was asked for."""
    if value and not ctx.resilient_parsing:
        from reconciler.cli.tools import version

        click.echo(f"reconciler, version {version()}")
        ctx.exit()


class _Elsewhere(click.Option):
    """An option that a shell completes here, and that the help of all commands lists in one place."""

    def get_help_record(self, ctx: click.Context) -> None:
        """Return None: `GLOBAL_OPTIONS` lists it."""


GLOBAL_OPTIONS = (
    "Global options, before or after a command: -e ENVIRONMENT, -p FILE, -q, --log-level LEVEL. "
    "`reconciler --help` describes them."
)
"""What the help of a command says of them."""


def _global_options(option: type[click.Option] = click.Option) -> list[click.Option]:
    """Return the options that are accepted before and after a command; those after it replace those before it."""
    return [
        option(
            ["-p", "--project", "project_file"],
            metavar="FILE",
            type=completion.FilePath(readable=False),
            help="The project file. Default: reconciler.yaml here or in a folder above.",
            expose_value=False,
            callback=_choose,
        ),
        option(
            ["-e", "--environment", "environments"],
            multiple=True,
            metavar="ENVIRONMENT",
            type=completion.EnvironmentType(),
            help=f"The environment. Default: AP_ENVIRONMENT. {', '.join(SEVERAL[:-1])} and {SEVERAL[-1]} take several: "
            "repeat it, or write a pattern such as 'prod-*'.",
            expose_value=False,
            callback=_choose,
        ),
        option(
            ["-q", "--quiet"],
            is_flag=True,
            help="Print only results, warnings and errors: no progress, next steps or reports of success.",
            expose_value=False,
            callback=_choose,
        ),
        option(
            ["--log-level"],
            type=click.Choice(["debug", "info", "warning", "error"]),
            help="What to log to stderr (default: warning). debug shows each request, without secrets or "
            "personal data.",
            expose_value=False,
            callback=_choose,
        ),
    ]


def with_global_options(command: click.Command) -> click.Command:
    """Return `command`, which takes the global options too, as do the commands below it."""
    command.params += _global_options(_Elsewhere)
    command.epilog = GLOBAL_OPTIONS
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        with_global_options(one)
    return command


def _choose(ctx: click.Context, param: click.Parameter, value: str | bool | tuple[str, ...] | None) -> None:
    """Remember what a global option says, for this command and those below it."""
    if not value:
        return
    if param.name == "log_level":
        logging.getLogger("reconciler").setLevel(str(value).upper())
    else:
        ctx.obj = replace(ctx.obj or Chosen(), **{str(param.name): value})


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=_global_options(),
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Show the version and its commit, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """
    Infrastructure as code for billing customers.

    Declare customers in YAML. `plan` shows what would change in the account, and `apply` makes the changes.

    \b
    Example:
      reconciler plan -f customers.yaml
      reconciler -e production apply
    """  # noqa: D301 - click's mark
    # Only our own: httpx logs whole URLs.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    ctx.obj = ctx.obj or Chosen()


SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Main commands": (files.init, files.validate, files.fmt, plans.plan, plans.apply),
    "Inspect": (customers.show, plans.drift, state.history, files.doctor),
    "Adopt and repair": (customers.import_, customers.duplicates, plans.undo, state.state),
    "Many accounts": (fleet.fleet,),
    "Tools": (customers.seed, files.emulator, files.demo, api.api, files.schema, files.completion),
}
cli.sections = SECTIONS
for _commands in SECTIONS.values():
    for _command in _commands:
        cli.add_command(lay_out(with_global_options(_command)))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments`, by default the process's, and return its exit code."""
    logging.getLogger("reconciler").setLevel(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # Where ASCII is all that the locale knows, click would write UTF-8 past what makes text inert.
            encoding = "utf-8" if stream.encoding.lower() in _ASCII else None
            reconfigure(encoding=encoding, errors="backslashreplace")
    try:
        with inert_output():
            return _run(arguments)
    finally:
        # What lasts as long as a command ends with it.
        gc.unfreeze()


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line, and return its exit code."""
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name="reconciler", standalone_mode=False
        )
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.exceptions.Abort):
        return _told(Interrupted("interrupted"))
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.ClickException as exc:
        return _misused(exc)
    except Exception as exc:  # noqa: BLE001 - nothing that a user did ends in a traceback
        return _told(exc)
    return code if isinstance(code, int) else 0


def _misused(exc: click.ClickException) -> int:
    """Write how the command line was misused, and return the exit code: 2 would say that changes remain."""
    if isinstance(exc, NO_ARGUMENTS):
        click.echo(exc.format_message(), err=True)
        return 1
    if isinstance(exc, click.UsageError) and exc.ctx is not None:
        click.echo(exc.ctx.get_usage(), err=True)
        _say(f"Try '{exc.ctx.command_path} --help' for help.")
        click.echo(err=True)
    for number, text in enumerate(visible(exc.format_message(), keep=LINE_FEED).split(LINE_FEED)):
        _say(text if number else f"error: {text}")
    return 1


def _say(text: str, *, indent: int = 0) -> None:
    """Write a line to stderr."""
    from reconciler.cli import output

    click.echo(output.linked(output.fitted(visible(text), indent=indent), sys.stderr), err=True)


def _told(exc: BaseException) -> int:
    """Write what went wrong to stderr and return the exit code."""
    from reconciler.cli import output
    from reconciler.cli.tools import as_error, written

    error = as_error(exc)
    if isinstance(error, Invalid):
        if error.shown:
            click.echo(output.linked(error.shown, sys.stderr), nl=False, err=True)
        for problem in () if error.shown else error.problems:
            _say(str(problem))
        return error.exit_code
    _say(f"error: {error.message}")
    if error.hint:
        _say(error.hint, indent=2)
    if isinstance(error, PlanFaulty):
        _say(written(error), indent=2)
    return error.exit_code
