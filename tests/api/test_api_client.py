from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import httpx
import pytest
from clocks import EPOCH_S, VirtualClock, run
from scripted_apply import BASE_URL, Server, ok, talk

from reconciler.api.exchange import Reply, Request, Sent
from reconciler.errors import (
    ApiFailed,
    NotFound,
    NotTheApi,
    Rejected,
    Throttled,
    Unanswered,
    Unreachable,
)

READ = Request("GET", "/customers")
PATCH = Request("PATCH", "/customers/1", body={"city": "Köln"})
CREATE = Request("POST", "/customers", body={"name": "Acme"}, repeatable=False)
LOST = httpx.ReadError("cut")
REFUSED = httpx.ConnectError("refused")


def _send(server: Server, request: Request, **options: object) -> Reply:
    """Send one request and return the reply."""

    async def send() -> Reply:
        async with talk(server, **options) as client:
            return await client.send(request)

    return run(send())


def _failure(server: Server, request: Request, **options: object) -> ApiFailed:
    """Send one request and return what it ended in."""
    with pytest.raises(ApiFailed) as caught:
        _send(server, request, **options)
    return caught.value


def test_a_request_is_sent_as_it_is_written() -> None:
    server = Server(ok({"id": "1"}, status=200))
    reply = _send(server, PATCH)
    sent = server.requests[-1]
    assert (sent.method, str(sent.url), sent.content) == ("PATCH", f"{BASE_URL}/customers/1", b'{"city":"K\\u00f6ln"}')
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["user-agent"].startswith("reconciler/")
    assert reply == Reply(200, {"id": "1"}, attempts=1, lost=0, server_time_s=EPOCH_S)


def test_a_cookie_that_the_server_sets_is_not_sent_back() -> None:
    server = Server(httpx.Response(200, json={}, headers={"set-cookie": "visit=1"}), ok({}))

    async def send() -> None:
        async with talk(server) as client:
            await client.send(READ)
            await client.send(READ)

    run(send())
    assert [request.headers.get("cookie") for request in server.requests] == [None, None, None]


def test_a_path_prefix_of_the_base_url_is_kept() -> None:
    server = Server()
    _send(server, READ, base_url="https://gateway.example.com/ap/")
    assert [request.url.path for request in server.requests] == ["/ap/oauth/token", "/ap/customers"]


def test_lost_answers_of_a_repeatable_request_are_repeated_and_counted() -> None:
    server = Server(LOST, httpx.Response(503), ok({"done": True}))
    reply = _send(server, PATCH)
    assert (reply.body, reply.attempts, reply.lost) == ({"done": True}, 3, 2)
    assert server.times[1:] == [0.0, 0.5, 1.5]


def test_after_five_lost_answers_the_error_is_the_last() -> None:
    server = Server(httpx.Response(500, json={"message": "boom"}))
    failure = _failure(server, READ)
    assert isinstance(failure, Unanswered)
    assert (failure.status, failure.lost, len(server.heard)) == (500, 4, 5)
    assert str(failure) == 'GET /customers: 500: "boom"; tried 5 times; try again later'


@pytest.mark.parametrize(
    "answer", [LOST, httpx.ReadTimeout(""), httpx.Response(500), httpx.Response(408), httpx.Response(200, html="<p>")]
)
def test_a_create_whose_answer_is_lost_is_sent_once(answer: httpx.Response | Exception) -> None:
    server = Server(answer)
    failure = _failure(server, CREATE)
    assert (type(failure), failure.lost, len(server.heard)) == (Unanswered, 0, 1)
    assert "it may have happened; read the live state first" in str(failure)


def test_a_create_that_met_no_server_is_sent_again() -> None:
    server = Server(REFUSED, REFUSED, ok({"id": "1"}, status=201))
    reply = _send(server, CREATE)
    assert (reply.status, reply.attempts, reply.lost) == (201, 3, 0)


def test_no_server_at_all_is_unreachable_and_says_what_to_check() -> None:
    failure = _failure(Server(tokens=[REFUSED]), READ)
    assert type(failure) is Unreachable
    assert "cannot reach api.example.com (refused); check the network, the base URL and HTTPS_PROXY" in str(failure)


def test_a_server_that_vanishes_after_a_lost_answer_leaves_a_doubt() -> None:
    failure = _failure(Server(LOST, REFUSED), PATCH)
    assert (type(failure), failure.lost) == (Unanswered, 1)
    assert "it may have happened" in str(failure)


def test_a_404_to_a_repeated_request_says_that_one_was_lost() -> None:
    failure = _failure(Server(LOST, httpx.Response(404)), Request("DELETE", "/customers/1"))
    assert (type(failure), failure.lost) == (NotFound, 1)


def test_what_the_api_refuses_is_sent_once() -> None:
    server = Server(ok({"code": "bad_request"}, status=400))
    failure = _failure(server, CREATE)
    assert isinstance(failure, Rejected)
    assert (failure.status, failure.code, failure.lost, len(server.heard)) == (400, "bad_request", 0, 1)


