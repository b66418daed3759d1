"""Applying: the ledger's bookkeeping, the changes, and what is learned of the server at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import uuid4

from reconciler.api.client import ApiClient
from reconciler.apply import recover
from reconciler.apply.execute import Result, Tell, execute
from reconciler.apply.sender import Journal, Sender
from reconciler.apply.settle import Ways
from reconciler.apply.steps import CustomerSteps
from reconciler.clock import Clock
from reconciler.errors import OverBudget
from reconciler.ledger.base import Ledger
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, CustomerId, Status
from reconciler.model.ledger import (
    Binding,
    DropBinding,
    PutBinding,
    PutKeys,
    PutLearned,
    PutRun,
    PutTaken,
    PutUsers,
    Run,
    Write,
)
from reconciler.model.plan import BindingAction
from reconciler.model.policy import UNBOUNDED, Allowance, Terms
from reconciler.pipeline.consent import check
from reconciler.pipeline.plan import Planned, lacked_writes, learned_writes, users_of
from reconciler.pipeline.resources import NOWHERE, Origin
from reconciler.plan.presence import created_keys
from reconciler.plan.safety_checks import keys_with
from reconciler.plan.server_behavior import (
    LEARNING,
    archives_to_learn_from,
    concluded,
    known_lag,
    known_ways,
    to_learn_from,
)


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an apply did: the outcomes, the requests that were sent in all, and what it was allowed to send."""

    result: Result
    requests: int
    run: Run
    allowance: Allowance = UNBOUNDED


def new_run(clock: Clock, command: str, *, origin: Origin = NOWHERE) -> Run:
    """Return a run that begins now."""
    return Run(
        id=uuid4().hex,
        started_at=stamp(clock),
        command=command,
        who=origin.who,
        commit=origin.commit,
        ci_url=origin.ci_url,
        actor=origin.actor,
    )


def stamp(clock: Clock) -> str:
    """Return the time of day as RFC 3339 in UTC with microseconds."""
    return rfc3339_us(datetime.fromtimestamp(clock.now(), UTC))


def rfc3339_us(moment: datetime) -> str:
    """Return a moment in UTC as RFC 3339 with microseconds: later ones are greater as texts."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def carry_out(
    client: ApiClient,
    ledger: Ledger,
    planned: Planned,
    terms: Terms,
    *,
    run: Run,
    clock: Clock,
    stop: asyncio.Event,
    tell: Tell,
    approved: Collection[Action] = (),
    commits: Mapping[str, str] = MappingProxyType({}),
) -> ApplyResult:
    """
    Apply a plan: the ledger's bookkeeping, the changes, and what is learned of the server at the end.

    `stop` set means no new request. `approved` are actions that a person approved for this plan; `commits` those of
    the files that declare the changes, by name. Raises Refused, before anything is written, where the policy is
    against the plan, and LedgerFailed where the ledger cannot be written; what was
    sent then is in it as open intents, and the next plan settles it.
    """
    check(planned.plan, terms, client.server_now(), approved)
    where = planned.plan.environment
    # By a name that is no secret: the client id itself stays out of the history.
    run = replace(run, key=f"{where.name}/{where.account[:8]}", plan=planned.plan.fingerprint)
    ledger.commit([PutRun(run), *bookkeeping(planned, terms)])
    lag_s = known_lag(planned.learned, terms)
    journal = Journal(ledger)
    sender = Sender(run=run.id, client=client, journal=journal, stop=stop, clock=clock, lag_s=lag_s, commits=commits)
    reads = SingleReads(client)
    lists, gets = known_ways(planned.learned, terms)
    steps = CustomerSteps(
        sender=sender,
        reads=reads,
        rows=_rows(planned),
        users=users_of(planned),
        learned=planned.learned,
        ways=Ways(lists, gets),
        reopened=recover.repeated(planned.records),
        unread=_unread(planned),
        patched=_patched(planned),
    )
    result = await execute(planned.plan, sender, steps, tell, lag_s=lag_s)
    if not result.halt and not result.interrupted and client.budget.room(LEARNING):
        # What the budget has no room for is learned by the next run.
        with suppress(OverBudget):
            await _learn(ledger, reads, planned, terms, result)
    did = sum(one.status is Status.DONE for one in result.outcomes)
    done = finished_run(run, clock, result.outcome, requests=client.requests, changes=did)
    # Whoever goes on with what was not begun need not prove again that nobody is there.
    left = created_keys(one.change for one in result.outcomes if one.status is Status.SKIPPED)
    ledger.commit([*lacked_writes(planned, left), PutRun(done)])
    return ApplyResult(result, client.requests, done, client.budget.allowance)


def finished_run(run: Run, clock: Clock, outcome: str, *, requests: int, changes: int = 0) -> Run:
    """Return `run` as it has ended, now."""
    return replace(run, finished_at=stamp(clock), outcome=outcome, requests=requests, changes=changes)


def time_left(client: ApiClient, planned: Planned, ended: int) -> float | None:
    """
    Return in seconds how long a run takes yet of whose changes so many have ended; None where no rate is set.

    By the requests that are left, what is learned at the end among them, and the rate at which they may leave: the
    speed of the changes so far says nothing of a slow answer or a wait.
    """
    learning = planned.plan.cost.overhead - planned.live.requests
    return client.time_for(len(planned.plan.changes) - ended + learning)


def _unread(planned: Planned) -> frozenset[CustomerId]:
    """Return the customers that the plan changes by their record alone: neither listed nor got."""
    live = planned.live
    ids = (change.id for change in planned.plan.changes if change.id is not None)
    return frozenset(one for one in ids if one not in live.listed and live.got.get(one) is None)


def _patched(planned: Planned) -> Mapping[str, frozenset[str]]:
    """Return the fields that the plan patches, by the customer's key."""
    return {
        change.address.external_id: frozenset(field.name for field in change.fields)
        for change in planned.plan.changes
        if change.action is Action.PATCH
    }


