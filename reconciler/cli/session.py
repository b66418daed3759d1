"""What a command works with, from its options: settings, declared customers, client, ledger."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, TypeVar, cast

import click

from reconciler.cli import output
from reconciler.cli.options import ANNOTATED
from reconciler.cli.terminal import first_signal, interrupt
from reconciler.clock import Clock
from reconciler.desired.files import read_files
from reconciler.desired.load import Loaded, load_desired
from reconciler.errors import Invalid, ReconcilerError, Source
from reconciler.gc_pause import without_collector
from reconciler.input_file import read_file
from reconciler.resources import to_install
from reconciler.settings import Environment, Options, Settings, read_settings

if TYPE_CHECKING:
    import asyncio

    from reconciler.api.client import ApiClient
    from reconciler.api.exchange import Sent
    from reconciler.pipeline.resources import ExposedFile
    from reconciler.report.annotations import Annotation
    from reconciler.report.metrics import Measurement
    from reconciler.report.progress import Progress


_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts lines by


def again(typed: bytes | None) -> io.BytesIO | None:
    """Return standard input once more, as it was read; None where it was closed or is not asked for."""
    return None if typed is None else io.BytesIO(typed)


def lines_of(
    paths: Sequence[str | Path], *, root: Path, typed: bytes | None, within: Sequence[Path] | None
) -> Callable[[Source], str]:
    """
    Return what gives the line of a customers file at a place, "" for one of another file.

    Only of what is read as customers: a line of the project file may be a secret that was written by mistake.
    """
    found = read_files(paths, root=root, stdin=again(typed), within=within)
    contents = {file.name: file.content for file in found.files}

    @cache
    def lines(name: str) -> list[str]:
        text = contents.get(name, b"").decode("utf-8-sig", "replace")
        return _BREAK.split(text)

    def line(source: Source) -> str:
        known = lines(source.file)
        return known[source.line - 1] if 0 < source.line <= len(known) else ""

    return line


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with; `run` runs a coroutine in the loop that all of its coroutines share."""

    settings: Settings
    options: Options
    environment: Environment
    clock: Clock
    runner: asyncio.Runner
    client: ApiClient

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run `coroutine` to its end; Ctrl-C cancels it, unless it handles that itself."""
        return run_in(self.runner, coroutine)


def run_in(runner: asyncio.Runner, coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run `coroutine` to its end in the loop of `runner`; Ctrl-C cancels it, unless it handles that itself."""
    import asyncio

    results: list[Result] = []
    cancelled = False

    async def kept() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one

        def cancel() -> None:
            nonlocal cancelled
            cancelled = True
            loop.call_soon_threadsafe(task.cancel)

        # Not as the task's own result: asyncio has `signal` look its handler up, whose words, never shown, are
        # the repr of the task with all that it returned. Of 100,000 customers that takes a second.
        with first_signal(cancel):
            results.append(await coroutine)

    try:
        runner.run(kept())
    except asyncio.CancelledError:
        if not cancelled:
            raise
    if cancelled:
        interrupt()
    return results[0]


def settings_of(options: Options) -> Settings:
    """Return the settings that options, variables and project file give."""
    return read_settings(options, variables=dict(os.environ), cwd=Path.cwd())


def read_declared(
    settings: Settings, environment: Environment, paths: Sequence[str | Path], typed: bytes | None, *, strict: bool
) -> Loaded:
    """Return what the files behind `paths` declare for an environment; `typed` is what standard input held."""
    return load_desired(
        paths,
        root=settings.root,
        overlays=environment.overlays,
        include=environment.include,
        exclude=environment.exclude,
        required=environment.policy.required,
        required_at=environment.policy.places.get("required"),
        strict=strict,
        pins_allowed=settings.pins_allowed,
        stdin=again(typed),
        without=settings.overlays,
        within=settings.within,
    )


def declared(
    settings: Settings,
    environment: Environment,
    *,
    paths: Sequence[str] = (),
    strict: bool = False,
    stdin: BinaryIO | None = None,
    redact: bool = False,
) -> Loaded:
    """
    Return what the files declare for `environment`, its warnings written to stderr; Invalid with every problem.

    `paths`, relative to the project, are read in place of those that options and project file name; `stdin` in
    place of standard input. With `redact` no problem shows a personal value.
    """
    paths = tuple(paths or settings.files())
    stdin = stdin or standard_input()
    typed = stdin.read() if stdin is not None and "-" in paths else None
    try:
        with without_collector(lasting=True):
            loaded = read_declared(settings, environment, paths, typed, strict=strict)
    except Invalid as exc:
        written = lines_of((*paths, *environment.overlays), root=settings.root, typed=typed, within=settings.within)
        shown = output.problems_page(exc.problems, written, redact=redact)
        raise Invalid(exc.problems, shown=shown) from exc
    output.warn(loaded.warnings, redact=redact)
    return loaded


