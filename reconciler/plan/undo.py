"""
The inverse of one run, as a plan: from its intents, the account and the ledger. Pure.

What the run created is archived, what it patched is patched back, what it archived is restored, what it
restored is archived. What is no longer as the run left it is blocked: someone has decided since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action, Address, CustomerId, Desired, Live, LiveCustomer, Reason, Status
from reconciler.model.ledger import Binding, BindingState, Intent, Records, Run
from reconciler.model.plan import NOTHING, Blocked, Change, FieldChange, Note, Part, joined
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind, ReasonParts
from reconciler.model.reports import LaterChange
from reconciler.plan import safety_checks
from reconciler.plan.draft import Draft, draft_of, not_yet
from reconciler.plan.identity import broken
from reconciler.plan.presence import (
    Active,
    Elsewhere,
    Hidden,
    Presence,
    Sight,
    Unread,
    by_external_id,
    presence,
    unverified,
)
from reconciler.plan.scope import Scope, protecting
from reconciler.plan.server_behavior import learned_from, sight_of


def make_undo(intents: Sequence[Intent], live: Live, records: Records, terms: Terms) -> Draft:
    """
    Return the plan that undoes `intents`, those of one run, or what must be read first.

    Raises Incomplete where the listing cannot be trusted, and Refused where the ledger is another account's.
    """
    learned = learned_from(records, live, terms)
    sight = sight_of(live, learned, terms)
    by_id = {row.bound_id: row for row in records.bindings.values()}
    # What the run did not touch is neither asked for nor counted as lacking.
    touched = {by_id[one.id].external_id for one in intents if one.id is not None and one.id in by_id}
    scope = Scope(touched.__contains__, lambda _: True, lambda _: False, terms.project, lambda _: False)
    lacked = safety_checks.lacking(sight, records.bindings, scope)
    active = sum(row.state is BindingState.ACTIVE for row in records.bindings.values())
    reads = safety_checks.complete(live, lacked, active) if lacked else ()
    if reads:
        return not_yet(reads, terms, learned)
    notes = safety_checks.of_this_account(records, live, terms, Desired())
    undoing = _Undoing(sight, by_id, by_external_id(sight, by_id), terms, _created(intents))
    part = joined(undoing.part(intent) for intent in _last_of_each(intents))
    if part.changes:
        notes = (Note(NoteKind.UNDO_KEEPS_FILES), *notes)
    doubtful = unverified(sight, records.bindings.values(), lambda row: row.external_id in touched)
    return draft_of(part, Desired(), live, records, terms, learned, notes=notes, unverified=doubtful)


def _last_of_each(intents: Iterable[Intent]) -> list[Intent]:
    """Return the last intent of each change: a lost answer or a clear is followed by one more of the same change."""
    last: dict[tuple[Action, Address, CustomerId | None], Intent] = {}
    for intent in intents:
        customer = None if intent.action is Action.CREATE else intent.id
        last[intent.action, intent.address, customer] = intent
    return list(last.values())


def _created(intents: Iterable[Intent]) -> frozenset[str]:
    """Return the external_ids of the customers that the run created."""
    return frozenset(
        one.address.external_id for one in intents if one.action is Action.CREATE and one.status is Status.DONE
    )


@dataclass(frozen=True, slots=True)
class _Undoing:
    """
    What undoing each change has in common.

    `by_id` are the ledger's rows by customer id, `holders` the active customers by external_id, `created` the
    external_ids of those that the run created.
    """

    sight: Sight
    by_id: Mapping[CustomerId, Binding]
    holders: Mapping[str, tuple[LiveCustomer, ...]]
    terms: Terms
    created: frozenset[str]

    def part(self, intent: Intent) -> Part:
        """Return the inverse of one change."""
        if intent.status is not Status.DONE:
            return self._unfinished(intent)
        if intent.action is Action.CREATE_USER:
            return self._user(intent)
        if intent.id is None:
            return Part(blocked=(Blocked(intent.address, BlockedReason.UNDO_UNKNOWN_CUSTOMER),))
        row = self.by_id.get(intent.id)
        there = presence(self.sight, intent.id, row)
        if isinstance(there, Unread) and row is not None:
            return Part(reads=(there.read,))
        if intent.action is Action.ARCHIVE:
            return self._restore(intent, intent.id, row, active=isinstance(there, Active))
        if row is None:
            return _blocked(intent, intent.address, BlockedReason.UNDO_UNBOUND, {"id": intent.id})
        return self._bound(intent, row, there.customer if isinstance(there, Active) else None)

    def _unfinished(self, intent: Intent) -> Part:
        """Return that a change which failed, or is in doubt, is not undone."""
        if intent.action is Action.RESTORE and intent.address.external_id in self.created:
            return NOTHING  # it was not there, and was created instead
        doubted = intent.status in (None, Status.IN_DOUBT)
        kind = NoteKind.UNDO_IN_DOUBT if doubted else NoteKind.UNDO_FAILED
        return Part(notes=(Note(kind, intent.address, parts={"action": intent.action}),))

    def _user(self, intent: Intent) -> Part:
        """Return that a user stays; that of a customer which the run created goes out of sight with it."""
        if intent.address.external_id in self.created:
            return Part(notes=(Note(NoteKind.UNDO_KEEPS_USER, intent.address),))
        return _blocked(intent, intent.address, BlockedReason.UNDO_USER)

    def _bound(self, intent: Intent, row: Binding, live: LiveCustomer | None) -> Part:
        """Return the inverse of a create, a patch or a restore; `live` is None where the customer is not active."""
        here = Address(row.external_id)
        if live is None:
            if intent.action is not Action.PATCH:
                return Part(notes=(Note(NoteKind.UNDO_INACTIVE_ALREADY, here),))
            return _blocked(intent, here, BlockedReason.UNDO_INACTIVE, {"id": row.bound_id})
        if live.external_id != row.live_external_id:
            return Part(blocked=(broken(row.external_id, row, live.external_id),))
        if intent.action is not Action.RESTORE and not (intent.before or intent.after):
            return _blocked(intent, here, BlockedReason.UNDO_VALUES_ERASED)
        if intent.action is Action.PATCH:
            return self._patch_back(intent, row, live)
        changed = _changed(intent, row, live) if intent.action is Action.CREATE else ()
        return Part(blocked=changed) if changed else self._archive(row)

    def _restore(self, intent: Intent, customer: CustomerId, row: Binding | None, *, active: bool) -> Part:
        """Return the restore of what the run archived, unless it is active, or another one has its external_id."""
        address = Address(row.external_id) if row is not None else intent.address
        # One that is bound to no key may be listed though it is archived; restoring an active one does no harm.
        if active and (row is not None or self.sight.lists_archived is False):
            return Part(notes=(Note(NoteKind.UNDO_ACTIVE_AGAIN, address),))
        names = {address.external_id} if row is None else {row.external_id, row.live_external_id}
        rivals = tuple(
            one.id for name in sorted(names) if name for one in self.holders.get(name, ()) if one.id != customer
        )
        if rivals:
            parts: ReasonParts = {"id": customer, "rivals": rivals}
            blocked = Blocked(address, BlockedReason.UNDO_WOULD_DUPLICATE, ids=(customer, *rivals), parts=parts)
            return Part(blocked=(blocked,))
        return Part(changes=(Change(Action.RESTORE, address, customer, Reason.UNDO),))

    def _archive(self, row: Binding) -> Part:
        """Return the archive of what the run created or restored, unless it is protected."""
        address = Address(row.external_id)
        if row.protected or protecting(self.terms.protect)(row.external_id, row.live_external_id):
            blocked = Blocked(
                address, BlockedReason.UNDO_PROTECTED, ids=(row.bound_id,), parts={"key": row.external_id}
            )
            return Part(blocked=(blocked,))
        return Part(changes=(Change(Action.ARCHIVE, address, row.id, Reason.UNDO),))

    def _patch_back(self, intent: Intent, row: Binding, live: LiveCustomer) -> Part:
        """Return the patch back to what was before, of the fields that still are as the run left them."""
        blocked = _changed(intent, row, live)
        others = {one.field for one in blocked}
        fields = tuple(
            FieldChange(name, live.fields.get(name, ""), before or None)
            for name, before in intent.before.items()
            if name not in others and not CUSTOMER_FIELDS[name].same(live.fields.get(name), before)
        )
        if not fields:
            return Part(blocked=blocked)
        change = Change(Action.PATCH, Address(row.external_id), row.id, Reason.UNDO, fields=fields)
        return Part(changes=(change,), blocked=blocked)


def _changed(intent: Intent, row: Binding, live: LiveCustomer) -> tuple[Blocked, ...]:
    """Return what blocks the undo: a field each that is neither as the run left it nor as it was before."""
    address = Address(row.external_id)
    return tuple(
        Blocked(
            address,
            BlockedReason.UNDO_CHANGED_SINCE,
            field=name,
            ids=(row.bound_id,),
            parts={"field": name, "live": FieldValue(name, held), "left": FieldValue(name, left or "")},
        )
        for name, left in intent.after.items()
        if name in CUSTOMER_FIELDS
        for held in (live.fields.get(name, ""),)
        if not _as_left(name, left, held, row)
        and not (intent.action is Action.PATCH and CUSTOMER_FIELDS[name].same(held, intent.before.get(name)))
    )


def _as_left(name: str, left: str | None, held: str, row: Binding) -> bool:
    """Say whether the server holds what the run wrote, or what it then made of that."""
    field = CUSTOMER_FIELDS[name]
    if field.same(held, left):
        return True
    applied = row.applied()
    if name in applied and field.same(applied[name], left):
        return field.same(held, row.observed().get(name))
    refused = row.trouble()[name].refused if name in row.trouble() else None
    return refused is not None and field.same(refused[0], left) and field.same(held, refused[1])


def _blocked(intent: Intent, address: Address, reason: BlockedReason, parts: ReasonParts | None = None) -> Part:
    """Return that a change is not undone, and why."""
    ids = () if intent.id is None else (intent.id,)
    return Part(blocked=(Blocked(address, reason, ids=ids, parts=parts or {}),))


# --- what happened since ---------------------------------------------------------------------------------


History = Sequence[tuple[Run, Sequence[Intent]]]
"""Runs with their changes, the oldest first."""


def later_changes(
    intents: Iterable[Intent], later: History, live: Live, records: Records, terms: Terms
) -> tuple[LaterChange, ...]:
    """
    Return what happened since to the customers that `intents` changed, those of one run; `later` are the runs after it.

    A customer that the ledger binds to no key is compared with nothing, so only later runs are found of it.
    """
    sight = sight_of(live, learned_from(records, live, terms), terms)
    by_id = {row.bound_id: row for row in records.bindings.values()}
    touched = {one.id: one.address.external_id for one in intents if one.status is Status.DONE and one.id is not None}
    ours: dict[CustomerId, list[tuple[Run, Intent]]] = {}
    for run, changes in later:
        for one in changes:
            if one.id in touched and one.status is Status.DONE:
                ours.setdefault(one.id, []).append((run, one))
    found: list[LaterChange] = []
    for customer, key in touched.items():
        row, done = by_id.get(customer), ours.get(customer, [])
        found += (LaterChange(one.address, customer, one, run) for run, one in done)
        if row is not None:
            there = presence(sight, customer, row)
            written = {name: value for _, one in done for name, value in one.after.items()}
            found += _outside(Address(row.external_id or key), row, there, written)
    return tuple(found)


def _outside(
    address: Address, row: Binding, there: Presence, written: Mapping[str, str | None]
) -> Iterator[LaterChange]:
    """Yield what someone did to a customer outside Reconciler; `written` are the values that later runs wrote."""
    match there:
        case Elsewhere() | Hidden():
            became = BindingState.ARCHIVED if isinstance(there, Elsewhere) else BindingState.ABSENT
            yield LaterChange(address, row.bound_id, became=became)
        case Active(customer=customer):
            if row.state is not BindingState.ACTIVE:
                yield LaterChange(address, row.bound_id, became=BindingState.ACTIVE)
            fields = tuple(
                (name, left, held)
                for name, left in {**row.observed(), **written}.items()
                if name in CUSTOMER_FIELDS
                for held in (customer.fields.get(name, ""),)
                if not any(CUSTOMER_FIELDS[name].same(held, one) for one in (left, row.observed().get(name, left)))
            )
            if fields:
                yield LaterChange(address, row.bound_id, fields=fields)
        case _:
            pass
