"""Who may ask the model of the API, what it records, and what goes wrong on demand."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import httpx
import pytest
from api_account import Endpoint, Seen, nth_id
from api_model import ModelApi
from api_ways import ErrorBody, Fault, Ways, scripted
from emulated import NOON, URL, Server

HERE = Path(__file__).parent
MODULES = ("api_account", "api_model", "api_ways")


def test_the_model_imports_nothing_of_the_package() -> None:
    imported = set()
    for name in MODULES:
        for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    ours = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert ours == {"httpx", *MODULES} - {"api_model"}


def test_wrong_credentials_answer_403() -> None:
    api = ModelApi(Ways(), lambda: NOON)
    http = httpx.Client(base_url=URL, transport=httpx.MockTransport(api.handler))
    reply = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("local", "wrong"))
    assert reply.status_code == 403


def test_a_token_that_has_expired_answers_401() -> None:
    server = Server()
    server.time += 3599
    before = server.http.get("/customers").status_code
    server.time += 1
    assert (before, server.http.get("/customers").status_code) == (200, 401)


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (ErrorBody.HTTP_ERROR, b'{"code":"error","message":"ID not present in environment"}'),
        (ErrorBody.OTHER, b'{"error":{"text":"ID not present in environment","fields":{}}}'),
        (ErrorBody.EMPTY, b""),
    ],
)
def test_a_refusal_has_the_body_of_the_server(body: ErrorBody, content: bytes) -> None:
    reply = Server(Ways(error_body=body)).http.get("/customers/cus_none")
    assert (reply.status_code, reply.content) == (404, content)


@pytest.mark.parametrize(
    ("fault", "answer", "names", "status"),
    [
        (None, 201, ["A"], 201),
        ("unreachable", httpx.ConnectError, [], None),
        ("lost_before", httpx.ReadError, [], 0),
        ("lost_after", httpx.ReadError, ["A"], 0),
        ("500_after", 500, ["A"], 500),
        ("503_before", 503, [], 503),
        ("html_before", 502, [], 502),
        (429, 429, [], 429),
    ],
)
def test_a_fault_befalls_a_request_before_or_after_it_took_effect(
    fault: Fault, answer: int | type[Exception], names: list[str], status: int | None
) -> None:
    server = Server(fault=scripted([fault]))
    got: int | type[Exception]
    try:
        got = server.http.post("/customers", json={"name": "A"}).status_code
    except httpx.TransportError as exc:
        got = type(exc)
    assert got == answer
    assert [one.fields["name"] for one in server.account.customers()] == names
    assert [seen.status for seen in server.api.seen] == ([] if status is None else [status])


def test_scripted_faults_spare_reads_and_end_with_the_script() -> None:
    server = Server(fault=scripted([None, 429]))
    statuses = [
        server.http.get("/customers").status_code,
        server.http.post("/customers", json={}).status_code,
        server.http.get("/customers").status_code,
        server.http.post("/customers", json={}).status_code,
        server.http.post("/customers", json={}).status_code,
    ]
    assert statuses == [200, 201, 200, 429, 201]


def test_more_requests_than_the_rate_in_any_second_are_a_429() -> None:
    server = Server(Ways(rate_per_s=5, token_counts=False))
    statuses = []
    for wait in (0.0, 0.6, 0.0, 0.0, 0.0, 0.3, 0.11):
        server.time += wait
        statuses.append(server.http.get("/customers").status_code)
    assert statuses == [200, 200, 200, 200, 200, 429, 200]


def test_every_request_is_seen_with_its_status() -> None:
    server = Server()
    server.http.get("/customers", params={"limit": 5})
    server.http.get("/customers/cus%2F1")
    assert server.api.seen == [
        Seen("GET", "/customers", "limit=5", 200, NOON),
        Seen("GET", "/customers/cus%2F1", "", 404, NOON),
    ]
    assert server.api.counts() == {("GET", Endpoint.LIST): 1, ("GET", Endpoint.GET): 1}


@pytest.mark.parametrize(
    ("method", "path", "json", "status"),
    [
        ("GET", "/v1/customers", None, 404),
        ("GET", "/customers?limit=0", None, 400),
        ("GET", "/customers?created_at_start=yesterday", None, 400),
        ("GET", "/customers?external_id=acme", None, 200),
        ("PATCH", f"/customers/{nth_id(1)}", {"email": "a@x.example"}, 200),
        ("PATCH", f"/customers/{nth_id(1)}", {"postal_code": 2134}, 200),
        ("POST", f"/customers/{nth_id(1)}/users", {"email": "a@x.example", "role": "admin"}, 201),
    ],
)
def test_what_no_right_client_does_is_complained_of(
    method: str, path: str, json: dict[str, object] | None, status: int
) -> None:
    server = Server()
    server.account.create()
    assert server.http.request(method, path, json=json).status_code == status
    assert len(server.api.complaints) == 1