def annotate(form: str, found: Sequence[Annotation], options: Options, *, last: str) -> None:
    """
    Print what was found, its files named from the repository's root; `last` ends what GitHub's log shows.

    For one of several environments it is kept: the report of all counts and caps what all have.
    """
    section = output.SECTION.get()
    if section is not None:
        section.found.extend(found)
        section.last = last
        return
    from reconciler.report.annotations import github, gitlab, in_repository, sarif
    from reconciler.settings.project import PROJECT_FILE, nearest_project_file, repository_root

    here = Path.cwd()
    given = options.project_file
    project = (nearest_project_file(here) if given is None else here / given) or here / PROJECT_FILE
    root = project.parent.resolve()
    top = repository_root(root) or root

    @cache
    def named(name: str) -> str:
        # The project file's name is given from the working folder, all others from the project's.
        path = next((path for path in (root / name, here.resolve() / name) if path.exists()), None)
        real = None if path is None else Path(os.path.normpath(path))
        return "" if real is None or not real.is_relative_to(top) else real.relative_to(top).as_posix()

    placed = in_repository(found, named)
    first = next((one.source.file for one in placed if one.source is not None), PROJECT_FILE)
    home = (root / project.name).relative_to(top).as_posix() if project.exists() else first
    match form:
        case "github":
            output.as_is(github(placed, last))
        case "sarif":
            output.json_result(sarif(placed, home))
        case _:
            output.json_result(gitlab(placed, home))


@contextmanager
def annotated_problems(form: str, options: Options, *, redact: bool) -> Iterator[None]:
    """Print what is wrong with files in the chosen format, where it is one of `ANNOTATED`, before Invalid goes on."""
    try:
        yield
    except Invalid as exc:
        if form in ANNOTATED:
            from reconciler.report.annotations import of_problems
            from reconciler.report.problems import counted_line

            annotate(form, of_problems(exc.problems, redact=redact), options, last=counted_line(exc.problems))
        raise


def standard_input() -> BinaryIO | None:
    """Return standard input as bytes, None where it is closed; it was read once for several environments."""
    section = output.SECTION.get()
    if section is not None:
        return again(section.typed)
    return None if sys.stdin is None else sys.stdin.buffer


@contextmanager
def connected(
    settings: Settings, options: Options, environment: Environment, *, trace: Callable[[Sent], None] | None = None
) -> Iterator[Session]:
    """Yield a session whose client is ready to send; `local` gets an emulator where none runs."""
    import asyncio

    from reconciler.model.policy import Allowance
    from reconciler.pipeline.resources import open_client, real_clock

    clock = real_clock()
    allowance = Allowance(options.max_requests, options.max_duration_s)
    client = open_client(environment, clock, allowance=allowance, trace=trace)
    with local_emulator(environment, settings.root), asyncio.Runner() as runner:
        runner.run(client.__aenter__())
        try:
            yield Session(settings, options, environment, clock, runner, client)
        finally:
            runner.run(client.__aexit__(None, None, None))


def warn_of_exposed_files(environment: Environment, *plans: Path) -> None:
    """Write to stderr, in one line, which of a run's files others on this machine can read; nothing where none."""
    from reconciler.pipeline.resources import exposed_files

    found, section = exposed_files(environment, plans), output.SECTION.get()
    if section is None:
        say_exposed(found)
    else:
        section.exposed_files.extend(found)


_MOST_EXPOSED = 20
"""Of files in the one warning: accounts may have thousands."""


def say_exposed(files: Sequence[ExposedFile]) -> None:
    """Write one warning of files that others can read; nothing for none."""
    if files:
        from reconciler.pipeline.resources import chmod_text, exposed_text
        from reconciler.report.layout import count

        shown, rest = files[:_MOST_EXPOSED], len(files) - _MOST_EXPOSED
        more = f" and {count(rest, 'more file')}" if rest > 0 else ""
        output.say(f"warning: {exposed_text(shown)}{more}: {chmod_text(shown)}")


@contextmanager
def measured(path: Path | None, command: str, options: Options) -> Iterator[Measurement | None]:
    """
    Yield what takes down what the command inside does, and write it to `path` however that ends; None without a path.

    Of several environments the report of all writes it. A `plan` or `drift` succeeds where it has a result, and an
    apply where nothing is left to do. ReconcilerError where the extra is not installed.
    """
    if path is None:
        yield None
        return
    from reconciler.pipeline.resources import real_clock
    from reconciler.report.metrics import Measurement

    check_metrics()
    clock, run = real_clock(), Measurement(command)
    began_s = clock.monotonic()
    try:
        yield run
        run.succeeded = True
    except click.exceptions.Exit as end:
        run.succeeded = end.exit_code == 0 or (command != "apply" and end.exit_code in (2, 3))
        raise
    finally:
        run.environment = _named(options)
        run.duration_s, run.ended_at = clock.monotonic() - began_s, clock.now()
        section = output.SECTION.get()
        if section is None:
            write_metrics(path, [run])
        else:
            section.measured = run


