"""Plain values for tests of the planner's parts: a customer on each side, as usual where nothing is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.errors import Source
from reconciler.kinds.kind import fingerprint
from reconciler.kinds.wire import with_record
from reconciler.model.core import (
    CustomerId,
    Desired,
    DesiredCustomer,
    DesiredUser,
    EnvironmentRef,
    Live,
    LiveCustomer,
    Move,
    Reading,
    SourceFile,
)
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.policy import Terms
from reconciler.plan.presence import Sight

FILE = "customers.yaml"
NOW_S = 1_767_225_600.0
CREATED_AT = "2025-01-01T00:00:00Z"
TERMS = Terms(EnvironmentRef("test", "https://api.example", "0" * 64))


def customer(key: str, *users: DesiredUser, **said: Any) -> DesiredCustomer:  # noqa: ANN401 - its fields by name
    """Return a declared customer; its name is its key."""
    return DesiredCustomer(key, said.pop("fields", {"name": key}), Source(FILE, 2, 3), users, **said)


def declared(*customers: DesiredCustomer, moved: Mapping[str, str] | None = None) -> Desired:
    """Return customers declared in one file; `moved` is former key to key."""
    moves = tuple(Move(origin, to, Source(FILE, 9, 3)) for origin, to in (moved or {}).items())
    reading = Reading((SourceFile(FILE, "0" * 64),))
    return Desired({one.external_id: one for one in customers}, moves, reading=reading)


def there(customer_id: str, external_id: str, **fields: str) -> LiveCustomer:
    """Return a live customer; its name is its external_id."""
    return LiveCustomer(CustomerId(customer_id), external_id, CREATED_AT, {"name": external_id, **fields})


def account(*customers: LiveCustomer, **read: Any) -> Live:  # noqa: ANN401 - its fields by name
    """Return an account whose listing held `customers`; nobody has a payment method."""
    listed = {one.id: one for one in customers}
    return Live(listed, payment_methods=dict.fromkeys(listed, 0), read_at=NOW_S, **read)


def bound(key: str, customer_id: str, **said: Any) -> Binding:  # noqa: ANN401 - its fields by name
    """Return the ledger's row of an active customer whose name we applied."""
    row = Binding(
        external_id=key,
        id=CustomerId(customer_id),
        live_external_id=key,
        created_at=CREATED_AT,
        state=BindingState.ACTIVE,
        project="default",
        source=FILE,
        protected=False,
        via=Via.MATCHED,
        applied_hash=fingerprint({}),
    )
    return replace(with_record(row, {"name": key}, {"name": key}, {}), **said)


def ledger(*rows: Binding, **known: Any) -> Records:  # noqa: ANN401 - its fields by name
    """Return a ledger that holds `rows`."""
    return Records({row.external_id: row for row in rows}, known=True, **known)


def sight(live: Live, *, lists_archived: bool | None = False) -> Sight:
    """Return how `live` is seen with the usual lag bound."""
    return Sight(live, lists_archived, 10.0)
