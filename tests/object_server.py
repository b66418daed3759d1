"""Object storage for tests (moto's server, which speaks S3), its leases, and a wire to it that fails on demand."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from reconciler.ledger.objects.lease import State, key_of, read
from reconciler.ledger.objects.store import open_store

# A thread for each connection, as clients open some ahead; one request at a time, so that a condition holds until
# its put is done.
_SERVE = """
import logging
from threading import Lock
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").disabled = True
moto, turn = DomainDispatcherApplication(create_backend_app), Lock()
def serve(environ, start_response):
    with turn:
        return list(moto(environ, start_response))
server = make_server("127.0.0.1", 0, serve, threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_numbers = count(1)
os.environ.update(KEYS)


@cache
def endpoint() -> str:
    """Return the URL of the server, started where it is not."""
    server = subprocess.Popen([sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop() -> None:
        server.terminate()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()

    atexit.register(stop)
    assert server.stdout is not None
    return f"http://127.0.0.1:{int(server.stdout.readline())}"


def bucket() -> str:
    """Return the name of a new bucket."""
    name = f"ledgers-{next(_numbers)}"
    request = urllib.request.Request(f"{endpoint()}/{name}", data=b"", method="PUT")  # noqa: S310 - our own server
    with urllib.request.urlopen(request):  # noqa: S310
        return name


@cache
def store_url() -> str:
    """Return the URL of a place that tests may fill."""
    return url_of(bucket())


def url_of(name: str, at: str | None = None) -> str:
    """Return the URL of a bucket below a prefix, at another endpoint where one is given."""
    return f"s3://{name}/state?endpoint={at or endpoint()}&region=us-east-1"


def copied(source: str) -> str:
    """Return the URL of a new bucket with all that another one holds."""
    target = url_of(bucket())
    old, new = open_store(source), open_store(target)
    for key in old.keys(""):
        got = old.get(key)
        assert got is not None
        assert new.put_new(key, got.content)
    return target


def connected() -> socket.socket:
    """Return a connection to the server."""
    return socket.create_connection(host())


def host() -> tuple[str, int]:
    """Return where the server listens."""
    parts = urlsplit(endpoint())
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


LONG_S = 3600.0


def expire(account: str, url: str | None = None) -> None:
    """Let the lease of an account expire, where there is one."""
    store = open_store(url or store_url())
    found = read(store, account)
    if found is not None and found[0].state is State.HELD:
        expired = replace(found[0], lasts_s=found[0].lasts_s - LONG_S)
        assert store.put_over(key_of(account), json.dumps(asdict(expired)).encode(), found[1]) is not None


def lasts_s(account: str) -> float:
    """Return how long the lease of an account lasts from its last writing, in seconds."""
    found = read(open_store(store_url()), account)
    assert found is not None
    return found[0].lasts_s


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
    connection = http.client.HTTPConnection(*host())
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Yield a proxy that listens on this machine."""
    endpoint()
    with Proxy() as made:
        thread = Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
