"""
What a reply adds to the ledger: a binding before, a change and the customer in the reply, to the binding after.

Pure. What the server stores in its own way is recorded as observed; a value that it kept from before
the request was *not taken*, and is remembered so that it is not sent for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.kinds.wire import with_record
from reconciler.model.core import Cause, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Recent, RecentWrite, Reversals, Trouble, Via, reversals_json
from reconciler.model.plan import Change, FieldChange

REVERSALS = 10
"""So many of our archives or restores in a row are kept, the latest ones."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A binding after a change, and the fields that the server did not take."""

    binding: Binding
    not_taken: tuple[FieldChange, ...] = ()


def created(entry: Binding, change: Change, live: LiveCustomer, at: float) -> Recorded:
    """
    Return the binding of a customer just created: `entry` holds what was declared of it.

    `at` is the server's clock, seconds since 1970.
    """
    applied = entry.applied()
    ignored = tuple(
        field for field in change.fields if field.name in applied and field.after and not live.fields.get(field.name)
    )
    names = {field.name for field in ignored}
    kept = {name: value for name, value in applied.items() if name not in names}
    binding = replace(
        entry,
        id=live.id,
        # A reply without one says nothing: what was sent stands until a listing shows something else.
        live_external_id=live.external_id or change.address.external_id,
        created_at=live.created_at,
        state=BindingState.ACTIVE,
        written_at=at,
        recent_json=None,
        integration_id=live.integration_id,
    )
    observed = {name: live.fields.get(name, "") for name in kept}
    trouble = {field.name: Trouble(refused=(field.after or "", "")) for field in ignored}
    return Recorded(with_record(binding, kept, observed, trouble), ignored)


def found(entry: Binding, change: Change, live: LiveCustomer, at: float) -> Binding:
    """
    Return the binding of a customer whose create was in doubt and which is there; `at` is that of its intent.

    With the name that was sent it is ours, and what it holds is what the server made of what we sent.
    With another name someone else created it meanwhile: it is bound, and nothing is recorded of it.
    """
    sent = {field.name: field.after for field in change.fields}
    if CUSTOMER_FIELDS["name"].same(live.fields.get("name"), sent.get("name")):
        return created(entry, change, live, at).binding
    bound = replace(entry, id=live.id, live_external_id=live.external_id, created_at=live.created_at, via=Via.MATCHED)
    return with_record(bound, {}, {}, {})


def to_create(row: Binding, change: Change, at: float, patched: Collection[str]) -> Binding:
    """
    Return the entry of a customer that is gone and is created again: as after a first create, and as good as a restore.

    `patched` are the fields that the plan would have patched after the restore. What is neither among them nor in the
    record is not compared: it is created, and not recorded.
    """
    sent = {field.name: field.after for field in change.fields}
    applied = {name: sent.get(name) for name in {*row.applied(), *patched}}
    entry = replace(
        row,
        id=None,
        live_external_id=row.external_id,
        via=Via.CREATED,
        reversals_json=_once_more(row, BindingState.ACTIVE, at),
    )
    return with_record(entry, applied, {name: value or "" for name, value in applied.items()}, {})


def not_taken(fields: Iterable[FieldChange], live: LiveCustomer) -> tuple[FieldChange, ...]:
    """Return the fields of a patch for which the reply holds the value from before the request."""
    return tuple(field for field in fields if _kept(field, live.fields.get(field.name, "")))


def _kept(field: FieldChange, held: str) -> bool:
    """Say whether `held` is the value from before, and not the one that was sent."""
    kind = CUSTOMER_FIELDS[field.name]
    return kind.same(held, field.before) and not kind.same(held, field.after)


def patched(
    row: Binding,
    change: Change,
    live: LiveCustomer,
    at: float,
    lag_s: float,
    *,
    read: bool = True,
    undecided: Collection[FieldChange] = (),
) -> Recorded:
    """
    Return the binding of a customer just patched, `live` being the reply.

    `undecided` are sent in another form next: nothing is recorded of them yet, as this run may end before.

    Not `read`: nobody has seen what it held before, so a field without a record may have been rewritten or kept. It
    is left without a record, for the next plan.
    """
    refused = not_taken(change.fields, live)
    applied, observed, trouble = row.applied(), row.observed(), row.trouble()
    for field in change.fields:
        held = live.fields.get(field.name, "")
        if field in undecided:
            continue
        if field in refused:
            trouble[field.name] = Trouble(refused=(field.after or "", held))
            continue
        if not read and field.cause is Cause.UNKNOWN and not CUSTOMER_FIELDS[field.name].same(held, field.after):
            continue
        applied[field.name], observed[field.name] = field.after, held
        trouble[field.name] = _after_patch(field, trouble.get(field.name), at)
    row = rewritten(row, change.fields, live.fields, at, lag_s)
    return Recorded(with_record(row, applied, observed, trouble), refused)


