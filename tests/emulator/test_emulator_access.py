from __future__ import annotations

import asyncio

import httpx
import pytest
from emulated import against, emulator, sign_in

from reconciler.emulator.service import LOCAL, ApiKey
from reconciler.rules import Behaviour, LimitKind, RetryAfter

FORM = {"grant_type": "client_credentials"}


def test_a_token_is_given_for_the_right_credentials() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post("/oauth/token", auth=("local", "local"), data=FORM)
        given = answer.json()
        assert (given.pop("access_token") != "", given) == (True, {"token_type": "Bearer", "expires_in": 3600})

    against(emulator(), steps)


@pytest.mark.parametrize(
    ("auth", "form", "status"),
    [
        (("local", "wrong"), FORM, 403),
        (("other", "local"), FORM, 403),
        (("", ""), FORM, 403),
        (("local", "local"), {"grant_type": "password"}, 400),
        (("local", "local"), {}, 400),
    ],
)
def test_no_token_is_given_otherwise(auth: tuple[str, str], form: dict[str, str], status: int) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        del client.headers["authorization"]
        answer = await client.post("/oauth/token", auth=auth, data=form)
        assert answer.status_code == status

    against(emulator(), steps)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic bG9jYWw6bG9jYWw="])
def test_a_request_without_a_token_answers_401(authorization: str) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.get("/customers", headers={"authorization": authorization})
        assert answer.status_code == 401

    against(emulator(), steps)


def test_a_token_ends_after_its_time() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await asyncio.sleep(59.9)
        before = (await client.get("/customers")).status_code
        await asyncio.sleep(0.2)
        assert (before, (await client.get("/customers")).status_code) == (200, 401)

    against(emulator(token_life_s=60), steps)


def test_a_key_without_a_scope_answers_403_and_names_it() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await sign_in(client, "reader")
        assert (await client.get("/customers")).status_code == 200
        answer = await client.post("/customers", json={})
        assert (answer.status_code, answer.json()["message"]) == (403, "The key lacks the scope customers:write")

    against(emulator(keys=[LOCAL, ApiKey("reader", "local", frozenset({"customers:read"}))]), steps)


async def statuses(client: httpx.AsyncClient, count: int) -> list[int]:
    return [(await client.get("/customers")).status_code for _ in range(count)]


@pytest.mark.parametrize("limiter", LimitKind)
def test_the_sixth_request_of_a_second_answers_429(limiter: LimitKind) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert await statuses(client, 6) == [200] * 5 + [429]
        await asyncio.sleep(1)
        assert await statuses(client, 6) == [200] * 5 + [429]

    against(emulator(rate=5, behaviour=Behaviour(limiter=limiter)), steps)


@pytest.mark.parametrize(
    ("limiter", "expected"),
    [
        (LimitKind.SECOND, [200] * 5),
        (LimitKind.SLIDING, [429] * 5),
        (LimitKind.BUCKET, [200, 429, 429, 429, 429]),
    ],
)
def test_limiters_differ_over_a_seconds_end(limiter: LimitKind, expected: list[int]) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await asyncio.sleep(0.875)
        await statuses(client, 5)
        await asyncio.sleep(0.25)
        assert await statuses(client, 5) == expected

    against(emulator(rate=5, behaviour=Behaviour(limiter=limiter)), steps)


@pytest.mark.parametrize("limiter", LimitKind)
def test_requests_that_leave_evenly_are_never_refused(limiter: LimitKind) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        for _ in range(50):
            assert await statuses(client, 1) == [200]
            await asyncio.sleep(0.2001)

    against(emulator(rate=5, behaviour=Behaviour(limiter=limiter)), steps)


@pytest.mark.parametrize(
    ("way", "expected"),
    [(RetryAfter.NONE, None), (RetryAfter.SECONDS, "1"), (RetryAfter.DATE, "Thu, 01 Jan 2026 00:00:01 GMT")],
)
def test_a_429_says_when_to_come_back_as_the_behaviour_says(way: RetryAfter, expected: str | None) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await client.get("/customers")
        assert (await client.get("/customers")).headers.get("retry-after") == expected

    against(emulator(rate=1, behaviour=Behaviour(retry_after=way)), steps)


def test_each_key_has_its_own_rate() -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        first = await statuses(client, 2)
        await sign_in(client, "other")
        assert first + await statuses(client, 2) == [200, 429, 200, 429]

    against(emulator(rate=1, keys=[LOCAL, ApiKey("other", "local")]), steps)


@pytest.mark.parametrize(("token_counts", "expected"), [(False, [200, 200]), (True, [200, 429])])
def test_the_token_request_counts_where_the_behaviour_says(token_counts: bool, expected: list[int]) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        assert await statuses(client, 2) == expected

    against(emulator(rate=2, behaviour=Behaviour(token_counts=token_counts)), steps)


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic *", "Basic bG9jYWw=", "Bearer bG9jYWw6bG9jYWw="])
def test_no_token_is_given_for_a_header_that_is_no_basic_one(authorization: str) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        answer = await client.post("/oauth/token", headers={"authorization": authorization}, data=FORM)
        assert answer.status_code == 403

    against(emulator(), steps)
