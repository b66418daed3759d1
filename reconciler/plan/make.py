"""Desired + live + records to a plan: the stages in their order. Pure; the only door of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reconciler.model import (
    Action,
    AskSuccessor,
    BindingChange,
    Blocked,
    Change,
    Cost,
    CustomerId,
    Desired,
    DesiredCustomer,
    ListPaymentMethods,
    Live,
    Note,
    Read,
)
from reconciler.plan import guard, order
from reconciler.plan.declared import Declared, means_of, open_creates
from reconciler.plan.match import Identity, Known, Register, identify, origins_of
from reconciler.plan.part import Part, joined
from reconciler.plan.presence import Sight, by_external_id
from reconciler.plan.prune import Pruning, plan_binding, plan_owned
from reconciler.plan.rivals import unrivalled
from reconciler.plan.scope import Scope, matcher, scope_of
from reconciler.plan.ways import known_ways, overruled, to_learn_from
from reconciler.plans import Plan
from reconciler.records import BindingState, Learned, Records
from reconciler.terms import Prune, Terms

_NO_LEDGER = "which customers were archived and which of them this project managed, as there is no ledger yet"


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A plan, and what must be read before it is one.

    While `reads` is not empty the plan is not to be shown: read them, and make it again. `learned` is
    what is known of the server after this listing.
    """

    plan: Plan
    reads: tuple[Read, ...]
    learned: Learned


def make_plan(desired: Desired, live: Live, records: Records, terms: Terms) -> Draft:
    """
    Return the plan that leads from `live` to `desired`, or what must be read first.

    The same values give the same plan. Raises Incomplete where the listing cannot be trusted, and
    Refused where the ledger is another account's.
    """
    learned = overruled(records, live, terms)
    scope = scope_of(desired, terms)
    sight = Sight(live, known_ways(learned, terms)[0], terms.lag_s)
    lacked = guard.lacking(sight, records.bindings, scope)
    active = sum(row.state is BindingState.ACTIVE for row in records.bindings.values())
    reads = guard.complete(live, lacked, active) if lacked or live.passes_differ else ()
    if reads:
        return Draft(_empty(terms), reads, learned)
    notes = guard.of_this_account(records, live, terms, desired)
    register = _register(desired, records, scope, sight)
    part, unchanged = _all_parts(desired, records, terms, register)
    part = replace(part, reads=part.reads + _last_reads(part, live, learned.longest_page))
    learning = 2 if to_learn_from(records, learned, terms, live.read_at) is not None else 0
    plan = _plan(desired, live, records, terms, part)
    notes = (*notes, *_whole_notes(plan, learned, terms))
    plan = replace(
        plan,
        notes=notes + plan.notes,
        unchanged=unchanged,
        out_of_scope=scope.left_out(records.bindings),
        cost=Cost(len(plan.changes), live.requests + learning, terms.rate_per_s),
        fingerprint=_fingerprint(plan),
    )
    return Draft(plan, part.reads, learned)


def _empty(terms: Terms) -> Plan:
    """Return the plan of which nothing can be said yet."""
    return Plan(terms.environment, terms.project)


def _register(desired: Desired, records: Records, scope: Scope, sight: Sight) -> Register:
    """Return both sides, indexed."""
    by_id = {row.bound_id: row for row in records.bindings.values()}
    return Register(
        sight=sight,
        bindings=records.bindings,
        by_id=by_id,
        holders=by_external_id(sight, by_id),
        origins=origins_of(desired),
        scope=scope,
    )


def _all_parts(desired: Desired, records: Records, terms: Terms, register: Register) -> tuple[Part, int]:
    """Return all that is planned, in no order yet, and how many declared customers need nothing."""
    # Outside the targets too: what is another key's customer there must be neither taken over nor archived here.
    identities = unrivalled([(customer, identify(customer, register)) for customer in desired.customers.values()])
    declared = Declared(register, records, terms, means_of(records, terms), open_creates(records))
    parts: list[Part] = []
    unchanged = 0
    for customer, identity in identities:
        if not register.scope.targeted(customer.external_id):
            continue
        part = declared.part(customer, identity)
        parts.append(part)
        unchanged += not (part.changes or part.blocked or part.reads)
    pruning = _pruning(desired, terms, register, identities)
    for key, binding in register.bindings.items():
        if key not in desired.customers and binding.bound_id not in pruning.claimed:
            parts.append(plan_binding(binding, pruning))
    if terms.prune is Prune.ALL:
        keys = desired.customers.keys() | {move.origin for move in desired.moved}
        listed = register.sight.live.listed.values()
        parts.append(plan_owned(listed, keys, register.bindings, pruning))
    return joined(parts), unchanged


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
        protected=matcher(terms.protect),
        forget=desired.forget,
        claimed=claimed,
        scope=register.scope,
        sight=register.sight,
    )


def _last_reads(part: Part, live: Live, longest_page: int) -> tuple[Read, ...]:
    """Return what is read only once the rest is known: a full last page's successor, then payment methods."""
    if part.reads:
        return ()
    creates = any(change.action is Action.CREATE for change in part.changes)
    if creates and live.last_page_full and live.longest_page >= longest_page and not live.successor_asked:
        return (AskSuccessor(),)
    return tuple(
        ListPaymentMethods(change.id)
        for change in part.changes
        if change.action is Action.ARCHIVE and change.id is not None and change.id not in live.payment_methods
    )


def _plan(desired: Desired, live: Live, records: Records, terms: Terms, part: Part) -> Plan:
    """Return the parts as a plan: in order, held against the limits."""
    changes = order.ordered(_counted(change, live) for change in part.changes)
    return Plan(
        environment=terms.environment,
        project=terms.project,
        changes=changes,
        bindings=_sorted_bindings(part.bindings),
        blocked=tuple(sorted(part.blocked, key=lambda row: (row.address.external_id, row.address.email or ""))),
        limits=guard.limits(changes, records, live, len(desired.customers), terms),
        notes=part.notes,
        unknown=() if records.known else (_NO_LEDGER,),
        files=desired.reading.files,
        folders=desired.reading.folders,
        globs=desired.reading.globs,
        targets=terms.targets,
        excludes=terms.excludes,
        entries=part.entries,
        users=part.users,
    )


def _counted(change: Change, live: Live) -> Change:
    """Return an archive with the number of its customer's payment methods, where that was listed."""
    if change.action is not Action.ARCHIVE or change.id is None:
        return change
    return replace(change, payment_methods=live.payment_methods.get(change.id))


def _sorted_bindings(bindings: Iterable[BindingChange]) -> tuple[BindingChange, ...]:
    """Return bindings in the order of their addresses."""
    return tuple(sorted(bindings, key=lambda row: (row.address.external_id, row.action)))


def _whole_notes(plan: Plan, learned: Learned, terms: Terms) -> Iterator[Note]:
    """Return what is to be said of the plan as a whole."""
    if plan.count(Action.ARCHIVE) and known_ways(learned, terms)[0] is None:
        yield Note(
            "whether this server lists archived customers is not known yet; "
            "until it is, one that we archived is taken to be archived still"
        )


def _fingerprint(plan: Plan) -> str:
    """Return a digest of what the plan was made from, as far as it touches it."""
    digest = hashlib.sha256()
    for file in plan.files:
        digest.update(f"{file.name}\0{file.sha256}\n".encode())
    for change in plan.changes:
        digest.update(repr((change.action, change.address, change.id, change.fields)).encode())
    return digest.hexdigest()
