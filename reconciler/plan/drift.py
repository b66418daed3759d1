"""
A plan read as drift: which of its changes answer a change of the live side; less what the ignore file hides.

Each difference is the plan's own; here it is only sorted by who moved. What no plan shows (customers that appeared,
external_ids that are carried twice) is read off the listing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from fnmatch import fnmatchcase

from reconciler.kinds import CUSTOMER
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Action, Address, Cause, CustomerId, LiveCustomer, Reason
from reconciler.model.ledger import BindingState
from reconciler.model.plan import BindingAction, Blocked, Change, FieldChange, Plan
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind
from reconciler.model.reports import Drift, DriftFinding, DriftKind, DriftReason, Ignored, Moved, Pending, Remark, Rule
from reconciler.plan.customer import compared
from reconciler.plan.diff import compare
from reconciler.plan.safety_checks import FIELD as LIFECYCLE
from reconciler.plan.scope import Seen, managed_in, observed_of, row_of, state_of, targeted, there, unobservable
from reconciler.plan.server_behavior import sight_of
from reconciler.plan.synced import owned_fields


def without_ignored(drift: Drift, rules: Iterable[Rule], today: date) -> Drift:
    """Return `drift` without what `rules` hide; those whose day has passed hide nothing, and are named."""
    given = tuple(rules)
    standing = [rule for rule in given if rule.until >= today]
    findings: list[DriftFinding] = []
    ignored: list[Ignored] = []
    for finding in drift.findings:
        left: DriftFinding | None = finding
        for rule in standing:
            if left is None:
                break
            left, hidden = _split(left, rule)
            ignored += [Ignored(hidden, rule)] if hidden is not None else []
        findings += [left] if left is not None else []
    expired = tuple(rule for rule in given if rule.until < today)
    return replace(drift, findings=tuple(findings), ignored=tuple(ignored), expired=expired)


def _split(finding: DriftFinding, rule: Rule) -> tuple[DriftFinding | None, DriftFinding | None]:
    """Return what a rule leaves of a finding, and what it hides; None for nothing."""
    if not fnmatchcase(finding.address.external_id, rule.key) or (rule.kinds and finding.kind not in rule.kinds):
        return finding, None
    if not rule.fields:
        return None, finding
    hidden = tuple(one for one in finding.fields if one.name in rule.fields)
    if not hidden:
        return finding, None
    left = tuple(one for one in finding.fields if one.name not in rule.fields)
    # What was restored by hand is drift, whatever became of its fields.
    kept = left or finding.kind is not DriftKind.CHANGED
    return replace(finding, fields=left) if kept else None, replace(finding, fields=hidden)


def drift_of(plan: Plan, seen: Seen) -> Drift:
    """Return what the live side changed since we applied, in the order of the external_ids."""
    twice = _twice(plan, seen)
    sorted_out = [_sorted(change, seen) for change in plan.changes]
    met = _met(plan, seen) if plan.blocked else {}
    single = [one for one in plan.blocked if one.address.external_id not in twice]
    barred = [_barred(one, met.get(one.address.external_id), seen) for one in single]
    findings = [
        *twice.values(),
        *(finding for finding, _ in sorted_out if finding is not None),
        *(finding for finding, _ in barred if finding is not None),
        *_released(plan, seen),
        *_synced(plan, seen),
        *_appeared(plan, seen),
    ]
    return Drift(
        environment=plan.environment,
        project=plan.project,
        findings=_joined(findings),
        pending=tuple(pending for _, pending in sorted_out if pending is not None),
        blocked=tuple(rest for _, rest in barred if rest is not None),
        unknown=plan.unknown,
        unobservable=tuple(unobservable(seen)),
        unverified=plan.unverified,
        managed=len(managed_in(plan, seen)),
        live=len(there(seen)),
        requests=seen.live.requests,
    )


def _sorted(change: Change, seen: Seen) -> tuple[DriftFinding | None, Pending | None]:
    """Return what of a change answers the live side, and what is an edit of ours."""
    match change.action, change.reason:
        case Action.PATCH, _:
            return _patch(change, seen)
        case Action.RESTORE, Reason.ELSEWHERE:
            return _finding(DriftKind.ARCHIVED, change, DriftReason.ARCHIVED), None
        case Action.RESTORE, Reason.HIDDEN_OR_GONE:
            return _finding(DriftKind.GONE, change, DriftReason.HIDDEN_OR_GONE), None
        case Action.ARCHIVE, Reason.DECLARED if state_of(change.address, seen) is BindingState.ARCHIVED:
            edited = _edited_since(change.address, change.id, seen)
            return replace(_finding(DriftKind.RESTORED, change, DriftReason.RESTORED), fields=edited), None
        case _:
            return None, Pending(change.action, change.address, source=change.source)


def _edited_since(address: Address, customer: CustomerId | None, seen: Seen) -> tuple[Moved, ...]:
    """Return the fields of a customer that someone restored which are not as declared, by someone else's doing."""
    wanted = seen.desired.customers.get(address.external_id)
    live = None if customer is None else seen.live.listed.get(customer)
    row = row_of(address, seen)
    if wanted is None or live is None or row is None:
        return ()
    applied, observed = row.applied(), row.observed()
    moved = []
    for name, declared in compared(wanted, owned_fields(live, seen.terms.synced)).items():
        recorded = (applied[name], observed.get(name, "")) if name in applied else None
        held = live.fields.get(name, "")
        cause = compare(CUSTOMER_FIELDS[name], declared, recorded, held, seen.terms.equal.get(name)).cause
        if cause is not None and cause is not Cause.CONFIG:
            moved.append(Moved(name, None if recorded is None else recorded[1], held, declared, cause))
    return tuple(moved)


