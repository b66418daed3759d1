"""
What drifted in an account: a plan of it, read as drift, less what the ignore rules hide; and which was reported last.

It only reads the account. Whoever calls decides how the drift is shown, and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.api.client import ApiClient
from reconciler.clock import Clock
from reconciler.ledger.base import Ledger
from reconciler.model.core import Desired
from reconciler.model.ledger import PutLearned
from reconciler.model.plan import Unknown
from reconciler.model.policy import Terms
from reconciler.model.reasons import UnknownKind
from reconciler.model.reports import Drift, Heard, Rule
from reconciler.pipeline import plan, resources
from reconciler.plan.drift import drift_of, without_ignored
from reconciler.plan.scope import Seen, rules_of_nobody
from reconciler.settings import Environment

if TYPE_CHECKING:
    from reconciler.pipeline.webhooks import WebhookEvents

APPLYING = ("apply", "undo", "duplicates", "seed")
"""Commands whose runs make the account as it is declared; what was created before the last of them did not appear."""


@dataclass(frozen=True, slots=True)
class Compared:
    """
    A drift with the plan that it was read off.

    `idle` are the ignore rules that match nobody, each with the key that may be meant, "" for none.
    """

    drift: Drift
    planned: plan.Planned
    idle: tuple[tuple[Rule, str], ...]


async def compare(
    client: ApiClient,
    ledger: Ledger,
    desired: Desired,
    terms: Terms,
    rules: Sequence[Rule] = (),
    events: WebhookEvents | None = None,
    *,
    say: plan.Say,
    price: plan.Say,
) -> Compared:
    """
    Read the account and return what drifted from `desired`, as `plan.make` plans it; the day is the server's.

    With `events` only the customers that webhooks named are read.
    """
    since = _since(ledger)  # before the account is read, while the ledger is connected
    heard: Heard | None = None
    if events is None:
        planned = await plan.make(client, ledger, desired, terms, say=say, price=price)
    else:
        from reconciler.pipeline.webhooks import check  # noqa: PLC0415 - few runs are about webhooks

        planned, terms, heard = await check(client, ledger, desired, events, terms, say=say, price=price)
    today = datetime.fromtimestamp(client.server_now(), UTC).date()
    seen = Seen(desired, planned.live, planned.records, planned.learned, terms, since)
    drift = without_ignored(drift_of(planned.plan, seen), rules, today)
    if heard is None:
        return Compared(drift, planned, rules_of_nobody(rules, desired, planned.live, planned.records))
    unobservable = (*drift.unobservable, Unknown(UnknownKind.WEBHOOKS_SILENT))
    # Who else is live, whom a rule may be about, is unknown.
    return Compared(replace(drift, heard=heard, unobservable=unobservable), planned, ())


def _since(ledger: Ledger) -> str:
    """Return when the last run that applied began, "" where none did."""
    applied = [run.started_at for run in ledger.runs() if run.command.split(" ")[0] in APPLYING]
    return max(applied, default="")


async def remember_reported(environment: Environment, clock: Clock, planned: plan.Planned, state: str) -> None:
    """Write which state of a drift was reported; Locked where a run writes now, LedgerFailed where it cannot be."""
    with await resources.note(environment, clock, doing="drift") as ledger:
        ledger.commit([PutLearned(replace(planned.learned, told=state))])
