"""Drift as Markdown, and as HTML as far as no browser is needed: `tests_web` has the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command_line import raw
from drift_values import STEADY, WHOLE, changed, hostile_drift
from html_reports import Seen
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_blocks import read
from test_plan_markdown_hostile import DETAILS, HOSTILE, KINDS, LINKS

from reconciler.escape import LEAST_BYTES, MAX_BYTES
from reconciler.model.core import Address
from reconciler.model.reports import DriftFinding, DriftKind, Pending
from reconciler.report.drift_page import drift_html, drift_markdown

PERSONAL = ("Boston", "Dover", "Acme Inc.", "Acme Corp")


def test_the_page_allows_its_own_script_and_style_alone_and_leads_nowhere() -> None:
    seen = Seen(drift_html(WHOLE))
    assert (seen.allows_only_its_own, seen.leads) == (True, {"href": "#list"})


def test_the_page_lists_drift_first_and_then_what_is_none() -> None:
    rows = Seen(drift_html(WHOLE)).data["rows"]
    assert [(row["kind"], row["address"], row["id"], row["facts"]) for row in rows] == [
        ("changed", "acme", "cus_1", []),
        ("gone", "lost", "cus_8", []),
        ("duplicated", "globex%2Fwest", "cus_2, cus_3", []),
        ("unmanaged", "stark", "cus_5", []),
        ("blocked", "soylent", "", ["email"]),
        ("expired", "old-*", "", ["until 2025-01-31"]),
        ("pending", "umbrella", "", ["patch", "city", "state"]),
        ("ignored", "hooli", "cus_7", ["changed", "until 2026-01-31"]),
    ]


def test_a_field_has_each_side_and_who_moved() -> None:
    data = Seen(drift_html(WHOLE)).data
    assert [title for title, _ in data["tables"][""]] == ["Applied", "Live", "Declared", "Who moved"]
    assert data["rows"][0]["fields"] == [
        ["city", "Boston", "Dover", "Boston", "the account changed"],
        ["state", "not recorded", "DE", "(empty)", "no record of which side changed"],
        ["name", "Acme", "Acme Inc.", "Acme Corp", "the account and the file changed"],
    ]


def test_every_kind_of_entry_has_a_title() -> None:
    data = Seen(drift_html(hostile_drift("x"))).data
    assert {row["kind"] for row in data["rows"]} == data["kinds"].keys()


def test_without_a_script_the_page_has_its_summary_and_what_is_not_known() -> None:
    shown = drift_html(WHOLE)
    assert [
        words in shown
        for words in (
            "<strong>Unknown:</strong> There is no ledger yet",
            "<h1>Drift: 1 changed, 1 gone, 1 duplicated, 1 unmanaged.",
            "Not observable on this server (1)",
            "we cannot see whether someone archived a customer.",
            "The 8 entries of this report",
            "<code>reconciler drift --format json</code>",
        )
    ] == [True] * 6


def test_no_drift_is_a_page_without_an_entry_and_a_head_alone() -> None:
    assert Seen(drift_html(STEADY)).data["rows"] == []
    assert drift_markdown(STEADY) == (
        "### No drift. 40 of 40 customers are managed (100%).\n\n"
        "Environment `demo` at `https://api.example`, project `default`.\n"
    )


def test_redacted_neither_holds_a_personal_value() -> None:
    for shown in (drift_html(WHOLE, redact=True), drift_markdown(WHOLE, redact=True)):
        assert ([one for one in PERSONAL if one in shown], "***" in shown) == ([], True)


@given(HOSTILE | st.text(max_size=40))
def test_a_value_never_becomes_an_element(value: str) -> None:
    shown = drift_html(hostile_drift(value))
    assert [tag for tag, _ in Seen(shown).elements] == [tag for tag, _ in Seen(drift_html(hostile_drift("x"))).elements]
    assert len(Seen(shown).data["rows"]) == len(DriftKind) + 4
    assert raw(shown) == []


def test_markdown_has_drift_opened_and_every_side_of_a_field() -> None:
    shown = drift_markdown(WHOLE)
    assert shown.startswith("> **Unknown:** There is no ledger yet, so we do not know")
    assert (
        "\n<details open>\n<summary>Changed (1)</summary>\n\n"
        "- `acme` (`customers.yaml:7:3`): It is not as Reconciler applied it.\n"
        "  - `city`: applied `Boston`, live `Dover`, declared `Boston`; the account changed\n"
        "  - `state`: applied not recorded, live `DE`, declared `(empty)`; no record of which side changed\n"
    ) in shown
    assert "<details>\n<summary>Ignored (1)</summary>\n\n- `hooli` changed, until 2026-01-31: support is at it" in shown


@given(value=HOSTILE, most=st.sampled_from([LEAST_BYTES, MAX_BYTES]))
@example(value="`" * 40, most=MAX_BYTES)
def test_hostile_markdown_holds_no_html_no_link_no_image_and_nothing_that_is_one_elsewhere(
    value: str, most: int
) -> None:
    shown = drift_markdown(hostile_drift(value), max_bytes=most)
    seen = read(shown)
    assert seen.kinds <= KINDS
    assert [one for one in seen.html if not DETAILS.fullmatch(one)] == []
    assert [one for one in seen.words if LINKS.search(one)] == []
    assert (raw(shown), len(shown.encode()) <= most) == ([], True)


@pytest.mark.parametrize("most", [LEAST_BYTES, 9_000, MAX_BYTES])
@pytest.mark.parametrize("value", ["x" * 60, "é" * 60, "`" * 60, "\U0001f600" * 60])
def test_markdown_is_cut_by_whole_entries_and_says_how_many_it_left_out(value: str, most: int) -> None:
    shown = drift_markdown(changed(900, value), max_bytes=most)
    kept = shown.count("\n- `c")
    assert (len(shown.encode()) <= most, kept > 0, shown.count("; the account changed\n")) == (True, True, kept)
    assert f"<summary>Changed (900, of which {900 - kept} do not fit here)</summary>" in shown
    assert "**Cut to fit:** not every entry is shown here" in shown


def test_many_pending_edits_push_no_drift_out() -> None:
    gone = DriftFinding(DriftKind.GONE, Address("lost"), None, ())
    edits = tuple(Pending(WHOLE.pending[0].action, Address(f"p{one}"), ("city",)) for one in range(5_000))
    assert "- `lost`" in drift_markdown(replace(STEADY, findings=(gone,), pending=edits))
