"""The emulator as an ASGI application: bytes to a `Call`, an `Answer` to bytes."""

from __future__ import annotations

import json
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.control import control
from reconciler.emulator.page import Origin, is_page, page
from reconciler.emulator.service import Emulator, is_control

_MISDIRECTED = "the emulator listens on this machine, and answers to localhost and 127.0.0.1 alone"

CONNECTION = "connection"
"""Under this name `server` leaves each connection's transport in the state of its requests."""


def create_app(emulator: Emulator, *, local: bool = False) -> ASGIApp:
    """
    Return the application that serves `emulator`, for any ASGI server or `httpx.ASGITransport`.

    With `local` it answers for this machine alone: a page in a browser could else have its own name lead here, and
    read and write the account.

    It takes every request itself: Starlette's router has no match for a path with a line break.
    """

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = Call(
            method=request.method,
            path=scope["raw_path"].partition(b"?")[0].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            authorization=request.headers.get("authorization", ""),
            body=await request.body(),
            content_type=request.headers.get("content-type", ""),
        )
        answer: Answer | Dropped
        if local and not is_this_machine(request.headers.get("host", "")):
            answer = Answer(421, json.dumps({"code": "misdirected_request", "message": _MISDIRECTED}).encode())
        elif is_page(call):
            answer = page(emulator, call, Origin(request.headers.get("origin", ""), request.headers.get("host", "")))
        elif not is_control(call):
            answer = emulator.answer(call)
        elif "origin" in request.headers:
            answer = Answer(403)
        else:
            answer = control(emulator, call)
        if answer.delay_s:
            await emulator.clock.sleep(answer.delay_s)
        if isinstance(answer, Dropped):
            await _drop(request)
            return
        headers = {"date": emulator.date(), **dict(answer.headers)}
        response = Response(
            answer.body, answer.status, headers, media_type=answer.content_type if answer.body else None
        )
        if answer.whole:
            await response(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": answer.status, "headers": response.raw_headers})
            await _send_pieces(emulator, request, answer, send)

    return endpoint


def is_this_machine(host: str) -> bool:
    """
    Say whether a Host header names this machine as it is always named, and not by a name that leads here.

    >>> [is_this_machine(host) for host in ("localhost:8085", "127.0.0.1", "[::1]:80", "evil.example:8085", "")]
    [True, True, True, False, False]
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


async def _send_pieces(emulator: Emulator, request: Request, answer: Answer, send: Send) -> None:
    """Send a body bit by bit, and close the connection in the middle of it where it is cut."""
    pieces = answer.pieces
    for piece in pieces:
        await emulator.clock.sleep(answer.over_s / len(pieces))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if answer.cut:
        await _drop(request)
    else:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop(request: Request) -> None:
    """Close the connection; in a process of its own caller, raise what the caller would see."""
    connection = getattr(request.state, CONNECTION, None)
    if connection is None:
        raise httpx.ReadError("the emulator closed the connection")
    connection.close()
    # The server takes a request without an answer for a fault of the application unless it knows of the end.
    while (await request.receive())["type"] != "http.disconnect":
        pass
