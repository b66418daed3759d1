"""`apply`: a plan, or a saved one held against the plan of now; then consent, changes, report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import click

from reconciler.cli import consent, output
from reconciler.cli.carry_out import RunOptions, agreed_and_done, asked_of
from reconciler.cli.options import Ask
from reconciler.cli.plan import made, since
from reconciler.cli.session import Session, connected, declared, settings_of, warn_of_exposed_files
from reconciler.errors import Invalid, ReconcilerError, Refused
from reconciler.escape import visible
from reconciler.input_file import read_file
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired
from reconciler.model.plan import StaleReason
from reconciler.pipeline import resources
from reconciler.pipeline.approval import approved, lacked_of, narrowed, run_name, same_environment, stale_message
from reconciler.pipeline.plan import Planned
from reconciler.pipeline.sealed_plan import unsealed
from reconciler.plan.revalidate import Revalidated
from reconciler.plan.saved_plan import SavedPlan, load
from reconciler.report.messages.plan import AGAIN
from reconciler.report.metrics import Measurement
from reconciler.report.outcome import stale_text
from reconciler.settings import Environment, Options, Settings


def read_plan(path: Path, environment: Environment) -> SavedPlan:
    """
    Return a saved plan, unsealed; ReconcilerError where the file cannot be read, Refused where it is no whole plan.

    Refused, too, where it is not sealed as the keys of `environment` ask for.
    """
    if path.is_dir() or path.suffix in (".yaml", ".yml"):
        shown = visible(str(path))
        raise Refused(
            f"{shown}: apply takes a saved plan, and this is a customers file or folder",
            f"reconciler apply -f {shown}",
        )
    try:
        # A byte that is no UTF-8 is damage like any other.
        text = read_file(path).decode(errors="replace")
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be read: {exc.strerror}", "check the path") from exc
    return load(unsealed(text, environment))


def named_so(saved: SavedPlan, digest: str) -> None:
    """Raise Refused where a saved plan is another one than `digest` names."""
    if saved.name != digest:
        raise Refused(
            f"the plan's digest is {saved.name}, and --plan-digest names {digest}; nothing was sent",
            "apply the file that was approved",
        )


def files_named(saved: SavedPlan, path: Path, settings: Settings) -> None:
    """Raise ReconcilerError where neither the project nor -f says which files to read: a saved plan never does."""
    try:
        settings.files()
    except Invalid as exc:
        raise ReconcilerError(
            "no customers files are named, and a saved plan does not name any; nothing was sent",
            f"name the same files as for the plan: {_command(path, saved, settings)}",
        ) from exc


def held(
    saved: SavedPlan,
    path: Path,
    planned: Planned,
    desired: Desired,
    ledger: Ledger,
    session: Session,
    *,
    redact: bool,
    partial: bool,
) -> tuple[Planned, Revalidated]:
    """
    Return of what is planned now that which the saved plan approves, and what became of the rest of both.

    Each change that is not planned again as it was saved is named on stderr. Raises Refused where there is one, unless
    the plan may be made in part (`partial`), or where it was made from files that were not read.
    """
    planned, made = approved(saved, planned, desired, ledger, session.environment.terms(session.options))
    if made.stale:
        output.page(stale_text(made.stale, width=output.error_width(), redact=redact))
        unread = _unread(saved, desired, session.settings, {one.reason for one in made.stale})
        if unread or not partial:
            files = (
                f"the plan was made from files that were not read this time: {_command(path, saved, session.settings)}"
            )
            raise Refused(
                stale_message(saved, made),
                f"{files if unread else 'to make what still holds, add --partial'}; or {AGAIN}",
            )
    return planned, made


def _unread(saved: SavedPlan, desired: Desired, settings: Settings, reasons: Iterable[StaleReason]) -> bool:
    """Say whether a saved plan is stale because files that it was made from were not read."""
    reading = desired.reading
    read = {*(file.name for file in reading.files), *reading.folders, *reading.globs}
    lacking = any(name not in read for name in _paths(saved, settings))
    return lacking and not {StaleReason.NOT_DECLARED, StaleReason.NOT_READ}.isdisjoint(reasons)


def _paths(saved: SavedPlan, settings: Settings) -> tuple[str, ...]:
    """Return the paths that a saved plan was made from; files that a folder or a glob found, and overlays, left out."""
    overlays = {Path(os.path.normpath(path)).as_posix() for path in settings.overlays}

    def found(name: str) -> bool:
        below = any(Path(name).is_relative_to(folder) for folder in saved.folders)
        return below or any(fnmatchcase(name, pattern) for pattern in saved.globs)

    alone = (name for name in saved.files if name not in overlays and not found(name))
    # Standard input is no file of a plan.
    return (*saved.folders, *saved.globs, *alone) or ("-",)


def _command(path: Path, saved: SavedPlan, settings: Settings) -> str:
    """Return the command that applies a saved plan with the files that it was made from, from the folder one is in."""
    names = (one if one == "-" else os.path.relpath(settings.root / one) for one in _paths(saved, settings))
    return shlex.join(["reconciler", "apply", str(path), *(word for name in names for word in ("-f", name))])


def run(
    ctx: click.Context,
    plan: Path | None,
    form: str,
    *,
    options: Options,
    strict: bool,
    redact: bool,
    partial: bool,
    plan_digest: str | None,
    ask: Ask,
    measured: Measurement | None,
) -> None:
    """Plan, ask, do it, report; of a saved `plan`, what it approves."""
    if plan is None and (partial or plan_digest):
        raise click.UsageError(f"{'--partial' if partial else '--plan-digest'} needs a saved plan: apply PLAN")
    settings = settings_of(options)
    environment = settings.environment()
    if plan is not None and options.changed_since is not None:
        raise click.UsageError("--changed-since cannot be used with PLAN, which is about what it was made for")
    saved = None if plan is None else read_plan(plan, environment)
    if saved is not None and plan_digest:
        named_so(saved, plan_digest)
    consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    asked.events.measured = measured
    if saved is not None and plan is not None:
        options = narrowed(options, saved)
        files_named(saved, plan, settings)
    desired = declared(settings, environment, strict=strict, redact=redact).desired
    options = since(options, settings, environment, desired)
    # A plan that is sealed shows nothing.
    shown = () if plan is None or environment.plan_keys().reveal() else (plan,)
    warn_of_exposed_files(environment, *shown)
    if saved is not None:
        same_environment(saved, environment.ref())
    with (
        connected(settings, options, environment, trace=asked.events.sent) as session,
        session.run(resources.begin(environment, session.clock, doing="apply", timeout_s=ask.lock_timeout_s)) as ledger,
    ):
        ctx.exit(_apply(session, ledger, desired, saved, plan, asked, partial=partial))


def _apply(
    session: Session,
    ledger: Ledger,
    desired: Desired,
    saved: SavedPlan | None,
    path: Path | None,
    asked: RunOptions,
    *,
    partial: bool,
) -> int:
    """Plan, ask and do it, and return the exit code; of a saved plan, read from `path`, only what it approves."""
    terms = session.environment.terms(session.options)
    began_s = session.clock.monotonic()
    lacked = {} if saved is None else lacked_of(saved)
    made_by = "" if saved is None else saved.environment.account
    planned = made(session, ledger, desired, terms, patient=True, alone=True, made_by=made_by, lacked=lacked)
    planned_s = session.clock.monotonic() - began_s
    rest: Revalidated | None = None
    if saved is not None and path is not None:
        planned, rest = held(saved, path, planned, desired, ledger, session, redact=asked.redact, partial=partial)
    name = "apply" if saved is None else run_name(saved)
    return agreed_and_done(session, ledger, planned, asked, name=name, planned_s=planned_s, rest=rest)
