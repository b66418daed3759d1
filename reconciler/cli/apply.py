"""`apply`: plan, consent, changes, report."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import consent
from reconciler.cli import options as shared
from reconciler.cli import saved as saving
from reconciler.cli.asked import Ask, Asked, asked_of, consent_options
from reconciler.cli.carry import agreed_and_done
from reconciler.cli.complete import FilePath
from reconciler.cli.main import Chosen
from reconciler.cli.options import Limits, Scope
from reconciler.cli.planned import made
from reconciler.cli.session import Session, connected, declared, options_of, settings_of
from reconciler.ledger.base import Ledger
from reconciler.model import Change, Desired
from reconciler.pipeline import writing
from reconciler.plan.saved import SavedPlan
from reconciler.terms import Allowance


@click.command("apply")
@click.argument("plan", required=False, type=FilePath(path_type=Path))
@shared.files
@shared.targets
@shared.limits
@shared.recreate
@shared.budget
@shared.rate
@shared.strict
@shared.redact
@shared.output_format("text", "json")
@consent_options
@click.pass_context
def command(
    ctx: click.Context,
    plan: Path | None,
    files: tuple[str, ...],
    recreate: tuple[str, ...],
    rate_per_s: float | None,
    form: str,
    *,
    scope: Scope,
    limits: Limits,
    budget: Allowance,
    strict: bool,
    redact: bool,
    ask: Ask,
) -> None:
    """
    Make the account as declared: plan, ask, do it, report.

    With a saved PLAN it plans again, from today's files, ledger, policy and account, and makes the changes of PLAN if
    each is still needed exactly as shown; otherwise it sends nothing. What else is needed is listed, and not done.
    Files, limits and approvals are those of this command, not those given to `plan`.

    Without a terminal and without --auto-approve nothing is sent. Exit code 0 done, 1 some changes failed or are in
    doubt, 2 more is needed than was approved, 3 refused or something stayed blocked, 130 interrupted.

    \b
    Example:
      reconciler apply -f customers.yaml
      reconciler apply today.plan -f customers.yaml --auto-approve
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    options = options_of(chosen, scope, limits, budget, files=files, rate_per_s=rate_per_s, recreate=recreate)
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
        session.run(writing.begin(environment, session.clock, doing="apply", timeout_s=ask.lock_timeout_s)) as ledger,
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