def test_a_429_waits_what_is_asked_in_seconds() -> None:
    server = Server(httpx.Response(429, headers={"retry-after": "7"}), ok({"id": "1"}, status=201))
    assert _send(server, CREATE).attempts == 2
    assert server.times == [0.0, 0.0, 7.0]


def test_a_429_waits_what_is_asked_as_a_date_of_the_servers_clock() -> None:
    dates = {"retry-after": "Thu, 01 Jan 1970 00:01:30 GMT", "date": "Thu, 01 Jan 1970 00:01:00 GMT"}
    server = Server(httpx.Response(429, headers=dates), ok({}))
    _send(server, READ)
    assert server.times == [0.0, 0.0, 30.0]


def test_a_429_holds_back_everybody_and_slows_down() -> None:
    async def storm() -> Server:
        server = Server(httpx.Response(429, headers={"retry-after": "3"}), ok({}))
        async with talk(server, rate_per_s=5.0) as client:
            await asyncio.gather(*(client.send(READ) for _ in range(4)))
        return server

    times = run(storm()).times
    assert times[:2] == pytest.approx([0.0, 0.201])
    assert min(times[2:]) == pytest.approx(3.201)
    assert times[3] - times[2] == pytest.approx(0.402, abs=0.01)


def test_a_429_that_never_ends_is_throttled() -> None:
    server = Server(httpx.Response(429))
    assert type(_failure(server, READ)) is Throttled
    assert len(server.heard) == 10


def test_requests_leave_evenly_whatever_the_latency() -> None:
    async def pace() -> list[float]:
        server = Server(slow_s=0.9)
        async with talk(server, rate_per_s=5.0) as client:
            await client.send(READ)
            await asyncio.gather(*(client.send(READ) for _ in range(10)))
        return server.times[2:]

    times = run(pace())
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([0.201] * 9, abs=1e-6)


def test_an_answer_that_takes_longer_than_the_timeout_is_lost() -> None:
    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0 if request.url.path == "/oauth/token" else 31)
        return ok({"access_token": "a"})

    async def send() -> tuple[str, float]:
        clock = VirtualClock()
        async with talk(silent, clock=clock) as client:
            (failure,) = await asyncio.gather(client.send(CREATE), return_exceptions=True)
            return str(failure), clock.monotonic()

    words = "POST /customers: no answer within 30 s; it may have happened; read the live state first"
    assert run(send()) == (words, 30.0)


def test_html_is_not_the_api() -> None:
    assert type(_failure(Server(httpx.Response(200, html="<h1>Sign in</h1>")), READ)) is NotTheApi


def test_a_redirect_is_not_followed() -> None:
    server = Server(httpx.Response(307, headers={"location": "https://evil.example/customers"}))
    failure = _failure(server, CREATE)
    assert type(failure) is NotTheApi
    assert "evil.example" in str(failure)
    assert {request.url.host for request in server.requests} == {"api.example.com"}


@pytest.mark.parametrize("path", ["/customers/..", "/customers/../users", "/customers/./restore"])
def test_an_id_of_dots_does_not_become_another_path(path: str) -> None:
    server = Server()
    assert type(_failure(server, Request("DELETE", path))) is NotTheApi
    assert server.heard == []


def test_the_servers_clock_is_learned_from_its_date() -> None:
    async def ask() -> tuple[float, float]:
        server = Server(ok({}, headers={"date": "Thu, 01 Jan 2026 01:00:00 GMT"}))
        async with talk(server) as client:
            reply = await client.send(READ)
            return reply.server_time_s - EPOCH_S, client.server_now() - EPOCH_S

    assert run(ask()) == (3600.0, 3600.0)


def test_a_date_that_agrees_within_its_second_corrects_nothing() -> None:
    async def ask() -> float:
        clock = VirtualClock(EPOCH_S + 0.7)
        async with talk(Server(ok({}, headers={"date": "Thu, 01 Jan 2026 00:00:00 GMT"})), clock=clock) as client:
            await client.send(READ)
            return client.server_now() - clock.now()

    assert run(ask()) == 0.0


def test_who_looks_on_sees_neither_secrets_nor_names(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Sent] = []
    query = (("limit", "5"), ("company_name", "Acme"))
    with caplog.at_level(logging.DEBUG, logger="reconciler.api"):
        _send(Server(slow_s=0.085), Request("GET", "/customers", query), trace=seen.append)
    assert [str(sent) for sent in seen] == [
        "POST /oauth/token 200 85 ms",
        "GET /customers?limit=5&company_name=*** 200 85 ms",
    ]
    assert [record.getMessage() for record in caplog.records if record.name == "reconciler.api"] == [
        str(sent) for sent in seen
    ]


def test_a_request_without_an_answer_is_seen_too() -> None:
    seen: list[Sent] = []
    _failure(Server(LOST), CREATE, trace=seen.append)
    assert str(seen[-1]) == "POST /customers no answer 0 ms"
