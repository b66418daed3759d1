from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds import CUSTOMER, USER
from reconciler.model.core import Action, Address, CustomerId, EnvironmentRef, Reason
from reconciler.model.plan import BindingAction, BindingChange, Blocked, Change, FieldChange, Note, Plan
from reconciler.model.reasons import BlockedReason, Cited, FieldValue, Likeness, NoteKind, ReasonParts
from reconciler.report.plan_json import plan_to_json
from reconciler.report.redact import masked, masked_plan, masked_text

ACME = CustomerId("cus_1")
USER_OF_ACME = Address("acme", "jane@acme.example")


def test_every_field_but_state_and_country_is_masked() -> None:
    fields = [field.name for kind in (CUSTOMER, USER) for field in kind.fields]
    assert [name for name in fields if masked(name, "x") == "x"] == ["state", "country"]


def parts(live: str, declared: str) -> ReasonParts:
    both = FieldValue("first_name", live), FieldValue("first_name", declared)
    return {"field": "first_name", "live": both[0], "declared": both[1]}


def released(city: str) -> ReasonParts:
    return {"field": "city", "value": FieldValue("city", city)}


def like(name: str) -> Likeness:
    return Likeness(CustomerId("cus_2"), signs=("email",), name=FieldValue("name", name))


def test_a_masked_plan_keeps_keys_ids_and_what_is_empty() -> None:
    change = Change(
        Action.PATCH,
        Address("acme"),
        ACME,
        Reason.DECLARED,
        (
            FieldChange("city", "Boston", None),
            FieldChange("ein", "", "12-3456789"),
            FieldChange("country", "US", "USA"),
        ),
    )
    plan = Plan(
        EnvironmentRef("demo", "https://api.example", ""),
        "default",
        changes=(change, Change(Action.CREATE_USER, USER_OF_ACME, ACME, Reason.DECLARED)),
        bindings=(BindingChange(BindingAction.RELEASE, USER_OF_ACME, ACME),),
        blocked=(
            Blocked(USER_OF_ACME, BlockedReason.USER_FIXED, parts=parts("Jane", "Joan"), field="first_name"),
            Blocked(Address("globex"), BlockedReason.EXTERNAL_ID_TAKEN, parts={"answer": Cited("Globex has it")}),
        ),
        notes=(
            Note(NoteKind.FIELD_RELEASED, USER_OF_ACME, parts=released("Boston")),
            Note(NoteKind.LOOKS_LIKE, Address("acme"), parts={"key": "acme", "likes": (like("Acme Inc."),)}),
        ),
        unchanged=3,
    )
    assert masked_plan(plan) == replace(
        plan,
        changes=(
            replace(
                change,
                fields=(
                    FieldChange("city", "***", None),
                    FieldChange("ein", "", "***"),
                    FieldChange("country", "US", "USA"),
                ),
            ),
            Change(Action.CREATE_USER, Address("acme", "***"), ACME, Reason.DECLARED),
        ),
        bindings=(BindingChange(BindingAction.RELEASE, Address("acme", "***"), ACME),),
        blocked=(
            Blocked(Address("acme", "***"), BlockedReason.USER_FIXED, parts=parts("***", "***"), field="first_name"),
            Blocked(Address("globex"), BlockedReason.EXTERNAL_ID_TAKEN, parts={"answer": Cited("***")}),
        ),
        notes=(
            Note(NoteKind.FIELD_RELEASED, Address("acme", "***"), parts=released("***")),
            Note(NoteKind.LOOKS_LIKE, Address("acme"), parts={"key": "acme", "likes": (like("***"),)}),
        ),
    )


def test_a_text_is_masked_by_whole_words_and_the_longest_value_first() -> None:
    values = [("city", "York"), ("street_address", "1 York St"), ("state", "NY"), ("name", "A"), ("city", " ")]
    assert masked_text("1 York St, York, Yorkshire NY (A) And", values) == "***, ***, Yorkshire NY (***) And"


@given(value=st.text(st.characters(categories=["Lu", "Ll", "Nd"]), min_size=4, max_size=10))
def test_no_personal_value_of_a_change_is_in_the_masked_plans_json(value: str) -> None:
    secret = f"secret{value}"
    change = Change(
        Action.CREATE, Address("acme", secret), None, Reason.DECLARED, (FieldChange("name", secret, secret),)
    )
    note = Note(NoteKind.FIELD_RELEASED, change.address, parts=released(secret))
    plan = Plan(EnvironmentRef("", "", ""), "", changes=(change,), notes=(note,))
    assert secret not in str(plan_to_json(plan, redact=True))
