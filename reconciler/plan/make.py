"""
Desired + live + records to a plan: the stages in their order. Pure; the only door of this package.

What `to_be_planned` leaves out is not planned further, so a customer counts only where all that `identify` and
`plan_known` could say of it is known to be nothing: it is bound, listed and recorded as it is declared, and no other
entry, pin or `moved` line is about it. Whatever is less plain than that takes the long way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.model.core import Action, CustomerId, Desired, DesiredCustomer, Live
from reconciler.model.ledger import Binding, BindingState, Records, SeenUser
from reconciler.model.plan import Blocked, Note, Part, joined
from reconciler.model.policy import Prune, Terms
from reconciler.model.reasons import NoteKind
from reconciler.plan import collisions, safety_checks
from reconciler.plan.customer import Declared, means_of, open_creates
from reconciler.plan.draft import Draft, draft_of, not_yet
from reconciler.plan.identity import Identity, Known, Register, identify, without_rivals
from reconciler.plan.presence import LISTINGS, ArchivedByUs, Lacked, Proof, Sight, created_keys, unverified, without
from reconciler.plan.prune import Pruning, plan_binding, plan_owned
from reconciler.plan.scope import Scope, matcher, protecting, scope_of
from reconciler.plan.server_behavior import known_lag, learned_from, sight_of


def to_be_planned(
    desired: Desired, register: Register, users: Mapping[CustomerId, tuple[SeenUser, ...]], place: str
) -> list[DesiredCustomer]:
    """
    Return the declared customers of which it is not plain at once that they need nothing.

    Of each of the others it is known who it is and that its part of the plan is empty, and nothing of it bears on what
    another customer is or needs. `users` are those of `Records`, `place` is that of `Terms`.
    """
    if len(register.by_id) < len(register.bindings):
        # Two keys of one customer: who is who is for the long way.
        return list(desired.customers.values())
    pinned = {one.id for one in desired.customers.values() if one.id is not None}
    moved = {key for move in desired.moved for key in (move.origin, move.to)}
    rows, live, project = register.bindings, register.sight.live, register.scope.project
    listed, got, with_users = live.listed, live.got, frozenset(users)
    rest: list[DesiredCustomer] = []
    for customer in desired.customers.values():
        key = customer.external_id
        row = rows.get(key)
        there = None if row is None else listed.get(row.bound_id)
        if (
            row is None
            or there is None
            or not (customer.fields is there.fields or customer.fields.items() <= there.fields.items())
            or not row.has_applied(customer.fields)
            or not key == there.external_id == row.live_external_id
            or row.created_at != there.created_at
            or row.integration_id != there.integration_id
            or row.source != customer.source.file
            or row.project != project
            or (place and row.place != place)
            or not _is_at_rest(row)
            or not _is_plain(customer, row)
            or key in moved
            or there.id in pinned
            or there.id in got
            or there.id in with_users
        ):
            rest.append(customer)
    return rest


def _is_at_rest(row: Binding) -> bool:
    """Say whether a row is active, and nothing that we did to its customer is to be looked at yet."""
    return (
        row.state is BindingState.ACTIVE
        and row.trouble_json is None
        and row.reversals_json is None
        and row.recent_json is None
    )


def _is_plain(customer: DesiredCustomer, row: Binding) -> bool:
    """Say whether an entry has nothing but fields, and a protection that is recorded."""
    return not (
        customer.archived
        or customer.id is not None
        or customer.users
        or customer.ignore_changes
        or (customer.protect is not None and customer.protect != row.protected)
    )


_NAMED = 3
"""So many keys a note names."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """
    What planning knows before it plans a key: both sides indexed, who everybody is, what may be archived.

    `show --why` explains a plan by the same value, so that the two cannot differ.
    """

    register: Register
    found: collisions.Collisions
    declared: Declared
    pruning: Pruning

    @property
    def identities(self) -> tuple[tuple[DesiredCustomer, Identity], ...]:
        """Return each declared customer that was judged with who it is."""
        return self.found.identities


def make_plan(
    desired: Desired,
    live: Live,
    records: Records,
    terms: Terms,
    *,
    lacked: Lacked | None = None,
    each_in_full: bool = False,
) -> Draft:
    """
    Return the plan that leads from `live` to `desired`, or what must be read first.

    `lacked` is what an earlier listing lacked, beside what the ledger remembers of such. It is None for a plan that
    is only shown: what is to be applied creates nobody unless it is proven that nobody is there. `each_in_full` plans
    those too of which it is plain that they need nothing, to the same end.

    The same values give the same plan. Raises Incomplete where the listing cannot be trusted, and
    Refused where the ledger is another account's, or what would be archived another repository's.
    """
    learned = learned_from(records, live, terms)
    scope = scope_of(desired, terms)
    sight = sight_of(live, learned, terms)
    lacking = safety_checks.lacking(sight, records.bindings, scope)
    active = sum(row.state is BindingState.ACTIVE for row in records.bindings.values())
    reads = safety_checks.complete(live, lacking, active) if lacking else ()
    if reads:
        return not_yet(reads, terms, learned)
    notes = safety_checks.of_this_account(records, live, terms, desired)
    register = _register(desired, records, scope, sight)
    each = desired.customers.values() if each_in_full else to_be_planned(desired, register, records.users, terms.place)
    known = _plan_context(desired, records, terms, register, each)
    part, unchanged = _all_parts(desired, terms, known)
    safety_checks.of_this_place(part, desired, records, terms)
    unproven: tuple[str, ...] = ()
    if lacked is not None and not live.narrowed and not part.reads:
        proof = Proof(live, records, lacked, known_lag(learned, terms))
        unproven = proof.unproven(created_keys(part.changes))
        if unproven and live.listings >= LISTINGS:
            part, unproven = without(part, frozenset(unproven), live.listings), ()
    notes += _unconfirmed(known)
    begun = {one.address.external_id for one in part.changes if one.action in (Action.CREATE, Action.RESTORE)}
    notes += (*known.found.notes, *collisions.notes(known.found.likes, begun))
    return draft_of(
        part,
        desired,
        live,
        records,
        terms,
        learned,
        notes=notes,
        unchanged=unchanged,
        out_of_scope=scope.left_out(records.bindings),
        unverified=unverified(sight, records.bindings.values(), scope.concerns),
        again=bool(unproven),
    )


def _unconfirmed(known: PlanContext) -> tuple[Note, ...]:
    """Return a note of who should be archived and is listed, where archived ones are: no list says whether it is."""
    sight = known.register.sight
    if not sight.lists_archived:
        return ()
    keys = [
        customer.external_id
        for customer, identity in known.identities
        if customer.archived
        and known.register.scope.targeted(customer.external_id)
        and isinstance(identity, Known)
        and isinstance(identity.presence, ArchivedByUs)
        and identity.presence.customer is not None
        and not (identity.row is not None and sight.fresh(identity.row))
    ]
    if not keys:
        return ()
    return (Note(NoteKind.ARCHIVED_UNCONFIRMED, parts={"keys": tuple(keys)}),)


def plan_context(desired: Desired, live: Live, records: Records, terms: Terms) -> PlanContext:
    """Return what `make_plan` knows of the same values before it plans a key; everything it asks for must be read."""
    sight = sight_of(live, learned_from(records, live, terms), terms)
    register = _register(desired, records, scope_of(desired, terms), sight)
    return _plan_context(desired, records, terms, register, desired.customers.values())


def _plan_context(
    desired: Desired, records: Records, terms: Terms, register: Register, each: Iterable[DesiredCustomer]
) -> PlanContext:
    """Return who `each` is, and what may be archived without an entry."""
    # Outside the targets too: what is another key's customer there must be neither taken over nor archived here.
    identities = without_rivals([(customer, identify(customer, register)) for customer in each])
    found = collisions.collisions(identities, desired, register, terms)
    means = means_of(records, terms, register.sight.live.read_at)
    declared = Declared(register, records, terms, means, open_creates(records))
    return PlanContext(register, found, declared, _pruning(desired, terms, register, found.identities))


def _register(desired: Desired, records: Records, scope: Scope, sight: Sight) -> Register:
    """Return both sides, indexed."""
    by_id = {row.bound_id: row for row in records.bindings.values()}
    return Register(
        sight=sight,
        bindings=records.bindings,
        by_id=by_id,
        former=desired.former_keys(),
        scope=scope,
    )


def _all_parts(desired: Desired, terms: Terms, known: PlanContext) -> tuple[Part, int]:
    """Return all that is planned, in no order yet, and how many declared customers need nothing."""
    register, pruning, held = known.register, known.pruning, known.found.held
    parts: list[Part] = []
    unchanged = sum(map(register.scope.targeted, desired.customers))
    for customer, identity in known.identities:
        if not register.scope.targeted(customer.external_id):
            continue
        part = known.declared.part(customer, identity)
        parts.append(part)
        unchanged -= bool(part.changes or part.blocked or part.reads)
    for key, binding in register.bindings.items():
        if key not in desired.customers and (binding.bound_id not in pruning.claimed or binding.bound_id in held):
            parts.append(plan_binding(binding, pruning))
    if terms.prune is Prune.ALL:
        unheld = replace(pruning, claimed=pruning.claimed - held.keys())
        parts.append(plan_owned(register.bindings, register.by_id, unheld))
    return collisions.held_back(joined(parts), held), unchanged


def _pruning(
    desired: Desired, terms: Terms, register: Register, identities: Iterable[tuple[DesiredCustomer, Identity]]
) -> Pruning:
    """Return what may be archived without an entry: nothing that a declared customer is, or may be."""
    claimed: set[CustomerId] = {one.id for one in desired.customers.values() if one.id is not None}
    for _, identity in identities:
        match identity:
            case Known():
                claimed.add(identity.id)
            case Blocked():
                claimed.update(identity.ids)
            case _:
                pass
    for move in desired.moved:
        if move.origin in register.bindings:
            claimed.add(register.bindings[move.origin].bound_id)
    return Pruning(
        prune=terms.prune,
        owned=matcher(terms.owns),
        protected=protecting(terms.protect),
        forget=desired.forget,
        claimed=claimed,
        former={move.origin for move in desired.moved},
        scope=register.scope,
        sight=register.sight,
        protect_at=terms.places.get("protect"),
        synced=terms.synced,
    )
