"""The three-way table of one customer, each field with the row that decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds import Field
from reconciler.kinds.kind import CUSTOMER_FIELDS
from reconciler.model.core import DesiredCustomer, LiveCustomer
from reconciler.model.reports import Row
from reconciler.plan.customer import Means, difference
from reconciler.plan.match import Known


def compared_rows(customer: DesiredCustomer, known: Known, live: LiveCustomer, means: Means) -> tuple[Row, ...]:
    """Return a row for each field that is declared or recorded, in the order of the fields."""
    found = difference(customer, known, live, means)
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
            rule, then = "not declared any more", "released: it stays as it is"
        elif name in customer.ignore_changes:
            rule, then = "`ignore_changes` names it", "not compared"
        else:
            rule = _rule(field, customer.fields[name], recorded, now, means.equal.get(name))
            then = "blocked" if name in kept else "unchanged"
            then = f"patch ({causes[name].value})" if name in causes else then
        rows.append(Row(name, tuple(sides), rule, then, causes.get(name)))
    return tuple(rows)


def _rule(
    field: Field,
    declared: str | None,
    recorded: tuple[str | None, str] | None,
    live: str,
    equal: Mapping[str, str] | None,
) -> str:
    """Return the row of the table that decides, in words."""
    same = field.same(declared, live, equal)
    ends = f"live {_is(same=same)} declared"
    if recorded is None:
        return f"nothing recorded, {ends}"
    moved = f"declared {_is(same=field.same(declared, recorded[0], equal))} applied"
    return f"{moved}, {ends}, live {_is(same=field.same(live, recorded[1], equal))} observed"


def _is(*, same: bool) -> str:
    """Return how two values compare."""
    return "is as" if same else "differs from"
