from __future__ import annotations

import asyncio
import base64

import httpx
import pytest
from clocks import VirtualClock, run
from scripted_apply import Server, ok, talk

from reconciler.api.exchange import Request
from reconciler.api.transport import TokenGrant, Tokens, read_grant
from reconciler.errors import Forbidden, NotTheApi, Rejected, Unanswered, Unauthorized

READ = Request("GET", "/customers")


def _authorizations(server: Server) -> list[str]:
    """Return the Authorization of each request but for tokens."""
    return [request.headers["authorization"] for request in server.requests if request.url.path != "/oauth/token"]


def test_the_token_is_asked_for_as_the_guide_says() -> None:
    async def ask() -> Server:
        server = Server()
        async with talk(server) as client:
            await client.send(READ)
            assert (client.requests, client.tokens) == (2, 1)
        return server

    asked = run(ask()).requests[0]
    assert (asked.method, str(asked.url), asked.content) == (
        "POST",
        "https://api.example.com/oauth/token",
        b"grant_type=client_credentials",
    )
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"id:very-secret").decode()


def test_requests_in_flight_share_one_token() -> None:
    async def share() -> Server:
        server = Server(slow_s=0.3)
        async with talk(server) as client:
            await asyncio.gather(*(client.send(READ) for _ in range(20)))
        return server

    server = run(share())
    assert server.granted == 1
    assert _authorizations(server) == ["Bearer token-1"] * 20


def test_a_token_is_replaced_a_minute_before_it_expires() -> None:
    async def wait() -> Server:
        server = Server()
        clock = VirtualClock()
        async with talk(server, clock=clock) as client:
            await client.send(READ)
            await clock.sleep(3539)
            await client.send(READ)
            await clock.sleep(2)
            await client.send(READ)
        return server

    assert _authorizations(run(wait())) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_401_in_flight_costs_one_new_token_and_each_request_once_more() -> None:
    async def expire() -> Server:
        def answer(request: object) -> object:
            old = request.headers["authorization"] == "Bearer token-1"  # type: ignore[attr-defined]
            return ok(status=401) if old else ok({"fine": True})

        server = Server(answer, slow_s=0.1)  # type: ignore[arg-type]
        async with talk(server) as client:
            replies = await asyncio.gather(*(client.send(READ) for _ in range(5)))
            assert [(reply.body, reply.attempts, reply.lost) for reply in replies] == [({"fine": True}, 2, 0)] * 5
        return server

    server = run(expire())
    assert (server.granted, len(server.heard)) == (2, 10)


def test_a_401_to_the_new_token_too_is_the_end() -> None:
    async def refuse() -> Server:
        server = Server(ok(status=401))
        async with talk(server) as client:
            with pytest.raises(Unauthorized, match="a new token is refused too"):
                await client.send(READ)
        return server

    server = run(refuse())
    assert (server.granted, len(server.heard)) == (2, 2)


def test_a_create_is_sent_again_after_a_401() -> None:
    async def create() -> int:
        server = Server(ok(status=401), ok({"id": "1"}, status=201))
        async with talk(server) as client:
            return (await client.send(Request("POST", "/customers", body={}, repeatable=False))).attempts

    assert run(create()) == 2


@pytest.mark.parametrize("status", [403, 401])
def test_wrong_credentials_are_told_once_to_all_who_wait(status: int) -> None:
    async def refuse() -> tuple[Server, list[object]]:
        server = Server(tokens=[ok({"message": "no"}, status=status)], slow_s=0.1)
        async with talk(server) as client:
            return server, list(await asyncio.gather(*(client.send(READ) for _ in range(3)), return_exceptions=True))

    server, failures = run(refuse())
    assert [type(failure) for failure in failures] == [Forbidden] * 3
    assert f"{status}: the credentials are wrong" in str(failures[0])
    assert (len(server.requests), server.heard) == (1, [])


def test_no_token_path_is_not_the_api() -> None:
    async def ask() -> None:
        async with talk(Server(tokens=[ok(status=404)])) as client:
            await client.send(READ)

    with pytest.raises(NotTheApi, match="without /v1"):
        run(ask())


def test_a_web_page_instead_of_a_token_is_not_the_api_and_not_asked_for_again() -> None:
    async def ask() -> list[object]:
        async with talk(server) as client:
            return list(await asyncio.gather(client.send(READ), return_exceptions=True))

    server = Server(tokens=[httpx.Response(200, html="<h1>Welcome</h1>")])
    assert [type(failure) for failure in run(ask())] == [NotTheApi]
    assert len(server.requests) == 1


def test_another_refusal_of_the_token_keeps_its_words() -> None:
    async def ask() -> None:
        async with talk(Server(tokens=[ok({"message": "no such grant"}, status=400)])) as client:
            await client.send(READ)

    with pytest.raises(Rejected, match='400: "no such grant"'):
        run(ask())


@pytest.mark.parametrize(
    "body", [None, [], {}, {"access_token": ""}, {"access_token": 3}, {"access_token": "a\r\nb: c"}]
)
def test_a_reply_without_a_usable_token_is_not_the_api(body: object) -> None:
    with pytest.raises(NotTheApi):
        read_grant(body)


@pytest.mark.parametrize(
    ("expires_in", "life_s"), [(60, 60.0), ("60", 60.0), (None, 3600.0), ("soon", 3600.0), (0, 3600.0), (-1, 3600.0)]
)
def test_a_life_that_is_not_said_is_an_hour(expires_in: object, life_s: float) -> None:
    assert read_grant({"access_token": "a", "expires_in": expires_in}) == TokenGrant("a", life_s)


def test_who_asked_first_may_be_cancelled_and_the_others_still_get_the_token() -> None:
    async def cancel() -> list[object]:
        clock = VirtualClock()

        async def ask() -> TokenGrant:
            await clock.sleep(1)
            return TokenGrant("a", 60)

        tokens = Tokens(ask, clock)
        first = asyncio.create_task(tokens.current())
        second = asyncio.create_task(tokens.current())
        await clock.sleep(0.5)
        first.cancel()
        return list(await asyncio.gather(first, second, return_exceptions=True))

    first, second = run(cancel())
    assert isinstance(first, asyncio.CancelledError)
    assert second == "Bearer a"


def test_a_token_request_takes_its_turn_at_the_limiter() -> None:
    async def pace() -> Server:
        server = Server()
        async with talk(server, rate_per_s=5.0) as client:
            await asyncio.gather(*(client.send(READ) for _ in range(3)))
        return server

    assert run(pace()).times == pytest.approx([0.0, 0.201, 0.402, 0.603], abs=1e-6)


def test_neither_the_credentials_nor_the_token_have_a_telling_repr() -> None:
    assert "very" not in repr(TokenGrant("very-secret", 1))


def test_no_new_token_after_a_lost_answer_leaves_a_doubt() -> None:
    async def patch() -> list[object]:
        granted = ok({"access_token": "a", "expires_in": 0.1})
        server = Server(httpx.ReadError("cut"), tokens=[granted, ok(status=403)])
        async with talk(server) as client:
            return list(await asyncio.gather(client.send(Request("PATCH", "/x", body={})), return_exceptions=True))

    (failure,) = run(patch())
    assert isinstance(failure, Unanswered)
    assert failure.lost == 1