def _patch(change: Change, seen: Seen) -> tuple[DriftFinding | None, Pending | None]:
    """Return the fields of a patch that the live side moved, and those that only the files did."""
    observed = observed_of(change.address, seen)
    moved = [_moved(field, observed) for field in change.fields if field.cause is not Cause.CONFIG]
    edited = tuple(field.name for field in change.fields if field.cause is Cause.CONFIG)
    pending = Pending(Action.PATCH, change.address, edited, change.source) if edited else None
    if not moved:
        return None, pending
    return replace(_finding(DriftKind.CHANGED, change, _reason(moved)), fields=tuple(moved)), pending


def _moved(field: FieldChange, observed: dict[str, str]) -> Moved:
    """Return one field of a patch."""
    applied = None if field.cause is Cause.UNKNOWN else observed.get(field.name, "")
    return Moved(field.name, applied, field.before, field.after, field.cause)


def _finding(kind: DriftKind, change: Change, reason: DriftReason) -> DriftFinding:
    """Return the finding that a change answers."""
    return DriftFinding(kind, change.address, change.id, (Remark(reason),), source=change.source)


def _barred(one: Blocked, customer: LiveCustomer | None, seen: Seen) -> tuple[DriftFinding | None, Blocked | None]:
    """Return what of a blocked one is drift: the API cannot undo it, but someone did it."""
    row = row_of(one.address, seen)
    if one.reason is BlockedReason.SYNCED_ACTIVE and state_of(one.address, seen) is not BindingState.ARCHIVED:
        return None, one
    if one.field == LIFECYCLE and row is not None:
        restored = seen.desired.customers[one.address.external_id].archived
        kind, edited = (
            (DriftKind.RESTORED, _edited_since(one.address, row.id, seen)) if restored else (DriftKind.ARCHIVED, ())
        )
        return DriftFinding(kind, one.address, row.id, (), edited, one.source, blocked=(one,)), None
    if customer is None or one.address.email is not None:
        return None, one
    if row is not None and one.field is None and customer.external_id != row.live_external_id:
        moved = Moved(CUSTOMER.identity, row.live_external_id, customer.external_id, row.external_id, Cause.DRIFT)
    elif one.field is not None and one.field in CUSTOMER_FIELDS:
        name = one.field
        recorded = row is not None and name in row.applied()
        held, live = observed_of(one.address, seen).get(name, "") if recorded else None, customer.fields.get(name, "")
        wanted = seen.desired.customers.get(one.address.external_id)
        declared = wanted.fields.get(name) if wanted is not None else None
        if CUSTOMER_FIELDS[name].same((declared or "") if held is None else held, live):
            return None, one
        moved = Moved(name, held, live, declared, Cause.UNKNOWN if held is None else Cause.DRIFT)
    else:
        return None, one
    why = (Remark(_reason((moved,))),)
    return DriftFinding(DriftKind.CHANGED, one.address, customer.id, why, (moved,), one.source, blocked=(one,)), None


def _met(plan: Plan, seen: Seen) -> dict[str, LiveCustomer]:
    """Return the listed customers by the key that they are bound to, are taken for by the plan, or carry."""
    ids = {one.external_id: one.id for one in there(seen).values()}
    ids |= {one.address.external_id: one.id for one in plan.bindings if one.action is BindingAction.ADOPT}
    ids |= {key: row.bound_id for key, row in seen.records.bindings.items()}
    sight = sight_of(seen.live, seen.learned, seen.terms)
    rows = {row.bound_id: row for row in seen.records.bindings.values()}
    listed = {key: seen.live.listed[found] for key, found in ids.items() if found in seen.live.listed}
    return {key: sight.as_written(customer, rows.get(customer.id)) for key, customer in listed.items()}


