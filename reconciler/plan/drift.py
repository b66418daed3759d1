"""
A plan read as drift: which of its changes answer a change of the live side, and which are edits of ours.

Each difference is the plan's own; here it is only sorted by who moved. What no plan shows (customers that appeared,
external_ids that are carried twice) is read off the listing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatchcase

from reconciler.drifts import Drift, Finding, Ignored, Kind, Moved, Pending, Rule
from reconciler.kinds import CUSTOMER
from reconciler.kinds.customer import FIELDS
from reconciler.model import (
    Action,
    Address,
    BindingAction,
    Blocked,
    Cause,
    Change,
    CustomerId,
    Desired,
    FieldChange,
    Live,
    LiveCustomer,
    Reason,
)
from reconciler.plan.scope import scope_of
from reconciler.plan.ways import known_ways
from reconciler.plans import Plan
from reconciler.records import Binding, BindingState, Learned, Records
from reconciler.terms import Terms


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan was made from. `since` is the RFC 3339 time of the last applying run's start, "" for none."""

    desired: Desired
    live: Live
    records: Records
    learned: Learned
    terms: Terms
    since: str = ""


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
        *_appeared(plan, seen),
    ]
    return Drift(
        environment=plan.environment,
        project=plan.project,
        findings=_joined(findings),
        pending=tuple(pending for _, pending in sorted_out if pending is not None),
        blocked=tuple(rest for _, rest in barred if rest is not None),
        unknown=plan.unknown,
        unobservable=tuple(_unobservable(seen)),
        managed=len(_managed(plan, seen)),
        live=len(_there(seen)),
        requests=seen.live.requests,
    )


def without_ignored(drift: Drift, rules: Iterable[Rule], today: date) -> Drift:
    """Return `drift` without what `rules` hide; those whose day has passed hide nothing, and are named."""
    given = tuple(rules)
    standing = [rule for rule in given if rule.until >= today]
    findings: list[Finding] = []
    ignored: list[Ignored] = []
    for finding in drift.findings:
        left: Finding | None = finding
        for rule in standing:
            if left is None:
                break
            left, hidden = _split(left, rule)
            ignored += [Ignored(hidden, rule)] if hidden is not None else []
        findings += [left] if left is not None else []
    expired = tuple(rule for rule in given if rule.until < today)
    return replace(drift, findings=tuple(findings), ignored=tuple(ignored), expired=expired)


def _split(finding: Finding, rule: Rule) -> tuple[Finding | None, Finding | None]:
    """Return what a rule leaves of a finding, and what it hides; None for nothing."""
    if not fnmatchcase(finding.address.external_id, rule.key) or (rule.kinds and finding.kind not in rule.kinds):
        return finding, None
    if not rule.fields:
        return None, finding
    hidden = tuple(one for one in finding.fields if one.name in rule.fields)
    if not hidden:
        return finding, None
    left = tuple(one for one in finding.fields if one.name not in rule.fields)
    return replace(finding, fields=left) if left else None, replace(finding, fields=hidden)


def _sorted(change: Change, seen: Seen) -> tuple[Finding | None, Pending | None]:
    """Return what of a change answers the live side, and what is an edit of ours."""
    match change.action, change.reason:
        case Action.PATCH, _:
            return _patch(change, seen)
        case Action.RESTORE, Reason.ELSEWHERE:
            return _finding(Kind.ARCHIVED, change, "somebody archived it; it is declared active"), None
        case Action.RESTORE, Reason.HIDDEN_OR_GONE:
            text = "it is neither listed nor answers a get: archived and hidden, or gone; it is declared active"
            return _finding(Kind.GONE, change, text), None
        case Action.ARCHIVE, Reason.DECLARED if _state(change.address, seen) is BindingState.ARCHIVED:
            return _finding(Kind.RESTORED, change, "we archived it, and somebody restored it"), None
        case _:
            return None, Pending(change.action, change.address, source=change.source)


