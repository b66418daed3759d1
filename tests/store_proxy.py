"""A wire between a ledger and its object storage that fails where the test says, and one that knows no conditions."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import object_server


class Fault(StrEnum):
    """What becomes of a request."""

    BEFORE = "it does not arrive"
    AFTER = "it is done, and its answer does not arrive"
    BUSY = "it is answered with 503, and not done"
    DENIED = "it is answered with 403, and not done"


class Proxy(ThreadingHTTPServer):
    """
    Forwards to the server of the tests.

    The next requests of `method` whose path holds `what` meet `faults`, one each; `dead` lets none through.
    `unconditional` drops the conditions, as some imitations of S3 do. `seen` counts methods and kinds of keys.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: list[Fault] = []
        self.method, self.what = "PUT", "/log/"
        self.dead = False
        self.unconditional: tuple[str, ...] = ()
        self.seen: Counter[str] = Counter()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base has it
        """Say nothing: a client that goes away is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_any(self) -> None:
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy.seen[self.command] += 1
        fault = proxy.faults.pop(0) if proxy.faults and self.command == proxy.method and proxy.what in self.path else ""
        if proxy.dead or fault is Fault.BEFORE:
            self.close_connection = True
            return
        if fault in (Fault.BUSY, Fault.DENIED):
            self.send_error(503 if fault is Fault.BUSY else 403)
            return
        headers = {name: value for name, value in self.headers.items() if name not in proxy.unconditional}
        answer, content = forwarded(self.command, self.path, body, headers)
        if fault is Fault.AFTER:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("date", "server", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any  # noqa: N815 - names of the base's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as its base has it
        """Say nothing."""


def forwarded(method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    """Return what the server of the tests answers."""
    connection = http.client.HTTPConnection(*object_server.host())
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Yield a proxy that listens on this machine."""
    object_server.endpoint()
    with Proxy() as made:
        thread = Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
