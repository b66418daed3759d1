"""The users of one customer, each with the sides that have it. Pure."""

from __future__ import annotations

from reconciler.kinds.kind import canonical_email
from reconciler.model.core import DesiredCustomer, Live
from reconciler.model.ledger import Records
from reconciler.model.reports import UserSides


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
