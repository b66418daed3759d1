"""The small commands that need no account: `init`, `schema`, `completion`; the version; and how errors are worded."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli import output
from reconciler.errors import PlanFaulty, ReconcilerError
from reconciler.escape import visible
from reconciler.git import git
from reconciler.resources import CHECKOUT, built_from, shipped


def print_completion(ctx: click.Context, shell: str) -> None:
    """Print the script."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion script for {shell}")
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


_STARTERS = ("acme", "globex", "initech")
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

_FLEET = "examples/fleet/starter"
WRITTEN_OF_FLEET = {
    "reconciler.yaml": f"{_FLEET}/reconciler.yaml",
    "accounts/acme/account.yaml": f"{_FLEET}/accounts/acme/account.yaml",
    **{f"accounts/{name}/customers.yaml": f"{_FLEET}/accounts/{name}/customers.yaml" for name in _STARTERS},
    ".gitignore": f"{_FLEET}/.gitignore",
    **{f"schema/{name}.schema.json": f"schema/{name}.schema.json" for name in ("account", "customers", "project")},
}
"""The same for `init --fleet`."""

SAMPLES = ("customers/", "accounts/")
LEDGERS = ".reconciler/"
"""What `.gitignore` must name: the ledger holds personal data."""


def init(folder: Path, *, fleet: bool) -> None:
    """Write what is not there yet."""
    written = WRITTEN_OF_FLEET if fleet else WRITTEN
    kept = {name for name in written if (folder / name).exists()}
    # Where customers are declared already, made-up ones must not join them.
    own = (folder / ("accounts" if fleet else "customers")).exists() or "reconciler.yaml" in kept
    for name, source in written.items():
        path = folder / name
        if name in kept:
            output.report(visible(f"kept  {path}, which already exists"))
        elif own and name.startswith(SAMPLES):
            output.report(visible(f"left  {path} out: the project already has customers"))
        else:
            _write_starter(path, shipped(source).read_text(encoding="utf-8"))
            output.report(visible(f"wrote {path}"))
    if ".gitignore" in kept and LEDGERS not in _next_lines(folder / ".gitignore"):
        output.say(f"{folder / '.gitignore'}: add a line `{LEDGERS}`, because the ledger there contains personal data")
    here = "" if folder == Path() else f"cd {folder} && "
    output.report(visible(f"Next: {here}reconciler {'fleet plan' if fleet else '-e local plan'}"))


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


def as_error(exc: BaseException) -> ReconcilerError:
    """Return what ended a command as an error with a message for its user; an unexpected one is a bug, and logged."""
    match exc:
        case ReconcilerError():
            return exc
        case OSError():
            return ReconcilerError(f"{f'{exc.filename}: ' if exc.filename else ''}{exc.strerror or exc}")
        case _:
            logging.getLogger("reconciler").debug("unexpected", exc_info=exc)
            return ReconcilerError(
                f"this is a bug in reconciler {version()}: {type(exc).__name__}; "
                "run it again with --log-level debug, and report the output"
            )


def worded(exc: ReconcilerError, *, redact: bool) -> None:
    """Give an error its message and hint; with `redact` they hold nothing that a server said."""
    if exc.stop is not None or redact:
        from reconciler.report.messages.plan import word

        word(exc, redact=redact)


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
    return f"attach {path}, which holds no personal data"
