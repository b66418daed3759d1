"""
What happened to the customers of a run after it: by later runs, as the history has it, and outside Reconciler. Pure.

An undo shows it beside its plan, so that whoever reads why a change can no longer be undone also reads what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import Address, CustomerId, Live, Status
from reconciler.model.ledger import Binding, BindingState, Intent, Records, Run
from reconciler.model.policy import Terms
from reconciler.model.reports import LaterChange
from reconciler.plan.presence import Active, Elsewhere, Hidden, Presence, presence
from reconciler.plan.server_behavior import learned_from, sight_of

History = Sequence[tuple[Run, Sequence[Intent]]]
"""Runs with their changes, the oldest first."""


def later_changes(
    intents: Iterable[Intent], later: History, live: Live, records: Records, terms: Terms
) -> tuple[LaterChange, ...]:
    """
    Return what happened since to the customers that `intents` changed, those of one run; `later` are the runs after it.

    A customer that the ledger binds to no key is compared with nothing, so only later runs are found of it.
    """
    sight = sight_of(live, learned_from(records, live, terms), terms)
    by_id = {row.bound_id: row for row in records.bindings.values()}
    touched = {one.id: one.address.external_id for one in intents if one.status is Status.DONE and one.id is not None}
    ours: dict[CustomerId, list[tuple[Run, Intent]]] = {}
    for run, changes in later:
        for one in changes:
            if one.id in touched and one.status is Status.DONE:
                ours.setdefault(one.id, []).append((run, one))
    found: list[LaterChange] = []
    for customer, key in touched.items():
        row, done = by_id.get(customer), ours.get(customer, [])
        found += (LaterChange(one.address, customer, one, run) for run, one in done)
        if row is not None:
            there = presence(sight, customer, row)
            written = {name: value for _, one in done for name, value in one.after.items()}
            found += _outside(Address(row.external_id or key), row, there, written)
    return tuple(found)


def _outside(
    address: Address, row: Binding, there: Presence, written: Mapping[str, str | None]
) -> Iterator[LaterChange]:
    """Yield what someone did to a customer outside Reconciler; `written` are the values that later runs wrote."""
    match there:
        case Elsewhere() | Hidden():
            became = BindingState.ARCHIVED if isinstance(there, Elsewhere) else BindingState.ABSENT
            yield LaterChange(address, row.bound_id, became=became)
        case Active(customer=customer):
            if row.state is not BindingState.ACTIVE:
                yield LaterChange(address, row.bound_id, became=BindingState.ACTIVE)
            fields = tuple(
                (name, left, held)
                for name, left in {**row.observed(), **written}.items()
                if name in CUSTOMER_FIELDS
                for held in (customer.fields.get(name, ""),)
                if not any(CUSTOMER_FIELDS[name].same(held, one) for one in (left, row.observed().get(name, left)))
            )
            if fields:
                yield LaterChange(address, row.bound_id, fields=fields)
        case _:
            pass
