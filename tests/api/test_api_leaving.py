"""What only a real connection shows: the transport calls us when the first byte is about to be written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
import pytest
from scripted_apply import talk

from reconciler.api.client import Departure, IntentHook
from reconciler.api.exchange import Reply, Request
from reconciler.api.limit import Limiter, Turn
from reconciler.clock import RealClock
from reconciler.errors import ApiFailed, Unanswered, Unreachable

Result = TypeVar("Result")

CREATE = Request("POST", "/customers", body={}, repeatable=False)
GRANTED = b'{"access_token": "a"}'
REPLY = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s"
CLOSED = b""


class Impatient(RealClock):
    """The machine's clock, whose sleep ends at once."""

    async def sleep(self, wait_s: float) -> None:
        """Let others run."""
        await asyncio.sleep(0 * wait_s)


@asynccontextmanager
async def _listening(answer: bytes, heard: list[str]) -> AsyncIterator[str]:
    """Run a server on this machine, yield its URL; it grants tokens, and else answers with `answer` and closes."""
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heard.append(head.split(b" HTTP")[0].decode())
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0))
                granted = heard[-1].endswith("/oauth/token")
                writer.write(REPLY % (len(GRANTED), GRANTED) if granted else answer)
                await writer.drain()
                if not granted:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*connections)


def _created(answer: bytes) -> tuple[Reply | ApiFailed, list[str]]:
    """Return what a create ends in that is answered with `answer`, and what the server heard."""

    async def create() -> tuple[Reply | ApiFailed, list[str]]:
        heard: list[str] = []
        async with (
            _listening(answer, heard) as base_url,
            talk(_nobody, base_url=base_url, clock=RealClock(), transport=None) as client,
        ):
            try:
                return await client.send(CREATE), heard
            except ApiFailed as failure:
                return failure, heard

    return asyncio.run(create())


def _nobody(_: httpx.Request) -> httpx.Response:
    """Answer for no transport."""
    raise AssertionError("the network is used here")


def _left(leaving: Callable[[Turn], Awaitable[Departure]]) -> tuple[float, BaseException | None, list[str]]:
    """Return when a request's turn was used, by a clock of the year 0, what it ended in and what the server heard."""

    async def leave() -> tuple[float, BaseException | None, list[str]]:
        heard: list[str] = []
        turn = Turn(-1.0)
        hook = await leaving(turn)
        async with _listening(REPLY % (2, b"{}"), heard) as base_url, httpx.AsyncClient(trust_env=False) as plain:
            sending = plain.post(base_url, extensions={"trace": hook.trace})
            (ended,) = await asyncio.gather(sending, return_exceptions=True)
        return turn.left_s, ended if isinstance(ended, BaseException) else None, heard

    return asyncio.run(leave())


def test_a_request_over_a_real_connection_is_answered() -> None:
    reply, heard = _created(REPLY % (2, b"{}"))
    assert isinstance(reply, Reply)
    assert (reply.body, reply.attempts, heard) == ({}, 1, ["POST /oauth/token", "POST /customers"])


@pytest.mark.parametrize("answer", [CLOSED, b"HTTP/1.1 201", REPLY % (100, b"{}"), b"SSH-2.0-OpenSSH\r\n"])
def test_an_answer_that_is_cut_or_no_http_is_a_doubt(answer: bytes) -> None:
    failure, heard = _created(answer)
    assert (type(failure), heard) == (Unanswered, ["POST /oauth/token", "POST /customers"])


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async def knock() -> list[object]:
        async with _listening(CLOSED, []) as base_url:
            pass
        patient = Impatient()
        async with talk(_nobody, base_url=base_url, clock=patient, transport=None) as client:
            return list(await asyncio.gather(client.send(CREATE), return_exceptions=True))

    assert [type(failure) for failure in asyncio.run(knock())] == [Unreachable]


def test_the_transport_says_when_a_request_really_leaves() -> None:
    async def leaving(turn: Turn) -> Departure:
        return Departure(turn, None, Limiter(RealClock(), 5.0).left)

    left_s, ended, heard = _left(leaving)
    assert left_s > 0
    assert (ended, heard) == (None, ["POST /"])


def test_a_connection_made_too_late_for_the_intent_carries_nothing() -> None:
    async def leaving(turn: Turn) -> Departure:
        async def never() -> None:
            raise AssertionError

        return Departure(turn, IntentHook(never, RealClock(), "POST /customers"), Limiter(RealClock(), 5.0).left)

    left_s, ended, heard = _left(leaving)
    assert (left_s, type(ended), heard) == (-1.0, Unreachable, [])
