"""
What a reply teaches the ledger: a binding before, a change and the customer in the reply, to the binding after.

Pure. What the server stores in its own way is recorded as observed; a value that it kept from before
the request was *not taken*, and is remembered so that it is not sent for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from reconciler.kinds.customer import FIELDS
from reconciler.kinds.recorded import with_record
from reconciler.model import Cause, Change, FieldChange, LiveCustomer
from reconciler.records import Binding, BindingState, Reversals, Trouble, Via, reversals_json

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
    )
    observed = {name: live.fields.get(name, "") for name in kept}
    trouble = {field.name: Trouble(refused=(field.after or "", "")) for field in ignored}
    return Recorded(with_record(binding, kept, observed, trouble), ignored)


def found(entry: Binding, change: Change, live: LiveCustomer, at: float) -> Binding:
    """
    Return the binding of a customer whose create was in doubt and which is there; `at` is that of its intent.

    With the name that was sent it is ours, and what it holds is what the server made of what we sent.
    With another name somebody else created it meanwhile: it is bound, and nothing is recorded of it.
    """
    sent = {field.name: field.after for field in change.fields}
    if FIELDS["name"].same(live.fields.get("name"), sent.get("name")):
        return created(entry, change, live, at).binding
    bound = replace(entry, id=live.id, live_external_id=live.external_id, created_at=live.created_at, via=Via.MATCHED)
    return with_record(bound, {}, {}, {})


def to_create(row: Binding, change: Change, at: float) -> Binding:
    """Return the entry of a customer that is gone and is created anew, as `change` says: as good as a restore."""
    applied = {field.name: field.after for field in change.fields}
    entry = replace(row, id=None, reversals_json=_once_more(row, BindingState.ACTIVE, at))
    return with_record(entry, applied, {name: value or "" for name, value in applied.items()}, {})


def not_taken(fields: Iterable[FieldChange], live: LiveCustomer) -> tuple[FieldChange, ...]:
    """Return the fields of a patch for which the reply holds the value from before the request."""
    return tuple(field for field in fields if _kept(field, live.fields.get(field.name, "")))


def _kept(field: FieldChange, held: str) -> bool:
    """Say whether `held` is the value from before, and not the one that was sent."""
    kind = FIELDS[field.name]
    return kind.same(held, field.before) and not kind.same(held, field.after)


def patched(
    row: Binding,
    change: Change,
    live: LiveCustomer,
    at: float,
    *,
    read: bool = True,
    undecided: Collection[FieldChange] = (),
) -> Recorded:
    """
    Return the binding of a customer just patched, `live` being the reply.

    `undecided` are sent in another form next: nothing is recorded of them yet, as this run may end before.

    Not `read`: the plan saw only the ledger's record of it. Whether a field without one was rewritten or kept
    then cannot be said, and it is left without one, for the next plan.
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
        if not read and field.cause is Cause.UNKNOWN and not FIELDS[field.name].same(held, field.after):
            continue
        applied[field.name], observed[field.name] = field.after, held
        trouble[field.name] = _after_patch(field, trouble.get(field.name))
    return Recorded(with_record(replace(row, written_at=at), applied, observed, trouble), refused)


def refused(row: Binding, fields: Iterable[FieldChange]) -> Binding:
    """Return the binding of a customer for which the server refuses to take `fields`: they are as they were."""
    trouble = row.trouble()
    for field in fields:
        trouble[field.name] = Trouble(refused=(field.after or "", field.before or ""))
    return with_record(row, row.applied(), row.observed(), trouble)


def _after_patch(field: FieldChange, before: Trouble | None) -> Trouble:
    """Return how often the field was now patched to this value, and what it had come back to."""
    value = field.after or ""
    if before is None or before.runs == 0 or field.cause is not Cause.DRIFT or before.patched != value:
        return Trouble(patched=value, runs=1)
    return Trouble(patched=value, runs=before.runs + 1, seen=(*before.seen, field.before))


def archived(row: Binding, at: float) -> Binding:
    """Return the binding of a customer that we just archived."""
    reversals = _once_more(row, BindingState.ARCHIVED, at)
    return replace(row, state=BindingState.ARCHIVED, written_at=at, reversals_json=reversals)


def restored(row: Binding, at: float) -> Binding:
    """
    Return the binding of a customer just restored.

    What was applied and observed stays: where the reply differs from it, the next plan shall say so.
    """
    reversals = _once_more(row, BindingState.ACTIVE, at)
    return replace(row, state=BindingState.ACTIVE, written_at=at, reversals_json=reversals)


def _once_more(row: Binding, made: BindingState, at: float) -> str:
    """Return that we brought a customer to a state at `at`: again, where we did so before and it did not stay there."""
    former = row.reversals()
    times = former.at if former is not None and former.made is made else ()
    return reversals_json(Reversals(made, (*times, at)[-REVERSALS:]))


def absent(row: Binding) -> Binding:
    """Return the binding of a customer that a restore did not find: the next plan asks for it by a get."""
    return replace(row, state=BindingState.ABSENT)
