"""`undo`: the inverse of one run, as a plan, and then done."""

from __future__ import annotations

import click

from reconciler.cli import complete, consent, output
from reconciler.cli import options as shared
from reconciler.cli.asked import Ask, asked_of, consent_options
from reconciler.cli.carry import agreed_and_done
from reconciler.cli.main import Chosen
from reconciler.cli.options import Limits
from reconciler.cli.plan import show
from reconciler.cli.planned import drafted
from reconciler.cli.session import Session, connected, options_of, settings_of
from reconciler.ledger.base import Ledger
from reconciler.pipeline import opening, planning, writing
from reconciler.pipeline.runs import named_run, undoable
from reconciler.plan.undo import AGAIN, make_undo
from reconciler.records import Run
from reconciler.terms import Allowance


@click.command("undo")
@click.argument("run", type=complete.Run())
@shared.limits
@shared.budget
@shared.rate
@shared.redact
@shared.output_format("text", "json")
@click.option("--dry-run", is_flag=True, help="Show the plan, and do nothing.")
@consent_options
@click.pass_context
def command(
    ctx: click.Context,
    run: str,
    rate_per_s: float | None,
    form: str,
    *,
    limits: Limits,
    budget: Allowance,
    redact: bool,
    dry_run: bool,
    ask: Ask,
) -> None:
    """
    Undo one RUN, named by its id in the history or by how that begins: show the inverse as a plan, ask, do it.

    What it created is archived, what it patched is patched back, what it archived is restored, what it
    restored is archived. What was changed since is blocked. No file is read or changed: what the files
    still say, the next apply does again. Exit codes are those of apply.

    \b
    Example:
      reconciler undo 3f2a91c0
      reconciler undo 3f2a91c0 --auto-approve --max-archives 20
    """  # noqa: D301 - click's mark
    chosen: Chosen = ctx.obj
    if dry_run and ask.events is not None:
        raise click.UsageError("--json-events tells what a run does, and --dry-run does nothing")
    if not dry_run:
        consent.can_be_asked(auto_approve=ask.auto_approve)
    asked = asked_of(ctx, ask, form, redact=redact)
    options = options_of(chosen, limits, budget, rate_per_s=rate_per_s)
    settings = settings_of(options)
    environment = settings.environment()
    # Before any request, and before a lock is waited for.
    with opening.open_ledger(environment, writable=False) as ledger:
        named = undoable(named_run(ledger, run))
    with connected(settings, options, environment, trace=asked.events.sent) as session:
        if dry_run:
            with opening.open_ledger(environment, writable=False) as ledger:
                show(_planned(session, ledger, named).plan, form, redact=redact)
            return
        beginning = writing.begin(environment, session.clock, doing=f"undo {named.id}", timeout_s=ask.lock_timeout_s)
        with session.run(beginning) as ledger:
            began_s = session.clock.monotonic()
            planned = _planned(session, ledger, named)
            planned_s = session.clock.monotonic() - began_s
            code = agreed_and_done(session, ledger, planned, asked, name=f"undo {named.id}", planned_s=planned_s)
        if planned.plan.changes:
            output.say(AGAIN)
    ctx.exit(code)


def _planned(session: Session, ledger: Ledger, run: Run) -> planning.Planned:
    """Return the plan that undoes `run`."""
    terms = session.environment.terms(session.options)
    intents = ledger.intents(run.id)
    return drafted(session, ledger, lambda live, records: make_undo(intents, live, records, terms))