def traced(measured: Measurement | None) -> Callable[[Sent], None] | None:
    """Return what a client notifies of each sending, None where nothing is measured."""
    return None if measured is None else lambda sent: measured.sent(sent.status)


def _named(options: Options) -> str:
    """Return the name of the environment that the options select; where that is not clear, what they say of it."""
    try:
        return settings_of(options).selected()
    except Invalid:
        return options.environment or os.environ.get("AP_ENVIRONMENT", "")


def check_metrics() -> None:
    """Raise ReconcilerError where the library that writes metrics is not installed."""
    try:
        import prometheus_client  # noqa: F401 - before anything is sent
    except ImportError as exc:
        raise ReconcilerError(
            "--metrics needs prometheus_client, which is not installed; nothing was sent", to_install("metrics")
        ) from exc


LARGEST_METRICS = 16 * 1024**2
"""Bytes of the largest file of metrics that is read: thousands of environments."""


def write_metrics(path: Path, runs: Iterable[Measurement]) -> None:
    """Write what runs did to a file, whole or not at all; where that cannot be there is one warning."""
    from reconciler.report.metrics import metrics_text, read_metrics, updated

    try:
        # Renamed over a link, it would no longer be one.
        real = path.resolve() if path.is_symlink() else path
        rows = read_metrics(read_file(real, LARGEST_METRICS).decode()) if real.exists() else {}
        for run in runs:
            rows = updated(rows, run)
        output.write_public(real, metrics_text(rows))
    except (OSError, ValueError, RuntimeError, ReconcilerError) as exc:
        why = f"{path}: {exc.strerror if isinstance(exc, OSError) else exc}"
        output.say(f"warning: the metrics were not written: {exc.message if isinstance(exc, ReconcilerError) else why}")


@contextmanager
def local_emulator(environment: Environment, root: Path) -> Iterator[None]:
    """Run an emulator for the length of a command, where the environment is `local` and none answers."""
    from reconciler.settings.environment import BUILT_IN

    url = environment.base_url()
    if environment.shared_name != "local" or url != BUILT_IN["local"]:
        yield
        return
    with emulator_at_home(root, environment.name.removesuffix("/local") if "/" in environment.name else ""):
        yield


@contextmanager
def emulator_at_home(root: Path, account: str = "") -> Iterator[None]:
    """
    Run an emulator that keeps what it holds in a project, unless one runs.

    Of an `account` of a fleet, or of all with `*`, it has an account for each client id.
    """
    from reconciler.emulator.server import PORT, listens, running
    from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany
    from reconciler.emulator.store import AccountFile
    from reconciler.settings.environment import BUILT_IN

    if listens(PORT):
        yield
        return
    data = root / ".reconciler" / ("emulator" if account else "emulator.db")
    (data if account else data.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = f".reconciler/{data.name}{'/' if account else ''}"
    what = "its accounts" if account else "its account"
    output.note(f"no emulator runs at {BUILT_IN['local']}: one runs for this command and keeps {what} in {kept}")
    with ExitStack() as stack:

        def make(name: str) -> Emulator:
            store = stack.enter_context(AccountFile(data / f"{name}.db"))
            return Emulator(account=store.read(), store=store, keys=(ApiKey(name, LOCAL.secret),))

        if account:
            emulator: Emulator = EmulatorOfMany(make)
        else:
            store = stack.enter_context(AccountFile(data))
            emulator = Emulator(account=store.read(), store=store)
        stack.enter_context(running(emulator, port=PORT))
        yield


@contextmanager
def shown_progress(clock: Clock) -> Iterator[Progress]:
    """
    Yield a progress on stderr: a bar on a terminal, else a plain line every ten seconds; nothing with `--quiet`.

    Of several environments it is lines everywhere, each with the environment's name.
    """
    from reconciler.report.progress import progress

    section = output.SECTION.get()
    with ExitStack() as stack:
        if output.quiet():
            stream: TextIO = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        elif section is not None:
            stream = cast("TextIO", output.NamedLines())
        else:
            stream = sys.stderr
        terminal = section is None and output.moves_cursor(stream)
        yield stack.enter_context(progress(stream, terminal=terminal, clock=clock))
