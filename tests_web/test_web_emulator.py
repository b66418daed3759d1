"""The emulator's page in a browser: what a person sees of the account there, and what the forms do."""

from __future__ import annotations

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from command_line import raw
from conftest import Emulated, Opened
from test_web_plan import HOSTILE

from reconciler.emulator.service import Emulator, load
from reconciler.rules import archive

EPOCH_S = 1_767_225_600.0
ACME = {
    "external_id": "acme",
    "name": "Acme Corp",
    "city": "Boston",
    "users": [{"email": "jane@acme.example", "first_name": "Jane", "last_name": "Doe"}],
}
GLOBEX = {"external_id": "globex", "name": "Globex", "city": "Dover"}
HOOLI = {"external_id": "hooli", "name": "Hooli", "city": "Palo Alto"}


def full(*customers: dict[str, object]) -> Emulator:
    """Return an emulator with customers, of whom those called Hooli are archived, and Acme has a card."""
    emulator = Emulator(rate=0)
    load(emulator.account, customers or (ACME, GLOBEX, HOOLI), EPOCH_S)
    for one in list(emulator.account.customers.values()):
        if one.external_id == "hooli":
            archive(emulator.account, emulator.behaviour, one.id, EPOCH_S)
    emulator.account.payment_methods["acme"] = [{"id": "pm_1", "type": "card"}]
    return emulator


def asked(shown: Opened, count: int) -> None:
    """Send the API some requests, as a program does."""
    for _ in range(count):
        httpx.get(f"{shown.page.url.partition('?')[0]}customers")


def numbers(shown: Opened) -> dict[str, str]:
    lines = (text.split("\n") for text in shown.page.locator(".numbers li").all_inner_texts())
    return {words.strip(): number.strip() for number, words in lines}


def rows(shown: Opened, region: str) -> list[list[str]]:
    found = shown.page.get_by_role("region", name=region, exact=True).locator("tbody tr").all()
    return [row.locator("td").all_inner_texts() for row in found]


def test_it_shows_the_account_in_numbers_and_rows_and_asks_nobody(emulated: Emulated) -> None:
    shown = emulated(full())
    assert numbers(shown) == {
        "active customers": "2",
        "archived": "1",
        "users": "1",
        "payment methods": "1",
        "requests": "0",
        "refused with 429": "0",
    }
    assert [row[1:] for row in rows(shown, "The customers found")] == [
        ["hooli", "Hooli", "Palo Alto", "0", "0", "archived"],
        ["globex", "Globex", "Dover", "0", "0", "active"],
        ["acme", "Acme Corp", "Boston", "1", "1", "active"],
    ]
    assert (shown.asked, shown.complaints) == ([], [])


def test_archived_ones_and_any_field_are_found(emulated: Emulated) -> None:
    shown = emulated(full())
    shown.page.select_option("#held", "archived")
    with shown.page.expect_navigation():
        shown.page.get_by_role("button", name="Show").click()
    assert [row[1] for row in rows(shown, "The customers found")] == ["hooli"]
    shown.page.select_option("#held", "")
    shown.page.fill("#q", "bosTON")
    with shown.page.expect_navigation():
        shown.page.keyboard.press("Enter")
    assert [row[1] for row in rows(shown, "The customers found")] == ["acme"]


def test_a_customer_is_opened_with_its_users_and_payment_methods(emulated: Emulated) -> None:
    shown = emulated(full())
    shown.page.locator("tr", has_text="acme").get_by_role("link").click()
    fields = dict(rows(shown, "The customer's fields"))
    assert (fields["name"], fields["city"]) == ("Acme Corp", "Boston")
    section = shown.page.locator("section", has=shown.page.locator("#one")).inner_text()
    assert ("Jane Doe <jane@acme.example>" in section, "pm_1" in section) == (True, True)
    shown.page.get_by_role("link", name="close").click()
    assert shown.page.locator("#one").count() == 0


def test_requests_stand_in_the_log_newest_first_with_their_pace(emulated: Emulated) -> None:
    shown = emulated(full())
    asked(shown, 3)
    shown.page.reload()
    assert [row[1:3] for row in rows(shown, "The newest requests")] == [["GET /customers", "401"]] * 3
    bars = [int(text.split()[0]) for text in shown.page.locator(".pace li").all_text_contents()]
    assert (len(bars), sum(bars)) == (30, 3)


