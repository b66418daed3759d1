"""A probe as a run: what earlier ones left is archived, the questions are asked, the answers go into the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from reconciler.api.client import ApiClient
from reconciler.apply.sender import Journal, Sender
from reconciler.clock import Clock
from reconciler.ledger.base import Ledger
from reconciler.live.reads import SingleReads
from reconciler.model.core import CustomerId
from reconciler.model.ledger import PutAccount, PutIntent, PutLearned, PutRun, Run
from reconciler.model.policy import Terms
from reconciler.model.reports import ProbeAnswer, ProbeQuestion
from reconciler.pipeline.applying import ended
from reconciler.pipeline.planning import Say
from reconciler.pipeline.runs import CLEANED, done_in, unfinished
from reconciler.plan.server_behavior import known_lag, probed
from reconciler.probe import run as probe_run
from reconciler.probe import session as earlier
from reconciler.probe.session import ProbeSession

KEY = "Reconciler-probe-"
"""What the external_id of each customer that a probe makes begins with; the first of its run's id follows."""

_MARK_CHARS = 12


@dataclass(frozen=True, slots=True)
class Probed:
    """
    What a probe found: every question, in their order; `stopped` says why it ended early, "" where it did not.

    `key` is the external_id of what it made, `made` the ids; `left` are those that could not be archived. `cleaned`
    are the ids that earlier probes had left active.
    """

    answers: tuple[ProbeAnswer, ...]
    key: str
    made: tuple[CustomerId, ...] = ()
    left: tuple[CustomerId, ...] = ()
    cleaned: tuple[CustomerId, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    requests: int = 0


def key_of(run: Run) -> str:
    """Return the external_id of the customers that a probe makes."""
    return f"{KEY}{run.id[:_MARK_CHARS]}"


async def probe(
    client: ApiClient, ledger: Ledger, terms: Terms, *, run: Run, clock: Clock, stop: asyncio.Event, tell: Say
) -> Probed:
    """
    Probe the account, and write what was learned; `stop` set means no new request.

    Every create is in the journal before it leaves: a probe that is killed is cleaned up by the next. LedgerFailed
    where the ledger cannot be written.
    """
    before, learned = ledger.runs(), ledger.records().learned
    run = replace(run, key=f"{terms.environment.name}/{terms.environment.account[:8]}")
    ledger.commit([PutRun(run), PutAccount(terms.environment.account)])
    lag_s = known_lag(learned, terms)
    sender = Sender(run=run.id, client=client, journal=Journal(ledger), stop=stop, clock=clock, lag_s=lag_s)
    cleaned = await _cleaned(ledger, sender, before, clock, lag_s, tell)
    session = ProbeSession(sender, clock, key_of(run), run.id[:_MARK_CHARS])
    stopped = await probe_run.run(session, tell)
    answers = tuple(
        session.answers.get(one) or ProbeAnswer(one, "", "the probe did not come to it") for one in ProbeQuestion
    )
    known = probed(ledger.records().learned, answers, f"by a probe that began at {run.started_at}")
    left_active = any(one.active for one in session.made)
    outcome = "interrupted" if sender.interrupted else "stopped" if stopped or left_active else "done"
    done = ended(run, clock, outcome, requests=client.requests, changes=done_in(ledger.intents(run.id)))
    ledger.commit([PutLearned(known), PutRun(done)])
    return Probed(
        answers,
        session.key,
        made=tuple(one.live.id for one in session.made),
        left=tuple(one.live.id for one in session.made if one.active),
        cleaned=cleaned,
        stopped=stopped,
        interrupted=sender.interrupted,
        requests=client.requests,
    )


async def _cleaned(
    ledger: Ledger, sender: Sender, runs: Iterable[Run], clock: Clock, lag_s: float, tell: Say
) -> tuple[CustomerId, ...]:
    """Archive what probes left that did not come to their end; return the ids."""
    found: list[CustomerId] = []
    keys = {row.bound_id: key for key, row in ledger.records().bindings.items()}
    for run in unfinished(runs):
        intents = ledger.intents(run.id)
        wait_s = earlier.wait_s(intents, sender.client.server_now(), lag_s)
        if wait_s:
            tell(f"waiting {wait_s:.0f} s: what a probe left that was killed may still come to be seen")
            await sender.pause(wait_s + 1.0)
        if sender.stopped:
            break
        session = ProbeSession(sender, clock, key_of(run), run.id[:_MARK_CHARS])
        made = await earlier.cleaned(session, intents, SingleReads(sender.client), keys)
        closing = earlier.closed(intents, sender.client.server_now())
        done = run if run.finished_at else ended(run, clock, CLEANED, requests=run.requests, changes=done_in(intents))
        ledger.commit([*map(PutIntent, closing), PutRun(replace(done, outcome=CLEANED))])
        found += [one.live.id for one in made]
    return tuple(found)