def rewritten(
    row: Binding, fields: Iterable[FieldChange], reply: Mapping[str, str], at: float, lag_s: float
) -> Binding:
    """
    Return the binding of a customer whose `fields` we just wrote, `reply` being what it holds now.

    What is recorded as applied and observed stays as it is. With no fields, something else of it was written: a user.
    Former values that no read can show any more, being replaced more than `lag_s` ago, are dropped.
    """
    recent = row.recent()
    held = _within(recent.fields, at - lag_s)
    for one in fields:
        if one.name not in CUSTOMER_FIELDS:
            continue
        value, kind = reply.get(one.name, ""), CUSTOMER_FIELDS[one.name]
        former = held.get(one.name)
        # Someone may have edited it after our last write and before this one: a read may show both values.
        before = (one.before, *((former.value,) if former else ()))
        earlier = (*(former.earlier if former else ()), *((text, at) for text in dict.fromkeys(before)))
        kept = tuple((text, until) for text, until in earlier if not kind.same(text, value))
        if kept:
            held[one.name] = RecentWrite(value, kept)
        else:
            held.pop(one.name, None)
    moved_at = recent.moved_at if recent.moved_at > at - lag_s else 0.0
    return replace(row, written_at=at, recent_json=Recent(moved_at, held).as_json())


def _within(fields: Mapping[str, RecentWrite], since: float) -> dict[str, RecentWrite]:
    """Return the fields with the former values that were replaced after `since`, without those that have none."""
    kept = {
        name: RecentWrite(held.value, tuple((text, until) for text, until in held.earlier if until > since))
        for name, held in fields.items()
    }
    return {name: held for name, held in kept.items() if held.earlier}


def refused(row: Binding, fields: Iterable[FieldChange]) -> Binding:
    """Return the binding of a customer for which the server refuses to take `fields`: they are as they were."""
    trouble = row.trouble()
    for field in fields:
        trouble[field.name] = Trouble(refused=(field.after or "", field.before or ""))
    return with_record(row, row.applied(), row.observed(), trouble)


def _after_patch(field: FieldChange, before: Trouble | None, at: float) -> Trouble:
    """Return how often the field was now patched to this value, and what it had come back to."""
    value = field.after or ""
    if before is None or before.runs == 0 or field.cause is not Cause.DRIFT or before.patched != value:
        return Trouble(patched=value, runs=1, at=(at,))
    times = (*before.at, at)[-REVERSALS:]
    return Trouble(patched=value, runs=before.runs + 1, seen=(*before.seen, field.before), at=times)


def archived(row: Binding, at: float, lag_s: float) -> Binding:
    """Return the binding of a customer that we just archived."""
    reversals = _once_more(row, BindingState.ARCHIVED, at)
    return _moved(replace(row, state=BindingState.ARCHIVED, reversals_json=reversals), at, lag_s)


def restored(row: Binding, at: float, lag_s: float) -> Binding:
    """
    Return the binding of a customer just restored.

    What was applied and observed stays: where the reply differs from it, the next plan shall report it.
    """
    reversals = _once_more(row, BindingState.ACTIVE, at)
    return _moved(replace(row, state=BindingState.ACTIVE, reversals_json=reversals), at, lag_s)


def _once_more(row: Binding, made: BindingState, at: float) -> str:
    """Return that we brought a customer to a state at `at`: again, where we did so before and it did not stay there."""
    former = row.reversals()
    times = former.at if former is not None and former.made is made else ()
    return reversals_json(Reversals(made, (*times, at)[-REVERSALS:]))


def _moved(row: Binding, at: float, lag_s: float) -> Binding:
    """Return the binding of a customer that was just archived or restored."""
    fields = _within(row.recent().fields, at - lag_s)
    return replace(row, written_at=at, recent_json=Recent(at, fields).as_json() if fields else None)


def absent(row: Binding) -> Binding:
    """Return the binding of a customer that a restore did not find: the next plan asks for it by a get."""
    return replace(row, state=BindingState.ABSENT)
