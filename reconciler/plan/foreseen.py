"""What planning is going to ask for whatever the listing shows, so that it can be read beside the pages."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.core import Desired, ListUsers
from reconciler.model.ledger import BindingState, Records
from reconciler.model.policy import Terms
from reconciler.plan.scope import scope_of
from reconciler.plan.users import to_be_listed
from reconciler.plan.ways import known_lag


def foreseen(desired: Desired, records: Records, terms: Terms, now_s: float) -> tuple[ListUsers, ...]:
    """
    Return the user listings that a plan for `desired` needs, as far as files and ledger tell without a listing.

    `now_s` is the server's clock, or nearly, in seconds since 1970: what we wrote within the lag bound is left out, as
    no list need show it yet. One that turns out to be archived or gone was asked in vain.
    """
    return tuple(_foreseen(desired, records, terms, now_s))


def _foreseen(desired: Desired, records: Records, terms: Terms, now_s: float) -> Iterator[ListUsers]:
    """Yield them."""
    targeted = scope_of(desired, terms).targeted
    seen_by_s = now_s - known_lag(records.learned, terms)
    for key, customer in desired.customers.items():
        row = records.bindings.get(key) if customer.users and not customer.archived else None
        if row is None or row.state is not BindingState.ACTIVE or not targeted(key):
            continue
        if customer.id not in (None, row.id) or row.written_at > seen_by_s:
            continue
        if to_be_listed(customer, records.users.get(row.bound_id), read_again=terms.refresh_users):
            yield ListUsers(row.bound_id)
