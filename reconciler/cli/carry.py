"""A plan on its way to being done: shown, agreed to, carried out, reported. For every command that changes things."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import assert_never

from reconciler.apply.execute import ApplyEvent, Begun, Settling
from reconciler.cli import consent, output
from reconciler.cli.asked import Asked
from reconciler.cli.events import Events
from reconciler.cli.interruption import first_signal, interrupted
from reconciler.cli.plan import show, wants_eyes
from reconciler.cli.session import Session, shown_progress
from reconciler.errors import LedgerFailed, OverBudget, Refused
from reconciler.ledger.base import Ledger
from reconciler.model.core import Status
from reconciler.model.plan import Change, Outcome, Plan
from reconciler.pipeline import apply, plan, resources
from reconciler.pipeline.resources import origin_of_run
from reconciler.plan.limits import dangers
from reconciler.plan.saved_plan import AGAIN
from reconciler.report.layout import count, until
from reconciler.report.outcome import outcomes_json, outcomes_text
from reconciler.report.plan_text import needed_text, plan_text
from reconciler.report.plan_words import bindings_phrase
from reconciler.report.progress import ChangeEnded, ChangeStarted, PlanMade, RunEnded, RunStarted, Waiting
from reconciler.report.redact import uncited
from reconciler.settings import Environment
from reconciler.settings.trust import bills

_LAST_WORDS = "stopped at once; the next run settles the requests that were in flight"


def agreed_and_done(
    session: Session,
    ledger: Ledger,
    planned: plan.Planned,
    asked: Asked,
    *,
    name: str,
    planned_s: float,
    limited: bool = True,
    needed: Sequence[Change] = (),
) -> int:
    """
    Show the plan, ask, do it, report, and return the exit code.

    `name` is the run's in the history; planning took `planned_s` seconds; without `limited` the limits were agreed to.
    `needed` are changes that are needed and are not in the plan, as they were not approved.
    """
    plan = planned.plan
    asked.events.tell(PlanMade(plan, len(needed)))
    if asked.form == "text":
        if not output.quiet() or not asked.auto_approve or wants_eyes(plan):
            show(plan, "text", redact=asked.redact)
        if needed:
            output.result(needed_text(needed, width=output.width(), color=output.color(), redact=asked.redact))
    elif not asked.auto_approve:
        # stdout is for the one document; who is asked sees what for.
        output.page(plan_text(plan, width=output.error_width(), color=False, redact=asked.redact))
    if limited:
        consent.within_limits(plan)
    policy = session.environment.policy
    # Before a person is asked, and after the answer, for which hours may have passed.
    consent.within_windows(plan, policy.windows, session.client.server_now())
    if plan.changes:
        approval_at = policy.places.get("require_approval_for")
        consent.given(
            plan,
            policy.require_approval_for,
            dangers(plan, production=is_production(session.environment), disposable=session.environment.disposable),
            asked.approved,
            asked.auto_approve,
            wanted_at=approval_at,
        )
        consent.within_windows(plan, policy.windows, session.client.server_now())
    began_s = session.clock.monotonic() - planned_s
    carried = _carry_out(session, ledger, planned, name, asked.events)
    _report(plan, carried, needed, session.clock.monotonic() - began_s, asked)
    return _code(plan, carried, needed)


def is_production(environment: Environment) -> bool:
    """Say whether an environment is the account that bills, by its address or by its name."""
    return environment.name == "production" or bills(environment.base_url())


def _report(plan: Plan, carried: apply.ApplyResult, needed: Sequence[Change], seconds: float, asked: Asked) -> None:
    """Print what became of the plan; `seconds` is how long planning and applying took."""
    outcomes = carried.result.outcomes
    if asked.form == "json":
        document = outcomes_json(
            outcomes,
            run=carried.run,
            halt=_halt(carried, redact=asked.redact),
            blocked=len(plan.blocked),
            requests=carried.requests,
            seconds=seconds,
            remaining=carried.result.remaining,
            needed=needed,
            redact=asked.redact,
        )
        output.json_result(document)
    elif plan.changes and not (output.quiet() and all(one.status is Status.DONE for one in outcomes)):
        text = outcomes_text(
            outcomes,
            requests=carried.requests,
            seconds=seconds,
            width=output.width() if asked.form == "text" else output.error_width(),
            color=output.color(),
            remaining=carried.result.remaining,
            interrupted=carried.result.interrupted,
            redact=asked.redact,
        )
        # stdout is for the events, where they go there.
        (output.result if asked.form == "text" else output.page)(text)
    elif plan.bindings and asked.form == "text":
        output.report(f"Recorded {bindings_phrase(plan)}.")
    if carried.result.halt and carried.result.halt not in {one.message for one in outcomes}:
        output.say(f"The run was stopped: {_halt(carried, redact=asked.redact)}")
    elif carried.result.halt:
        output.say(f"The run was stopped by this error; {count(carried.result.remaining, 'change')} not sent")
    elif carried.result.spent:
        done = sum(outcome.status is Status.DONE for outcome in outcomes)
        way = "run again to go on" if done else "allow more: what goes before the first change leaves nothing for it"
        output.say(
            f"The run's budget is used up ({carried.allowance}): {done} of {count(len(outcomes), 'change')} done, "
            f"{carried.result.remaining} not begun; {way}"
        )
    if needed:
        number = count(len(needed), "change is", "changes are")
        output.say(f"{number} needed since the plan was saved, not approved, and not done; {AGAIN}")


def _carry_out(session: Session, ledger: Ledger, planned: plan.Planned, name: str, events: Events) -> apply.ApplyResult:
    """Do the plan, with progress on stderr; the first Ctrl-C stops it in good order."""
    total = len(planned.plan.changes)
    stop = asyncio.Event()
    ended = 0
    run = apply.new_run(session.clock, name, origin=origin_of_run(session.settings.root))

    async def carry() -> apply.ApplyResult:
        with stopped_by_signals(stop):
            return await apply.carry_out(
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

        def tell(told: ApplyEvent) -> None:
            nonlocal ended
            match told:
                case Begun(change):
                    events.tell(ChangeStarted(change))
                case Settling(in_doubt, wait_s):
                    events.tell(Waiting(in_doubt, wait_s))
                    creates = count(in_doubt, "create was", "creates were")
                    progress.note(
                        f"waiting {until(wait_s, session.clock.now())}: {creates} not answered, and the result may "
                        "only now become visible"
                    )
                case Outcome():
                    ended += 1
                    progress.advance(ended, total, apply.time_left(session.client, planned, ended))
                    events.tell(ChangeEnded(told, ended, total))
                case _:
                    assert_never(told)

        if total:
            progress.advance(0, total, apply.time_left(session.client, planned, 0))
        try:
            events.tell(RunStarted(run, total))
            carried = session.run(resources.with_renewed_lease(ledger, session.clock, carry()))
        except LedgerFailed as exc:
            raise LedgerFailed(
                f"{exc.message}; the run stopped when {ended} of {total} changes had ended",
                f"{exc.hint}; then run again: what was sent is settled first",
            ) from exc
    events.tell(RunEnded(carried.run, carried.result.outcomes, _halt(carried)))
    return carried


@contextmanager
def stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the first Ctrl-C; the next one ends the process at once."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        output.say("stopping: requests in flight will finish, nothing new is sent; press Ctrl-C again to stop at once")

    if interrupted():
        stop.set()
    # Not in the handler: what it interrupts may be writing too, or waiting for the loop.
    with first_signal(partial(loop.call_soon_threadsafe, end), _LAST_WORDS):
        yield


def _halt(carried: apply.ApplyResult, *, redact: bool = False) -> str:
    """Return why the run stopped early, "" where it did not, or where the user stopped it."""
    if carried.result.spent and not carried.result.halt:
        return f"the run's budget is used up: {carried.allowance}"
    return uncited(carried.result.halt) if redact else carried.result.halt


def _code(plan: Plan, carried: apply.ApplyResult, needed: Sequence[Change]) -> int:
    """Return the exit code: interrupted, then what failed, then what is blocked, then what is left to do."""
    if carried.result.interrupted:
        return 130
    spent = carried.result.spent
    good = (Status.DONE, Status.SKIPPED) if spent else (Status.DONE,)
    if carried.result.halt or any(outcome.status not in good for outcome in carried.result.outcomes):
        return 1
    if plan.blocked:
        return Refused.exit_code
    return OverBudget.exit_code if spent or needed else 0
