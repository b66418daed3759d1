from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import httpx
import pytest
from emulated import against, emulator

from reconciler.emulator.faults import Amounts


async def control(client: httpx.AsyncClient, path: str, value: object = None) -> dict[str, Any]:
    del client.headers["authorization"]
    url = f"/_emulator/{path}"
    answer = await (client.get(url) if value is None else client.post(url, json=value))
    client.headers["authorization"] = "gone"
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def test_the_state_counts_what_the_account_holds() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={"external_id": "acme"})).json()
        user = (await client.post(f"/customers/{one['id']}/users", json={"email": "a@x.example"})).json()
        await client.delete(f"/customers/{one['id']}")
        state = await control(client, "state?customers=1")
        assert state == {
            "customers": 1,
            "active": 0,
            "archived": 1,
            "users": 1,
            "requests": 4,
            "requests_by_method": {"POST": 3, "DELETE": 1},
            "faults": {},
            "date": "Thu, 01 Jan 2026 00:00:00 GMT",
            "all": [{**one, "archived": True, "users": [user]}],
        }

    against(emulator(), steps)


def test_requests_are_told_in_their_order() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await asyncio.sleep(1)
        await client.get("/customers", params={"after": "a+b"})
        await client.get("/customers/a%2Fb")
        token, listed, got = (await control(client, "requests"))["requests"]
        at_s = token["time"]
        assert token == {
            "time": at_s,
            "method": "POST",
            "path": "/oauth/token",
            "query": "",
            "status": 200,
            "fault": None,
        }
        asked = {"method": "GET", "path": "/customers", "query": "after=a%2Bb"}
        assert listed == {**asked, "time": at_s + 1, "status": 400, "fault": None}
        assert got["path"] == "/customers/a%2Fb"
        assert (await control(client, "requests?since=2"))["requests"] == [got]

    against(emulator(), steps)


def test_the_behaviour_can_be_changed_while_it_runs() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={})).json()["id"]
        token = client.headers["authorization"]
        await client.delete(f"/customers/{one}")
        changed = await control(client, "behaviour", {"gets_archived": False})
        assert changed == await control(client, "behaviour")
        client.headers["authorization"] = token
        assert (await client.get(f"/customers/{one}")).status_code == 404

    against(emulator(), steps)


def test_faults_can_be_set_and_say_which_are_still_to_come() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await client.post("/_emulator/faults", json={"next_writes": {"status_503_before": 2, "slow": 1}})
        assert (await client.post("/customers", json={})).status_code == 503
        waiting = await control(client, "faults")
        left = {"on": "writes", "chance": 0.0, "at": []}
        assert waiting["status_503_before"] == [{**left, "next": 1}]
        assert waiting["slow"] == [{**left, "next": 1}]
        assert await control(client, "faults", waiting) == waiting
        assert set(await control(client, "faults", {})) == {*asdict(Amounts()), "seed"}

    against(emulator(), steps)


def test_a_fault_stands_in_the_log_and_in_the_state() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await client.post("/_emulator/faults", json={"status_503_before": {"at": 2}})
        for _ in range(3):
            await client.get("/customers")
        logged = (await control(client, "requests?since=1"))["requests"]
        assert [line["fault"] for line in logged] == [None, "status_503_before", None]
        assert (await control(client, "state"))["faults"] == {"status_503_before": 1}

    against(emulator(), steps)


def test_customers_can_be_loaded_and_edited_past_every_rule() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        loaded = {
            "external_id": "acme",
            "name": "Acme",
            "created_at": "2020-01-01T00:00:00Z",
            "users": [{"email": "a@x.example"}],
        }
        twin = {"external_id": "acme", "archived": True}
        ids = (await client.post("/_emulator/load", json={"customers": [loaded, twin]})).json()["ids"]
        edited = {"id": ids[0], "external_id": "globex", "email": "b@x.example"}
        methods = {"globex": [{"id": "pm"}]}
        await client.post("/_emulator/load", json={"customers": [edited], "payment_methods": methods})
        shown = (await client.get(f"/customers/{ids[0]}")).json()
        assert {name: value for name, value in shown.items() if value} == {
            "id": ids[0],
            "external_id": "globex",
            "name": "Acme",
            "email": "b@x.example",
            "default_payment_method_id": "pm",
            "created_at": "2020-01-01T00:00:00.000000Z",
        }
        assert len((await client.get(f"/customers/{ids[0]}/users")).json()["data"]) == 1
        assert [one["id"] for one in (await client.get("/customers")).json()["data"]] == [ids[0]]

    against(emulator(), steps)


def test_a_reset_empties_the_account_and_no_id_comes_again() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        former = (await client.post("/customers", json={"external_id": "acme"})).json()["id"]
        await client.post("/_emulator/reset")
        assert (await client.get(f"/customers/{former}")).status_code == 404
        again = await client.post("/customers", json={"external_id": "acme"})
        assert (again.status_code, again.json()["id"] == former) == (201, False)

    against(emulator(), steps)


def test_a_reset_says_what_was_there_and_what_is_kept() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={})).json()["id"]
        await client.post(f"/customers/{one}/users", json={"email": "a@x.example"})
        faults = await control(client, "faults", {"slow": 0.5})
        assert await control(client, "reset", {}) == {
            "reset": {"customers": 1, "users": 1, "requests": 3, "faults": faults},
            "kept": ["behaviour", "clock", "tokens", "payment_methods", "integration"],
        }

    against(emulator(), steps)


def test_every_token_can_be_ended_and_the_clock_moved() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await client.post("/_emulator/expire")
        assert (await client.get("/customers")).status_code == 401
        assert (await control(client, "clock", {"offset_s": 3600})) == {"offset_s": 3600}
        assert (await client.get("/customers")).headers["date"] == "Thu, 01 Jan 2026 01:00:00 GMT"

    against(emulator(), steps)


def test_what_is_for_the_emulator_neither_counts_nor_is_logged() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        for _ in range(10):
            assert (await client.get("/_emulator/state")).status_code == 200
        assert (await client.get("/customers")).status_code == 200
        assert (await control(client, "state"))["requests"] == 2

    against(emulator(rate=1), steps)


@pytest.mark.parametrize(
    ("path", "value", "status", "message"),
    [
        ("behaviour", {"colour": "red"}, 400, "'colour' is not a switch"),
        ("faults", {"slow": 5}, 400, "slow is a probability"),
        ("clock", {"offset_s": 1e300}, 400, "offset_s is a number of seconds"),
        ("load", {"customers": [5]}, 400, "a customer is an object"),
        ("load", {"customers": {"a": 1}}, 400, "customers is a list of objects"),
        ("load", {"customers": [{"users": [5]}]}, 400, "a user is an object"),
        ("load", {"customers": [{"created_at": "now"}]}, 400, "created_at is not a time"),
        ("load", {"payment_methods": {"a": 1}}, 400, "payment methods are an object"),
        ("clock", {"offset_s": "1"}, 400, "offset_s is a number of seconds"),
        ("requests", {}, 404, "The emulator has no such request"),
    ],
)
def test_a_control_request_that_cannot_be_is_refused(path: str, value: object, status: int, message: str) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post(f"/_emulator/{path}", json=value)
        assert (answer.status_code, answer.json()["message"].startswith(message)) == (status, True)

    against(emulator(), steps)
