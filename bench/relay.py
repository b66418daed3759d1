"""A wire to a server that is as far away as one says, and counts what goes over it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Relay:
    """
    A listener on this machine that forwards to a server, each answer `latency_s` late.

    A turn is a message of the client that is answered: a request, or a round trip of a database's protocol.
    """

    listener: socket.socket
    connect: Callable[[], socket.socket]
    latency_s: float
    turns: int = 0
    sent: int = 0
    received: int = 0
    lock: Lock = field(default_factory=Lock)

    @property
    def port(self) -> int:
        """Return where it listens."""
        port: int = self.listener.getsockname()[1]
        return port

    def counted(self) -> tuple[int, int]:
        """Return turns and bytes since the last count."""
        with self.lock:
            counted = (self.turns, self.sent + self.received)
            self.turns = self.sent = self.received = 0
            return counted

    def serve(self) -> None:
        """Forward until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        """Forward one connection."""
        server, asked = self.connect(), threading.Event()
        # A short message must not wait for the receipt of the one before it.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upward = threading.Thread(target=self._up, args=(client, server, asked), daemon=True)
        upward.start()
        with suppress(OSError):
            while answer := server.recv(1 << 20):
                if asked.is_set():
                    asked.clear()
                    time.sleep(self.latency_s)
                    with self.lock:
                        self.turns += 1
                with self.lock:
                    self.received += len(answer)
                client.sendall(answer)
        _close(client, server)
        upward.join()

    def _up(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        """Forward what the client says."""
        with suppress(OSError):
            while said := client.recv(1 << 20):
                asked.set()
                with self.lock:
                    self.sent += len(said)
                server.sendall(said)
        _close(client, server)


@contextmanager
def relay(connect: Callable[[], socket.socket], latency_s: float) -> Iterator[Relay]:
    """Yield a wire to the server that `connect` connects to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Relay(listener, connect, latency_s)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _close(*ends: socket.socket) -> None:
    """Close both ends of a connection."""
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
