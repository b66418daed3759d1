"""
What the last run really did, from its open intents and what is live now. Pure.

An open intent is a request that may have left and whose answer was never written. Planning reads the
live side anyway, so most of it settles itself: a create that is listed is adopted, a patch is compared
again. What is left is said here: a row whose archive came through, and which intents are closed by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf

from reconciler import bookkeeping
from reconciler.apply.settle import (
    Ambiguous,
    Customers,
    Done,
    Doubt,
    Facts,
    FieldValues,
    NotDone,
    NothingRead,
    Observed,
    Settlement,
    TooEarly,
    Users,
    Visibility,
    Ways,
    doubt_of,
    settle,
)
from reconciler.kinds.wire import with_record
from reconciler.model.core import Action, Address, CustomerId, Live, LiveCustomer, Reason, Status
from reconciler.model.ledger import Binding, BindingState, Intent, PutIntent, Records, SeenUser, Via
from reconciler.model.plan import Change, FieldChange
from reconciler.model.reasons import Ending, EndReason

UsersById = Mapping[CustomerId, tuple[SeenUser, ...]]


def recovered(records: Records, live: Live, project: str) -> Records:
    """
    Return `records` with the rows that the last run would have written, had it heard the answers.

    A customer whose archive was sent is archived where it is read to be so: the listing lacks it, and so
    does the list narrowed to its creation. One whose create was sent is bound where one live customer has
    its external_id; its source is unknown until its entry says it.
    """
    if not records.intents:
        return records
    rows = dict(records.bindings)
    for intent in records.intents:
        if intent.action not in (Action.CREATE, Action.ARCHIVE, Action.RESTORE):
            continue
        key = intent.address.external_id
        row, found = rows.get(key), settle(intent, Observed(_facts(intent, replace(records, bindings=rows), live, {})))
        if not isinstance(found, Done):
            continue
        match intent.action:
            case Action.CREATE if intent.binds and row is None and found.id is not None:
                rows[key] = _created(intent, live.listed[found.id], project)
            case Action.ARCHIVE if row is not None and row.state is BindingState.ACTIVE:
                rows[key] = bookkeeping.archived(row, intent.opened_at, inf)
            case Action.RESTORE if row is not None and row.state is BindingState.ABSENT:
                rows[key] = bookkeeping.restored(row, intent.opened_at, inf)
            case _:
                pass
    return replace(records, bindings=rows)


def _created(intent: Intent, live: LiveCustomer, project: str) -> Binding:
    """Return the row of a customer whose create was sent, not answered, and is seen to be done."""
    fields = tuple(FieldChange(name, "", value) for name, value in intent.after.items())
    change = Change(Action.CREATE, intent.address, None, Reason.DECLARED, fields=fields)
    entry = Binding(
        external_id=intent.address.external_id,
        id=None,
        live_external_id=intent.address.external_id,
        created_at="",
        state=BindingState.ACTIVE,
        project=project,
        source="",
        protected=False,
        via=Via.CREATED,
    )
    applied = {field.name: field.after for field in fields}
    return bookkeeping.found(with_record(entry, applied, {}, {}), change, live, intent.opened_at)


def wait_s(records: Records, live: Live, lag_s: float, users: UsersById) -> float:
    """Return how long to wait until every create that an earlier run left in doubt can be seen; 0 where none is."""
    settled = _settled(records, live, lag_s, users)
    return max(
        (one.left_s for intent, one in settled if isinstance(one, TooEarly) and not apart(intent, records)), default=0.0
    )


def repeated(records: Records) -> frozenset[Address]:
    """Return the addresses whose archive or restore was sent without an answer: sending it again is a repetition."""
    return frozenset(intent.address for intent in records.intents if intent.action in (Action.ARCHIVE, Action.RESTORE))


def closing(records: Records, live: Live, lag_s: float, users: UsersById) -> list[PutIntent]:
    """
    Return the open intents that are settled now, closed; a create too young to be visible stays open.

    `records` are those of `recovered`, `users` the users known by customer id after this planning.
    """
    closed = []
    for intent, found in _settled(records, live, lag_s, users):
        if isinstance(found, TooEarly):
            continue
        status, ending = _end(intent, found, records)
        known = found.id if isinstance(found, Done) else intent.id
        closed.append(PutIntent(replace(intent, id=known, status=status, ending=ending, closed_at=live.read_at)))
    return closed


def apart(intent: Intent, records: Records) -> bool:
    """Say whether an intent is about a customer that no key is bound to, nor will be: only `api` changes those."""
    key = intent.address.external_id
    return key in ("", intent.id) and key not in records.bindings


def _settled(records: Records, live: Live, lag_s: float, users: UsersById) -> Iterator[tuple[Intent, Settlement]]:
    """Yield each open intent with what became of it."""
    for intent in records.intents:
        yield intent, settle(intent, Observed(_facts(intent, records, live, users), live.read_at, lag_s))


def _facts(intent: Intent, records: Records, live: Live, users: UsersById) -> Facts:
    """Return what planning read that shows the change of an open intent."""
    row = records.bindings.get(intent.address.external_id)
    if intent.action is Action.CREATE:
        bound = {one.id for one in records.bindings.values()}
        return Customers(live.listed.values(), bound, row.id if intent.binds and row is not None else None)
    if apart(intent, records):
        return NothingRead()
    if intent.action is Action.CREATE_USER:
        known = users.get(row.id, ()) if row is not None and row.id is not None else ()
        return Users([user.email for user in known])
    if row is None or row.id is None or row.id != intent.id:
        return NothingRead()
    listed = live.listed.get(row.id)
    if intent.action is Action.PATCH:
        return NothingRead() if listed is None else FieldValues(listed.fields)
    # A restore is planned of who was not visible, unless it is of our own archive.
    missed = intent.action is Action.RESTORE and row.state is not BindingState.ARCHIVED
    return Visibility(Ways(), listed=_is_listed(row, row.id, live), missed=missed)


def _is_listed(row: Binding, customer: CustomerId, live: Live) -> bool | None:
    """Say whether a customer is listed; None where it is not, and may be active all the same."""
    if customer in live.listed:
        return True
    if row.state is BindingState.ARCHIVED or (row.state is BindingState.ACTIVE and live.sought.get(customer) is False):
        return False
    return None


def _end(intent: Intent, found: Done | NotDone | Ambiguous, records: Records) -> tuple[Status, Ending]:
    """Return how the journal closes an open intent."""
    match found:
        case Done():
            return Status.DONE, Ending(EndReason.READ_DONE)
        case Ambiguous(Doubt.SEVERAL | Doubt.CLAIMED):
            return Status.IN_DOUBT, doubt_of(found)
        case Ambiguous() if apart(intent, records):
            return Status.IN_DOUBT, Ending(EndReason.LOST_UNMANAGED)
        case NotDone() if intent.action is Action.CREATE and not intent.binds:
            return Status.FAILED, Ending(EndReason.READ_NOT_DONE)
        case _:
            return Status.FAILED, Ending(EndReason.READ_NOT_DONE_OR_SENT_AGAIN)
