"""
One command for several environments: side by side, in one report with a section for each, and one exit code.

Each environment has a thread, with a loop, a client and a ledger of its own, and the command runs in it as it does for
one. What it prints is kept until all have ended. An environment that fails is a section that says why.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn
from xml.etree import ElementTree as ET

import click

from reconciler.cli import output
from reconciler.cli.options import ANNOTATED
from reconciler.cli.output import SECTION, EnvironmentSection
from reconciler.cli.session import (
    annotate,
    annotated_problems,
    check_metrics,
    local_emulator,
    say_exposed,
    settings_of,
    standard_input,
    write_metrics,
)
from reconciler.cli.terminal import ACTING, first_signal, interrupt
from reconciler.cli.tools import as_error, worded, written
from reconciler.errors import Interrupted, Invalid, PlanFaulty, ReconcilerError
from reconciler.escape import LEAST_BYTES, MAX_BYTES, visible
from reconciler.fleet.job import Stopper
from reconciler.report.layout import count, painted
from reconciler.settings import Options, Settings

if TYPE_CHECKING:
    from reconciler.report.annotations import Annotation

MOST_AT_ONCE = 8
"""Of environments: each has its account in memory."""
WORST_FIRST = (Interrupted.exit_code, 1, 3, 2, 0)
"""Exit codes, the one that counts most first."""
ONE_ACCOUNT = {
    "accept": "--accept edits files that environments share",
    "events": "--events names customers of one account",
    "probe": "--probe changes an account",
    "openapi": "--openapi compares one file",
}
"""Options that are for one environment, and why."""
_NAME_BYTES = 200
"""More than a heading takes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended for an environment; `error` is what ended it, None where it printed its result."""

    section: EnvironmentSection
    code: int
    error: ReconcilerError | None = None


def run_each(
    ctx: click.Context,
    command: Callable[..., object],
    given: Mapping[str, Any],
    options: Options,
    named: Sequence[str],
) -> NoReturn:
    """Run `command` for each environment that is `named`, print the report, and exit with the worst code."""
    form, redact = str(given.get("form", "text")), bool(given.get("redact"))
    _check(given, form)
    with annotated_problems(form, options, redact=redact):
        settings = settings_of(options)
        names = settings.matching(named)
    if given.get("metrics"):
        check_metrics()
    stdin = standard_input() if "-" in options.files else None
    typed = None if stdin is None else stdin.read()
    most = given.get("max_bytes") or MAX_BYTES
    room = max(most // len(names) - _NAME_BYTES, LEAST_BYTES)
    sections = {name: EnvironmentSection(name, typed, room) for name in names}

    def run(name: str) -> Ended:
        section = sections[name]
        SECTION.set(section)
        return _ended(ctx, section, lambda: command(**given, options=replace(options, environment=name)), redact=redact)

    try:
        with _one_emulator(settings, names):
            ended = _side_by_side(run, by_account(settings, names))
    finally:
        if path := given.get("metrics"):
            write_metrics(path, (one.measured for one in sections.values() if one.measured is not None))
    found = [ended[name] for name in names]
    # Environments share files, and one line is enough.
    say_exposed(list(dict.fromkeys(file for one in found for file in one.section.exposed_files)))
    _print(found, form, options, redact=redact, most=most)
    failed = [one.section.environment for one in found if one.error is not None]
    if failed:
        output.say(f"error: {len(failed)} of {count(len(names), 'environment')} failed: {', '.join(failed)}")
    ctx.exit(min((one.code for one in found), key=WORST_FIRST.index))


def _check(given: Mapping[str, Any], form: str) -> None:
    """Raise UsageError for options that hold one environment only."""
    for name, why in ONE_ACCOUNT.items():
        if given.get(name):
            raise click.UsageError(f"{why}: select one environment")
    if form == "html":
        raise click.UsageError("--format html holds one environment: select one, or use --format markdown")
    reports = ((f"--report {one}", path) for one, path in given.get("reports") or ())
    for option, path in (("--out", given.get("out")), *reports):
        if path is not None and output.OF_ENVIRONMENT not in str(path):
            raise click.UsageError(f"{option} holds one environment: write {output.OF_ENVIRONMENT} in its path")


def by_account(settings: Settings, names: Sequence[str]) -> list[list[str]]:
    """Return `names` by account: those that share a key share its pace and its lock, so one waits for the other."""
    lines: dict[object, list[str]] = {}
    for name in names:
        account: object = name
        try:
            environment = settings.environment(name)
            account = (environment.base_url(), environment.client_id())
        except Invalid:
            pass  # the command itself will say so
        lines.setdefault(account, []).append(name)
    return list(lines.values())


@contextmanager
def _one_emulator(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """Keep one emulator for local accounts as long as any of them needs it."""
    local = next((name for name in names if name.endswith("/local")), None)
    with nullcontext() if local is None else local_emulator(settings.environment(local), settings.root):
        yield


def _side_by_side(run: Callable[[str], Ended], lines: Sequence[Sequence[str]]) -> Mapping[str, Ended]:
    """Return what `run` returns for each name; the names of a line run one after the other."""
    together = Stopper()
    ended: dict[str, Ended] = {}

    def work(line: Sequence[str]) -> None:
        ACTING.set(together.first)
        for name in line:
            if not together.stopped:
                ended[name] = run(name)

    with named_log(_environment), first_signal(together.stop), ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        threads = [pool.submit(copy_context().run, work, line) for line in lines]
        try:
            wait(threads)
        finally:
            # Whatever else ends the waiting, nothing goes on behind it.
            if not all(one.done() for one in threads):
                together.stop()
    if together.stopped:
        interrupt()
    for one in threads:
        one.result()
    return ended


def _ended(ctx: click.Context, section: EnvironmentSection, call: Callable[[], object], *, redact: bool) -> Ended:
    """Return how `call`, a command, ended; a usage error is raised, as it is that of every environment."""
    own = type(ctx)(ctx.command, parent=ctx.parent, info_name=ctx.info_name, obj=ctx.obj)
    own.params = ctx.params
    try:
        with own.scope():
            call()
    except click.exceptions.Exit as end:
        return Ended(section, end.exit_code)
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        return Ended(section, Interrupted.exit_code)
    except Exception as exc:  # noqa: BLE001 - the other environments go on
        error = as_error(exc)
        worded(error, redact=redact)
        if isinstance(error, PlanFaulty):
            error.hint = f"{error.hint}; {written(error)}"
        return Ended(section, error.exit_code, error)
    return Ended(section, 0)


def _environment() -> str:
    """Return the environment of this thread, "" for none."""
    section = SECTION.get()
    return "" if section is None else section.environment


@contextmanager
def named_log(name: Callable[[], str]) -> Iterator[None]:
    """Let each line of the log begin with what `name` calls the work of its thread."""

    def named(record: logging.LogRecord) -> bool:
        if of := name():
            record.name = f"{of}: {record.name}"
        return True

    handlers = tuple(logging.root.handlers)
    for handler in handlers:
        handler.addFilter(named)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(named)


# --- the report --------------------------------------------------------------------------------------


def _print(ended: Sequence[Ended], form: str, options: Options, *, redact: bool, most: int) -> None:
    """Print the report of all, in the order of `ended`."""
    match form:
        case "json":
            rows = ",\n".join(
                f"{json.dumps(one.section.environment)}: {_document(one, redact=redact)}" for one in ended
            )
            output.pieces(["{\n", rows, "\n}\n"])
        case "markdown":
            output.document(_markdown(ended, most, redact=redact))
        case "junit":
            output.document(_junit(ended))
        case _ if form in ANNOTATED:
            last = " ".join(f"{one.section.environment}: {_last(one)}" for one in ended)
            annotate(form, _annotations(ended, redact=redact), options, last=last)
        case _:
            _print_text(ended, redact=redact)


def _print_text(ended: Sequence[Ended], *, redact: bool) -> None:
    """Print a heading and a section for each environment that has something to say, with what to do next."""
    shown = [(one, text) for one in ended if (text := one.section.text + _failure(one.error, redact=redact))]
    for number, (one, text) in enumerate(shown):
        heading = painted(f"=== {one.section.environment} ===", "bold", color=output.color())
        output.result(("\n" if number else "") + f"{heading}\n\n{text}")
        for step in one.section.steps:
            output.note(f"{one.section.environment}: {step}")


def _failure(error: ReconcilerError | None, *, redact: bool) -> str:
    """Return what ended the command for an environment as lines, "" where nothing did."""
    match error:
        case None:
            return ""
        case Invalid():
            from reconciler.report.problems import problems_text

            return error.shown or problems_text(error.problems, color=output.color(), redact=redact, counted=False)
        case _:
            hint = f"  {visible(error.hint)}\n" if error.hint else ""
            return f"error: {visible(error.message)}\n{hint}"


def _document(one: Ended, *, redact: bool) -> str:
    """Return what was printed for an environment, which is JSON, or what ended it."""
    if one.error is None:
        return one.section.text.rstrip("\n")
    from reconciler.report.problems import problems_json

    problems = problems_json(one.error.problems, redact=redact)["problems"] if isinstance(one.error, Invalid) else []
    message = count(len(problems), "error") if problems else one.error.message
    error = {"exit_code": one.code, "message": message, "hint": one.error.hint, "problems": problems}
    return json.dumps({"error": error}, indent=2)


def _markdown(ended: Sequence[Ended], most: int, *, redact: bool) -> str:
    """Return a heading and a section for each environment, of at most `most` bytes of UTF-8 where summaries fit."""
    from reconciler.report.markdown import code, fence

    bodies = []
    for one in ended:
        failure = _failure(one.error, redact=redact).rstrip("\n")
        marks = fence(failure)
        bodies.append(one.section.text + (f"### Failed\n\n{marks}text\n{failure}\n{marks}\n" if failure else ""))
    # Each had its share of the room. Where there are so many that a share is too small, the longest lose theirs.
    room = most - _NAME_BYTES * len(ended)
    while sum(len(body.encode()) for body in bodies) > room and max(map(len, bodies)) > LEAST_BYTES // 10:
        longest = max(range(len(bodies)), key=lambda at: len(bodies[at]))
        bodies[longest] = _summary(bodies[longest])
    return "\n".join(f"## {code(one.section.environment)}\n\n{body}" for one, body in zip(ended, bodies, strict=True))


def _summary(body: str) -> str:
    """Return the summary of a section that is cut to it."""
    first = next((line for line in body.splitlines() if line.startswith("### ")), "### Not shown")
    return f"{first}\n\n**Cut to fit:** `--format json` has all of it.\n"


def _junit(ended: Sequence[Ended]) -> str:
    """Return JUnit XML with a suite for each environment; one that failed is an error of its suite."""
    suites = ET.Element("testsuites")
    for one in ended:
        if one.error is None:
            suites.append(ET.fromstring(one.section.text.partition("\n")[2]))  # noqa: S314 - it is ours
            continue
        named = {"name": f"drift of {one.section.environment}", "tests": "1", "failures": "0", "skipped": "0"}
        suite = ET.SubElement(suites, "testsuite", {**named, "errors": "1"})
        case = ET.SubElement(suite, "testcase", classname="drift", name="the environment can be compared")
        ET.SubElement(case, "error", message=visible(str(one.error)))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _annotations(ended: Sequence[Ended], *, redact: bool) -> list[Annotation]:
    """Return every annotation once: its message begins with the environments that have it."""
    from reconciler.report.annotations import of_failure, of_problems

    having: dict[Annotation, list[str]] = {}
    for one in ended:
        match one.error:
            case None:
                failed = []
            case Invalid():
                failed = of_problems(one.error.problems, redact=redact)
            case _:
                failed = [of_failure(str(one.error))]
        for annotation in dict.fromkeys((*one.section.found, *failed)):
            having.setdefault(annotation, []).append(one.section.environment)
    return [replace(one, message=f"{', '.join(names)}: {one.message}") for one, names in having.items()]


def _last(one: Ended) -> str:
    """Return the last line of an environment's log."""
    return one.section.last or ("failed." if one.error is not None else "")
