"""The emulator without a socket, for tests: an httpx transport that answers from the same handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from reconciler.clock import Clock
from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.control import control
from reconciler.emulator.service import Emulator, is_control


class EmulatorTransport(httpx.AsyncBaseTransport):
    """
    Answers each request of an `httpx.AsyncClient` at once, in the order in which they are sent.

    A lost answer is an `httpx.ReadError`, after the change was made where the fault says so. An answer
    that is slower than the request's read timeout is an `httpx.ReadTimeout`; waiting is the emulator's clock's.
    A body that dribbles or is cut is a stream that does so, and raises what a socket's would.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response, or raise what a socket would have made httpx raise."""
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        body = await request.aread()
        sent = request.headers
        call = Call(request.method, path, query, sent.get("authorization", ""), body, sent.get("content-type", ""))
        answer = control(self.emulator, call) if is_control(call) else self.emulator.answer(call)
        timeout_s = request.extensions.get("timeout", {}).get("read")
        if answer.delay_s:
            await _wait(self.emulator.clock, answer.delay_s, timeout_s)
        if isinstance(answer, Dropped):
            raise httpx.ReadError("the emulator closed the connection", request=request)
        headers = [("date", self.emulator.date()), *answer.headers]
        if answer.body:
            headers.append(("content-type", answer.content_type))
        if answer.whole:
            return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)
        headers.append(("content-length", str(len(answer.body))))
        stream = _Pieces(answer, self.emulator.clock, timeout_s)
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)


class _Pieces(httpx.AsyncByteStream):
    """A body that comes bit by bit, or not to its end."""

    def __init__(self, answer: Answer, clock: Clock, timeout_s: float | None) -> None:
        self._answer = answer
        self._clock = clock
        self._timeout_s = timeout_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces, each after its wait."""
        pieces = self._answer.pieces
        for piece in pieces:
            await _wait(self._clock, self._answer.over_s / len(pieces), self._timeout_s)
            yield piece
        if self._answer.cut:
            # In the words of httpx over a socket.
            received, expected = sum(map(len, pieces)), len(self._answer.body)
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {received} bytes, expected {expected})"
            )


async def _wait(clock: Clock, wait_s: float, timeout_s: float | None) -> None:
    """Wait, no longer than a reader does: httpx.ReadTimeout then."""
    late = timeout_s is not None and wait_s >= timeout_s
    await clock.sleep(timeout_s if late and timeout_s is not None else wait_s)
    if late:
        raise httpx.ReadTimeout("the emulator answered too late")
