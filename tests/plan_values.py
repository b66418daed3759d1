"""Plain values for tests of the planner's parts, and a small plan with everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.errors import Source
from reconciler.kinds.kind import fingerprint
from reconciler.kinds.wire import with_record
from reconciler.model.core import (
    Action,
    Address,
    Cause,
    CustomerId,
    Desired,
    DesiredCustomer,
    DesiredUser,
    EnvironmentRef,
    Live,
    LiveCustomer,
    Move,
    Reading,
    Reason,
    SourceFile,
)
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.plan import (
    BindingAction,
    BindingChange,
    Blocked,
    Change,
    Cost,
    Exceeded,
    FieldChange,
    Note,
    Plan,
    Unknown,
)
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind, UnknownKind
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


DEMO = EnvironmentRef("demo", "https://api.example", "ab" * 32)
NOTHING = Plan(DEMO, "default", unchanged=40)


def at(line: int) -> Source:
    return Source("customers.yaml", line, 3)


WHOLE = Plan(
    environment=DEMO,
    project="billing-west",
    changes=(
        Change(Action.RESTORE, Address("initech"), CustomerId("cus_9"), Reason.ELSEWHERE, source=at(3)),
        Change(
            Action.RESTORE,
            Address("lost"),
            CustomerId("cus_8"),
            Reason.HIDDEN_OR_GONE,
            (FieldChange("name", "", "Lost Inc."),),
            at(4),
            otherwise=Action.CREATE,
        ),
        Change(
            Action.PATCH,
            Address("acme"),
            CustomerId("cus_1"),
            Reason.DECLARED,
            (
                FieldChange("city", "Boston", "New York"),
                FieldChange("sub_premise", "Apt 1", None, Cause.DRIFT),
                FieldChange("state", "", "NY", Cause.UNKNOWN),
            ),
            at(7),
        ),
        Change(
            Action.CREATE,
            Address("globex/west"),
            None,
            Reason.DECLARED,
            (
                FieldChange("name", "", "Globex"),
                FieldChange("street_address", "", "123 Main St, New York, NY 10001, United States of America, Earth"),
            ),
            at(12),
        ),
        Change(
            Action.CREATE_USER,
            Address("globex/west", "jane@globex.example"),
            None,
            Reason.DECLARED,
            (FieldChange("email", "", "jane@globex.example"), FieldChange("first_name", "", "Jane")),
            at(15),
        ),
        Change(
            Action.CREATE_USER,
            Address("initech", "zoe@initech.example"),
            CustomerId("cus_9"),
            Reason.DECLARED,
            (FieldChange("email", "", "zoe@initech.example"), FieldChange("last_name", "", "Doe")),
            at(16),
            unless_listed=True,
        ),
        Change(
            Action.ARCHIVE,
            Address("hooli"),
            CustomerId("cus_7"),
            Reason.ENTRY_GONE,
            source=Source("customers.yaml"),
            payment_methods=2,
        ),
    ),
    bindings=(
        BindingChange(BindingAction.ADOPT, Address("umbrella"), CustomerId("cus_20")),
        BindingChange(BindingAction.MOVE, Address("acme"), CustomerId("cus_1"), "old-acme"),
    ),
    blocked=(
        Blocked(
            Address("soylent"),
            BlockedReason.NAME_MISSING,
            field="name",
            source=at(30),
            ids=(CustomerId("cus_30"), CustomerId("cus_31")),
        ),
    ),
    limits=(Exceeded("max_archives", 30, 12, "--max-archives 30"),),
    notes=(
        Note(NoteKind.FIELD_RELEASED, Address("acme"), parts={"field": "city", "value": FieldValue("city", "Boston")}),
    ),
    unknown=(Unknown(UnknownKind.NO_LEDGER),),
    cost=Cost(12, 3, 5.0),
    unchanged=40,
    out_of_scope=2,
)
