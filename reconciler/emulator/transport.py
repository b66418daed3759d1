"""The emulator without a socket, for tests: an httpx transport that answers from the same handlers."""

from __future__ import annotations

import httpx

from reconciler.emulator.calls import Call, Dropped
from reconciler.emulator.control import control
from reconciler.emulator.service import Emulator, is_control


class EmulatorTransport(httpx.AsyncBaseTransport):
    """
    Answers each request of an `httpx.AsyncClient` at once, in the order in which they are sent.

    A lost answer is an `httpx.ReadError`, after the change was made where the fault says so. An answer
    that is slower than the request's read timeout is an `httpx.ReadTimeout`; waiting is the emulator's clock's.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response, or raise what a socket would have made httpx raise."""
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        body = await request.aread()
        call = Call(request.method, path, query, request.headers.get("authorization", ""), body)
        answer = control(self.emulator, call) if is_control(call) else self.emulator.answer(call)
        if answer.delay_s:
            timeout_s = request.extensions.get("timeout", {}).get("read")
            late = timeout_s is not None and answer.delay_s >= timeout_s
            await self.emulator.clock.sleep(timeout_s if late else answer.delay_s)
            if late:
                raise httpx.ReadTimeout("the emulator answered too late", request=request)
        if isinstance(answer, Dropped):
            raise httpx.ReadError("the emulator closed the connection", request=request)
        headers = [("date", self.emulator.date()), *answer.headers]
        if answer.body:
            headers.append(("content-type", answer.content_type))
        return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)
