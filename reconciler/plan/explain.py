"""
Why a customer is planned as it is: rule by rule, with the evidence. Pure.

The evidence is read off `make.PlanContext`, which planning works with, and the outcome is cut from the plan itself, so
that neither can tell another story than the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import assert_never

from reconciler.errors import Source
from reconciler.kinds.kind import CUSTOMER_FIELDS, canonical_email
from reconciler.model.core import Action, Address, Desired, DesiredCustomer, Live, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.plan import Blocked, Plan
from reconciler.model.policy import Lifecycle, Terms
from reconciler.model.reports import (
    ArchiveRule,
    Explanation,
    FieldOutcome,
    LastMove,
    Remark,
    Row,
    RuleCheck,
    UserSides,
)
from reconciler.model.reports import RemarkCode as Said
from reconciler.plan.customer import Means, difference, external_ids_of, recorded_protected
from reconciler.plan.diff import Comparison, compare
from reconciler.plan.identity import Identity, Known, Nobody
from reconciler.plan.make import PlanContext, plan_context
from reconciler.plan.presence import Active, ArchivedByUs, Elsewhere, Hidden, Presence, Unread, as_recorded, presence
from reconciler.plan.prune import NotOwned, why_not_gone, why_not_owned
from reconciler.plan.scope import NotGone, Scope
from reconciler.plan.synced import owned_fields


def user_sides(
    customer: DesiredCustomer | None, customer_id: str | None, live: Live, records: Records
) -> tuple[UserSides, ...]:
    """Return the users that any side has, those declared first."""
    listed = next((users for one, users in live.users.items() if one == customer_id), None)
    recorded = next((users for one, users in records.users.items() if one == customer_id), ())
    there = None if listed is None else {canonical_email(one.email) for one in listed}
    seen = {canonical_email(one.email) for one in recorded}
    named: dict[str, tuple[str, str | None]] = {}
    for one in () if customer is None else customer.users:
        named[canonical_email(one.email)] = (one.email, str(one.source))
    for email in (*(row.email for row in recorded), *(row.email for row in listed or ())):
        named.setdefault(canonical_email(email), (email, None))
    return tuple(
        UserSides(email, source, folded in seen, None if there is None else folded in there)
        for folded, (email, source) in named.items()
    )


def compared_rows(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> tuple[Row, ...]:
    """Return a row for each field that is declared or recorded, in the order of the fields."""
    found, owned = difference(customer, known, live, means), owned_fields(live, means.synced)
    causes = {one.name: one.cause for one in found.changed}
    kept = {one.field for one in found.kept}
    applied = known.row.applied() if known.row else {}
    observed = known.row.observed() if known.row else {}
    rows = []
    for name, field in CUSTOMER_FIELDS.items():
        if name not in customer.fields and name not in applied:
            continue
        now = live.fields.get(name, "")
        recorded = (applied[name], observed.get(name, "")) if name in applied else None
        sides: list[tuple[str, str | None]] = []
        if name in customer.fields:
            sides.append(("declared", customer.fields[name]))
        if recorded is not None:
            sides += [("applied", recorded[0]), ("observed", recorded[1])]
        sides.append(("live", now))
        if name not in customer.fields:
            rule, then = Remark(Said.FIELD_NOT_DECLARED), FieldOutcome.RELEASED
        elif name in customer.ignore_changes:
            rule, then = Remark(Said.FIELD_IGNORED), FieldOutcome.NOT_COMPARED
        elif name in owned:
            rule, then = Remark(Said.FIELD_OWNED), FieldOutcome.NOT_COMPARED
        else:
            rule = _rule(compare(field, customer.fields[name], recorded, now, means.equal.get(name)))
            then = FieldOutcome.BLOCKED if name in kept else FieldOutcome.UNCHANGED
            then = FieldOutcome.PATCH if name in causes else then
        rows.append(Row(name, tuple(sides), rule, then, causes.get(name)))
    return tuple(rows)


def _rule(one: Comparison) -> Remark:
    """Return the row of the table that decides."""
    if one.recorded is None:
        return Remark(Said.UNRECORDED, {"live": one.live_as_declared})
    applied, observed = one.recorded
    return Remark(Said.COMPARED, {"applied": applied, "live": one.live_as_declared, "observed": observed})


def checks(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    identity: Identity | None,
    holders: tuple[LiveCustomer, ...],
    known: PlanContext,
) -> Iterator[RuleCheck]:
    """Yield the rules that this kind of plan archives by, then what keeps the customer; `row` is that of its key."""
    wanted = customer is not None and customer.archived
    yield RuleCheck(ArchiveRule.DECLARED, wanted, Remark(Said.ARCHIVED_SET if wanted else Said.ARCHIVED_NOT_SET))
    why = Remark(Said.NOT_MANAGED) if row is None else _not_gone(row, known)
    why = Remark(Said.IS_DECLARED) if customer is not None else why
    yield RuleCheck(ArchiveRule.ENTRY_GONE, why is None, why or Remark(Said.ENTRY_REMOVED))
    why = _not_owned(key, holders, known)
    yield RuleCheck(ArchiveRule.OWNED, why is None, why or Remark(Said.OWNED))
    yield from _keepers(key, customer, row, identity, holders, known)


def _not_gone(row: Binding, known: PlanContext) -> Remark | None:
    """Return why the entry of a row was not removed, None where it was."""
    match why_not_gone(row, known.pruning):
        case None:
            return None
        case NotGone.DECLARED:
            return Remark(Said.IS_DECLARED)
        case NotGone.OTHER_PROJECT:
            return Remark(Said.IN_PROJECT, {"project": row.project})
        case NotGone.LEFT_OUT:
            return Remark(Said.LEFT_OUT)
        case NotGone.NOT_READ:
            return Remark(Said.FILE_NOT_READ, {"file": row.source}) if row.source else Remark(Said.FILE_UNKNOWN)
        case NotGone.NO_PRUNING:
            return Remark(Said.PRUNE_IS, {"prune": known.pruning.prune})
        case NotGone.NOT_ACTIVE:
            return Remark(Said.STATE_IS, {"state": row.state})


def _not_owned(key: str, holders: tuple[LiveCustomer, ...], known: PlanContext) -> Remark | None:
    """Return why none of those who carry a key is archived as owned, None where one is."""
    rows = [known.register.by_id.get(one.id) for one in holders]
    reasons = [why_not_owned(key, row, known.pruning) for row in rows or [None]]
    match reasons[0] if all(reasons) else None:
        case None:
            return None if holders else Remark(Said.ABSENT)
        case NotOwned.NO_PRUNING:
            return Remark(Said.PRUNE_IS, {"prune": known.pruning.prune})
        case NotOwned.DECLARED:
            return Remark(Said.IS_DECLARED)
        case NotOwned.FORMER:
            return Remark(Said.OTHER_KEY)
        case NotOwned.NO_PATTERN:
            return Remark(Said.NOT_OWNED)
        case NotOwned.LEFT_OUT:
            return Remark(Said.LEFT_OUT)
        case NotOwned.RECORDED:
            return Remark(Said.IN_LEDGER)


def _keepers(
    key: str,
    customer: DesiredCustomer | None,
    row: Binding | None,
    identity: Identity | None,
    holders: tuple[LiveCustomer, ...],
    known: PlanContext,
) -> Iterator[RuleCheck]:
    """Yield what keeps a customer from being archived."""
    pruning = known.pruning
    found = identity if isinstance(identity, Known) else None
    recorded = recorded_protected(row, None if found is None else found.row)
    declared = customer is not None and customer.protect is True
    code = Said.PROTECTED if recorded else Said.NOT_PROTECTED
    yield RuleCheck(ArchiveRule.PROTECTED, recorded or declared, Remark(Said.PROTECT_SET if declared else code))
    names: tuple[str, ...] = (key,) if row is None else (key, row.live_external_id)
    if customer is not None and found is not None:
        names = external_ids_of(customer, found)
    policy = pruning.protected(*names)
    why = Remark(Said.PATTERN if policy else Said.NO_PATTERN)
    if policy and pruning.protect_at is not None:
        why = Remark(Said.PATTERN_AT, {"source": pruning.protect_at})
    yield RuleCheck(ArchiveRule.POLICY_PROTECT, policy, why)
    if key in pruning.forget:
        yield RuleCheck(ArchiveRule.FORGET, holds=True, why=_forgotten(pruning.forget[key]))
    synced = row is not None and bool(row.integration_id)
    if pruning.synced.lifecycle is Lifecycle.OBSERVE and (synced or any(one.synced for one in holders)):
        yield RuleCheck(ArchiveRule.SYNCED, holds=True, why=Remark(Said.OBSERVED))
    ids = dict.fromkeys(one.id for one in (row, *holders) if one is not None and one.id is not None)
    for one in (one for one in ids if customer is None and one in pruning.claimed):
        yield RuleCheck(ArchiveRule.CLAIMED, holds=True, why=Remark(Said.CLAIMED, {"id": one}))


def _forgotten(source: Source) -> Remark:
    """Return that `forget` names a customer."""
    return Remark(Said.FORGOTTEN, {"source": source})


_VIA = {
    Via.PIN: Said.FOUND_BY_PIN,
    Via.MOVED: Said.FOUND_BY_MOVE,
    Via.CREATED: Said.FOUND_BY_CREATE,
    Via.MATCHED: Said.FOUND_BY_MATCH,
}


def explain(
    address: Address,
    plan: Plan,
    desired: Desired,
    live: Live,
    records: Records,
    terms: Terms,
    last: LastMove | None = None,
) -> Explanation | None:
    """
    Return why `plan`, made of the other values, does what it does to `address`; None where no side knows it.

    `last` is our last create, archive or restore of it, if there was one.
    """
    key = address.external_id
    customer, row = desired.customers.get(key), records.bindings.get(key)
    holders = tuple(one for one in live.listed.values() if one.external_id == key)
    if customer is None and row is None and not holders and key not in _other_keys(desired):
        return None
    known = plan_context(desired, live, records, terms)
    identity = next((found for one, found in known.identities if one.external_id == key), None)
    users = user_sides(customer, _id(identity, row), live, records)
    if address.email is not None:
        users = tuple(one for one in users if canonical_email(one.email) == canonical_email(address.email))
        if not users:
            return None
    there = _there(identity, row, known)
    shelved = address.email is None and isinstance(there, ArchivedByUs)
    active = address.email is None and isinstance(there, Active)
    asked = address.email is None and not shelved
    return Explanation(
        address=address,
        declared=tuple(_declared(customer, key, row, desired, known)),
        identity=tuple(_identity(customer, identity, row, holders)),
        presence=tuple(_presence(there, _id(identity, row), row, live, known)),
        fields=() if address.email is not None else _fields(customer, identity, there, known),
        archiving=tuple(checks(key, customer, row, identity, holders, known)) if asked else (),
        users=users,
        outcome=outcome_of(plan, address),
        shelved=shelved,
        archived=last if shelved and last is not None and last.intent.action is Action.ARCHIVE else None,
        activated=last if active and last is not None and last.intent.action is not Action.ARCHIVE else None,
    )


def outcome_of(plan: Plan, address: Address) -> Plan:
    """Return `plan` with only what is about `address`: a customer with its users, or one user."""

    def about(one: Address | None) -> bool:
        if one is None or one.external_id != address.external_id:
            return False
        return address.email is None or canonical_email(one.email or "") == canonical_email(address.email)

    changes = tuple(change for change in plan.changes if about(change.address))
    return replace(
        plan,
        changes=changes,
        bindings=tuple(one for one in plan.bindings if about(one.address)),
        blocked=tuple(one for one in plan.blocked if about(one.address)),
        notes=tuple(one for one in plan.notes if about(one.address)),
        limits=plan.limits if changes else (),
        approvals=plan.approvals if changes else (),
        allow=plan.allow if changes else None,
        unchanged=0,
        out_of_scope=0,
        entries=(),
        users=(),
    )


def alike(key: str, desired: Desired, records: Records) -> tuple[str, ...]:
    """Return up to three declared or recorded keys that are written much as `key`, the nearest first."""
    return tuple(get_close_matches(key, sorted({*desired.customers, *records.bindings}), n=3))


def _other_keys(desired: Desired) -> set[str]:
    """Return the keys that are named without being declared."""
    return {*desired.forget, *(move.origin for move in desired.moved)}


def _declared(
    customer: DesiredCustomer | None, key: str, row: Binding | None, desired: Desired, known: PlanContext
) -> Iterator[Remark]:
    """Yield where the customer is declared, or why its entry is not there."""
    for move in desired.moved:
        if move.origin == key:
            yield Remark(Said.RENAMED, {"source": move.source, "to": move.to})
    if key in desired.forget:
        yield _forgotten(desired.forget[key])
    if customer is not None:
        yield Remark(Said.DECLARED_AT, {"source": customer.source})
        if customer.archived:
            yield Remark(Said.ARCHIVED_SET)
        if customer.protect is not None:
            yield Remark(Said.PROTECT_SET if customer.protect else Said.PROTECT_LIFTED)
        if customer.ignore_changes:
            yield Remark(Said.IGNORES, {"fields": tuple(sorted(customer.ignore_changes))})
        return
    yield from _not_declared(key, row, known.register.scope)


def _not_declared(key: str, row: Binding | None, scope: Scope) -> Iterator[Remark]:
    """Yield why there is no entry."""
    yield Remark(Said.NOT_DECLARED)
    if row is not None and row.source:
        yield Remark(Said.WAS_IN_READ if scope.read(row.source) else Said.WAS_IN_UNREAD, {"file": row.source})
    if row is not None and row.project != scope.project:
        yield Remark(Said.IN_PROJECT, {"project": row.project})
    if not scope.here(key):
        yield Remark(Said.LEFT_OUT)


def _identity(
    customer: DesiredCustomer | None,
    identity: Known | Nobody | Unread | Blocked | None,
    row: Binding | None,
    holders: tuple[LiveCustomer, ...],
) -> Iterator[Remark]:
    """Yield which live customer it is, how that was found, and who else could be it."""
    if customer is not None and customer.id is not None:
        yield Remark(Said.PINNED, {"id": customer.id})
    if row is not None:
        yield Remark(Said.BOUND, {"id": row.id or "", "state": row.state, "via": row.via})
    else:
        yield Remark(Said.NOT_IN_LEDGER)
    ids = tuple(one.id for one in holders)
    yield Remark(Said.CARRIED_BY, {"ids": ids}) if ids else Remark(Said.CARRIED_BY_NONE)
    match identity:
        case None:
            pass
        case Known():
            yield Remark(_VIA[identity.via], {"id": identity.id})
        case Nobody():
            yield Remark(Said.NOBODY)
        case Blocked():
            yield Remark(Said.UNDECIDED)
        case Unread():
            yield Remark(Said.NOT_READ_YET)
        case _:
            assert_never(identity)


def _id(identity: object, row: Binding | None) -> str | None:
    """Return the id of the customer, None where there is none."""
    if isinstance(identity, Known):
        return identity.id
    return None if row is None else row.id


def _there(identity: object, row: Binding | None, known: PlanContext) -> Presence | None:
    """Return whether the customer is active, as planning took it; None where nobody is it."""
    if isinstance(identity, Known):
        return identity.presence
    if identity is not None or row is None:
        return None
    return presence(known.register.sight, row.bound_id, row)


def _presence(
    there: Presence | None, customer_id: str | None, row: Binding | None, live: Live, known: PlanContext
) -> Iterator[Remark]:
    """Yield what was listed, sought and got, and what that means."""
    if there is None or customer_id is None:
        return
    yield Remark(Said.LISTED if customer_id in live.listed else Said.NOT_LISTED, {"id": customer_id})
    for one, found in live.sought.items():
        if one == customer_id:
            yield Remark(Said.IN_NARROW_LIST if found else Said.NOT_IN_NARROW_LIST)
    for one, answer in live.got.items():
        if one == customer_id:
            yield Remark(Said.GET_NOT_FOUND if answer is None else Said.GET_FOUND)
    sight = known.register.sight
    seen = getattr(there, "customer", None) or (as_recorded(row) if row is not None else None)
    if seen is not None and seen.synced:
        yield Remark(Said.SYNCED_AS, {"integration_id": seen.integration_id})
    if row is not None and sight.unverified(row) is not None:
        yield Remark(Said.WRITTEN_RECENTLY, {"seconds": sight.lag_s})
    yield from _meaning(there, known)
    if isinstance(there, Active) and row is not None and row.state is BindingState.ARCHIVED:
        yield Remark(Said.RESTORED_SINCE)


_LISTS = {
    None: Said.ARCHIVED_LISTING_UNKNOWN,
    True: Said.ARCHIVED_ARE_LISTED,
    False: Said.ARCHIVED_ARE_NOT_LISTED,
}


def _meaning(there: Presence, known: PlanContext) -> Iterator[Remark]:
    """Yield what follows from what was read."""
    match there:
        case Active(unseen=unseen):
            yield Remark(Said.COUNTS_AS_ACTIVE if unseen else Said.ACTIVE)
        case ArchivedByUs(doubted=doubted):
            yield Remark(_LISTS[known.register.sight.lists_archived])
            if how := known.declared.records.learned.how:
                yield Remark(Said.LISTING_KNOWN_BY, {"how": how})
            yield Remark(Said.COUNTS_AS_ARCHIVED if doubted else Said.ARCHIVED_BY_US)
        case Elsewhere():
            yield Remark(Said.ARCHIVED_OUTSIDE)
        case Hidden():
            yield Remark(Said.HIDDEN_OR_GONE)
        case Unread():
            yield Remark(Said.INCONCLUSIVE)
        case _:
            assert_never(there)


def _fields(
    customer: DesiredCustomer | None, identity: object, there: Presence | None, known: PlanContext
) -> tuple[Row, ...]:
    """Return the three-way table; empty where nothing is compared."""
    if customer is None or not isinstance(identity, Known) or customer.archived:
        return ()
    seen = getattr(there, "customer", None) or (as_recorded(identity.row) if identity.row is not None else None)
    return () if seen is None else compared_rows(customer, identity, seen, known.declared.means)
