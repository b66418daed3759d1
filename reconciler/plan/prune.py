"""
What is archived because no entry declares it: our own whose entry was removed, and what the environment owns.

Never one that is protected or that `forget` names, never one without an external_id that we did not
bind, and never because something was not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.errors import Source
from reconciler.kinds.kind import fingerprint
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer, Reason
from reconciler.model.ledger import Binding, BindingState, Via
from reconciler.model.plan import NOTHING, BindingAction, BindingChange, Blocked, Change, Note, Part, joined
from reconciler.model.policy import NOTHING_OWNED, Prune, SyncedRules
from reconciler.model.reasons import BlockedReason, NoteKind, ReasonParts
from reconciler.plan.identity import broken, carried_external_id, taken_archived
from reconciler.plan.presence import Active, ArchivedByUs, Sight, Unread, presence
from reconciler.plan.scope import NotGone, Scope
from reconciler.plan.synced import is_followed, moved_note


@dataclass(frozen=True, slots=True)
class Pruning:
    """
    What may be archived without an entry.

    `claimed` are the ids that declared customers are, `former` their keys before a move; `forget` the keys that are
    to be left as they are; `protected` is `protecting` of the policy, and `protect_at` is where `policy.protect` is
    written.
    """

    prune: Prune
    owned: Callable[[str], bool]
    protected: Callable[..., bool]
    forget: Mapping[str, Source]
    claimed: AbstractSet[CustomerId]
    former: AbstractSet[str]
    scope: Scope
    sight: Sight
    protect_at: Source | None = None
    synced: SyncedRules = NOTHING_OWNED


class NotOwned(StrEnum):
    """Why a listed customer is not one that the environment owns and nobody declares."""

    NO_PRUNING = "no_pruning"
    DECLARED = "declared"
    FORMER = "former"
    NO_PATTERN = "no_pattern"
    LEFT_OUT = "left_out"
    RECORDED = "recorded"


def why_not_gone(binding: Binding, pruning: Pruning) -> NotGone | None:
    """Return why a customer that is active is not archived as one whose entry was removed."""
    why = pruning.scope.why_not_gone(binding)
    if why is None and pruning.prune is Prune.NONE:
        return NotGone.NO_PRUNING
    return NotGone.NOT_ACTIVE if why is None and binding.state is not BindingState.ACTIVE else why


def why_not_owned(key: str, row: Binding | None, pruning: Pruning) -> NotOwned | None:
    """Return why a listed customer that carries `key`, and has `row` in the ledger, is not archived as owned."""
    if pruning.prune is not Prune.ALL:
        return NotOwned.NO_PRUNING
    if pruning.scope.declared(key):
        return NotOwned.DECLARED
    if key in pruning.former:
        return NotOwned.FORMER
    if not key or not pruning.owned(key):
        return NotOwned.NO_PATTERN
    if not pruning.scope.here(key):
        return NotOwned.LEFT_OUT
    return None if row is None or _unfinished(row, pruning.scope.project) else NotOwned.RECORDED


def plan_binding(binding: Binding, pruning: Pruning) -> Part:
    """Return what becomes of a binding whose key is not declared and whose customer no declared one is."""
    if not pruning.scope.targeted(binding.external_id):
        return NOTHING
    address, customer = Address(binding.external_id), binding.bound_id
    if binding.external_id in pruning.forget and binding.project == pruning.scope.project:
        return _forgotten(binding, pruning)
    there = presence(pruning.sight, customer, binding)
    if isinstance(there, Unread):
        return Part(reads=(there.read,)) if binding.state is BindingState.ACTIVE else NOTHING
    if not isinstance(there, Active):
        return _inactive(binding, doubted=isinstance(there, ArchivedByUs) and there.doubted)
    why = why_not_gone(binding, pruning)
    if why is NotGone.NOT_ACTIVE:
        note = Note(NoteKind.REMOVED_BUT_RESTORED, address)
        return Part(bindings=(BindingChange(BindingAction.RELEASE, address, customer),), notes=(note,))
    if why is not None:
        return NOTHING
    if is_followed(there.customer, pruning.synced):
        note = Note(NoteKind.SYNCED_RELEASED, address)
        return Part(bindings=(BindingChange(BindingAction.RELEASE, address, customer),), notes=(note,))
    if carried_external_id(there) != binding.live_external_id:
        return Part(blocked=(broken(binding.external_id, binding, there.customer.external_id),))
    if binding.protected or pruning.protected(binding.external_id, binding.live_external_id):
        return Part(blocked=(_protected(binding, pruning.protect_at),))
    change = Change(Action.ARCHIVE, address, customer, Reason.ENTRY_GONE, source=_source(binding))
    return Part(changes=(change,)) + moved_note(address, Action.ARCHIVE, there.customer)


def _forgotten(binding: Binding, pruning: Pruning) -> Part:
    """Return that a binding is forgotten, unless its customer would then be created again, or archived as owned."""
    address, customer = Address(binding.external_id), binding.bound_id
    if customer not in pruning.sight.live.listed and pruning.sight.moving(binding):
        # Forgotten now and declared again, it would be created a second time: only the ledger knows it yet.
        return Part(notes=(Note(NoteKind.FORGOTTEN_LATER, address),))
    carried = _carried(binding, pruning.sight)
    spared = carried == binding.external_id or carried in pruning.forget or pruning.protected(carried)
    if not spared and why_not_owned(carried, None, pruning) is None:
        return Part(blocked=(_owned_once_forgotten(binding, carried),))
    return Part(bindings=(BindingChange(BindingAction.FORGET, address, customer),))


def _carried(binding: Binding, sight: Sight) -> str:
    """Return the external_id that the customer of a row carries, as listed, else as it was bound."""
    listed = sight.live.listed.get(binding.bound_id)
    return binding.live_external_id if listed is None else listed.external_id


def _owned_once_forgotten(binding: Binding, carried: str) -> Blocked:
    """Return that forgetting a key would leave its customer to be archived under the external_id that it carries."""
    return Blocked(
        Address(binding.external_id),
        BlockedReason.OWNED_ONCE_FORGOTTEN,
        parts={"id": binding.bound_id, "external_id": carried},
        ids=(binding.bound_id,),
    )


def _inactive(binding: Binding, *, doubted: bool) -> Part:
    """Return what becomes of the row of a customer that is not active; `doubted`: it is listed, as if it were."""
    if doubted:
        return Part(notes=(taken_archived(binding.external_id),))
    if binding.state is not BindingState.ACTIVE:
        return NOTHING
    note = Note(NoteKind.REMOVED_AND_INACTIVE, Address(binding.external_id))
    return Part(entries=(replace(binding, state=BindingState.ABSENT),), notes=(note,))


def _source(binding: Binding) -> Source | None:
    """Return the file in which the entry was."""
    return Source(binding.source) if binding.source else None


def _protected(binding: Binding, protect_at: Source | None) -> Blocked:
    """Return that the entry of a protected customer was removed."""
    address, ids, source = Address(binding.external_id), (binding.bound_id,), _source(binding)
    if binding.protected:
        key: ReasonParts = {"key": binding.external_id}
        return Blocked(address, BlockedReason.REMOVED_BUT_PROTECTED, parts=key, source=source, ids=ids)
    at: ReasonParts = {"at": () if protect_at is None else (protect_at,)}
    return Blocked(address, BlockedReason.REMOVED_BUT_PROTECTED_BY_POLICY, parts=at, source=source, ids=ids)


def plan_owned(bindings: Mapping[str, Binding], by_id: Mapping[CustomerId, Binding], pruning: Pruning) -> Part:
    """
    Return the archives of live customers that the environment owns and nobody declares.

    What the ledger binds is planned by `plan_binding`. What is archived so is bound, so that the next plan knows that
    we did it. Of several that carry one external_id, or where the ledger binds it to another one or under another
    key, none is chosen.
    """
    owned: dict[str, list[LiveCustomer]] = {}
    renamed: list[Blocked] = []
    for customer in pruning.sight.live.listed.values():
        key, row = customer.external_id, by_id.get(customer.id)
        if customer.id in pruning.claimed or why_not_owned(key, row, pruning) is not None:
            continue
        if not pruning.scope.targeted(key) or key in pruning.forget or pruning.protected(key):
            continue
        if row is not None and row.external_id != key:
            renamed.append(broken(row.external_id, row, key))
            continue
        owned.setdefault(key, []).append(customer)
    parts = [_owned(key, tuple(ones), bindings.get(key), pruning.scope.project) for key, ones in owned.items()]
    return joined([*parts, Part(blocked=tuple(renamed))])


def _unfinished(row: Binding, project: str) -> bool:
    """Say whether a row is bound only because it was to be archived as owned, and was not."""
    return row.source == "" and row.state is BindingState.ACTIVE and row.project == project


def _owned(key: str, customers: tuple[LiveCustomer, ...], row: Binding | None, project: str) -> Part:
    """Return the archive of the one customer that carries an owned external_id, or that there are several."""
    ids = tuple(dict.fromkeys([*(one.id for one in customers), *([row.bound_id] if row is not None else [])]))
    if len(ids) > 1:
        return Part(blocked=(Blocked(Address(key), BlockedReason.OWNED_BY_SEVERAL, parts={"ids": ids}, ids=ids),))
    change = Change(Action.ARCHIVE, Address(key), customers[0].id, Reason.OWNED)
    entry, note = _owned_entry(customers[0], project), moved_note(Address(key), Action.ARCHIVE, customers[0])
    return Part(changes=(change,), entries=(entry,)) + note


def _owned_entry(customer: LiveCustomer, project: str) -> Binding:
    """Return the row of a customer that is bound only because it is archived."""
    return Binding(
        external_id=customer.external_id,
        id=customer.id,
        live_external_id=customer.external_id,
        created_at=customer.created_at,
        state=BindingState.ACTIVE,
        project=project,
        source="",
        protected=False,
        via=Via.MATCHED,
        applied_hash=fingerprint({}),
        integration_id=customer.integration_id,
    )
