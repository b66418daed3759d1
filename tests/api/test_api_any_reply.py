"""Whatever comes in place of a reply, the client returns a value or raises one of our errors, fit to be shown."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from clocks import run
from hostile_replies import Whole, looked, wholes
from hypothesis import example, given
from hypothesis import strategies as st
from scripted_apply import ok, talk

from reconciler.api.exchange import Reply, Request
from reconciler.api.pagination import pages
from reconciler.api.transport import read_grant
from reconciler.errors import ApiFailed, Incomplete, NotTheApi, Rejected, Unanswered, Unauthorized
from reconciler.escape import visible

REQUESTS = (
    Request("GET", "/customers", (("limit", "100"),)),
    Request("POST", "/customers", body={"name": "Acme"}, repeatable=False),
    Request("PATCH", "/customers/cus_1", body={"name": "Acme"}),
    Request("DELETE", "/customers/cus_1"),
)
_MANY = looked(3)


def answered(request: Request, instead: Whole) -> Reply | ApiFailed:
    """Return what a client makes of a reply that comes for ever."""

    async def ask() -> Reply | ApiFailed:
        async def server(sent: httpx.Request) -> httpx.Response:
            if sent.url.path == "/oauth/token" and request.path != "/oauth/token":
                return ok({"access_token": "token-1", "expires_in": 3600})
            return instead.of(None)

        async with talk(server) as client:
            try:
                if request.path == "/oauth/token":
                    await client.send(REQUESTS[0])
                return await client.send(request)
            except ApiFailed as failure:
                return failure

    return run(ask())


@_MANY
@given(st.sampled_from(REQUESTS), wholes())
def test_any_reply_is_a_value_or_one_of_our_errors(request: Request, instead: Whole) -> None:
    got = answered(request, instead)
    if isinstance(got, Reply):
        assert 200 <= got.status < 300
        return
    words = f"{got} {got.hint}"
    assert visible(words) == words
    assert len(words) < 1000
    assert "very-secret" not in words
    assert "token-1" not in words


@_MANY
@given(wholes())
@example(Whole(200, b'{"access_token": "t", "expires_in": ' + b"9" * 400 + b"}"))
@example(Whole(200, b'{"access_token": "t", "expires_in": NaN}'))
def test_any_reply_in_place_of_a_token_is_one_of_our_errors_or_a_token(instead: Whole) -> None:
    got = answered(Request("POST", "/oauth/token"), instead)
    assert isinstance(got, Reply | ApiFailed)


@_MANY
@given(wholes())
def test_any_reply_in_place_of_a_page_is_a_page_or_one_of_our_errors(instead: Whole) -> None:
    async def turn() -> None:
        async def server(sent: httpx.Request) -> httpx.Response:
            return ok({"access_token": "t"}) if sent.url.path == "/oauth/token" else instead.of(None)

        async with talk(server) as client:
            try:
                async with asyncio.timeout(10_000):
                    [page async for page in pages(client, "/customers")]
            except (ApiFailed, Incomplete):
                pass

    run(turn())


@pytest.mark.parametrize(
    ("body", "life_s"),
    [
        ({"access_token": "t", "expires_in": 10**400}, 3600.0),
        ({"access_token": "t", "expires_in": float("inf")}, 3600.0),
        ({"access_token": "t", "expires_in": float("nan")}, 3600.0),
        ({"access_token": "t", "expires_in": None}, 3600.0),
        ({"access_token": "t", "expires_in": [1]}, 3600.0),
        ({"access_token": "t", "expires_in": "60"}, 60.0),
        ({"access_token": "t", "expires_in": -1}, 3600.0),
        ({"access_token": "t", "expires_in": True}, 3600.0),
    ],
)
def test_a_life_that_is_no_number_of_seconds_is_the_documented_one(body: object, life_s: float) -> None:
    assert read_grant(body).life_s == life_s


READ, CREATE, PATCH, ARCHIVE = REQUESTS
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("request_", "instead", "expected"),
    [
        (READ, Whole(200, BOM + b'{"data": []}'), {"data": []}),
        (READ, Whole(200, '{"data": []}'.encode("utf-16")), {"data": []}),
        (READ, Whole(204, b""), None),
        (ARCHIVE, Whole(202, b""), None),
        (ARCHIVE, Whole(204, b""), None),
        (PATCH, Whole(200, b"<html>"), Unanswered),
        (READ, Whole(200, b"<html>"), NotTheApi),
        (READ, Whole(200, b"{}", (("content-encoding", "br"),)), NotTheApi),
        (CREATE, Whole(201, b"{}", (("content-encoding", "br"),)), Unanswered),
        (READ, Whole(302, b"", (("location", "https://elsewhere.example"),)), NotTheApi),
        (CREATE, Whole(409, b"[1]"), Rejected),
        (CREATE, Whole(422, b'{"message": {"text": "no"}, "validation_errors": ["no"]}'), Rejected),
        (READ, Whole(401, b""), Unauthorized),
        (READ, Whole(600, b""), Unanswered),
    ],
    ids=str,
)
def test_what_a_reply_is_taken_for(request_: Request, instead: Whole, expected: object) -> None:
    got = answered(request_, instead)
    assert (got.body if isinstance(got, Reply) else type(got)) == expected


def test_no_compression_is_asked_for_but_the_one_that_is_read() -> None:
    asked: list[str] = []

    async def ask() -> None:
        async def server(sent: httpx.Request) -> httpx.Response:
            asked.append(sent.headers["accept-encoding"])
            return ok({"access_token": "t"})

        async with talk(server) as client:
            await client.send(READ)

    run(ask())
    assert asked == ["gzip", "gzip"]
