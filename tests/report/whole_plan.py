"""A small plan with everything in it, and one with nothing."""

from __future__ import annotations

from reconciler.errors import Source
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef, Reason
from reconciler.model.plan import BindingAction, BindingChange, Blocked, Change, Cost, Exceeded, FieldChange, Note, Plan

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
            "the API cannot change an e-mail",
            "set it in the dashboard, or write ignore_changes: [email]",
            "email",
            at(30),
            (CustomerId("cus_30"), CustomerId("cus_31")),
        ),
    ),
    limits=(Exceeded("max_archives", 30, 12, "--max-archives 30"),),
    notes=(Note("no longer managed, stays Boston", Address("acme"), (("city", "Boston"),)),),
    unknown=("which customers this project managed, as there is no ledger yet",),
    cost=Cost(12, 3, 5.0),
    unchanged=40,
    out_of_scope=2,
)
