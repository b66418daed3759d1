from __future__ import annotations

import httpx
import pytest
from emulated import against, emulator

from reconciler.rules import Behaviour, ErrorBody


def test_every_endpoint_answers_as_documented() -> None:
    served = emulator()
    served.account.payment_methods["acme"] = [{"id": "pm_1", "type": "card"}]

    async def steps(client: httpx.AsyncClient) -> None:
        created = await client.post("/customers", json={"external_id": "acme", "name": "Acme"})
        one = f"/customers/{created.json()['id']}"
        user = await client.post(f"{one}/users", json={"email": "jane@acme.example"})
        answers = {
            "get": await client.get(one),
            "patch": await client.patch(one, json={"city": "Rome"}),
            "archive": await client.delete(one),
            "restore": await client.post(f"{one}/restore"),
            "list": await client.get("/customers", params={"limit": 5, "after": ""}),
            "users": await client.get(f"{one}/users"),
            "methods": await client.get(f"{one}/payment-methods"),
            "method": await client.get(f"{one}/payment-methods/pm_1"),
        }
        assert (created.status_code, user.status_code) == (201, 201)
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200)
        assert answers["get"].json() == created.json()
        assert answers["list"].json()["data"] == [{**created.json(), "city": "Rome"}]
        assert answers["users"].json()["data"] == [user.json()]
        assert answers["methods"].json() == {"data": [{"id": "pm_1", "type": "card"}]}
        assert answers["method"].json() == {"id": "pm_1", "type": "card"}

    against(served, steps)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/customers", 404),
        ("GET", "/", 404),
        ("GET", "/customers/", 404),
        ("GET", "/customers/a/b", 404),
        ("GET", "/customers/a/payment-methods/b/c", 404),
        ("GET", "/customers/*", 404),
        ("PUT", "/customers/a", 405),
        ("DELETE", "/customers", 405),
        ("DELETE", "/customers/a/users", 405),
        ("GET", "/oauth/token", 405),
    ],
)
def test_what_the_api_does_not_have_is_refused(method: str, path: str, status: int) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.request(method, path)).status_code == status

    against(emulator(), steps)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(content: bytes) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert (await client.post("/customers", content=content)).status_code == 400

    against(emulator(), steps)


def test_any_text_comes_back_as_it_was_sent() -> None:
    name = 'J\u00f6rg \U0001f600 "\x00" \u202e \ud800'

    async def steps(client: httpx.AsyncClient) -> None:
        sent = b'{"name": "J\\u00f6rg \\ud83d\\ude00 \\"\\u0000\\" \\u202e \\ud800"}'
        created = await client.post("/customers", content=sent)
        assert created.json()["name"] == name
        assert (await client.get("/customers")).json()["data"][0]["name"] == name

    against(emulator(), steps)


def test_the_date_header_is_the_emulators_clock() -> None:
    served = emulator()
    served.offset_s = 60

    async def steps(client: httpx.AsyncClient) -> None:
        created = await client.post("/customers", json={})
        assert created.headers["date"] == "Thu, 01 Jan 2026 00:01:00 GMT"
        assert created.json()["created_at"] == "2026-01-01T00:01:00.000000Z"

    against(served, steps)


def test_a_refusal_may_be_a_page_of_html() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.get("/customers/no")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert answer.text.startswith("<html>")

    against(emulator(behaviour=Behaviour(error_body=ErrorBody.HTML)), steps)
