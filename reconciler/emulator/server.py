"""The emulator on a port: `running` for tests and the demo, `run` for the command."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.emulator.app import CONNECTION, create_app
from reconciler.emulator.load import read_payment_methods
from reconciler.emulator.odds import Odds, RandomFaults
from reconciler.emulator.service import Emulator, Logged
from reconciler.emulator.store import Store
from reconciler.errors import Invalid, Problem, ReconcilerError, Source
from reconciler.escape import visible
from reconciler.rules import Account, Behaviour

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
    log: Callable[[Logged], None] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve until SIGTERM or SIGINT; `ready` is told the base URL. Call it in the main thread.

    `data_file` keeps the account in SQLite, else it lives as long as this; `payment_methods` is a JSON file
    (`load.read_payment_methods`); `offset_s` is how far its clock is ahead.

    ReconcilerError for an address, Invalid for a file, that cannot be used.
    """
    # Not an Event: a signal may come while the thread that waits holds its lock.
    stop: SimpleQueue[int] = SimpleQueue()
    with ExitStack() as stack:
        store = stack.enter_context(Store(data_file)) if data_file is not None else None
        account = store.read() if store is not None else Account()
        if payment_methods is not None:
            account.payment_methods |= _read_file(payment_methods)
        emulator = Emulator(
            behaviour=behaviour,
            rate=rate,
            faults=RandomFaults(faults),
            account=account,
            store=store,
            log=log,
            offset_s=offset_s,
        )
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
        if os.name == "posix":
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
