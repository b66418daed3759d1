"""`validate`: everything that can be checked without the API."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from reconciler.cli import output
from reconciler.cli.lines import again, lines_of
from reconciler.cli.session import settings_of, standard_input
from reconciler.desired.load import load_desired
from reconciler.errors import Invalid, Problem, Severity, Source
from reconciler.report.layout import count
from reconciler.settings import Options, Settings


def run(ctx: click.Context, form: str, *, options: Options, strict: bool, redact: bool) -> None:
    """Print what is wrong, and end with 1 for any error."""
    settings = settings_of(options)
    # Every environment reads the same standard input.
    stdin = standard_input() if "-" in settings.options.files else None
    typed = None if stdin is None else stdin.read()
    problems, customers = _checked(settings, typed, strict=strict)
    if form == "json":
        from reconciler.report.problems import problems_json

        output.json_result(problems_json(problems, redact=redact))
    else:
        if problems:
            from reconciler.report.problems import problems_text

            written = _lines(settings, typed)
            page = problems_text(
                problems,
                color=output.color(),
                redact=redact,
                written=written,
                width=output.width(),
                wrapped=output.narrow(sys.stdout),
            )
            output.result(page)
        if not output.quiet() and not any(problem.severity is Severity.ERROR for problem in problems):
            output.result(f"Valid: {count(customers, 'customer')} declared.")
    ctx.exit(1 if any(problem.severity is Severity.ERROR for problem in problems) else 0)


def _checked(settings: Settings, typed: bytes | None, *, strict: bool) -> tuple[list[Problem], int]:
    """Return the problems of each environment, each once, and how many customers the largest one declares."""
    problems: dict[Problem, None] = {}
    customers = 0
    named = settings.options.environment is not None or not settings.names
    for name in [None] if named else settings.names:
        try:
            environment = settings.environment(name)
            loaded = load_desired(
                settings.files(),
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
        except Invalid as exc:
            problems |= dict.fromkeys(exc.problems)
            continue
        problems |= dict.fromkeys(loaded.warnings)
        customers = max(customers, len(loaded.desired.customers))
    return list(problems), customers


def _lines(settings: Settings, typed: bytes | None) -> Callable[[Source], str]:
    """Return what gives the line of a customers file at a place."""
    try:
        paths = settings.files()
    except Invalid:  # no file is named, which is one of the problems
        paths = ()
    return lines_of((*paths, *settings.overlays), root=settings.root, typed=typed, within=settings.within)
