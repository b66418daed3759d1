"""The HTML of drift in a browser: what it finds, what it never does, and who can use it."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from command_line import raw
from conftest import Open
from drift_values import STEADY, WHOLE, changed, hostile_drift
from test_web_plan import HOSTILE

ALL = ["acme", "lost", "globex%2Fwest", "stark", "soylent", "old-*", "umbrella", "hooli"]


def test_it_shows_every_entry_of_the_drift_and_asks_nobody(opened: Open) -> None:
    report = opened(WHOLE)
    assert (report.addresses(), report.count()) == (ALL, "8 entries")
    assert report.page.inner_text("h1").startswith("Drift: 1 changed")
    assert report.page.inner_text(".alert").startswith("Unknown: There is no ledger yet")
    assert (report.asked, report.complaints) == ([], [])


def test_a_field_shows_every_side_under_its_heading_and_who_moved(opened: Open) -> None:
    table = opened(WHOLE).page.locator("[data-kind=changed] table")
    headings = ["Field", "Applied", "Live", "Declared", "Who moved"]
    assert (table.locator("thead").is_visible(), table.locator("thead th").all_inner_texts()) == (True, headings)
    assert table.locator("tbody tr").first.locator("th, td").all_inner_texts() == [
        "city",
        "applied:\nBoston",
        "live:\nDover",
        "declared:\nBoston",
        "the account changed",
    ]


def test_where_it_is_narrow_each_side_has_its_name_beside_it(opened: Open) -> None:
    wide, narrow = (opened(WHOLE, viewport={"width": width, "height": 900}).page for width in (1280, 400))
    widths = [page.locator(".spoken").first.evaluate("one => one.offsetWidth > 1") for page in (wide, narrow)]
    assert (widths, narrow.locator("thead").first.is_visible()) == ([False, True], False)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("DOVER acme", ["acme"]),
        ("cus_3", ["globex%2Fwest"]),
        ("probe", ["soylent"]),
        ("support", ["hooli"]),
        ("nobody", []),
    ],
)
def test_the_search_finds_every_word_in_any_text_of_an_entry(opened: Open, words: str, found: list[str]) -> None:
    report = opened(WHOLE)
    report.page.fill("#search", words)
    assert (report.addresses(), report.count()) == (found, f"{len(found)} of 8 entries")


def test_kind_mover_and_file_narrow_the_list(opened: Open) -> None:
    report = opened(WHOLE)
    report.page.get_by_label("Hidden or gone 1").check()
    report.page.get_by_label("Ignored 1").check()
    assert report.addresses() == ["lost", "hooli"]
    report.page.get_by_label("Ignored 1").uncheck()
    report.page.get_by_label("Hidden or gone 1").uncheck()
    report.page.get_by_label("Who moved").select_option("=no record of which side changed")
    assert report.addresses() == ["acme"]
    report.page.get_by_label("Who moved").select_option("")
    report.page.select_option("#file", "=drift.yaml")
    assert report.addresses() == ["old-*"]


def test_many_findings_are_turned_by_the_hundred(opened: Open) -> None:
    report = opened(changed(250))
    assert (report.count(), len(report.addresses())) == ("250 entries", 100)
    report.page.click("#next")
    assert (report.addresses()[0], report.page.inner_text("#page")) == ("c100", "Page 2 of 3")


@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_a_customer_is_called_stays_text_in_drift_too(opened: Open, value: str) -> None:
    report = opened(hostile_drift(value))
    calm = opened(hostile_drift("calm"))
    elements = "[...document.querySelectorAll('*')].map(one => one.tagName).sort().join()"
    assert report.page.evaluate(elements) == calm.page.evaluate(elements)
    assert (report.asked, report.complaints) == ([], [])
    assert raw(report.page.content().replace("\t", "")) == []


def test_without_scripts_the_summary_of_drift_stands(opened: Open) -> None:
    report = opened(WHOLE, java_script_enabled=False)
    assert report.page.inner_text("noscript").startswith("The 8 entries of this report are shown by a script")
    assert (report.page.locator("#filters").is_visible(), report.page.locator("h1").is_visible()) == (False, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("drift", [WHOLE, STEADY, changed(250)])
def test_no_part_of_drift_is_in_the_way_of_people_who_see_or_hear_it_otherwise(
    opened: Open, drift: object, width: int, scheme: str
) -> None:
    report = opened(drift, viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Axe().run(report.page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
