"""Commands that need no account: `validate`, `fmt`, `init`, `schema`, `completion`, the version, a bug's report."""

from __future__ import annotations

import difflib
import hashlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from reconciler import __version__
from reconciler.cli import output
from reconciler.cli.session import again, lines_of, settings_of, standard_input
from reconciler.desired.files import STDIN, File, FoundFiles, read_files
from reconciler.desired.format import format_text
from reconciler.desired.load import load_desired
from reconciler.errors import Invalid, PlanFaulty, Problem, ReconcilerError, Severity, Source
from reconciler.escape import visible
from reconciler.git import git
from reconciler.report.layout import count
from reconciler.resources import CHECKOUT, built_from, shipped
from reconciler.settings import Options, Settings


def validate(ctx: click.Context, form: str, *, options: Options, strict: bool, redact: bool) -> None:
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

            written = _problem_lines(settings, typed)
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
    """Replace a file, unless somebody else has written it since it was read."""
    path = (root / file.name).resolve()
    if path.read_bytes() != file.content:
        raise Invalid([Problem(Source(file.name), "", "it was written by somebody else meanwhile", "run fmt again")])
    output.replace_file(path, content)


def _difference(before: bytes, after: bytes, name: str) -> str:
    """Return what changes from `before` to `after` as a unified diff; "" for nothing."""
    old, new = before.decode().split("\n"), after.decode().split("\n")
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{visible(line.removesuffix(chr(13)), keep=chr(9))}\n" for line in lines)


def print_completion(ctx: click.Context, shell: str) -> None:
    """Print the script."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no script for {shell}")
    output.result(kind(ctx.find_root().command, {}, "reconciler", "_RECONCILER_COMPLETE").source())


CONTRACT = "openapi"


def print_schema(name: str) -> None:
    """Print the file."""
    file = "openapi.yaml" if name == CONTRACT else f"{name}.schema.json"
    output.result(output.read_text(shipped(f"schema/{file}")))


def version(checkout: Path = CHECKOUT) -> str:
    """
    Return the version with the commit that it was built from, or of the `checkout` that it runs from.

    Without a commit where neither the package nor git knows one.
    """
    if commit := built_from():
        return f"{__version__} (commit {visible(commit)})"
    if commit := _checked_out(checkout):
        return f"{__version__} (commit {visible(commit)}, run from a checkout)"
    return __version__


def _checked_out(checkout: Path) -> str:
    """Return the commit of a checkout, "" where it is none; it is none for lying in one."""
    if not (checkout / ".git").exists():
        return ""
    return (git(checkout, "rev-parse", "--short=12", "HEAD") or "").strip()


WRITTEN = {
    "reconciler.yaml": "examples/starter/reconciler.yaml",
    "customers/customers.yaml": "examples/starter/customers/customers.yaml",
    ".gitignore": "examples/starter/.gitignore",
    ".github/workflows/reconciler.yml": "examples/ci/github/reconciler.yml",
    ".github/workflows/reconciler-drift.yml": "examples/ci/github/reconciler-drift.yml",
    "schema/customers.schema.json": "schema/customers.schema.json",
    "schema/project.schema.json": "schema/project.schema.json",
}
"""What `init` writes, and which of the files in the package it is."""

SAMPLE = "customers/customers.yaml"
LEDGERS = ".reconciler/"
"""What `.gitignore` must name: the ledger holds personal data."""


def init(folder: Path) -> None:
    """Write what is not there yet."""
    kept = {name for name in WRITTEN if (folder / name).exists()}
    # Where customers are declared already, made-up ones must not join them.
    own = (folder / "customers").exists() or "reconciler.yaml" in kept
    for name, source in WRITTEN.items():
        path = folder / name
        if name in kept:
            output.report(visible(f"kept  {path}, which is there already"))
        elif name == SAMPLE and own:
            output.report(visible(f"left  {path} out: the project has customers of its own"))
        else:
            _write_starter(path, shipped(source).read_text(encoding="utf-8"))
            output.report(visible(f"wrote {path}"))
    if ".gitignore" in kept and LEDGERS not in _next_lines(folder / ".gitignore"):
        output.say(f"{folder / '.gitignore'}: add a line `{LEDGERS}`, as the ledger there holds personal data")
    here = "" if folder == Path() else f"cd {folder} && "
    output.report(visible(f"Next: {here}reconciler -e local plan"))


def _next_lines(path: Path) -> list[str]:
    """Return the lines of a file, none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _write_starter(path: Path, text: str) -> None:
    """Write a new file and the folders above it; ReconcilerError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "choose another folder") from exc


FOLDER = Path(".reconciler")
"""Where the ledger lies by default, and what `init` keeps out of git."""


def written(failure: PlanFaulty) -> str:
    """Write the report of `failure`, and return what to do with it; where it cannot be written, why."""
    path = FOLDER / f"faulty-plan-{hashlib.sha256(failure.report.encode()).hexdigest()[:12]}.json"
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        output.write_private(path, failure.report)
    except (OSError, ReconcilerError) as exc:
        return f"its report could not be written: {exc}"
    return f"report it with {path}, which holds no personal data"
