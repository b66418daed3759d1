"""From a path or a URL to an open ledger: the file made, checked, migrated, or found missing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import Ledger
from reconciler.ledger.durable import make_durable, on_network
from reconciler.ledger.empty import EmptyLedger
from reconciler.ledger.faults import primary, told
from reconciler.ledger.schema import Connect, hardened, make_private, migrate, shipped, version_of
from reconciler.ledger.shared import open_shared
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.whose import meta_of, named, refuse_anothers

_SMALLEST = 512  # bytes: the smallest page of an SQLite file
_ELSEWHERE = "name another file in `state:` or RECONCILER_STATE"


def open_ledger(
    url_or_path: str,
    *,
    environment: str,
    base_url: str,
    writable: bool = True,
    create: bool = True,
    lineage: str | None = None,
    step: Step = no_hook,
) -> Ledger:
    """
    Return the open ledger of one environment; leaving its context closes it.

    With `writable` the file is made where there is none, unless `create` is False, and an older format
    is migrated. Without, nothing on disk changes, and a file or folder that may only be read is enough.
    Where there is no ledger and none is made, an empty one that cannot be written is returned.
    `lineage` is given to a file that is made; else it gets a new UUID. `step` is told of every commit.

    LedgerFailed where the storage fails or is no ledger, LedgerTooNew for a newer format, Refused for
    the ledger of another environment or base URL.
    """
    if "://" in url_or_path:
        return open_shared(
            url_or_path,
            environment=environment,
            base_url=base_url,
            writable=writable,
            create=create,
            lineage=lineage,
            step=step,
        )
    if not url_or_path or "\0" in url_or_path:
        raise LedgerFailed(f"{visible(url_or_path)!r} is no path for a ledger", _ELSEWHERE)
    path = Path(url_or_path)
    if not writable:
        return read_sqlite(path, environment=environment, base_url=base_url)
    return write_sqlite(path, environment=environment, base_url=base_url, create=create, lineage=lineage, step=step)


def connect_sqlite(path: Path, parameters: str) -> sqlite3.Connection:
    """
    Return a connection in autocommit, with SQLite's URI parameters; it waits 5 s for another writer.

    Its folder is resolved, so that the journal stands beside the file and not beside a link to it.
    """
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{parameters}", uri=True, isolation_level=None, timeout=5)
    return hardened(connection)


def write_sqlite(
    path: Path,
    *,
    environment: str,
    base_url: str,
    create: bool = True,
    lineage: str | None = None,
    connect: Connect = connect_sqlite,
    migrations: tuple[str, ...] | None = None,
    network: Callable[[Path], bool] = on_network,
    step: Step = no_hook,
) -> Ledger:
    """Return a ledger that can be written, made or migrated where it must be (see `open_ledger`)."""
    migrations = shipped() if migrations is None else migrations
    with told(path):
        if not _is_there(path):
            if not create:
                return EmptyLedger(str(path))
            file = path.resolve()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(file)
        connection = connect(path, "mode=rw")
        try:
            # Before anything is set: another program's file, or another account's ledger, stays as it is.
            version = version_of(connection, path, known=len(migrations))
            if version:
                refuse_anothers(connection, path, environment, base_url)
            make_durable(connection, path.resolve(), network=network)
            # SQLite opens a file that may only be read without a word; a write lock is refused now, not later.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            migrate(connection, path, migrations, connect)
            meta = meta_of(connection, path, environment, base_url)
            if meta is None:
                meta = named(connection, environment, base_url, lineage or str(uuid4()))
            return SqliteLedger(path, meta, writable=True, connection=connection, step=step)
        except BaseException:
            connection.close()
            raise


def read_sqlite(
    path: Path,
    *,
    environment: str,
    base_url: str,
    connect: Connect = connect_sqlite,
    migrations: tuple[str, ...] | None = None,
) -> Ledger:
    """Return a ledger that can be read, an empty one where there is none (see `open_ledger`)."""
    migrations = shipped() if migrations is None else migrations
    with told(path):
        if not _is_there(path):
            return EmptyLedger(str(path))
        connection = connect_to_read(path, connect)
        try:
            version = version_of(connection, path, known=len(migrations))
            if 0 < version < len(migrations):
                connection = _in_memory(connection)
                migrate(connection, path, migrations, None)
            connection.execute("PRAGMA query_only = ON")
            meta = meta_of(connection, path, environment, base_url) if version else None
        except BaseException:
            connection.close()
            raise
        if meta is None:  # its making was cut short
            connection.close()
            return EmptyLedger(str(path))
        return SqliteLedger(path, meta, writable=False, connection=connection)


def _is_there(path: Path) -> bool:
    """Say whether there is a file at `path`; LedgerFailed for what can never be a ledger."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if 0 < found.st_size < _SMALLEST:  # SQLite takes a file of one byte for an empty one, and writes over it
        raise LedgerFailed(f"{visible(str(path))}: this file is no ledger", f"move it away, or {_ELSEWHERE}")
    if stat.S_ISREG(found.st_mode):
        return True
    what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
    raise LedgerFailed(f"{visible(str(path))}: the ledger is a file, and this is {what}", _ELSEWHERE)


def connect_to_read(path: Path, connect: Connect = connect_sqlite) -> sqlite3.Connection:
    """
    Return a connection that can read, also where neither the file nor its folder may be written.

    It is opened `mode=rw` where it can be, so that the last one to leave removes the journal: one
    opened `mode=ro` would leave `-wal` and `-shm` behind.
    """
    connection = connect(path, "mode=rw")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if primary(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    except BaseException:
        connection.close()
        raise
    else:
        return connection
    file = path.resolve()
    journals = [journal for end in ("-wal", "-journal") if (journal := file.with_name(file.name + end)).exists()]
    if not any(journal.stat().st_size for journal in journals):
        return connect(path, "mode=ro&immutable=1")
    # A run that died left commits in the journal: `immutable` would not see them. They are taken up in a copy.
    with TemporaryDirectory(prefix="reconciler-") as folder:
        for part in (file, *journals):
            shutil.copyfile(part, Path(folder) / part.name)
        return _in_memory(connect(Path(folder) / file.name, "mode=rw"))


def _in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy of a database in memory; closes the one that was given."""
    with closing(connection):
        memory = hardened(sqlite3.connect(":memory:", isolation_level=None))
        try:
            connection.backup(memory)
        except BaseException:
            memory.close()
            raise
    return memory
