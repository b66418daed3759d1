"""
What the last run really did, from its open intents and what is live now. Pure.

An open intent is a request that may have left and whose answer was never written. Planning reads the
live side anyway, so most of it settles itself: a create that is listed is adopted, a patch is compared
again. What is left is said here: a row whose archive came through, and which intents are closed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.kinds.kind import canonical_email
from reconciler.model import Action, Address, CustomerId, Live, Status
from reconciler.records import Binding, BindingState, Intent, PutIntent, Records, SeenUser

DOUBT_S = 35.0
"""After a crash a request may still leave within 5 s of its intent and be served within 30 s."""


def recovered(records: Records, live: Live) -> Records:
    """
    Return `records` with the rows of customers whose archive was sent, not answered, and seen to be done.

    Seen means read: the listing lacks the customer, and so does the list narrowed to its creation.
    """
    if not records.intents:
        return records
    rows = dict(records.bindings)
    for intent in records.intents:
        row = rows.get(intent.address.external_id)
        if intent.action is Action.ARCHIVE and row is not None and _archived(row, live):
            rows[row.external_id] = replace(row, state=BindingState.ARCHIVED, written_at=intent.opened_at)
    return replace(records, bindings=rows)


def _archived(row: Binding, live: Live) -> bool:
    """Say whether a row held active is seen to be so no more."""
    return (
        row.state is BindingState.ACTIVE
        and row.id is not None
        and row.id not in live.listed
        and live.sought.get(row.id) is False
    )


def repeated(records: Records) -> frozenset[Address]:
    """Return the addresses whose archive or restore was sent without an answer: sending it again is a repetition."""
    return frozenset(intent.address for intent in records.intents if intent.action in (Action.ARCHIVE, Action.RESTORE))


def closing(
    records: Records, live: Live, lag_s: float, users: Mapping[CustomerId, tuple[SeenUser, ...]]
) -> list[PutIntent]:
    """
    Return the open intents that are settled now, closed; a create too young to be seen stays open.

    `users` are the users known by customer id after this planning.
    """
    settled_at = live.read_at - lag_s - DOUBT_S
    external_ids = {customer.external_id for customer in live.listed.values()}
    closed = []
    for intent in records.intents:
        done = _seen(intent, external_ids, records, users)
        if done is None and intent.opened_at > settled_at and intent.action in (Action.CREATE, Action.CREATE_USER):
            continue
        status = Status.DONE if done else Status.FAILED
        message = "settled by reading: it was done" if done else "settled by reading: it was not done, or is sent again"
        closed.append(PutIntent(replace(intent, status=status, message=message, closed_at=live.read_at)))
    return closed


def _seen(
    intent: Intent, external_ids: set[str], records: Records, users: Mapping[CustomerId, tuple[SeenUser, ...]]
) -> bool | None:
    """Return True where the effect of a create is seen, None where it is not (or is no create)."""
    match intent.action:
        case Action.CREATE:
            return True if intent.address.external_id in external_ids else None
        case Action.CREATE_USER:
            row = records.bindings.get(intent.address.external_id)
            known = users.get(row.id, ()) if row is not None and row.id is not None else ()
            email = canonical_email(intent.address.email or "")
            return True if any(canonical_email(user.email) == email for user in known) else None
        case _:
            return None
