from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from plan_values import NOTHING

from reconciler.errors import Source
from reconciler.model.core import Action, Address, CustomerId, EnvironmentRef, Reason
from reconciler.model.plan import (
    BindingAction,
    BindingChange,
    Blocked,
    Change,
    Exceeded,
    FieldChange,
    Note,
    Plan,
    Unknown,
)
from reconciler.model.reasons import BlockedReason, Cited, FieldValue, NoteKind, UnknownKind
from reconciler.report.layout import columns
from reconciler.report.plan_text import plan_text

HOSTILE = "[bold]x[/bold]\x1b[31mred\u202e\u2028\r\nnext\x07:smile:"


def hostile_plan(value: str) -> Plan:
    at_hostile = Source(value, 1, 1)
    address = Address(value, value)
    return Plan(
        EnvironmentRef(value, value, value),
        value,
        changes=tuple(
            Change(action, address, CustomerId(value), Reason.DECLARED, (FieldChange(value, value, value),), at_hostile)
            for action in Action
        ),
        bindings=(BindingChange(BindingAction.MOVE, address, CustomerId(value), value),),
        blocked=(
            Blocked(
                address,
                BlockedReason.FIELD_FIXED,
                parts={"field": value, "live": FieldValue(value, value), "declared": FieldValue("country", value)},
                field=value,
                source=at_hostile,
                ids=(CustomerId(value),),
            ),
            Blocked(address, BlockedReason.EXTERNAL_ID_TAKEN, parts={"answer": Cited(value)}),
        ),
        limits=(Exceeded(value, 1, 0, value),),
        notes=(
            Note(NoteKind.FIELD_RELEASED, address, parts={"field": value, "value": FieldValue(value, value)}),
            Note(NoteKind.RECREATE_NEARLY_MATCHES, parts={"key": value, "near": value}),
        ),
        unknown=(Unknown(UnknownKind.RESTORES_UNCERTAIN, {"customers": value}),),
    )


def test_hostile_text_never_gets_through_raw() -> None:
    shown = plan_text(hostile_plan(HOSTILE), width=200, color=False)
    assert set(shown) & set("\x1b\u202e\u2028\r\x07") == set()
    assert [row for row in shown.splitlines() if row.startswith("next")] == []


def test_markup_and_emoji_names_stay_the_text_that_they_are() -> None:
    fields = (FieldChange("city", "Boston", "[bold]x[/bold]:smile:"),)
    patch = Change(Action.PATCH, Address("a"), CustomerId("c"), Reason.DECLARED, fields)
    shown = plan_text(replace(NOTHING, changes=(patch,)), width=80, color=False)
    assert "city  Boston -> [bold]x[/bold]:smile:  (config)" in shown


@given(value=st.text(max_size=60), width=st.integers(20, 120))
def test_no_line_is_wider_than_asked_and_no_control_character_is_shown(value: str, width: int) -> None:
    shown = plan_text(hostile_plan(value), width=width, color=False)
    assert max(map(columns, shown.split("\n"))) <= width
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown) == []
