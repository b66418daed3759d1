"""`undo`: the inverse of one run, as a plan, and then done."""

from __future__ import annotations

import click

from reconciler.cli import consent, output
from reconciler.cli.asked import asked_of
from reconciler.cli.carry import agreed_and_done
from reconciler.cli.options import Ask
from reconciler.cli.plan import show
from reconciler.cli.planned import drafted
from reconciler.cli.session import Session, connected, settings_of
from reconciler.ledger.base import Ledger
from reconciler.model.ledger import Run
from reconciler.pipeline import plan, resources
from reconciler.pipeline.history import named_run, undoable
from reconciler.plan.undo import AGAIN, make_undo
from reconciler.settings import Options


def run(
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
        raise click.UsageError("--json-events tells what a run does, and --dry-run does nothing")
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
                show(_planned(session, ledger, named).plan, form, redact=redact)
            return
        beginning = resources.begin(environment, session.clock, doing=f"undo {named.id}", timeout_s=ask.lock_timeout_s)
        with session.run(beginning) as ledger:
            began_s = session.clock.monotonic()
            planned = _planned(session, ledger, named)
            planned_s = session.clock.monotonic() - began_s
            code = agreed_and_done(session, ledger, planned, asked, name=f"undo {named.id}", planned_s=planned_s)
        if planned.plan.changes:
            output.note(AGAIN)
    ctx.exit(code)


def _planned(session: Session, ledger: Ledger, run: Run) -> plan.Planned:
    """Return the plan that undoes `run`."""
    terms = session.environment.terms(session.options)
    intents = ledger.intents(run.id)
    return drafted(session, ledger, lambda live, records: make_undo(intents, live, records, terms))
