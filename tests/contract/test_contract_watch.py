from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from api_contract import OPERATIONS, Heard, Said, Watch, of_reply, of_request, operation_of
from api_ways import Ways
from clocks import VirtualClock
from clocks import run as in_virtual_time
from command_line import Online
from emulated import sign_in
from world import World

from reconciler.api.exchange import Request
from reconciler.emulator.faults import Fault, Scripted
from reconciler.emulator.server import EmulatorTransport
from reconciler.emulator.service import Emulator
from reconciler.kinds.wire import customer_path, payment_methods_path, restore_path, users_path
from reconciler.model.core import CustomerId

pytest_plugins = ("command_fixtures",)

JSON = "application/json"
ACME = {"id": "cus_1", "created_at": "2026-01-01T00:00:00Z", "name": "Acme", "ein": None, "new": ["any"]}
LIST = Said("GET", "/customers", security="bearer")


def said(method: str, target: str, body: object) -> Said:
    return Said(method, target, json.dumps(body).encode(), JSON, "bearer")


def heard(status: int, body: object, media: str = JSON) -> Heard:
    return Heard(status, json.dumps(body).encode(), media)


@pytest.mark.parametrize(
    "request_",
    [
        LIST,
        Said(
            "GET", "/customers?limit=100&after=g%2BAg%3D&created_at_start=2026-01-01T00%3A00%3A00Z", security="bearer"
        ),
        said("POST", "/customers", {"external_id": "acme"}),
        said("PATCH", "/customers/a%2Fb", {"city": "", "state": None}),
        Said("POST", "/customers/cus_1/restore", security="bearer"),
        said("POST", "/customers/cus_1/users", {"email": "jane@acme.example"}),
        Said("POST", "/oauth/token", b"grant_type=client_credentials", "application/x-www-form-urlencoded", "basic"),
    ],
)
def test_a_request_of_the_contract_is_inside(request_: Said) -> None:
    assert of_request(request_) == []


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (Said("GET", "/v1/customers", security="bearer"), "GET /v1/customers: there is no such request"),
        (Said("GET", "/customers//users", security="bearer"), "GET /customers//users: there is no such request"),
        (Said("PUT", "/customers/cus_1", security="bearer"), "PUT /customers/cus_1: there is no such request"),
        (Said("GET", "/customers"), "list_customers: its authorization is ''"),
        (Said("GET", "/customers?archived=true", security="bearer"), "list_customers: it has no parameter 'archived'"),
        (
            Said("GET", "/customers?limit=1&limit=2", security="bearer"),
            "list_customers: a parameter stands twice in 'limit=1&limit=2'",
        ),
        (
            Said("GET", "/customers?limit=ten", security="bearer"),
            'list_customers: parameter limit: "ten" is not of type "integer"',
        ),
        (
            Said("GET", "/customers?created_at_end=2026-01-01", security="bearer"),
            'list_customers: parameter created_at_end: "2026-01-01" is not a "date-time"',
        ),
        (
            said("PATCH", "/customers/cus_1", {"email": "new@acme.example"}),
            "patch_customer: request: Additional properties are not allowed ('email' was unexpected)",
        ),
        (
            said("POST", "/customers", {"name": 1}),
            'create_customer: request: name: 1 is not of types "null", "string"',
        ),
        (said("POST", "/customers/cus_1/users", {}), 'create_user: request: "email" is a required property'),
        (said("DELETE", "/customers/cus_1", {}), "archive_customer: it has no body"),
        (Said("POST", "/customers", b"{}", "", "bearer"), "create_customer: its body is ''"),
        (Said("POST", "/customers", b"{", JSON, "bearer"), 'create_customer: request: "{" is not of type "object"'),
    ],
)
def test_a_request_outside_the_contract_is_found(request_: Said, found: str) -> None:
    assert of_request(request_) == [found]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (LIST, heard(200, {"data": [ACME], "end_cursor": "", "has_next_page": False})),
        (LIST, heard(200, {"data": [], "pagination": {"has_next_page": False, "end_cursor": None}})),
        (LIST, heard(429, {"code": "too_many"})),
        (LIST, Heard(500)),
        (LIST, Heard(401, b"<html>", "text/html")),
        (Said("POST", "/customers/cus_1/restore"), Heard(200)),
        (Said("GET", "/customers/cus_1/payment-methods"), heard(200, [{"id": "pm_1"}])),
        (Said("GET", "/no/such/path"), Heard(404)),
    ],
)
def test_a_reply_of_the_contract_is_inside(request_: Said, reply: Heard) -> None:
    assert of_reply(request_, reply) == []


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (
            heard(200, {"data": []}),
            "200: {\"data\":[]} is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
        (Heard(200), "the body of a 200 is empty"),
        (Heard(200, b"<html>", "text/html"), "the body of a 200 is 'text/html'"),
        (heard(202, {}), "it does not answer 202"),
        (heard(429, {"code": 429}), '429: code: 429 is not of type "string"'),
    ],
)
def test_a_reply_outside_the_contract_is_found(reply: Heard, found: str) -> None:
    assert of_reply(LIST, reply) == [f"list_customers: {found}"]


def test_every_request_of_the_contract_has_a_path_of_ours() -> None:
    one = CustomerId("cus/1")
    paths = {
        "get_customer": customer_path(one),
        "list_users": users_path(one),
        "list_payment_methods": payment_methods_path(one),
    }
    found = {name: operation_of("GET", path) for name, path in paths.items()}
    assert found == {name: OPERATIONS[name] for name in paths}
    assert operation_of("POST", restore_path(one)) == OPERATIONS["restore_customer"]


def test_a_client_that_leaves_the_contract_is_found_in_the_world(tmp_path: Path) -> None:
    world = World(tmp_path, Ways())

    async def send() -> None:
        async with world._client() as client:  # noqa: SLF001 - what a run of it is given
            await client.send(Request("GET", "/customers", query=(("archived", "true"),)))

    with pytest.raises(AssertionError, match="it has no parameter 'archived'"):
        in_virtual_time(send())


def test_a_client_that_leaves_the_contract_is_found_at_the_emulators_socket() -> None:
    watch = Watch()
    served = Emulator(rate=0, clock=VirtualClock(), witness=watch)

    async def steps() -> None:
        transport = EmulatorTransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator.example") as client:
            await sign_in(client)
            await client.get("/customers?archived=true")

    in_virtual_time(steps())
    assert watch.found == ["list_customers: it has no parameter 'archived'"]


def test_what_a_fault_makes_of_a_reply_is_no_breach_and_the_request_still_is() -> None:
    watch = Watch()
    served = Emulator(rate=0, clock=VirtualClock(), witness=watch, faults=Scripted({2: Fault.HTML_PAGE_200}))

    async def steps() -> None:
        transport = EmulatorTransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator.example") as client:
            await sign_in(client)
            assert (await client.post("/customers", json={"no": "field"})).text.startswith("<html>")

    in_virtual_time(steps())
    assert watch.found == ["create_customer: request: Additional properties are not allowed ('no' was unexpected)"]


def test_the_emulator_of_the_command_line_is_watched(shop: Online) -> None:
    shop.applied("customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
    assert isinstance(shop.emulator.witness, Watch)
    assert shop.requests() > 0