def test_the_page_renews_itself_where_that_is_chosen(emulated: Emulated) -> None:
    shown = emulated(full())
    shown.page.get_by_role("link", name="every 2 s").click()
    asked(shown, 1)
    shown.page.get_by_text("GET /customers").wait_for(timeout=10_000)
    shown.page.get_by_role("link", name="off", exact=True).click()
    assert shown.page.locator("meta[http-equiv=refresh]").count() == 0


def test_a_fault_is_set_befalls_a_request_and_is_ended(emulated: Emulated) -> None:
    emulator = full()
    shown = emulated(emulator)
    shown.page.get_by_label("chance of status_503_before").fill("1")
    shown.page.get_by_label("which requests status_503_before befalls").select_option("reads")
    with shown.page.expect_navigation():
        shown.page.get_by_role("button", name="set status_503_before", exact=True).click()
    asked(shown, 1)
    shown.page.reload()
    assert rows(shown, "The newest requests")[0][1:] == ["GET /customers", "503", "status_503_before"]
    assert shown.page.locator("td b.bad").all_inner_texts() == ["status_503_before"]
    with shown.page.expect_navigation():
        shown.page.get_by_role("button", name="No faults at all").click()
    asked(shown, 1)
    shown.page.reload()
    assert (rows(shown, "The newest requests")[0][2], shown.page.locator("td b.bad").count()) == ("401", 0)


def test_a_chance_that_is_none_is_not_sent(emulated: Emulated) -> None:
    shown = emulated(full())
    shown.page.get_by_label("chance of lost_after").fill("2")
    shown.page.get_by_role("button", name="set lost_after", exact=True).click()
    assert shown.page.get_by_label("chance of lost_after").evaluate("one => one.validity.rangeOverflow")
    assert shown.page.locator("td b.bad").count() == 0


def test_a_reset_wants_its_box_ticked(emulated: Emulated) -> None:
    shown = emulated(full())
    shown.page.get_by_role("button", name="Reset").click()
    assert numbers(shown)["active customers"] == "2"
    shown.page.get_by_label("Every customer goes").check()
    with shown.page.expect_navigation():
        shown.page.get_by_role("button", name="Reset").click()
    shown.page.get_by_text("None. Fill the account").wait_for()
    assert numbers(shown)["active customers"] == "0"


@pytest.mark.parametrize("value", HOSTILE)
def test_whatever_a_customer_is_called_stays_text_here_too(emulated: Emulated, value: str) -> None:
    fields = dict.fromkeys(("external_id", "name", "city", "email"), value)
    user = {"email": value, "first_name": value, "last_name": value}
    shown = emulated(full({**fields, "users": [user]}))
    shown.page.locator("td a").click()
    assert shown.page.locator("script, img, link, iframe").count() == 0
    assert (shown.asked, shown.complaints) == ([], [])
    assert raw(shown.page.content().replace("\t", "")) == []


def test_a_form_of_another_site_changes_nothing(emulated: Emulated) -> None:
    shown = emulated(full())
    target = f"{shown.page.url}_emulator/page/reset"
    context = shown.page.context.browser.new_context()  # type: ignore[union-attr]
    elsewhere = context.new_page()
    elsewhere.set_content(f"<form method=post action='{target}'><input name=sure value=yes><button>go</button></form>")
    elsewhere.get_by_role("button").click()
    elsewhere.get_by_text("Only the emulator's own page may send this").wait_for()
    context.close()
    shown.page.reload()
    assert numbers(shown)["active customers"] == "2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("empty", [False, True])
def test_nothing_of_it_is_in_the_way_of_people_who_see_or_hear_it_otherwise(
    emulated: Emulated, scheme: str, width: int, *, empty: bool
) -> None:
    shown = emulated(
        Emulator(rate=0) if empty else full(), viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    if not empty:
        asked(shown, 2)
        shown.page.locator("tr", has_text="acme").get_by_role("link").click()
    found = Axe().run(shown.page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
