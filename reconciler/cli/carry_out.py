"""A plan carried out: shown, agreed to, done, reported; its events; and what such commands are asked for alike."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Protocol, assert_never

import click

from reconciler.api.exchange import Sent
from reconciler.apply.execute import ApplyEvent, Begun, Settling
from reconciler.cli import consent, output
from reconciler.cli.options import Ask
from reconciler.cli.plan import show, wants_eyes
from reconciler.cli.session import Session, shown_progress
from reconciler.cli.terminal import first_signal, interrupted
from reconciler.clock import Clock
from reconciler.errors import LedgerFailed, OverBudget, ReconcilerError, Refused
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Status
from reconciler.model.plan import Change, Outcome, Plan, Stale
from reconciler.model.reasons import Ending, EndReason
from reconciler.pipeline import apply, plan, resources
from reconciler.pipeline.apply import stamp
from reconciler.pipeline.consent import check, check_limits
from reconciler.pipeline.resources import commits_of, origin_of_run, real_clock
from reconciler.plan.limits import dangers
from reconciler.plan.revalidate import Revalidated
from reconciler.report.layout import count, until
from reconciler.report.messages.failures import ending_text
from reconciler.report.messages.plan import AGAIN
from reconciler.report.metrics import Measurement
from reconciler.report.outcome import outcomes_brief, outcomes_json, outcomes_text
from reconciler.report.plan_text import bindings_phrase, needed_text, plan_text
from reconciler.report.progress import (
    ChangeEnded,
    ChangeStarted,
    Event,
    PlanMade,
    RequestThrottled,
    RunEnded,
    RunStarted,
    Waiting,
    event_line,
)
from reconciler.report.redact import masked_ending
from reconciler.settings import Environment
from reconciler.settings.values import bills

STDOUT = "-"


class ByteSink(Protocol):
    """What takes bytes, and gives them on at once."""

    def write(self, data: bytes, /) -> object:
        """Write."""

    def flush(self) -> None:
        """Give on what was written."""


class Events:
    """
    A stream of events; without a stream they are dropped. What is `measured` takes them too.

    Where it cannot be written (a full disk, a reader that went), there is one warning, and the run goes on.
    """

    def __init__(self, stream: ByteSink | None, clock: Clock, *, redact: bool) -> None:
        self._stream = stream
        self._clock = clock
        self._redact = redact
        self.measured: Measurement | None = None

    def tell(self, event: Event) -> None:
        """Write one event."""
        if self.measured is not None:
            self.measured.event(event)
        if self._stream is None:
            return
        try:
            self._stream.write(event_line(event, at=stamp(self._clock), redact=self._redact).encode("ascii"))
            self._stream.flush()
        except OSError as error:
            self._stream = None
            output.say(f"warning: the events cannot be written: {error.strerror}; the run continues without them")

    def sent(self, sent: Sent) -> None:
        """Take a request, and tell of it where the server found it one too many."""
        if self.measured is not None:
            self.measured.sent(sent.status)
        if sent.status == HTTPStatus.TOO_MANY_REQUESTS:
            self.tell(RequestThrottled(sent.shown))


def events_to(ctx: click.Context, target: str | None, clock: Clock, *, redact: bool) -> Events:
    """Return the stream that `--json-events` names, closed with the command; ReconcilerError where it cannot be."""
    if target is None:
        return Events(None, clock, redact=redact)
    if target == STDOUT:
        return Events(sys.stdout.buffer, clock, redact=redact)
    try:
        # It names people, as the plan does: its owner's alone.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ReconcilerError(f"{target}: it cannot be written: {error.strerror}", "name another file") from error
    return Events(ctx.with_resource(os.fdopen(descriptor, "wb", buffering=0)), clock, redact=redact)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the options say of consent and of how to print."""

    auto_approve: bool
    form: str
    redact: bool
    events: Events


def asked_of(ctx: click.Context, ask: Ask, form: str, *, redact: bool) -> RunOptions:
    """Return what the options say; the stream of events ends with the command."""
    if ask.events == STDOUT:
        if form != "text":
            raise click.UsageError(
                f"--json-events - and --format {form} would both write to stdout: write one of them to a file"
            )
        form = "events"
    stream = events_to(ctx, ask.events, real_clock(), redact=redact)
    return RunOptions(ask.auto_approve, form, redact, stream)


_LAST_WORDS = "stopped at once; the next run settles the requests that were in flight"


