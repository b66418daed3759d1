"""One declared customer to its part of the plan: created, patched, restored, archived, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from reconciler.errors import Incomplete
from reconciler.kinds.kind import CUSTOMER_FIELDS, fingerprint
from reconciler.kinds.wire import compact, with_record
from reconciler.model.core import Action, Address, CustomerId, DesiredCustomer, LiveCustomer, Reason
from reconciler.model.ledger import Binding, BindingState, Intent, Records, Trouble, Via
from reconciler.model.plan import NOTHING, BindingAction, BindingChange, Blocked, Change, FieldChange, Note, Part
from reconciler.model.policy import NOTHING_OWNED, SyncedRules, Terms
from reconciler.model.reasons import BlockedReason, Cited, FieldValue, NoteKind, ReasonParts, StopReason, stop
from reconciler.model.reports import YES, ProbeQuestion, answers_of
from reconciler.plan.diff import HELD_S, Diff, diff
from reconciler.plan.identity import Identity, Known, Nobody, Register, carried_external_id, taken_archived
from reconciler.plan.presence import Active, ArchivedByUs, Elsewhere, Hidden, Unread, as_recorded
from reconciler.plan.safety_checks import reversed_again
from reconciler.plan.scope import protecting
from reconciler.plan.synced import (
    archived_note,
    is_followed,
    kept_active,
    moved_note,
    owned_fields,
    owned_notes,
)
from reconciler.plan.users import doubtful, known_users, new_users


def compared(customer: DesiredCustomer, owned: AbstractSet[str] = frozenset()) -> dict[str, str | None]:
    """Return the declared fields that are compared: all but those of `ignore_changes`, and those `owned` elsewhere."""
    if not customer.ignore_changes and not owned:
        return dict(customer.fields)
    left_out = customer.ignore_changes | owned
    return {name: value for name, value in customer.fields.items() if name not in left_out}


@dataclass(frozen=True, slots=True)
class Here:
    """
    Whose entries are planned, from where, and when.

    `place` is "" where that is unknown, `read_at` the server's clock (seconds since 1970) when the account was read.
    """

    project: str
    place: str = ""
    read_at: float = 0.0


def new_entry(customer: DesiredCustomer, here: Here) -> Binding:
    """Return the row that the ledger shall hold once `customer` is created: what is applied is what is declared."""
    applied = compared(customer)
    return Binding(
        external_id=customer.external_id,
        id=None,
        live_external_id=customer.external_id,
        created_at="",
        state=BindingState.ACTIVE,
        project=here.project,
        source=customer.source.file,
        protected=bool(customer.protect),
        via=Via.CREATED,
        applied_hash=fingerprint(applied),
        applied_json=compact(applied),
        place=here.place,
    )


def known_entry(
    customer: DesiredCustomer,
    known: Known,
    live: LiveCustomer,
    here: Here,
    *,
    state: BindingState = BindingState.ACTIVE,
    found: Diff | None = None,
    owned: AbstractSet[str] = frozenset(),
) -> Binding:
    """
    Return the ledger's row as it should be before any change; `found` None keeps what is recorded.

    `owned` are the fields that an integration owns: nothing is recorded of them.
    """
    row = known.row
    entry = Binding(
        external_id=customer.external_id,
        id=known.id,
        live_external_id=live.external_id,
        created_at=live.created_at or (row.created_at if row else ""),
        state=state,
        project=here.project,
        source=customer.source.file,
        protected=_protected(customer, known),
        via=known.via,
        written_at=row.written_at if row else 0.0,
        applied_hash=row.applied_hash if row else fingerprint({}),
        applied_json=row.applied_json if row else "{}",
        observed_json=row.observed_json if row else None,
        trouble_json=row.trouble_json if row else None,
        place=here.place or (row.place if row else ""),
        reversals_json=_reversals(customer, row, state) if row else None,
        recent_json=row.recent_json if row else None,
        integration_id=live.integration_id,
    )
    if found is None:
        return entry
    held = _unforgotten(entry.trouble(), found, here)
    return with_record(entry, found.applied, found.observed, _still(held, compared(customer, owned)))


def _reversals(customer: DesiredCustomer, row: Binding, state: BindingState) -> str | None:
    """
    Return what is kept of our archives or restores of a customer whose state is `state` by now.

    They are forgotten once the file wants the other state, and once it is as declared by someone else's doing.
    """
    former = row.reversals()
    if former is None:
        return None
    archived = former.made is BindingState.ARCHIVED
    by_others = (
        row.state is BindingState.ACTIVE and state is not BindingState.ACTIVE
        if archived
        else row.state is BindingState.ABSENT and state is BindingState.ACTIVE
    )
    return None if customer.archived is not archived or by_others else row.reversals_json


def _unforgotten(trouble: Mapping[str, Trouble], found: Diff, here: Here) -> dict[str, Trouble]:
    """Return the trouble without that of values that are seen to hold long after our last patch, a refusal aside."""
    differing = {one.name for one in found.changed} | {one.field for one in found.kept}
    held = {
        name for name, row in trouble.items() if name not in differing and row.at and row.at[-1] < here.read_at - HELD_S
    }
    kept = {name: Trouble(refused=row.refused) if name in held else row for name, row in trouble.items()}
    return {name: row for name, row in kept.items() if row.runs or row.refused is not None}


def _still(trouble: Mapping[str, Trouble], declared: Mapping[str, str | None]) -> dict[str, Trouble]:
    """Return the trouble of the fields that are still declared as they were when it was met."""
    kept: dict[str, Trouble] = {}
    for name, row in trouble.items():
        if name not in declared:
            continue
        field, value = CUSTOMER_FIELDS[name], declared[name]
        refused = row.refused if row.refused is not None and field.same(row.refused[0], value) else None
        patched = row.runs > 0 and field.same(row.patched, value)
        if refused is not None or patched:
            kept[name] = replace(row, refused=refused) if patched else Trouble(refused=refused)
    return kept


def _protected(customer: DesiredCustomer, known: Known) -> bool:
    """Return whether the row is protected once this plan is applied: it outlives a missing `protect` line."""
    return recorded_protected(known.row, known.own) if customer.protect is None else customer.protect


def recorded_protected(*rows: Binding | None) -> bool:
    """Say whether the ledger holds a customer, or the key that is to be its, as protected."""
    return any(row is not None and row.protected for row in rows)


def external_ids_of(customer: DesiredCustomer, known: Known) -> tuple[str, ...]:
    """Return each external_id that a declared customer has: its key, and those of its row and of the account."""
    recorded = () if known.row is None else (known.row.external_id, known.row.live_external_id)
    return (customer.external_id, *recorded, carried_external_id(known.presence) or "")


@dataclass(frozen=True, slots=True)
class Means:
    """
    What planning a customer needs in addition to itself.

    `equal` is that of `Terms`, `taken` that of `Records`; `protected` is `protecting` of the policy.
    `wants_email`: a probe found that a create without an email is refused. `synced` is that of `Terms`.
    """

    here: Here
    equal: Mapping[str, Mapping[str, str]]
    taken: Mapping[str, str]
    protected: Callable[..., bool]
    wants_email: bool = False
    synced: SyncedRules = NOTHING_OWNED


def plan_nobody(customer: DesiredCustomer, means: Means) -> Part:
    """Return the create of a customer that no live one is; its users are planned apart."""
    address = Address(customer.external_id)
    if customer.archived:
        return Part(notes=(Note(NoteKind.ABSENT_ALREADY, address),))
    words = means.taken.get(customer.external_id)
    if words is not None:
        return _blocked(customer, BlockedReason.EXTERNAL_ID_TAKEN, {"answer": Cited(words)})
    if not customer.fields.get("name"):
        return _blocked(customer, BlockedReason.NAME_MISSING, field="name")
    if means.wants_email and not customer.fields.get("email"):
        return _blocked(customer, BlockedReason.EMAIL_MISSING, field="email")
    fields = creation_fields(customer.fields)
    entry = new_entry(customer, means.here)
    change = Change(Action.CREATE, address, None, Reason.DECLARED, fields=fields, source=customer.source)
    return Part(changes=(change,), entries=(entry,))


def creation_fields(declared: Mapping[str, str | None]) -> tuple[FieldChange, ...]:
    """Return what a create carries: every declared field that is not empty, ignored ones too."""
    return tuple(FieldChange(name, "", value) for name in CUSTOMER_FIELDS if (value := declared.get(name)))


def plan_known(customer: DesiredCustomer, known: Known, means: Means) -> Part:
    """Return what a customer that exists, or did, needs; its users are planned apart."""
    match known.presence:
        case Active(live):
            return _plan_active(customer, known, live, means)
        case ArchivedByUs(live, doubted):
            note = Part(notes=(taken_archived(customer.external_id),)) if doubted else NOTHING
            return note + _plan_dormant(customer, known, live, Reason.OURS, means)
        case Elsewhere(live):
            return _plan_dormant(customer, known, live, Reason.ELSEWHERE, means)
        case Hidden():
            return _plan_dormant(customer, known, None, Reason.HIDDEN_OR_GONE, means)


def _plan_active(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> Part:
    """Return the patch, or the archive, of an active customer."""
    if customer.archived:
        return _plan_archive(customer, known, live, means)
    owned = owned_fields(live, means.synced)
    notes = owned_notes(customer, live, means.synced, means.equal)
    if _as_recorded_and_declared(customer, known, live, owned):
        entry = known_entry(customer, known, live, means.here)
        return notes + _bound(customer, known, live, entry)
    found = difference(customer, known, live, means)
    entry = known_entry(customer, known, live, means.here, found=found, owned=owned)
    return (
        notes
        + _patch(customer, known.id, found, synced=live.synced)
        + _bound(customer, known, live, entry)
        + _released(customer, known, live)
    )


def _as_recorded_and_declared(
    customer: DesiredCustomer, known: Known, live: LiveCustomer, owned: AbstractSet[str]
) -> bool:
    """Say that every declared field is live to the letter and recorded so: the quick way past most customers."""
    if known.row is None or known.row.trouble_json is not None:
        return False
    declared = customer.fields if not customer.ignore_changes and not owned else compared(customer, owned)
    there = live.fields
    for name, value in declared.items():
        if there.get(name, "") != (value or ""):
            return False
    # The hash is needed only where the two are written in different ways, and making it takes thrice as long.
    return known.row.applied() == declared or fingerprint(declared) == known.row.applied_hash


def difference(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> Diff:
    """Return how the customer differs, by the three-way table."""
    row = known.row
    return diff(
        CUSTOMER_FIELDS,
        compared(customer, owned_fields(live, means.synced)),
        live.fields,
        applied=row.applied() if row else {},
        observed=row.observed() if row else {},
        trouble=row.trouble() if row else {},
        equal=means.equal,
    )


def _patch(customer: DesiredCustomer, customer_id: CustomerId, found: Diff, *, synced: bool) -> Part:
    """Return the patch of what differs, and what of it is blocked."""
    address = Address(customer.external_id)
    blocked = tuple(
        Blocked(
            address,
            kept.reason,
            parts=kept.parts,
            field=kept.field,
            source=customer.source,
            ids=(customer_id,),
        )
        for kept in found.kept
    )
    if not found.changed:
        return Part(blocked=blocked) if blocked else NOTHING
    notes: tuple[Note, ...] = ()
    if synced:
        notes = (Note(NoteKind.SYNCED, address),)
    change = Change(Action.PATCH, address, customer_id, Reason.DECLARED, fields=found.changed, source=customer.source)
    return Part(changes=(change,), blocked=blocked, notes=notes)


def _plan_archive(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> Part:
    """Return the archive of an active customer that is declared archived, unless it is protected."""
    entry = known_entry(customer, known, live, means.here)
    bound = _bound(customer, known, live, entry)
    if is_followed(live, means.synced):
        return bound + kept_active(customer, live)
    if means.protected(*external_ids_of(customer, known)):
        return bound + _blocked(customer, BlockedReason.PROTECTED_BY_POLICY)
    if customer.protect or recorded_protected(known.row, known.own):
        return bound + _blocked(customer, BlockedReason.PROTECTED, {"key": customer.external_id})
    if (again := reversed_again(entry, customer.source)) is not None:
        return bound + Part(blocked=(again,))
    address = Address(customer.external_id)
    change = Change(Action.ARCHIVE, address, known.id, Reason.DECLARED, source=customer.source)
    return bound + Part(changes=(change,)) + moved_note(address, Action.ARCHIVE, live)


def _plan_dormant(
    customer: DesiredCustomer, known: Known, live: LiveCustomer | None, reason: Reason, means: Means
) -> Part:
    """Return the restore of a customer that is not active, and the patch of what then differs."""
    row = known.row
    state = BindingState.ARCHIVED if reason is Reason.OURS else BindingState.ABSENT
    seen = live or (as_recorded(row) if row is not None else LiveCustomer(known.id, "", "", {}))
    if customer.archived:
        entry = known_entry(customer, known, seen, means.here, state=state)
        return _bound(customer, known, seen, entry)
    if reason is not Reason.OURS and is_followed(seen, means.synced):
        entry = known_entry(customer, known, seen, means.here, state=state)
        return _bound(customer, known, seen, entry) + archived_note(customer)
    found = difference(customer, known, seen, means)
    owned = owned_fields(seen, means.synced)
    entry = known_entry(customer, known, seen, means.here, state=state, found=found, owned=owned)
    if reason is not Reason.OURS and (again := reversed_again(entry, customer.source)) is not None:
        return _bound(customer, known, seen, entry) + Part(blocked=(again,))
    lost = reason is Reason.HIDDEN_OR_GONE
    if lost and not customer.fields.get("name"):
        return _blocked(customer, BlockedReason.NAME_MISSING_FOR_RESTORE, field="name")
    restore = Change(
        Action.RESTORE,
        Address(customer.external_id),
        known.id,
        reason,
        fields=creation_fields(customer.fields) if lost else (),
        source=customer.source,
        otherwise=Action.CREATE if lost else None,
    )
    return (
        Part(changes=(restore,))
        + moved_note(Address(customer.external_id), Action.RESTORE, seen)
        + owned_notes(customer, seen, means.synced, means.equal)
        + _patch(customer, known.id, found, synced=seen.synced)
        + _bound(customer, known, seen, entry)
        + _released(customer, known, seen)
    )


def _bound(customer: DesiredCustomer, known: Known, live: LiveCustomer, entry: Binding) -> Part:
    """Return the entry, where it says something new, and the binding change that it is shown as."""
    address = Address(customer.external_id)
    row, own = known.row, known.own
    if row is not None and row is own and entry == row:
        return NOTHING
    bindings: list[BindingChange] = []
    notes: list[Note] = []
    if own is not None and own.id is not None and own.id != known.id:
        bindings.append(BindingChange(BindingAction.RELEASE, address, CustomerId(own.id)))
    if row is None:
        bindings.append(BindingChange(BindingAction.ADOPT, address, known.id))
    elif row.external_id != customer.external_id:
        bindings.append(BindingChange(BindingAction.MOVE, address, known.id, origin=row.external_id))
    new = bool(bindings) or (row is not None and row.live_external_id != entry.live_external_id)
    if new and entry.live_external_id != customer.external_id:
        parts: ReasonParts = {"id": known.id}
        if live.external_id:
            differs = {**parts, "external_id": live.external_id}
            notes.append(Note(NoteKind.EXTERNAL_ID_DIFFERS, address, parts=differs))
        else:
            notes.append(Note(NoteKind.EXTERNAL_ID_EMPTY, address, parts=parts))
    return Part(bindings=tuple(bindings), notes=tuple(notes), entries=(entry,))


def _released(customer: DesiredCustomer, known: Known, live: LiveCustomer) -> Part:
    """Return a note for each recorded field that is no longer declared."""
    if known.row is None:
        return NOTHING
    gone = [name for name in known.row.applied() if name not in customer.fields]
    address = Address(customer.external_id)
    return Part(
        notes=tuple(
            Note(NoteKind.FIELD_RELEASED, address, parts={"field": name, "value": value})
            for name in gone
            for value in (FieldValue(name, live.fields.get(name, "")),)
        )
    )


def _blocked(
    customer: DesiredCustomer, reason: BlockedReason, parts: ReasonParts | None = None, *, field: str | None = None
) -> Part:
    """Return that nothing is sent for `customer`."""
    address = Address(customer.external_id)
    return Part(blocked=(Blocked(address, reason, parts=parts or {}, field=field, source=customer.source),))


def open_creates(records: Records) -> dict[Address, Intent]:
    """Return the latest open intent of each create, of a customer or a user, by its address."""
    return {
        intent.address: intent for intent in records.intents if intent.action in (Action.CREATE, Action.CREATE_USER)
    }


def means_of(records: Records, terms: Terms, read_at: float) -> Means:
    """Return what planning a customer needs in addition to itself."""
    wants_email = answers_of(records.learned.answers).get(ProbeQuestion.EMAIL_REQUIRED) == YES
    here, protected = Here(terms.project, terms.place, read_at), protecting(terms.protect)
    return Means(here, terms.equal, records.taken, protected, wants_email, terms.synced)


@dataclass(frozen=True, slots=True)
class Declared:
    """What planning each declared customer has in common."""

    register: Register
    records: Records
    terms: Terms
    means: Means
    open_creates: Mapping[Address, Intent]

    def part(self, customer: DesiredCustomer, identity: Identity) -> Part:
        """Return what one declared customer and its users need."""
        match identity:
            case Unread(read):
                return Part(reads=(read,))
            case Blocked():
                return Part(blocked=(identity,))
            case Nobody():
                intent = self._open_create(Address(customer.external_id))
                if intent is not None and not customer.archived:
                    return Part(blocked=(doubtful(intent.address, customer.source),))
                part = plan_nobody(customer, self.means)
                return part + new_users(customer, None) if part.changes else part
            case Known():
                part = plan_known(customer, identity, self.means)
                return part if customer.archived else part + self._users(customer, identity, part)

    def _users(self, customer: DesiredCustomer, known: Known, part: Part) -> Part:
        """Return what the users of a known customer need."""
        recorded = self.records.users.get(known.id)
        if not isinstance(known.presence, Active):
            restore = next((change for change in part.changes if change.action is Action.RESTORE), None)
            if restore is None:
                return NOTHING
            if restore.otherwise is not None or recorded is None:
                return new_users(customer, known.id, unless_listed=True)
        if not customer.users and not recorded:
            return NOTHING
        live = self.register.sight.live
        seen = isinstance(known.presence, Active) and not known.presence.unseen
        if seen and known.id in live.got and live.got[known.id] is None:
            raise Incomplete(stop(StopReason.USERS_UNLISTED, {"id": known.id}))
        doubted = any(Address(customer.external_id, user.email) in self.open_creates for user in customer.users)
        return known_users(
            customer,
            known.id,
            recorded,
            live.users.get(known.id),
            read_again=self.terms.refresh_users or doubted,
            listable=seen,
            fresh=known.row is not None and self.register.sight.fresh(known.row),
            in_doubt=lambda address: self._open_create(address) is not None,
        )

    def _open_create(self, address: Address) -> Intent | None:
        """Return the create of `address` that was not answered and may still become visible, None without one."""
        intent = self.open_creates.get(address)
        sight = self.register.sight
        return intent if intent is not None and intent.unseen_until(sight.lag_s) > sight.live.read_at else None
