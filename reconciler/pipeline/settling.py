"""What earlier calls of `api` left in doubt: settled before another one is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.apply import recover
from reconciler.apply.direct_request import CallSteps
from reconciler.apply.execute import Result, Settling, Tell
from reconciler.apply.sender import Sender
from reconciler.apply.settle import NothingRead, Observed, TooEarly, settle
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Status
from reconciler.model.ledger import Intent, PutIntent, Records
from reconciler.model.plan import Change, Outcome
from reconciler.model.policy import Terms
from reconciler.pipeline.runs import doubted_users
from reconciler.plan.server_behavior import known_lag


async def settled_first(
    change: Change,
    records: Records,
    ledger: Ledger,
    steps: CallSteps,
    sender: Sender,
    terms: Terms,
    tell: Tell,
) -> Result | None:
    """
    Settle what earlier calls left in doubt, this very one after a wait; return how it ended where it was done.

    What is too young to be seen, and is another one, is left to a later run.
    """
    lag_s = known_lag(records.learned, terms)
    for intent in _doubts(change, records, ledger):
        same = _same(intent, change)
        early = settle(intent, Observed(NothingRead(), sender.client.server_now(), lag_s))
        if not _ours(intent, change, records) or (isinstance(early, TooEarly) and not same):
            continue
        if isinstance(early, TooEarly):
            tell(Settling(1, early.left_s))
            await sender.pause(early.left_s)
            if sender.stopped:
                return Result((Outcome(change, Status.SKIPPED, "interrupted before it was sent"),), interrupted=True)
        run = f"run {intent.run[:8]}, whose answer was lost,"
        outcome = await steps.settled(change, intent, f"{run} had done it")
        if same and outcome is not None:
            if outcome.status is Status.DONE and dict(intent.after) != _after(change):
                outcome = Outcome(change, Status.FAILED, f"{run} had done it with other values", outcome.id)
            return Result((outcome,))
        steps.found = None
    return None


def _doubts(change: Change, records: Records, ledger: Ledger) -> tuple[Intent, ...]:
    """Return what is open, and where a user is to be created, what a plan closed unread of the same one."""
    if change.action is not Action.CREATE_USER:
        return records.intents
    return (*records.intents, *doubted_users(ledger, change.address))


def _same(intent: Intent, change: Change) -> bool:
    """Say whether an open intent may be what `change` asks for: of one key or e-mail, or where it has none, alike."""
    named = bool(change.address.external_id) or dict(intent.after) == _after(change)
    return intent.action is change.action and intent.address == change.address and named


def _after(change: Change) -> dict[str, str | None]:
    """Return the values that a change asks for."""
    return {field.name: field.after for field in change.fields}


def _ours(intent: Intent, change: Change, records: Records) -> bool:
    """Say whether an open intent is one that a call settles: a create that binds nothing, or a user of its customer."""
    match intent.action:
        case Action.CREATE:
            return not intent.binds
        case Action.CREATE_USER:
            return recover.apart(intent, records) or intent.address == change.address
        case _:
            return False


def sent_again(change: Change, records: Records, sender: Sender) -> Iterator[PutIntent]:
    """Yield the open intents of a change that is done now, closed: what they asked for is done with it."""
    for intent in records.intents:
        same = intent.action is change.action and intent.address == change.address and intent.id == change.id
        if same and change.action not in (Action.CREATE, Action.CREATE_USER):
            words = "its answer was lost; it was sent again"
            yield PutIntent(replace(intent, status=Status.FAILED, message=words, closed_at=sender.client.server_now()))
