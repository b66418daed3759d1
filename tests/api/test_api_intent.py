from __future__ import annotations

import asyncio

import httpx
import pytest
from clocks import VirtualClock, run
from scripted_apply import Server, ok, talk

from reconciler.api.exchange import Request
from reconciler.errors import Unreachable

CREATE = Request("POST", "/customers", body={"name": "Acme"}, repeatable=False)
REFUSED = httpx.ConnectError("refused")


@pytest.mark.parametrize("status", [200, 404])
def test_the_intent_is_committed_right_before_the_first_sending(status: int) -> None:
    async def write() -> list[str]:
        server = Server(httpx.Response(status, json={}))
        events = []

        async def commit() -> None:
            events.append(f"commit after {len(server.requests)} requests at {clock.monotonic():.3f}")

        clock = VirtualClock()
        async with talk(server, clock=clock, rate_per_s=5.0) as client:
            await asyncio.gather(client.send(CREATE, before=commit), return_exceptions=True)
        return [*events, *server.heard]

    assert run(write()) == ["commit after 1 requests at 0.201", "POST /customers"]


def test_a_commit_that_fails_sends_nothing() -> None:
    async def write() -> Server:
        async def commit() -> None:
            raise OSError("disk full")

        server = Server()
        async with talk(server) as client:
            with pytest.raises(OSError, match="disk full"):
                await client.send(CREATE, before=commit)
        return server

    assert run(write()).heard == []


def _commits(*answers: httpx.Response | Exception) -> int:
    """Return how often a create with these answers committed its intent."""

    async def write() -> int:
        commits = 0

        async def commit() -> None:
            nonlocal commits
            commits += 1

        async with talk(Server(*answers)) as client:
            await client.send(CREATE, before=commit)
        return commits

    return run(write())


def test_a_short_wait_needs_no_second_commit() -> None:
    assert _commits(REFUSED, httpx.Response(429, headers={"retry-after": "1"}), ok({}, status=201)) == 1


def test_a_long_wait_commits_the_intent_anew() -> None:
    assert _commits(httpx.Response(429, headers={"retry-after": "60"}), ok({}, status=201)) == 2


def test_a_request_held_up_for_over_five_seconds_after_its_commit_does_not_leave() -> None:
    async def write() -> tuple[Server, BaseException | None]:
        clock = VirtualClock()

        async def commit() -> None:
            await clock.sleep(6)

        server = Server()
        async with talk(server, clock=clock) as client:
            (failure,) = await asyncio.gather(client.send(CREATE, before=commit), return_exceptions=True)
        return server, failure if isinstance(failure, BaseException) else None

    server, failure = run(write())
    assert type(failure) is Unreachable
    assert server.heard == []
    assert "POST /customers: held up for more than 5 s before it was sent; it was not sent" in str(failure)


@pytest.mark.parametrize("took_s", [0.0, 0.05, 0.15])
def test_a_commit_that_takes_long_delays_each_request_and_slows_down_none(took_s: float) -> None:
    async def write() -> float:
        clock, server = VirtualClock(), Server(ok({}, status=201))

        async def commit() -> None:
            await clock.sleep(took_s)

        async with talk(server, clock=clock, rate_per_s=5.0) as client:
            await asyncio.gather(*(client.send(CREATE, before=commit) for _ in range(60)))
        return server.times[-1] - server.times[0]

    assert run(write()) == pytest.approx(60 / 5 * 1.005, abs=0.2)


def test_a_commit_ahead_of_a_turn_that_a_pause_moved_is_made_again() -> None:
    async def write() -> tuple[int, list[str]]:
        clock, commits = VirtualClock(), 0
        server = Server(ok({}, status=201), httpx.Response(429, headers={"retry-after": "30"}), ok({}, status=201))

        async def commit() -> None:
            nonlocal commits
            commits += 1
            await clock.sleep(0.3)

        async with talk(server, clock=clock, rate_per_s=5.0) as client:
            await asyncio.gather(*(client.send(CREATE, before=commit) for _ in range(8)))
        return commits, server.heard

    commits, heard = run(write())
    assert (commits, len(heard)) == (11, 9)
