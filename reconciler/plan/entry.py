"""The ledger's row of a customer as a plan leaves it: what is bound, protected and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.kinds.kind import CUSTOMER_FIELDS, fingerprint
from reconciler.kinds.wire import compact, with_record
from reconciler.model.core import DesiredCustomer, LiveCustomer
from reconciler.model.ledger import Binding, BindingState, Trouble, Via
from reconciler.plan.diff import Diff
from reconciler.plan.match import Known, carried_external_id


def compared(customer: DesiredCustomer) -> dict[str, str | None]:
    """Return the declared fields that are compared: all but those of `ignore_changes`."""
    if not customer.ignore_changes:
        return dict(customer.fields)
    return {name: value for name, value in customer.fields.items() if name not in customer.ignore_changes}


@dataclass(frozen=True, slots=True)
class Here:
    """Whose entries are planned, and from where; `place` is "" where that is not known."""

    project: str
    place: str = ""


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
) -> Binding:
    """Return the ledger's row as it should be before any change; `found` None keeps what is recorded."""
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
    )
    if found is None:
        return entry
    return with_record(entry, found.applied, found.observed, _still(entry.trouble(), compared(customer)))


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
