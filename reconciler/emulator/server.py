"""The emulator on a port (`running` for tests and the demo, `run` for the command), or behind an httpx transport."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.clock import Clock
from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.control import BrowserOrigin, control, is_page, page
from reconciler.emulator.faults import Odds, RandomFaults
from reconciler.emulator.integration import Integration
from reconciler.emulator.service import (
    LOCAL,
    USUAL_KEYS,
    ApiKey,
    Emulator,
    EmulatorOfMany,
    Logged,
    is_control,
    read_payment_methods,
)
from reconciler.emulator.store import AccountFile
from reconciler.errors import Invalid, Problem, ReconcilerError, Source
from reconciler.escape import visible
from reconciler.rules import Account, Behaviour
from reconciler.system import HERE


class EmulatorTransport(httpx.AsyncBaseTransport):
    """
    Answers each request of an `httpx.AsyncClient` at once, in the order in which they are sent.

    A lost answer is an `httpx.ReadError`, after the change was made, as the fault says. An answer
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


_MISDIRECTED = "the emulator listens on this machine, and answers only to localhost and 127.0.0.1"

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
            answer = page(
                emulator, call, BrowserOrigin(request.headers.get("origin", ""), request.headers.get("host", ""))
            )
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


LOCALHOST = "127.0.0.1"
PORT = 8085
_KEEP_ALIVE_S = 75
_LARGEST_PORT = 65_535
_WAITING = 1024


class _Protocol(H11Protocol):
    """uvicorn's protocol, which lets the application close a connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Leave the transport where the requests of this connection find it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


@contextmanager
def running(emulator: Emulator | None = None, *, host: str = LOCALHOST, port: int = 0) -> Iterator[str]:
    """
    Serve in a thread of this process, and yield the base URL; port 0 takes a free one.

    The end closes every connection, open ones too, within half a second. ReconcilerError where the
    address cannot be had.
    """
    bound = _bind(host, port)
    config = uvicorn.Config(
        create_app(emulator or Emulator(), local=ip_address(bound.getsockname()[0]).is_loopback),
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="emulator", daemon=True)
    thread.start()
    try:
        # The socket listens already: a request that comes before the server has begun waits its turn.
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def run(
    host: str = LOCALHOST,
    port: int = PORT,
    *,
    data_file: Path | None = None,
    rate: float = 5,
    behaviour: Behaviour | None = None,
    faults: Odds | None = None,
    payment_methods: Path | None = None,
    offset_s: float = 0.0,
    integration: Integration | None = None,
    log: Callable[[Logged], None] | None = None,
    ready: Callable[[str], None] | None = None,
    many: bool = False,
) -> None:
    """
    Serve until SIGTERM or SIGINT; `ready` is called with the base URL. Call it in the main thread.

    With `many` each client id has an account of its own, and `data_file` is a folder of files.
    `data_file` keeps the account in SQLite, else it lives as long as this; `payment_methods` is a JSON file
    (`load.read_payment_methods`); `offset_s` is how far its clock is ahead, `integration` what writes into it too.

    ReconcilerError for an address, Invalid for a file, that cannot be used.
    """
    # Not an Event: a signal may come while the thread that waits holds its lock.
    stop: SimpleQueue[int] = SimpleQueue()
    with ExitStack() as stack:

        def make(name: str = "") -> Emulator:
            path = data_file / f"{name}.db" if many and data_file is not None else data_file
            store = stack.enter_context(AccountFile(path)) if path is not None else None
            account = store.read() if store is not None else Account()
            if payment_methods is not None:
                account.payment_methods |= _read_file(payment_methods)
            one = Emulator(
                behaviour=behaviour,
                rate=rate,
                faults=RandomFaults(faults),
                account=account,
                store=store,
                log=None if many else log,
                offset_s=offset_s,
                keys=(ApiKey(name, LOCAL.secret),) if many else USUAL_KEYS,
            )
            one.connect(integration)
            return one

        if many and data_file is not None:
            data_file.mkdir(mode=0o700, parents=True, exist_ok=True)
        emulator = EmulatorOfMany(make, log=log) if many else make()
        stack.enter_context(_stopped_by_signals(stop))
        url = stack.enter_context(running(emulator, host=host, port=port))
        if ready is not None:
            ready(url)
        stop.get()


def listens(port: int) -> bool:
    """Say whether something listens at a port of this machine."""
    try:
        with socket.create_connection((LOCALHOST, port), timeout=1):
            return True
    except OSError:
        return False


def _bind(host: str, port: int) -> socket.socket:
    """Return a listening socket."""
    if not 0 <= port <= _LARGEST_PORT:
        raise _not_bound(host, port, f"a port is a number from 0 to {_LARGEST_PORT}")
    try:
        # With its protocol named, asyncio sends each answer at once; else it would wait 40 ms for an ACK.
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise _not_bound(host, port, exc.strerror) from exc
    try:
        if HERE.binds_again:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_WAITING)
    except OSError as exc:
        listening.close()
        raise _not_bound(host, port, exc.strerror) from exc
    return listening


def _not_bound(host: str, port: int, reason: str | None) -> ReconcilerError:
    """Return the error of an address that cannot be had."""
    return ReconcilerError(
        f"{visible(host)}:{port}: the emulator cannot listen there: {reason}", "choose another --port"
    )


@contextmanager
def _stopped_by_signals(stop: SimpleQueue[int]) -> Iterator[None]:
    """Put each SIGTERM or SIGINT into `stop`, in place of what they did before."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
        stop.put(number)

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _read_file(path: Path) -> Mapping[str, list[Mapping[str, object]]]:
    """Return the payment methods of a file."""
    try:
        return {key: list(methods) for key, methods in read_payment_methods(json.loads(path.read_bytes())).items()}
    except (OSError, ValueError) as exc:
        raise Invalid([Problem(Source(visible(str(path))), "", f"cannot be read as payment methods: {exc}")]) from exc
