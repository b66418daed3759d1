"""`apply`: plan, consent, changes, report."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli import consent, output
from reconciler.cli import options as shared
from reconciler.cli import saved as saving
from reconciler.cli.main import Chosen
from reconciler.cli.plan import show
from reconciler.cli.session import Session, connected, declared, options_of, settings_of, shown_progress
from reconciler.errors import LedgerFailed, Refused
from reconciler.ledger.base import Ledger
from reconciler.model import Action, Desired, Outcome, Status
from reconciler.pipeline import applying, planning, writing
from reconciler.pipeline.origin import origin_of_run
from reconciler.plans import Plan
from reconciler.report.outcome_text import outcomes_json, outcomes_text
from reconciler.report.plan_text import plan_text
from reconciler.settings import Environment, Settings
from reconciler.terms import Share


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of consent and of how to print."""

    auto_approve: bool
    approved: frozenset[Action]
    form: str
    redact: bool


@click.command("apply")
@click.argument("plan", required=False, type=click.Path(dir_okay=False, path_type=Path))
@shared.files
@shared.targets
@shared.limits
@shared.rate
@shared.strict
@shared.redact
@shared.output_format("text", "json")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option(
    "--approve",
    "approved",
    multiple=True,
    type=click.Choice([action.value for action in Action]),
    help="Approve an action that the policy wants approved; repeatable.",
)
@click.option(
    "--lock-timeout",
    type=shared.DurationType(),
    default="0",
    show_default=True,
    help="Wait so long for another run to end: 30s, 5m.",
)
@click.pass_context
def command(
    ctx: click.Context,
    plan: Path | None,
    files: tuple[str, ...],
    targets: tuple[str, ...],
    excludes: tuple[str, ...],
    refresh: str,
    max_archives: Share | None,
    max_restores: Share | None,
    max_changes: Share | None,
    rate_per_s: float | None,
    form: str,
    approved: tuple[str, ...],
    lock_timeout: float,
    *,
    strict: bool,
    redact: bool,
    auto_approve: bool,
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
    asked = Asked(auto_approve, frozenset(map(Action, approved)), form, redact)
    consent.can_be_asked(auto_approve=auto_approve)
    options = options_of(
        chosen,
        files=files,
        targets=targets or (saved.targets if saved is not None else ()),
        excludes=excludes or (saved.excludes if saved is not None else ()),
        refresh_users=refresh == "full",
        max_archives=max_archives,
        max_restores=max_restores,
        max_changes=max_changes,
        rate_per_s=rate_per_s,
    )
    settings = settings_of(options)
    environment = settings.environment()
    desired = _declared(settings, environment, saved, strict=strict)
    with (
        connected(settings, options, environment) as session,
        session.run(writing.begin(environment, session.clock, doing="apply", timeout_s=lock_timeout)) as ledger,
    ):
        ctx.exit(_apply(session, ledger, desired, saved, asked))


def _declared(settings: Settings, environment: Environment, saved: Plan | None, *, strict: bool) -> Desired:
    """Return what the files declare; with a saved plan, the files that it was made from, and these as they were."""
    if saved is None:
        return declared(settings, environment, strict=strict).desired
    saving.same_account(saved, environment.ref())
    saving.files_as_planned(saved, settings.root)
    paths = () if settings.options.files else saving.paths_of(saved, environment.overlays)
    desired = declared(settings, environment, paths=paths, strict=strict).desired
    saving.no_other_files(saved, desired.reading.files)
    return desired


def _apply(session: Session, ledger: Ledger, desired: Desired, saved: Plan | None, asked: Asked) -> int:
    """Plan, ask and do it, and return the exit code."""
    terms = session.environment.terms(session.options)
    began_s = session.clock.monotonic()
    with shown_progress(session.clock) as progress:
        making = planning.make(session.client, ledger, desired, terms, say=progress.planning, patience=session.clock)
        planned = session.run(writing.kept(ledger, session.clock, making))
    planned_s = session.clock.monotonic() - began_s
    plan = planned.plan
    if saved is not None:
        saving.still_true(saved, plan, saving.sent_before(saved, ledger))
    if asked.form == "text":
        show(plan, "text", redact=asked.redact)
    elif not asked.auto_approve:
        # stdout is for the one document; who is asked sees what for.
        output.page(plan_text(plan, width=output.width(), color=False, redact=asked.redact))
    # A saved plan within the limits was made so with the flags given then.
    if saved is None or saved.limits:
        consent.within_limits(plan)
    if plan.changes:
        consent.given(plan, session.environment.policy.require_approval_for, asked.approved, asked.auto_approve)
    began_s = session.clock.monotonic() - planned_s
    carried = _carry_out(session, ledger, planned, saving.run_name(saved))
    _report(plan, carried, session.clock.monotonic() - began_s, asked)
    return _code(plan, carried)


def _report(plan: Plan, carried: applying.Carried, seconds: float, asked: Asked) -> None:
    """Print what became of the plan; `seconds` is how long planning and applying took."""
    outcomes = carried.result.outcomes
    if asked.form == "json":
        document = outcomes_json(outcomes, requests=carried.requests, seconds=seconds, redact=asked.redact)
        output.json_result(document)
    elif plan.changes:
        text = outcomes_text(
            outcomes,
            requests=carried.requests,
            seconds=seconds,
            width=output.width(),
            color=output.color(),
            redact=asked.redact,
        )
        output.result(text)
    if carried.result.halt:
        output.say(f"The run was stopped: {carried.result.halt}")


def _carry_out(session: Session, ledger: Ledger, planned: planning.Planned, name: str) -> applying.Carried:
    """Do the plan, with progress on stderr; the first Ctrl-C stops it in good order."""
    total = len(planned.plan.changes)
    stop = asyncio.Event()
    ended = 0
    run = applying.new_run(session.clock, name, origin=origin_of_run(session.settings.root))

    async def carry() -> applying.Carried:
        with _stopped_by_signals(stop):
            return await applying.carry_out(
                session.client,
                ledger,
                planned,
                session.environment.terms(session.options),
                run=run,
                clock=session.clock,
                stop=stop,
                tell=tell,
            )

    with shown_progress(session.clock) as progress:

        def tell(_: Outcome) -> None:
            nonlocal ended
            ended += 1
            progress.advance(ended, total)

        if total:
            progress.advance(0, total)
        try:
            return session.run(writing.kept(ledger, session.clock, carry()))
        except LedgerFailed as exc:
            raise LedgerFailed(
                f"{exc.message}; the run stopped when {ended} of {total} changes had ended",
                f"{exc.hint}; then run again: what was sent is settled first",
            ) from exc


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first SIGINT (or SIGTERM, which raises one); a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        if stop.is_set():
            output.say("stopped at once; the next run settles what was in flight")
            raise SystemExit(130)
        stop.set()
        output.say("stopping: what is in flight ends, nothing new is sent; once more stops at once")

    if sys.platform == "win32":
        yield
        return
    loop.add_signal_handler(signal.SIGINT, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _code(plan: Plan, carried: applying.Carried) -> int:
    """Return the exit code: interrupted, then what failed, then what is blocked."""
    if carried.result.interrupted:
        return 130
    if carried.result.halt or any(outcome.status is not Status.DONE for outcome in carried.result.outcomes):
        return 1
    return Refused.exit_code if plan.blocked else 0
