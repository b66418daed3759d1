"""
Object storage for tests: moto's server, which speaks S3, in a process of its own that ends with this one.

It honours If-None-Match and If-Match, as Amazon's does.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import urllib.request
from functools import cache
from itertools import count
from urllib.parse import urlsplit

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
def url() -> str:
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
