"""A plan as HTML, as far as no browser is needed: `tests_web` has the rest."""

from __future__ import annotations

from command_line import raw
from html_reports import Seen
from hypothesis import given
from hypothesis import strategies as st
from plan_values import NOTHING, WHOLE
from test_plan_markdown_hostile import HOSTILE
from test_plan_text_hostile import hostile_plan

from reconciler.report.plan_html import plan_html


def test_the_policy_allows_its_own_script_and_style_alone_and_nothing_leads_elsewhere() -> None:
    seen = Seen(plan_html(WHOLE))
    assert (seen.allows_only_its_own, seen.leads) == (True, {"href": "#list"})


def test_a_patch_is_an_entry_with_old_new_and_cause() -> None:
    (patch,) = (row for row in Seen(plan_html(WHOLE)).data["rows"] if row["kind"] == "patch")
    assert patch == {
        "kind": "patch",
        "address": "acme",
        "id": "cus_1",
        "file": "customers.yaml",
        "at": "customers.yaml:7:3",
        "facts": ["declared"],
        "said": [],
        "fields": [
            ["city", "Boston", "New York", "config"],
            ["sub_premise", "Apt 1", "(empty)", "drift"],
            ["state", "(empty)", "NY", "unknown"],
        ],
    }


def test_what_is_blocked_stands_first_with_its_way_out() -> None:
    first = Seen(plan_html(WHOLE)).data["rows"][0]
    assert (first["kind"], first["address"], first["facts"], first["said"]) == (
        "blocked",
        "soylent",
        ["name"],
        [
            "It has no name, and a customer cannot be created without one.",
            "To fix this: Add `name:`.",
        ],
    )


def test_without_a_script_summary_limits_notes_and_what_is_not_known_are_there() -> None:
    shown = plan_html(WHOLE)
    assert [
        words in shown
        for words in (
            "<strong>Unknown:</strong> There is no ledger yet",
            "<h1>Plan: 1 to create, 2 users",
            "max_archives: 30 planned, 12 allowed; to allow it once: <code>--max-archives 30</code>",
            "<code>acme</code>: city is no longer managed and stays &#39;Boston&#39;.",
            "move <code>old-acme</code> to <code>acme</code>",
            "The 8 entries of this plan",
        )
    ] == [True] * 6


def test_redacted_html_holds_no_personal_value() -> None:
    shown = plan_html(WHOLE, redact=True)
    values = ("Boston", "Globex", "jane@", "Jane", "Main St", "Apt 1")
    assert ([one for one in values if one in shown], "***" in shown) == ([], True)


def test_a_plan_of_nothing_has_no_entry() -> None:
    assert Seen(plan_html(NOTHING)).data["rows"] == []


@given(HOSTILE | st.text(max_size=40))
def test_a_value_never_becomes_an_element(value: str) -> None:
    shown, calm = plan_html(hostile_plan(value)), plan_html(hostile_plan("calm"))
    assert [tag for tag, _ in Seen(shown).elements if tag != "code"] == [
        tag for tag, _ in Seen(calm).elements if tag != "code"
    ]
    assert len(Seen(shown).data["rows"]) == 7
    assert raw(shown) == []
