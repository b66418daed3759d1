"""The status of a fleet in a browser: sorted, searched, and usable by all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Open, Opened
from fleet_values import EVERY, NOW, account, many
from test_web_plan import HOSTILE

from reconciler.model.fleet import AccountState

WORST_FIRST = ["hooli", "initech", "wayne", "globex", "umbrella", "soylent", "acme", "stark"]


def _names(report: Opened) -> list[str]:
    return report.page.locator("#rows th").evaluate_all("all => all.map((one) => one.firstChild.textContent)")


def _order(report: Opened) -> list[str | None]:
    return [one.get_attribute("aria-sort") for one in report.page.locator("#columns th").all()]


def test_it_shows_the_worst_first_and_asks_nobody(opened: Open) -> None:
    report = opened(EVERY)
    assert (_names(report), report.count()) == (WORST_FIRST, "8 accounts")
    assert report.page.inner_text("h1").startswith("8 accounts: 1 failed")
    assert _order(report)[1] == "ascending"
    assert (report.asked, report.complaints) == ([], [])


def test_a_heading_sorts_by_its_column_and_again_the_other_way(opened: Open) -> None:
    report = opened(EVERY)
    report.page.get_by_role("button", name="Drifted").click()
    assert _names(report)[:2] == ["globex", "wayne"]
    assert _order(report)[6] == "descending"
    report.page.get_by_role("button", name="Drifted").click()
    assert _names(report)[-2:] == ["wayne", "globex"]
    report.page.get_by_role("button", name="Account").click()
    assert _names(report) == sorted(WORST_FIRST)


@pytest.mark.parametrize(
    ("words", "found"),
    [("canary", ["acme"]), ("MAY not", ["hooli"]), ("not applied", ["umbrella"]), ("gl", ["globex"]), ("nobody", [])],
)
def test_the_search_finds_accounts_labels_states_and_messages(opened: Open, words: str, found: list[str]) -> None:
    report = opened(EVERY)
    report.page.fill("#search", words)
    assert (_names(report), report.count()) == (found, f"{len(found)} of 8 accounts")


def test_a_state_narrows_the_table(opened: Open) -> None:
    report = opened(EVERY)
    report.page.get_by_label("Drifted 2").check()
    assert _names(report) == ["wayne", "globex"]


def test_ten_thousand_accounts_are_sorted_searched_and_turned(opened: Open) -> None:
    report = opened(many(10_000))
    assert (report.count(), len(_names(report))) == ("10000 accounts", 100)
    report.page.get_by_role("button", name="Customers").click()
    assert _names(report)[0] == "a09999"
    report.page.click("#next")
    assert (_names(report)[0], report.page.inner_text("#page")) == ("a09899", "Page 2 of 100")
    report.page.fill("#search", "a00042")
    assert _names(report) == ["a00042"]


@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_an_account_says_stays_text(opened: Open, value: str) -> None:
    status = replace(EVERY, project=value, accounts=[account("acme", AccountState.FAILED, message=value)])
    report = opened(replace(status, labels={"acme": {"note": value}}))
    assert _names(report) == ["acme"]
    assert (report.asked, report.complaints) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_everybody_can_use_the_page(opened: Open, scheme: str, width: int) -> None:
    status = replace(EVERY, accounts=[*EVERY.accounts, account("a" * 60, AccountState.FAILED, since=NOW)])
    page = opened(status, color_scheme=scheme, viewport={"width": width, "height": 900}).page
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
