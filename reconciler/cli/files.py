"""`validate` and `fmt`: what can be done with customers files without the API."""

from __future__ import annotations

import difflib
import io
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.options import ANNOTATED
from reconciler.cli.session import (
    annotate,
    annotated_problems,
    lines_of,
    read_declared,
    settings_of,
    standard_input,
)
from reconciler.desired.files import STDIN, File, FoundFiles, read_files
from reconciler.desired.format import format_text
from reconciler.errors import Invalid, Problem, Severity, Source
from reconciler.escape import visible
from reconciler.report.layout import count
from reconciler.settings import Options, Settings


def validate(ctx: click.Context, form: str, *, options: Options, strict: bool, redact: bool) -> None:
    """Print what is wrong, and end with 1 for any error."""
    with annotated_problems(form, options, redact=redact):
        settings = settings_of(options)
    # Every environment reads the same standard input.
    stdin = standard_input() if "-" in settings.options.files else None
    typed = None if stdin is None else stdin.read()
    problems, customers = _checked(settings, typed, strict=strict)
    valid = f"Valid: {count(customers, 'customer')} declared."
    written = partial(_problem_lines, settings, typed)
    ctx.exit(print_problems(problems, form, settings.options, valid=valid, redact=redact, lines=written))


def print_problems(
    problems: Sequence[Problem],
    form: str,
    options: Options,
    *,
    valid: str,
    redact: bool,
    lines: Callable[[], Callable[[Source], str]] | None = None,
) -> int:
    """
    Print what is wrong, or that all is `valid`, and return the exit code: 1 for any error.

    `lines` makes what gives the line of a file at a place, for text; without it no line is shown.
    """
    failed = any(problem.severity is Severity.ERROR for problem in problems)
    if form == "json":
        from reconciler.report.problems import problems_json

        output.json_result(problems_json(problems, redact=redact))
    elif form in ANNOTATED:
        from reconciler.report.annotations import of_problems
        from reconciler.report.problems import counted_line

        last = counted_line(problems) if problems else valid
        annotate(form, of_problems(problems, redact=redact), options, last=last)
    else:
        if problems:
            from reconciler.report.problems import problems_text

            page = problems_text(
                problems,
                color=output.color(),
                redact=redact,
                written=(lambda _: "") if lines is None else lines(),
                width=output.width(),
                wrapped=output.narrow(sys.stdout),
            )
            output.result(page)
        if not output.quiet() and not failed:
            output.result(valid)
    return 1 if failed else 0


def _checked(settings: Settings, typed: bytes | None, *, strict: bool) -> tuple[list[Problem], int]:
    """Return the problems of each environment, each once, and how many customers the largest one declares."""
    problems: dict[Problem, None] = {}
    customers = 0
    named = settings.options.environment is not None or not settings.names
    for name in [None] if named else settings.names:
        try:
            environment = settings.environment(name)
            loaded = read_declared(settings, environment, settings.files(), typed, strict=strict)
        except Invalid as exc:
            problems |= dict.fromkeys(exc.problems)
            continue
        problems |= dict.fromkeys(loaded.warnings)
        customers = max(customers, len(loaded.desired.customers))
    return list(problems), customers


def _problem_lines(settings: Settings, typed: bytes | None) -> Callable[[Source], str]:
    """Return what gives the line of a customers file at a place."""
    try:
        paths = settings.files()
    except Invalid:  # no file is named, which is one of the problems
        paths = ()
    return lines_of((*paths, *settings.overlays), root=settings.root, typed=typed, within=settings.within)


def fmt(ctx: click.Context, paths: tuple[str, ...], *, options: Options, check: bool, diff: bool) -> None:
    """Write the files in their canonical layout, or name those that are not in it."""
    found, root = _found(options, (*paths, *options.files))
    problems = list(found.problems)
    changed = 0
    for file in found.files:
        after, wrong = format_text(file.content, file.name)
        problems += wrong
        changed += after != file.content
        if diff:
            if after != file.content:
                output.result(_difference(file.content, after, file.name))
        elif check:
            if after != file.content:
                output.result(visible(file.name))
        elif file.name == STDIN:
            output.document(after.decode())
        elif after != file.content:
            _write_formatted(root, file, after)
            if not output.quiet():
                output.result(visible(file.name))
    if problems:
        raise Invalid(problems)
    ctx.exit(1 if check and changed else 0)


def _found(options: Options, paths: tuple[str, ...]) -> tuple[FoundFiles, Path]:
    """Return the files that are named, else the project's with its overlays, and where their names start."""
    stdin = standard_input() if "-" in paths else None
    typed = None if stdin is None else io.BytesIO(stdin.read())
    if paths:
        return read_files(paths, root=Path.cwd(), stdin=typed), Path.cwd()
    settings = settings_of(options)
    every = (*settings.files(), *settings.overlays)
    return read_files(every, root=settings.root, within=settings.within), settings.root


def _write_formatted(root: Path, file: File, content: bytes) -> None:
    """Replace a file, unless someone else has written it since it was read."""
    path = (root / file.name).resolve()
    if path.read_bytes() != file.content:
        raise Invalid(
            [Problem(Source(file.name), "", ("someone else changed the file in the meantime"), "run fmt again")]
        )
    output.replace_file(path, content)


def _difference(before: bytes, after: bytes, name: str) -> str:
    """Return what changes from `before` to `after` as a unified diff; "" for nothing."""
    old, new = before.decode().split("\n"), after.decode().split("\n")
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{visible(line.removesuffix(chr(13)), keep=chr(9))}\n" for line in lines)
