"""The emulator's page: what it shows, and what its forms do."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from reconciler.emulator.faults import Fault
from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.emulator.server import create_app
from reconciler.emulator.service import Emulator, load
from reconciler.rules import archive

HERE = "http://127.0.0.1:8085"
EPOCH_S = 1_767_225_600.0


def asked(
    emulator: Emulator, method: str, target: str, form: dict[str, str] | None = None, **headers: str
) -> httpx.Response:
    """Send one request, as the page's own forms do unless the headers say otherwise."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(emulator))
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            origin = {"origin": HERE} if method == "POST" else {}
            return await client.request(method, target, data=form, headers={**origin, **headers})

    return asyncio.run(send())


def full(*customers: dict[str, object]) -> Emulator:
    emulator = Emulator(rate=0)
    load(emulator.account, customers, EPOCH_S)
    return emulator


def body(emulator: Emulator, target: str = "/") -> str:
    answer = asked(emulator, "GET", target)
    assert answer.status_code == 200
    return answer.text


def test_the_page_shows_customers_users_and_archived_ones() -> None:
    emulator = full({"external_id": "acme", "name": "Acme", "users": [{"email": "a@acme.example"}]}, {"name": "Gone"})
    gone = list(emulator.account.customers)[1]
    archive(emulator.account, emulator.behaviour, gone, EPOCH_S)
    shown = body(emulator)
    assert [words in shown for words in ("acme", "Gone", "<b>1</b> active", "<b>1</b> archived", "<b>1</b> users")] == [
        True
    ] * 5
    assert ("Acme" in body(emulator, "/?held=archived"), "Gone" in body(emulator, "/?held=active")) == (False, False)


def test_a_customer_is_found_by_any_of_its_fields() -> None:
    emulator = full({"external_id": "acme", "city": "Boston"}, {"external_id": "globex", "city": "Dover"})
    shown = body(emulator, "/?q=bosTON")
    assert ("acme" in shown, "globex" in shown) == (True, False)


def test_one_customer_is_shown_whole() -> None:
    emulator = full({"external_id": "acme", "users": [{"email": "a@acme.example"}]})
    (one,) = emulator.account.customers
    emulator.account.payment_methods["acme"] = [{"id": "pm_1", "type": "card"}]
    shown = body(emulator, f"/?customer={one}")
    assert [words in shown for words in ("a@acme.example", "id: pm_1, type: card")] == [True, True]


def test_a_page_of_many_customers_leads_to_the_next_and_back() -> None:
    emulator = full(*({"external_id": f"c{number}"} for number in range(120)))
    first, second = body(emulator), body(emulator, "/?start=50")
    assert ("1 to 50 of 120" in first, "start=50" in first, ">c0<" in first) == (True, True, False)
    assert ("51 to 100 of 120" in second, "start=100" in second, ">newer<" in second) == (True, True, True)


@pytest.mark.parametrize("start", ["-1", "x", "99999999999999999999", "٣"])
def test_a_start_that_is_none_shows_the_page_all_the_same(start: str) -> None:
    assert "of 1, newest first" in body(full({"name": "Acme"}), f"/?start={start}")


def test_live_text_is_text() -> None:
    emulator = full({"external_id": "<script>alert(1)</script>", "name": '"><img src=x>', "city": "a\u202eb\x1b[31m"})
    (one,) = emulator.account.customers
    shown = body(emulator, f"/?customer={one}")
    assert [mark for mark in ("<script", "<img", "\u202e", "\x1b") if mark in shown] == []
    assert [mark in shown for mark in ("&lt;script&gt;", "a\\u202eb\\x1b[31m")] == [True, True]


def test_what_is_sought_is_text_too() -> None:
    assert "<script" not in body(full(), "/?q=%3Cscript%3E&customer=%22%3E%3Cscript%3E&held=%22%3E&refresh=%22%3E")


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    answer = asked(full(), "GET", "/")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert [mark for mark in ("<script", "src=", "@import", "url(") if mark in answer.text] == []


def test_the_log_shows_requests_and_their_pace_and_not_the_page_itself() -> None:
    emulator = full()
    asked(emulator, "GET", "/customers?limit=7")
    body(emulator)
    shown = body(emulator)
    assert ("GET /customers?limit=7" in shown, "<b>1</b> requests" in shown, "1 requests 0 seconds ago" in shown) == (
        True,
        True,
        True,
    )


def test_a_fault_is_set_and_ended_by_its_form() -> None:
    emulator = full()
    for name, chance in (("slow", "0.25"), ("lost_after", "1")):
        answer = asked(emulator, "POST", "/_emulator/page/fault", {"fault": name, "chance": chance, "on": "writes"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    set_to = {name: strikes[0]["chance"] for name, strikes in emulator.faults.as_json().items() if name in set(Fault)}
    assert set_to == {"slow": 0.25, "lost_after": 1}
    asked(emulator, "POST", "/_emulator/page/fault", {"fault": "slow", "chance": "0"})
    assert [name for name in emulator.faults.as_json() if name in set(Fault)] == ["lost_after"]
    asked(emulator, "POST", "/_emulator/page/no-faults")
    assert [name for name in emulator.faults.as_json() if name in set(Fault)] == []


@pytest.mark.parametrize(
    "form", [{"fault": "slow", "chance": "2"}, {"fault": "nothing", "chance": "1"}, {"fault": "slow"}]
)
def test_a_fault_that_cannot_be_is_said_to_be_none(form: dict[str, str]) -> None:
    emulator = full()
    before = emulator.faults.as_json()
    assert asked(emulator, "POST", "/_emulator/page/fault", form).status_code == 400
    assert emulator.faults.as_json() == before


def test_a_reset_wants_to_be_meant() -> None:
    emulator = full({"name": "Acme"})
    assert asked(emulator, "POST", "/_emulator/page/reset").status_code == 400
    assert len(emulator.account.customers) == 1
    assert asked(emulator, "POST", "/_emulator/page/reset", {"sure": "yes"}).status_code == 303
    assert len(emulator.account.customers) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://other.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://other.example:8085", "host": "other.example:8085"},
    ],
)
def test_another_sites_page_cannot_send_the_forms(headers: dict[str, str]) -> None:
    emulator = full({"name": "Acme"})
    assert asked(emulator, "POST", "/_emulator/page/reset", {"sure": "yes"}, **headers).status_code == 403
    assert len(emulator.account.customers) == 1


def test_the_page_shows_what_an_integration_did_and_lets_it_sync() -> None:
    emulator = full()
    assert "Sync now" not in body(emulator)
    emulator.connect(Integration(every_s=3600.0, records=(SyncedRecord("17", {"name": "Acme"}),)))
    assert asked(emulator, "POST", "/_emulator/page/sync").status_code == 303
    shown = body(emulator)
    assert [words in shown for words in ("Acme", "every 3600 s", "Created so far: <b>1</b>", "Sync now")] == [True] * 4