def _reason(moved: Iterable[Moved]) -> DriftReason:
    """Return what is known of who changed fields."""
    known = any(one.cause is not Cause.UNKNOWN for one in moved)
    return DriftReason.NOT_AS_APPLIED if known else DriftReason.NOT_AS_DECLARED


def _twice(plan: Plan, seen: Seen) -> dict[str, DriftFinding]:
    """Return, by key, the external_ids of ours that several active customers carry."""
    carriers: defaultdict[str, list[CustomerId]] = defaultdict(list)
    for one in there(seen).values():
        carriers[one.external_id].append(one.id)
    keys = {key for key, those in carriers.items() if key and len(those) > 1}
    ours = keys & (seen.desired.customers.keys() | seen.records.bindings.keys())
    found: dict[str, DriftFinding] = {}
    for key in sorted(ours):
        ids = tuple(carriers[key])
        wanted, row = seen.desired.customers.get(key), seen.records.bindings.get(key)
        if not targeted(plan, key, seen):
            continue
        why = (Remark(DriftReason.DUPLICATED, {"customers": len(ids)}),)
        source = wanted.source if wanted is not None else None
        found[key] = DriftFinding(
            DriftKind.DUPLICATED, Address(key), row.id if row is not None else None, why, (), source, ids
        )
    return found


def _released(plan: Plan, seen: Seen) -> Iterator[DriftFinding]:
    """Yield the customers without an entry that we archived and someone restored: the plan lets them go."""
    for binding in plan.bindings:
        if binding.action is BindingAction.RELEASE and state_of(binding.address, seen) is BindingState.ARCHIVED:
            why = (Remark(DriftReason.RESTORED_UNDECLARED),)
            yield DriftFinding(DriftKind.RESTORED, binding.address, binding.id, why)


def _synced(plan: Plan, seen: Seen) -> Iterator[DriftFinding]:
    """Yield what an integration did of what it owns: the plan only notes it."""
    for note in plan.notes:
        wanted = None if note.address is None else seen.desired.customers.get(note.address.external_id)
        if note.address is None or wanted is None:
            continue
        row = row_of(note.address, seen)
        bound = None if row is None else row.id
        match note.kind, note.parts:
            case NoteKind.SYNCED_ARCHIVED, _:
                why = (Remark(DriftReason.SYNCED_ARCHIVED),)
                yield DriftFinding(DriftKind.ARCHIVED, note.address, bound, why, source=wanted.source)
            case NoteKind.SYNCED_FIELD, {"held": FieldValue(name, held)}:
                moved = (Moved(name, None, held, wanted.fields[name], Cause.UNKNOWN),)
                why = (Remark(DriftReason.SYNCED_FIELD),)
                yield DriftFinding(DriftKind.CHANGED, note.address, bound, why, moved, wanted.source)
            case _:
                pass


def _appeared(plan: Plan, seen: Seen) -> Iterator[DriftFinding]:
    """Yield the customers that nobody declares or manages, and that were created since we last applied."""
    if not seen.since:
        return
    managed = managed_in(plan, seen)
    for customer in there(seen).values():
        if customer.id in managed or customer.external_id in seen.desired.customers:
            continue
        if _time(customer.created_at) <= _time(seen.since) or not targeted(plan, customer.external_id, seen):
            continue
        why = (Remark(DriftReason.APPEARED, {"created_at": customer.created_at}),)
        yield DriftFinding(DriftKind.UNMANAGED, Address(customer.external_id or customer.id), customer.id, why)


def _time(text: str) -> float:
    """Return an RFC 3339 time in seconds since 1970, 0 for a text that is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _joined(findings: Iterable[DriftFinding]) -> tuple[DriftFinding, ...]:
    """Return findings with those of one customer's fields as one, in the order of the keys."""
    by_key: dict[tuple[Address, DriftKind], DriftFinding] = {}
    for one in findings:
        key = (one.address, one.kind)
        former = by_key.get(key)
        if former is not None:
            why = (*former.why, *(remark for remark in one.why if remark not in former.why))
            fields, blocked = (*former.fields, *one.fields), (*former.blocked, *one.blocked)
            one = replace(former, fields=fields, why=why, blocked=blocked)  # noqa: PLW2901
        by_key[key] = one
    return tuple(sorted(by_key.values(), key=lambda one: (str(one.address), one.kind)))
