"""The commands that repair: `undo`, the inverse of a run as a plan, and `duplicates`, the plan that keeps one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli import consent, output
from reconciler.cli.carry_out import agreed_and_done, asked_of
from reconciler.cli.options import Ask
from reconciler.cli.plan import drafted, show
from reconciler.cli.session import Session, connected, settings_of
from reconciler.errors import ReconcilerError
from reconciler.ledger.base import Ledger
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Run
from reconciler.model.plan import Doubles, Note, Plan
from reconciler.model.reasons import NoteKind
from reconciler.model.reports import LaterChange
from reconciler.pipeline import plan, resources
from reconciler.pipeline.history import archived_by_runs, named_run, undoable
from reconciler.plan.deduplicate import Choice, found_twice, make_single
from reconciler.plan.saved_plan import as_pieces
from reconciler.plan.undo import later_changes, make_undo
from reconciler.report.duplicates import duplicates_json, duplicates_text, groups_text
from reconciler.report.history import later_json, later_text
from reconciler.report.messages.plan import note_text
from reconciler.settings import Options


def undo(
    ctx: click.Context,
    run: str,
    form: str,
    *,
    options: Options,
    redact: bool,
    dry_run: bool,
    ask: Ask,
) -> None:
    """Show the inverse of a run as a plan, ask, do it."""
    if dry_run and ask.events is not None:
        raise click.UsageError("--json-events reports what a run does, and --dry-run does nothing")
    if not dry_run:
        consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    settings = settings_of(options)
    environment = settings.environment()
    # Before any request, and before a lock is waited for.
    with resources.open_ledger(environment, writable=False) as ledger:
        named = undoable(named_run(ledger, run))
    with connected(settings, options, environment, trace=asked.events.sent) as session:
        if dry_run:
            with resources.open_ledger(environment, writable=False) as ledger:
                planned = _planned_undo(session, ledger, named)
                later = _later(session, ledger, named, planned)
            _shown(named, later, planned.plan, form, redact=redact)
            return
        beginning = resources.begin(environment, session.clock, doing=f"undo {named.id}", timeout_s=ask.lock_timeout_s)
        with session.run(beginning) as ledger:
            began_s = session.clock.monotonic()
            planned = _planned_undo(session, ledger, named)
            planned_s = session.clock.monotonic() - began_s
            code = agreed_and_done(session, ledger, planned, asked, name=f"undo {named.id}", planned_s=planned_s)
        if planned.plan.changes:
            output.note(note_text(Note(NoteKind.UNDO_KEEPS_FILES)))
    ctx.exit(code)


def _planned_undo(session: Session, ledger: Ledger, run: Run) -> plan.Planned:
    """Return the plan that undoes `run`."""
    terms = session.environment.terms(session.options)
    intents = ledger.intents(run.id)
    return drafted(session, ledger, lambda live, records: make_undo(intents, live, records, terms))


def _later(session: Session, ledger: Ledger, run: Run, planned: plan.Planned) -> tuple[LaterChange, ...]:
    """Return what happened since `run` to the customers that it changed."""
    runs = ledger.runs()
    names = [one.id for one in runs]
    history = [(one, ledger.intents(one.id)) for one in runs[names.index(run.id) + 1 :]]
    terms = session.environment.terms(session.options)
    return later_changes(ledger.intents(run.id), history, planned.live, planned.records, terms)


def _shown(run: Run, later: Sequence[LaterChange], planned: Plan, form: str, *, redact: bool) -> None:
    """Print what happened since a run, and the plan that undoes it."""
    if form == "json":
        from reconciler.report.plan_json import plan_to_json

        document = plan_to_json(planned, redact=redact)
        output.pieces(as_pieces({**document, "since": later_json(later, redact=redact)}))
        return
    output.result(later_text(run, later, width=output.width(), color=output.color(), redact=redact))
    show(planned, form, redact=redact)


def duplicates(
    ctx: click.Context,
    keep: tuple[str, ...],
    out: Path | None,
    form: str,
    *,
    options: Options,
    archive: bool,
    redact: bool,
    ask: Ask,
) -> None:
    """Print what is there twice, or archive it after a plan and consent."""
    if archive and out is not None:
        raise ReconcilerError("--out and --archive cannot be used together", "list the duplicates first, then archive")
    if ask.events is not None and not archive:
        raise click.UsageError("--json-events reports what a run does: pass --archive")
    if archive:
        consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    settings = settings_of(options)
    environment = settings.environment()
    with connected(settings, options, environment, trace=asked.events.sent) as session:
        if not archive:
            with resources.open_ledger(environment, writable=False) as ledger:
                choice = Choice(frozenset(map(CustomerId, keep)), archived_by_runs(ledger))
                found = _found(session, _planned_choice(session, ledger, choice), choice)
            _told(found, form, out, redact=redact)
            return
        beginning = resources.begin(environment, session.clock, doing="duplicates", timeout_s=ask.lock_timeout_s)
        with session.run(beginning) as ledger:
            began_s = session.clock.monotonic()
            choice = Choice(frozenset(map(CustomerId, keep)), archived_by_runs(ledger))
            planned = _planned_choice(session, ledger, choice)
            planned_s = session.clock.monotonic() - began_s
            found = _found(session, planned, choice)
            if form == "text" and found.groups and not (output.quiet() and ask.auto_approve):
                output.result(groups_text(found, width=output.width(), color=output.color(), redact=redact))
            code = agreed_and_done(session, ledger, planned, asked, name="duplicates", planned_s=planned_s)
    ctx.exit(code)


def _planned_choice(session: Session, ledger: Ledger, choice: Choice) -> plan.Planned:
    """Return the plan that keeps one of each."""
    terms = session.environment.terms(session.options)
    return drafted(session, ledger, lambda live, records: make_single(choice, live, records, terms))


def _found(session: Session, planned: plan.Planned, choice: Choice) -> Doubles:
    """Return what the plan was made of."""
    return found_twice(choice, planned.live, planned.records, session.environment.terms(session.options))


def _told(found: Doubles, form: str, out: Path | None, *, redact: bool) -> None:
    """Print what is there twice, or write it to a file that only its owner may read."""
    if form == "json":
        document = duplicates_json(found, redact=redact)
        if out is None:
            output.json_result(document)
        else:
            output.write_private(out, json.dumps(document, indent=2) + "\n")
    elif out is None and output.quiet() and not (found.groups or found.twins):
        return
    elif out is None:
        output.result(duplicates_text(found, width=output.width(), color=output.color(), redact=redact))
    else:
        output.write_private(out, duplicates_text(found, width=output.PIPE_COLUMNS, color=False, redact=redact))