def _patch(change: Change, seen: Seen) -> tuple[Finding | None, Pending | None]:
    """Return the fields of a patch that the live side moved, and those that only the files did."""
    observed = _observed(change.address, seen)
    moved = [_moved(field, observed) for field in change.fields if field.cause is not Cause.CONFIG]
    edited = tuple(field.name for field in change.fields if field.cause is Cause.CONFIG)
    pending = Pending(Action.PATCH, change.address, edited, change.source) if edited else None
    if not moved:
        return None, pending
    return replace(_finding(Kind.CHANGED, change, _told(moved)), fields=tuple(moved)), pending


def _moved(field: FieldChange, observed: dict[str, str]) -> Moved:
    """Return one field of a patch."""
    applied = None if field.cause is Cause.UNKNOWN else observed.get(field.name, "")
    return Moved(field.name, applied, field.before, field.after, field.cause)


def _finding(kind: Kind, change: Change, text: str) -> Finding:
    """Return the finding that a change answers."""
    return Finding(kind, change.address, change.id, text, source=change.source)


def _barred(one: Blocked, customer: LiveCustomer | None, seen: Seen) -> tuple[Finding | None, Blocked | None]:
    """Return what of a blocked one is drift: the API cannot undo it, but somebody did it."""
    row = _row(one.address, seen)
    if customer is None or one.address.email is not None:
        return None, one
    if row is not None and one.field is None and customer.external_id != row.live_external_id:
        moved = Moved(CUSTOMER.identity, row.live_external_id, customer.external_id, row.external_id, Cause.DRIFT)
    elif one.field is not None and one.field in FIELDS and (row is None or one.field in row.applied()):
        name = one.field
        held, live = (row.observed().get(name, "") if row is not None else None), customer.fields.get(name, "")
        wanted = seen.desired.customers.get(one.address.external_id)
        declared = wanted.fields.get(name) if wanted is not None else None
        if FIELDS[name].same((declared or "") if held is None else held, live):
            return None, one
        moved = Moved(name, held, live, declared, Cause.UNKNOWN if held is None else Cause.DRIFT)
    else:
        return None, one
    text = f"{_told((moved,))}; no request undoes that: {one.hint}"
    return Finding(Kind.CHANGED, one.address, customer.id, text, (moved,), one.source), None


def _met(plan: Plan, seen: Seen) -> dict[str, LiveCustomer]:
    """Return the listed customers by the key that they are bound to, are taken for by the plan, or carry."""
    ids = {one.external_id: one.id for one in _there(seen).values()}
    ids |= {one.address.external_id: one.id for one in plan.bindings if one.action is BindingAction.ADOPT}
    ids |= {key: row.bound_id for key, row in seen.records.bindings.items()}
    return {key: seen.live.listed[found] for key, found in ids.items() if found in seen.live.listed}


def _told(moved: Iterable[Moved]) -> str:
    """Return what is known of who moved fields, in words."""
    known = any(one.cause is not Cause.UNKNOWN for one in moved)
    return "it is not as we applied it" if known else "it differs, and there is no record of who changed it"


def _twice(plan: Plan, seen: Seen) -> dict[str, Finding]:
    """Return, by key, the external_ids of ours that several active customers carry."""
    carriers: defaultdict[str, list[CustomerId]] = defaultdict(list)
    for one in _there(seen).values():
        carriers[one.external_id].append(one.id)
    keys = {key for key, those in carriers.items() if key and len(those) > 1}
    ours = keys & (seen.desired.customers.keys() | seen.records.bindings.keys())
    found: dict[str, Finding] = {}
    for key in sorted(ours):
        ids = tuple(carriers[key])
        wanted, row = seen.desired.customers.get(key), seen.records.bindings.get(key)
        if not _targeted(plan, key, seen):
            continue
        text = f"{len(ids)} active customers carry this external_id; `reconciler duplicates` shows them"
        source = wanted.source if wanted is not None else None
        found[key] = Finding(Kind.DUPLICATED, Address(key), row.id if row is not None else None, text, (), source, ids)
    return found


