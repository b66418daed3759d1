"""`apply`: plan, consent, changes, report."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import consent
from reconciler.cli import saved as saving
from reconciler.cli.asked import Asked, asked_of
from reconciler.cli.carry import agreed_and_done
from reconciler.cli.options import Ask
from reconciler.cli.planned import made
from reconciler.cli.session import Session, connected, declared, settings_of
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired
from reconciler.model.plan import Change
from reconciler.pipeline import resources
from reconciler.plan.saved_plan import SavedPlan
from reconciler.settings import Options


def run(
    ctx: click.Context,
    plan: Path | None,
    form: str,
    *,
    options: Options,
    strict: bool,
    redact: bool,
    ask: Ask,
) -> None:
    """Plan, ask, do it, report; of a saved `plan`, what it approves."""
    settings = settings_of(options)
    environment = settings.environment()
    saved = None if plan is None else saving.read_plan(plan, environment)
    consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    if saved is not None and plan is not None:
        options = saving.narrowed(options, saved)
        saving.files_named(saved, plan, settings)
    desired = declared(settings, environment, strict=strict, redact=redact).desired
    if saved is not None:
        saving.same_environment(saved, environment.ref())
    with (
        connected(settings, options, environment, trace=asked.events.sent) as session,
        session.run(resources.begin(environment, session.clock, doing="apply", timeout_s=ask.lock_timeout_s)) as ledger,
    ):
        ctx.exit(_apply(session, ledger, desired, saved, plan, asked))


def _apply(
    session: Session, ledger: Ledger, desired: Desired, saved: SavedPlan | None, path: Path | None, asked: Asked
) -> int:
    """Plan, ask and do it, and return the exit code; of a saved plan, read from `path`, only what it approves."""
    terms = session.environment.terms(session.options)
    began_s = session.clock.monotonic()
    lacked = {} if saved is None else saving.lacked(saved)
    # Whose account it is shows in the whole listing alone.
    alone = saving.by_this_key(saved, terms.environment)
    planned = made(session, ledger, desired, terms, patient=True, alone=alone, lacked=lacked)
    planned_s = session.clock.monotonic() - began_s
    needed: tuple[Change, ...] = ()
    if saved is not None and path is not None:
        planned, needed = saving.approved(saved, path, planned, desired, ledger, session, redact=asked.redact)
    return agreed_and_done(
        session, ledger, planned, asked, name=saving.run_name(saved), planned_s=planned_s, needed=needed
    )
