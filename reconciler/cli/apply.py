"""`apply`: plan, consent, changes, report."""

from __future__ import annotations

from dataclasses import replace
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
from reconciler.cli.planned import drafted, made
from reconciler.cli.session import Session, connected, declared, options_of, settings_of
from reconciler.ledger.base import Ledger
from reconciler.model import Desired
from reconciler.pipeline import writing
from reconciler.plan.windows import WINDOWS
from reconciler.plans import Plan
from reconciler.settings import Environment, Settings
from reconciler.terms import Allowance


@click.command("apply")
@click.argument("plan", required=False, type=FilePath(dir_okay=False, path_type=Path))
@shared.files
@shared.targets
@shared.limits
@shared.budget
@shared.rate
@shared.strict
@shared.redact
@shared.output_format("text", "json")
@click.option("--plan-only", is_flag=True, help="Take the saved PLAN alone, without the files it was made from.")
@consent_options
@click.pass_context
def command(
    ctx: click.Context,
    plan: Path | None,
    files: tuple[str, ...],
    rate_per_s: float | None,
    form: str,
    *,
    scope: Scope,
    limits: Limits,
    budget: Allowance,
    strict: bool,
    redact: bool,
    plan_only: bool,
    ask: Ask,
) -> None:
    """
    Make the account as declared: plan (or take the saved PLAN), ask, do it, report.

    Without a terminal and without --auto-approve nothing is sent. Exit code 0 done, 1 some changes failed
    or are in doubt, 3 refused or something stayed blocked, 130 interrupted.

    \b
    Example:
      reconciler apply -f customers.yaml
      reconciler apply today.plan --auto-approve
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    saved = None if plan is None else saving.read_plan(plan)
    if plan_only and saved is None:
        raise click.UsageError("--plan-only takes a saved plan: reconciler apply PLAN --plan-only")
    consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    if saved is not None:
        scope = replace(scope, targets=scope.targets or saved.targets, excludes=scope.excludes or saved.excludes)
    options = options_of(chosen, scope, limits, budget, files=files, rate_per_s=rate_per_s)
    settings = settings_of(options)
    environment = settings.environment()
    desired = None if plan_only else _declared(settings, environment, saved, strict=strict, redact=redact)
    if saved is not None:
        saving.same_account(saved, environment.ref())
    with (
        connected(settings, options, environment, trace=asked.events.sent) as session,
        session.run(writing.begin(environment, session.clock, doing="apply", timeout_s=ask.lock_timeout_s)) as ledger,
    ):
        ctx.exit(_apply(session, ledger, desired, saved, asked))


def _declared(
    settings: Settings, environment: Environment, saved: Plan | None, *, strict: bool, redact: bool
) -> Desired:
    """Return what the files declare; with a saved plan, the files that it was made from, and these as they were."""
    if saved is None:
        return declared(settings, environment, strict=strict, redact=redact).desired
    saving.files_as_planned(saved, settings.root)
    paths = () if settings.options.files else saving.paths_of(saved, environment.overlays)
    desired = declared(settings, environment, paths=paths, strict=strict, redact=redact).desired
    saving.no_other_files(saved, desired.reading.files)
    return desired


def _apply(session: Session, ledger: Ledger, desired: Desired | None, saved: Plan | None, asked: Asked) -> int:
    """Plan, ask and do it, and return the exit code; `desired` is None for a saved plan that is taken alone."""
    terms = session.environment.terms(session.options)
    began_s = session.clock.monotonic()
    if desired is None and saved is not None:
        planned = drafted(session, ledger, saving.drafted_alone(saved, ledger, terms))
    else:
        planned = made(session, ledger, desired or Desired(), terms, patient=True, alone=True)
    planned_s = session.clock.monotonic() - began_s
    if saved is not None and desired is not None:
        saving.still_true(saved, planned.plan, saving.sent_before(saved, ledger))
    # A saved plan within the limits was made so with the flags given then.
    limited = saved is None or any(row.name != WINDOWS for row in saved.limits)
    return agreed_and_done(
        session, ledger, planned, asked, name=saving.run_name(saved), planned_s=planned_s, limited=limited
    )