def _released(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Yield the customers without an entry that we archived and somebody restored: the plan lets them go."""
    for binding in plan.bindings:
        if binding.action is BindingAction.RELEASE and _state(binding.address, seen) is BindingState.ARCHIVED:
            text = "we archived it, somebody restored it, and no entry declares it"
            yield Finding(Kind.RESTORED, binding.address, binding.id, text)


def _appeared(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """Yield the customers that nobody declares or manages, and that were created since we last applied."""
    if not seen.since:
        return
    managed = _managed(plan, seen)
    for customer in _there(seen).values():
        if customer.id in managed or customer.external_id in seen.desired.customers:
            continue
        if _time(customer.created_at) <= _time(seen.since) or not _targeted(plan, customer.external_id, seen):
            continue
        text = f"it was created at {customer.created_at}, and nobody declares it; `reconciler import` adopts it"
        yield Finding(Kind.UNMANAGED, Address(customer.external_id or customer.id), customer.id, text)


def _time(text: str) -> float:
    """Return an RFC 3339 time in seconds since 1970, 0 for a text that is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _targeted(plan: Plan, key: str, seen: Seen) -> bool:
    """Say whether the plan was to look at a key."""
    return not (plan.targets or plan.excludes) or scope_of(seen.desired, seen.terms).targeted(key)


def _managed(plan: Plan, seen: Seen) -> set[CustomerId]:
    """Return the ids of live customers that the ledger binds, whoever's, or that a declared one is found to be."""
    ids = {row.bound_id for row in seen.records.bindings.values()}
    ids |= {row.id for row in plan.entries if row.id is not None and row.external_id in seen.desired.customers}
    ids |= {one.id for one in plan.bindings if one.action is BindingAction.ADOPT}
    return ids & _there(seen).keys()


def _there(seen: Seen) -> dict[CustomerId, LiveCustomer]:
    """Return the listed customers that are active, as far as that can be told: those that we archived are not."""
    lists = known_ways(seen.learned, seen.terms)[0]
    shelved = {
        row.bound_id
        for row in seen.records.bindings.values()
        if row.state is BindingState.ARCHIVED and lists is not False
    }
    return {one.id: one for one in seen.live.listed.values() if one.id not in shelved}


def _unobservable(seen: Seen) -> Iterator[str]:
    """Yield what cannot be observed on this server."""
    lists = known_ways(seen.learned, seen.terms)[0]
    ours = [row for row in seen.records.bindings.values() if row.state is BindingState.ARCHIVED]
    listed = sum(row.bound_id in seen.live.listed for row in ours)
    if lists:
        yield "whether somebody archived a customer: archived ones are listed here, and nothing tells them apart"
    if ours and lists:
        yield f"whether somebody restored one of the {len(ours)} customers that we archived, for the same reason"
    elif listed and lists is None:
        yield (
            f"whether somebody restored {listed} of the customers that we archived: they are listed, and it is not "
            "known yet whether archived ones are"
        )


def _joined(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with those of one customer's fields as one, in the order of the keys."""
    by_key: dict[tuple[Address, Kind], Finding] = {}
    for one in findings:
        key = (one.address, one.kind)
        former = by_key.get(key)
        by_key[key] = one if former is None else replace(former, fields=(*former.fields, *one.fields))
    return tuple(sorted(by_key.values(), key=lambda one: (str(one.address), one.kind)))


def _row(address: Address, seen: Seen) -> Binding | None:
    """Return the ledger's row of a key."""
    return seen.records.bindings.get(address.external_id)


def _state(address: Address, seen: Seen) -> BindingState | None:
    """Return how the ledger holds a customer, None where it does not."""
    row = _row(address, seen)
    return row.state if row is not None else None


def _observed(address: Address, seen: Seen) -> dict[str, str]:
    """Return what the server held after our last write, by field."""
    row = _row(address, seen)
    return row.observed() if row is not None else {}
