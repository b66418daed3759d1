"""A wire between a client and PostgreSQL that is cut where the test says: before a COMMIT, or after it was done."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

import postgres_server
from psycopg.conninfo import conninfo_to_dict


class Cut(StrEnum):
    """Where the wire breaks."""

    BEFORE = "the COMMIT does not arrive"
    AFTER = "the COMMIT is done, and its answer does not arrive"


class Wire:
    """
    A listener on this machine that forwards to the server; `cut` breaks the next COMMIT's connection.

    `dead` refuses every connection from the next cut on.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.cut: Cut | None = None
        self.dead = False
        self.cuts = 0

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()
        return f"postgresql://postgres@{host}:{port}/postgres?sslmode=disable&gssencmode=disable"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.dead and self.cuts:
                    client.close()
                    continue
                server = upstream()
                for pump in (self._up, self._down):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        """Forward what the client says."""
        with suppress(OSError):
            while said := client.recv(65536):
                if b"COMMIT\0" in said and self.cut is Cut.BEFORE:
                    self._break(client, server)
                server.sendall(said)
        _close(client, server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        """Forward what the server answers."""
        with suppress(OSError):
            while answer := server.recv(65536):
                if b"COMMIT\0Z" in answer and self.cut is Cut.AFTER:
                    self._break(client, server)
                client.sendall(answer)
        _close(client, server)

    def _break(self, client: socket.socket, server: socket.socket) -> None:
        self.cut = None
        self.cuts += 1
        _close(client, server)


@contextmanager
def wire() -> Iterator[Wire]:
    """Yield a wire to the server of the tests."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Wire(listener)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def upstream() -> socket.socket:
    """Return a connection to the server of the tests."""
    parts = conninfo_to_dict(postgres_server.url())
    host, port = str(parts["host"]), int(str(parts.get("port") or 5432))
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
