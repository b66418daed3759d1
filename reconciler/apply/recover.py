"""
What the last run really did, from its open intents and what is live now. Pure.

An open intent is a request that may have left and whose answer was never written. Planning reads the
live side anyway, so most of it settles itself: a create that is listed is adopted, a patch is compared
again. What is left is said here: a row whose archive came through, and which intents are closed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import inf

from reconciler import recording
from reconciler.apply.made import made, nearly_made, several
from reconciler.kinds.customer import FIELDS
from reconciler.kinds.kind import canonical_email
from reconciler.kinds.recorded import with_record
from reconciler.model import (
    Action,
    Address,
    Change,
    CustomerId,
    FieldChange,
    Live,
    LiveCustomer,
    Reason,
    Status,
)
from reconciler.records import DOUBT_S, Binding, BindingState, Intent, PutIntent, Records, SeenUser, Via


def recovered(records: Records, live: Live, project: str) -> Records:
    """
    Return `records` with the rows that the last run would have written, had it heard the answers.

    A customer whose archive was sent is archived where it is read to be so: the listing lacks it, and so
    does the list narrowed to its creation. One whose create was sent is bound where one live customer has
    its external_id; its source is not known until its entry says it.
    """
    if not records.intents:
        return records
    rows = dict(records.bindings)
    holders: dict[str, list[LiveCustomer]] = {}
    bound = {row.id for row in rows.values()}
    for customer in live.listed.values():
        holders.setdefault(customer.external_id, []).append(customer)
    for intent in records.intents:
        key = intent.address.external_id
        row, there = rows.get(key), holders.get(key) or nearly_made(intent, live.listed.values())
        if intent.action is Action.ARCHIVE and row is not None and row.id == intent.id and _archived(row, live):
            rows[key] = recording.archived(row, intent.opened_at, inf)
        # It was neither listed nor found when the restore was planned: who is listed now was restored by that.
        if (
            intent.action is Action.RESTORE
            and row is not None
            and row.id == intent.id
            and row.state is BindingState.ABSENT
            and row.id in live.listed
        ):
            rows[key] = recording.restored(row, intent.opened_at, inf)
        if (
            intent.action is Action.CREATE
            and intent.binds
            and row is None
            and len(there) == 1
            and there[0].id not in bound
        ):
            rows[key] = _created(intent, there[0], project)
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
    return recording.found(with_record(entry, applied, {}, {}), change, live, intent.opened_at)


def wait_s(records: Records, live: Live, lag_s: float, users: Mapping[CustomerId, tuple[SeenUser, ...]]) -> float:
    """Return how long to wait until every create that an earlier run left in doubt can be seen; 0 where none is."""
    external_ids = {customer.external_id for customer in live.listed.values()}
    young = [
        intent.opened_at + lag_s + DOUBT_S - live.read_at
        for intent in records.intents
        if intent.action in (Action.CREATE, Action.CREATE_USER)
        and not apart(intent, records)
        and not _seen(intent, external_ids, records, users)
    ]
    return max(0.0, *young) if young else 0.0


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
    ids = {customer.external_id: customer.id for customer in live.listed.values()}
    closed = []
    others = {row.bound_id for row in records.bindings.values()}
    for intent in records.intents:
        if intent.action is Action.CREATE and not intent.binds:
            end = _of_api(intent, live, others)
        elif apart(intent, records):
            end = _End(Status.IN_DOUBT, "its answer was lost, and a plan reads only what is managed", intent.id)
        else:
            end = _end(intent, ids, records, users, live)
        young = intent.opened_at > settled_at and intent.action in (Action.CREATE, Action.CREATE_USER)
        # One that several may be will not be seen any better.
        if young and (end.status is Status.FAILED or apart(intent, records)):
            continue
        settled = replace(intent, id=end.id, status=end.status, message=end.message, closed_at=live.read_at)
        closed.append(PutIntent(settled))
    return closed


def apart(intent: Intent, records: Records) -> bool:
    """Say whether an intent is about a customer that no key is bound to, nor will be: only `api` changes those."""
    key = intent.address.external_id
    return key in ("", intent.id) and key not in records.bindings


@dataclass(frozen=True, slots=True)
class _End:
    """How an open intent ends, and the customer's id where it is known."""

    status: Status
    message: str
    id: CustomerId | None


def _end(
    intent: Intent,
    ids: Mapping[str, CustomerId],
    records: Records,
    users: Mapping[CustomerId, tuple[SeenUser, ...]],
    live: Live,
) -> _End:
    """Return the end of a change of a plan; `ids` are the live ones by external_id."""
    if _seen(intent, ids.keys(), records, users) or _shown(intent, records, live):
        known = intent.id or ids.get(intent.address.external_id)
        return _End(Status.DONE, "settled by reading: it was done", known)
    return _End(Status.FAILED, "settled by reading: it was not done, or is sent again", intent.id)


def _shown(intent: Intent, records: Records, live: Live) -> bool:
    """
    Say whether a customer is as its archive, restore or patch was to make it.

    `records` are those of `recovered`. Where archived customers are listed, an archive or a restore does not show.
    """
    row = records.bindings.get(intent.address.external_id)
    if row is None or row.id != intent.id:
        return False
    listed = live.listed.get(row.bound_id)
    match intent.action:
        case Action.ARCHIVE:
            return listed is None and row.state is BindingState.ARCHIVED
        case Action.RESTORE:
            return listed is not None and row.state is BindingState.ACTIVE
        case Action.PATCH:
            return (
                listed is not None
                and bool(intent.after)
                and all(FIELDS[name].same(listed.fields.get(name), value) for name, value in intent.after.items())
            )
        case _:
            return False


def _of_api(intent: Intent, live: Live, others: AbstractSet[CustomerId]) -> _End:
    """Return the end of a create that binds nothing."""
    found = made(intent, live.listed.values(), others)
    if len(found) > 1:
        return _End(Status.IN_DOUBT, several(one.id for one in found), None)
    if found:
        return _End(Status.DONE, "settled by reading: it was done", found[0].id)
    return _End(Status.FAILED, "settled by reading: it was not done", None)


def _seen(
    intent: Intent, external_ids: AbstractSet[str], records: Records, users: Mapping[CustomerId, tuple[SeenUser, ...]]
) -> bool | None:
    """Return True where the effect of a create is seen, None where it is not (or is no create)."""
    match intent.action:
        case Action.CREATE:
            row = records.bindings.get(intent.address.external_id)
            return True if intent.address.external_id in external_ids or (row and row.id) else None
        case Action.CREATE_USER:
            row = records.bindings.get(intent.address.external_id)
            known = users.get(row.id, ()) if row is not None and row.id is not None else ()
            email = canonical_email(intent.address.email or "")
            return True if any(canonical_email(user.email) == email for user in known) else None
        case _:
            return None