def agreed_and_done(
    session: Session,
    ledger: Ledger,
    planned: plan.Planned,
    asked: RunOptions,
    *,
    name: str,
    planned_s: float,
    rest: Revalidated | None = None,
) -> int:
    """
    Show the plan, ask, do it, report, and return the exit code.

    `name` is the run's in the history; planning took `planned_s` seconds.
    `rest` is what became of a saved plan: what is needed and was not approved, and what is stale, is in no plan.
    """
    plan = planned.plan
    needed = () if rest is None else rest.needed
    asked.events.tell(PlanMade(plan, len(needed)))
    if asked.form == "text":
        if not output.quiet() or not asked.auto_approve or wants_eyes(plan):
            show(plan, "text", redact=asked.redact)
        if needed:
            output.result(needed_text(needed, width=output.width(), color=output.color(), redact=asked.redact))
    elif not asked.auto_approve:
        # stdout is for the one document; who is asked sees what for.
        output.page(plan_text(plan, width=output.error_width(), color=False, redact=asked.redact))
    terms = session.environment.terms(session.options)
    # Before a person is asked, and after the answer, for which hours may have passed.
    check_limits(plan, terms, session.client.server_now())
    typed: set[Action] = set()
    if plan.changes:
        risky = dangers(plan, production=is_production(session.environment), disposable=session.environment.disposable)
        typed = consent.given(plan, risky, terms.approved, auto_approve=asked.auto_approve)
        check(plan, terms, session.client.server_now(), typed)
    began_s = session.clock.monotonic() - planned_s
    carried = _carry_out(session, ledger, planned, name, typed, asked.events)
    _report(plan, carried, rest, session.clock.monotonic() - began_s, asked)
    return _code(plan, carried, needed)


def is_production(environment: Environment) -> bool:
    """Say whether an environment is the account that bills, by its address or by its name."""
    return environment.shared_name == "production" or bills(environment.base_url())


def _report(
    plan: Plan, carried: apply.ApplyResult, rest: Revalidated | None, seconds: float, asked: RunOptions
) -> None:
    """Print what became of the plan; `seconds` is how long planning and applying took."""
    outcomes = carried.result.outcomes
    needed, stale = ((), ()) if rest is None else (rest.needed, rest.stale)
    silent = output.quiet() and all(one.status is Status.DONE for one in outcomes)
    match asked.form:
        case "json":
            document = outcomes_json(
                outcomes,
                run=carried.run,
                halt=_halt(carried),
                blocked=len(plan.blocked),
                requests=carried.requests,
                seconds=seconds,
                remaining=carried.result.remaining,
                needed=needed,
                stale=stale,
                redact=asked.redact,
            )
            output.json_result(document)
        case "brief" if not silent or needed or stale or plan.blocked:
            text = outcomes_brief(
                plan,
                outcomes,
                requests=carried.requests,
                seconds=seconds,
                remaining=carried.result.remaining,
                needed=needed,
                stale=stale,
                redact=asked.redact,
            )
            output.result(text)
        case "text" | "events" if plan.changes and not silent:
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
        case "text" if plan.bindings and not plan.changes:
            output.report(f"Recorded {bindings_phrase(plan)}.")
    _say_what_is_left(carried, needed, stale, plan, redact=asked.redact)


def _say_what_is_left(
    carried: apply.ApplyResult, needed: Sequence[Change], stale: Sequence[Stale], plan: Plan, *, redact: bool
) -> None:
    """Say on stderr why a run stopped early, and what was not made."""
    outcomes = carried.result.outcomes
    if carried.result.halt and carried.result.halt not in [one.ending for one in outcomes]:
        halt = masked_ending(carried.result.halt) if redact else carried.result.halt
        output.say(f"The run was stopped: {ending_text(halt)}")
    elif carried.result.halt:
        output.say(f"The run was stopped by this error; {count(carried.result.remaining, 'change')} not sent")
    elif carried.result.spent:
        done = sum(outcome.status is Status.DONE for outcome in outcomes)
        way = (
            "run the same command again to continue"
            if done
            else ("allow more: the requests before the first change use up the budget")
        )
        output.say(
            f"The run's budget is used up ({carried.allowance}): {done} of {count(len(outcomes), 'change')} done, "
            f"{carried.result.remaining} not begun; {way}"
        )
    if stale:
        none = "" if plan.changes else "no change of the plan was left to make: "
        number = count(len(stale), "change is", "changes are")
        output.say(f"{none}{number} not planned again as saved, and not made")
    if needed:
        number = count(len(needed), "change is", "changes are")
        output.say(f"{number} needed since the plan was saved, not approved, and not done; {AGAIN}")


def _carry_out(
    session: Session, ledger: Ledger, planned: plan.Planned, name: str, typed: Collection[Action], events: Events
) -> apply.ApplyResult:
    """Do the plan, with progress on stderr; the first Ctrl-C stops it cleanly."""
    total = len(planned.plan.changes)
    stop = asyncio.Event()
    ended = 0
    root = session.settings.root
    run = apply.new_run(session.clock, name, origin=origin_of_run(root))
    commits = commits_of(root, {one.source.file for one in planned.plan.changes if one.source is not None})

    async def carry() -> apply.ApplyResult:
        with stopped_by_signals(stop):
            return await apply.carry_out(
                session.client,
                ledger,
                planned,
                session.environment.terms(session.options),
                approved=typed,
                run=run,
                clock=session.clock,
                stop=stop,
                tell=tell,
                commits=commits,
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


def _halt(carried: apply.ApplyResult) -> Ending | None:
    """Return why the run stopped early, None where it did not, or where the user stopped it."""
    if carried.result.spent and carried.result.halt is None:
        return Ending(EndReason.BUDGET_SPENT, {"allowance": str(carried.allowance)})
    return carried.result.halt


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