def bookkeeping(planned: Planned, terms: Terms) -> list[Write]:
    """Return what any apply of this plan writes before its first request: what is dropped first, as ids are unique."""
    made, records = planned.plan, planned.records
    keys = keys_with(terms.environment.account, records, planned.live)
    writes = [*learned_writes(planned), PutKeys((*keys, *(one for one in planned.keys if one not in keys)))]
    dropped = {row.address.external_id for row in made.bindings if row.action is not BindingAction.ADOPT}
    dropped |= {row.origin for row in made.bindings if row.origin is not None}
    writes += [DropBinding(key) for key in sorted(dropped & records.bindings.keys())]
    writes += [PutBinding(row) for row in planned.recovered if row.external_id not in dropped]
    for entry in made.entries:
        if entry.id is None:
            continue
        writes.append(PutBinding(entry))
        if entry.external_id in records.taken:
            writes.append(PutTaken(entry.external_id, None))
        if entry.id in records.users and dropped:
            writes.append(PutUsers(entry.id, records.users[entry.id]))
    writes += made.users
    writes += recover.closing(records, planned.live, known_lag(planned.learned, terms), users_of(planned))
    return writes


def _rows(planned: Planned) -> Mapping[str, Binding]:
    """Return the rows of the ledger once the bookkeeping is done, with those of customers to be created."""
    return {**planned.records.bindings, **{entry.external_id: entry for entry in planned.plan.entries}}


async def _learn(ledger: Ledger, reads: SingleReads, planned: Planned, terms: Terms, result: Result) -> None:
    """Learn whether archived customers are listed and answer a get, while that is unknown: two requests, once."""
    row = to_learn_from(planned.records, planned.learned, terms, planned.live)
    settled = row is not None
    if row is None:
        did = [one.change for one in result.outcomes if one.status is Status.DONE]
        rows = _rows(planned)
        archives = archives_to_learn_from(did, rows, planned.learned, terms)
        if not archives:
            return
        row = rows[archives[-1].address.external_id]
    # In this order: one that a get finds and that no list holds after it was archived all the while.
    got = await reads.get(row.bound_id)
    listed = await reads.on_first_page(row.bound_id, row.created_at)
    if listed is None and (planned.live.narrowed or not settled):
        return
    if listed is None:
        # Many were created at once; the listing of this run is as young as the customer's archive is settled.
        listed = row.bound_id in planned.live.listed
    learned = ledger.records().learned
    ledger.commit([PutLearned(concluded(learned, row, listed=listed, got=got is not None, settled=settled))])
