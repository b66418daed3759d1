"""The HTML of a plan in a browser: what it finds, what it never does, and who can use it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from command_line import raw
from conftest import Open
from plan_values import NOTHING, WHOLE
from test_plan_markdown import patches
from test_plan_text_hostile import hostile_plan

from reconciler.errors import Source

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=https://evil.example/x onerror=alert(1)>",
    "javascript:alert(1)",
    "<style>@import url(https://evil.example/s)</style><link rel=stylesheet href=//evil.example>",
    "<!--<script>",
    "\x1b[31mred\u202egnp.exe\u2066\u2028next",
    "{{ 7*7 }} ${7*7} {% raw %}",
    "\"'`&lt;&amp;\\u003c",
)
ALL = ["soylent", "initech", "lost", "acme", "globex%2Fwest"]
ALL += ["globex%2Fwest/jane@globex.example", "initech/zoe@initech.example", "hooli"]


def test_it_shows_every_entry_of_the_plan_and_asks_nobody(opened: Open) -> None:
    report = opened(WHOLE)
    assert (report.addresses(), report.count()) == (ALL, "8 entries")
    assert report.page.inner_text("h1").startswith("Plan: 1 to create, 2 users")
    assert report.page.inner_text(".alert").startswith("Unknown: There is no ledger yet")
    assert (report.asked, report.complaints) == ([], [])


def test_a_patch_shows_old_against_new_and_why(opened: Open) -> None:
    rows = opened(WHOLE).page.locator("[data-kind=patch] tbody tr").all()
    assert [row.locator("th, td").all_inner_texts() for row in rows] == [
        ["city", "before:\nBoston", "after:\nNew York", "config"],
        ["sub_premise", "before:\nApt 1", "after:\n(empty)", "drift"],
        ["state", "before:\n(empty)", "after:\nNY", "unknown"],
    ]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("NEW york config", []),
        ("new YORK", ["acme", "globex%2Fwest"]),
        ("cus_9", ["initech", "initech/zoe@initech.example"]),
        ("archived outside Reconciler", ["initech"]),
        ("cannot without", ["soylent"]),
        ("nobody", []),
    ],
)
def test_the_search_finds_every_word_in_any_text_of_an_entry(opened: Open, words: str, found: list[str]) -> None:
    report = opened(WHOLE)
    report.page.fill("#search", words)
    assert (report.addresses(), report.count()) == (found, f"{len(found)} of 8 entries")


def test_actions_cause_and_file_narrow_the_list(opened: Open) -> None:
    west = replace(WHOLE.changes[0], source=Source("west.yaml", 1))
    report = opened(replace(WHOLE, changes=(west, *WHOLE.changes[1:])))
    report.page.get_by_label("Archive 1").check()
    assert report.addresses() == ["hooli"]
    report.page.get_by_label("Blocked 1").check()
    assert report.addresses() == ["soylent", "hooli"]
    report.page.get_by_label("Archive 1").uncheck()
    report.page.get_by_label("Blocked 1").uncheck()
    report.page.select_option("#cause", "=drift")
    assert report.addresses() == ["acme"]
    report.page.select_option("#cause", "")
    report.page.select_option("#file", "=west.yaml")
    assert report.addresses() == ["initech"]
    report.page.get_by_label("Archive 1").check()
    assert (report.addresses(), report.count()) == ([], "0 of 8 entries")


def test_the_keyboard_reaches_and_clears_the_search(opened: Open) -> None:
    report = opened(WHOLE)
    report.page.keyboard.press("/")
    report.page.keyboard.type("hooli")
    assert report.addresses() == ["hooli"]
    report.page.keyboard.press("Escape")
    assert report.addresses() == ALL
    for _ in range(3):
        report.page.keyboard.press("Tab")
    report.page.keyboard.press("Space")
    assert report.addresses() == ["soylent"]


@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_a_customer_is_called_stays_text(opened: Open, value: str) -> None:
    report = opened(hostile_plan(value))
    calm = opened(hostile_plan("calm"))
    elements = "[...document.querySelectorAll('*')].map(one => one.tagName).sort().join()"
    assert report.page.evaluate(elements) == calm.page.evaluate(elements)
    assert report.page.locator("#rows li").count() == 7
    assert (report.asked, report.complaints) == ([], [])
    assert raw(report.page.content().replace("\t", "")) == []


def test_a_script_that_gets_in_does_not_run(opened: Open) -> None:
    report = opened(WHOLE)
    report.page.evaluate(
        "const one = document.createElement('div'); one.innerHTML = '<img src=//evil.example onerror=alert(1)>';"
        "const two = document.createElement('script'); two.textContent = 'alert(2)'; document.body.append(one, two)"
    )
    assert report.asked == []
    assert [one for one in report.complaints if one in ("1", "2")] == []
    assert len([one for one in report.complaints if "Content Security Policy" in one]) >= 2


def test_twenty_thousand_changes_open_turn_and_are_searched(opened: Open) -> None:
    report = opened(patches(20_000))
    assert (report.count(), len(report.addresses())) == ("20000 entries", 100)
    report.page.click("#next")
    assert (report.addresses()[0], report.page.inner_text("#page")) == ("c100", "Page 2 of 200")
    report.page.fill("#search", "c19999")
    assert (report.addresses(), report.page.locator("#pages").is_visible()) == (["c19999"], False)


def test_on_paper_stand_all_entries_that_were_found(opened: Open) -> None:
    report = opened(patches(250))
    report.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert len(report.addresses()) == 250
    report.page.emulate_media(media="print")
    assert (report.page.locator("#filters").is_visible(), report.page.locator("#pages").is_visible()) == (False, False)


def test_without_scripts_the_summary_stands(opened: Open) -> None:
    report = opened(WHOLE, java_script_enabled=False)
    assert report.page.inner_text("noscript").startswith("The 8 entries of this plan are shown by a script")
    assert (report.page.locator("#filters").is_visible(), report.page.locator("h1").is_visible()) == (False, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("plan", [WHOLE, NOTHING, patches(250), replace(WHOLE, limits=())])
def test_nothing_is_in_the_way_of_people_who_see_or_hear_it_otherwise(
    opened: Open, plan: object, width: int, scheme: str
) -> None:
    report = opened(plan, viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Axe().run(report.page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
