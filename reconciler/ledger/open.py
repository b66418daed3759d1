"""From a path or a URL to an open ledger, for every kind of storage: made, checked, migrated, or missing."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.clock import Clock
from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import EmptyLedger, Ledger, Meta
from reconciler.ledger.encryption import Cipher, SealedLedger
from reconciler.ledger.lock import Holder, PaceFile, account_key, may_write
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.sqlite_file import (
    APPLICATION_ID,
    Connect,
    hardened,
    ledger_errors,
    make_durable,
    make_private,
    meta_of,
    migrate,
    named,
    on_network,
    primary,
    refuse_anothers,
    shipped,
    shipped_in,
    version_of,
)
from reconciler.model.ledger import Records, Run
from reconciler.resources import to_install

if TYPE_CHECKING:
    from types import ModuleType

    from reconciler.ledger.postgres.coordination import PaceTable


class StorageKind(StrEnum):
    """What a ledger is stored in."""

    FILE = "file"
    DATABASE = "postgresql"
    STORE = "objects"


_KINDS = {
    **dict.fromkeys(("postgresql", "postgres"), StorageKind.DATABASE),
    **dict.fromkeys(("s3", "gs", "az"), StorageKind.STORE),
}


def kind_of(url_or_path: str) -> StorageKind:
    """
    Return what a ledger is stored in; LedgerFailed for a URL that names nothing of it.

    >>> str(kind_of("postgresql://db.example/state")), str(kind_of("s3://bucket/state")), str(kind_of("ledger.db"))
    ('postgresql', 'objects', 'file')
    """
    scheme, colon, _ = url_or_path.partition("://")
    if not colon:
        return StorageKind.FILE
    if scheme not in _KINDS:
        # Not the rest of the URL: it may hold a password.
        raise LedgerFailed(
            f"{visible(scheme)}:// ledgers are not supported by this version",
            "give the path of a file, or a postgresql://, s3://, gs:// or az:// URL, in `state:` or RECONCILER_STATE",
        )
    return _KINDS[scheme]


def is_shared(url_or_path: str) -> bool:
    """
    Say whether a ledger is shared, and its lock a lease.

    >>> is_shared("postgresql://db.example/state"), is_shared("s3://bucket/state"), is_shared("ledger.db")
    (True, True, False)
    """
    return url_or_path.partition("://")[0] in _KINDS and "://" in url_or_path


def open_shared(
    url: str,
    *,
    environment: str,
    base_url: str,
    writable: bool,
    create: bool,
    lineage: str | None,
    step: Step = no_hook,
) -> Ledger:
    """Return the ledger that a URL names, open (see `open.open_ledger`)."""
    opening = _opening(url)
    opened = opening.open_postgres if kind_of(url) is StorageKind.DATABASE else opening.open_objects
    ledger: Ledger = opened(
        url,
        environment=environment,
        base_url=base_url,
        writable=writable,
        create=create,
        lineage=lineage,
        step=step,
    )
    return ledger


def usable(url: str) -> tuple[int, bool]:
    """Return the format of the ledgers at a URL, 0 for none, and whether they may be written, or made."""
    found: tuple[int, bool] = _opening(url).usable(url)
    return found


def known_format(url: str) -> int:
    """Return the format that this version writes at a URL."""
    return len(shipped_in("reconciler.ledger.postgres")) if kind_of(url) is StorageKind.DATABASE else len(shipped())


def lease_holder(url: str, account: str) -> Holder | None:
    """Return who holds the lease of an account (`lock.account_key`), None for nobody."""
    holder: Holder | None = _opening(url).lease_holder(url, account)
    return holder


def shared_pace(url_or_path: str, base_url: str, client_id: str, clock: Clock) -> PaceFile | PaceTable:
    """Return where the pace of a key is kept: in the ledger's database if it has one, else on this machine."""
    own = PaceFile(base_url, client_id, clock)
    if not is_shared(url_or_path) or kind_of(url_or_path) is not StorageKind.DATABASE:
        return own
    try:
        from reconciler.ledger.postgres.coordination import PaceTable  # noqa: PLC0415
    except ImportError:
        return own  # whoever opens the ledger says what to install
    return PaceTable(url_or_path, account_key(base_url, client_id), clock, own)


def end_lease(url: str, account: str) -> None:
    """End the lease of an account, whoever holds it: that run writes and sends nothing more."""
    _opening(url).end_lease(url, account)


def _opening(url: str) -> ModuleType:
    """Return the module that opens such ledgers."""
    if kind_of(url) is StorageKind.DATABASE:
        with _driver("PostgreSQL", "postgres"):
            from reconciler.ledger.postgres import connect as database  # noqa: PLC0415 - most ledgers are files
        return database
    with _driver("object storage", "objects"):
        from reconciler.ledger.objects import ledger as objects  # noqa: PLC0415
    return objects


@contextmanager
def _driver(where: str, extra: str) -> Iterator[None]:
    """Raise LedgerFailed, with what to install, where the driver is not there."""
    try:
        yield
    except ImportError as error:
        raise LedgerFailed(f"a ledger in {where} needs a driver that is not installed", to_install(extra)) from error


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
    `lineage` is given to a file that is made; else it gets a new UUID. `step` is notified of every commit.

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
        raise LedgerFailed(f"{visible(url_or_path)!r} is not a path for a ledger", _ELSEWHERE)
    path = Path(url_or_path)
    if not writable:
        return read_sqlite(path, environment=environment, base_url=base_url)
    return write_sqlite(path, environment=environment, base_url=base_url, create=create, lineage=lineage, step=step)


def connect_sqlite(path: Path, parameters: str, *, any_thread: bool = False) -> sqlite3.Connection:
    """
    Return a connection in autocommit, with SQLite's URI parameters; it waits 5 s for another writer.

    Its folder is resolved, so that the journal is beside the file and not beside a link to it. With `any_thread` more
    than the one that makes it may use it, one at a time.
    """
    url = f"{path.resolve().as_uri()}?{parameters}"
    return hardened(sqlite3.connect(url, uri=True, isolation_level=None, timeout=5, check_same_thread=not any_thread))


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
    with ledger_errors(path):
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
    with ledger_errors(path):
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
        raise LedgerFailed(f"{visible(str(path))}: this file is not a ledger", f"move it away, or {_ELSEWHERE}")
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


FEW_BYTES = 64 * 1024**2
"""With less free space than this a ledger may soon find the disk full."""

_ANY = 2**31
_HEADER = 72
"""Bytes of a database up to the end of its application id, by SQLite's file format."""


@dataclass(frozen=True, slots=True)
class Storage:
    """
    Where a ledger lies, whether or not there is one.

    - `format`: that of what is there, 0 for nothing; `known`: that which this version writes.
    - `free_bytes`: None where that is not this machine's matter.
    """

    kind: StorageKind
    format: int
    known: int
    writable: bool
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ledger holds: `meta` is None where there is none yet."""

    meta: Meta | None
    records: Records
    runs: tuple[Run, ...]


def storage_of(url_or_path: str) -> Storage:
    """Return where a ledger lies; LedgerFailed where that cannot be looked at."""
    if "://" in url_or_path:
        version, writable = usable(url_or_path)
        return Storage(kind_of(url_or_path), format=version, known=known_format(url_or_path), writable=writable)
    path = Path(url_or_path)
    with ledger_errors(path):
        file = path.resolve()
        there = file.is_file()
        # SQLite writes a journal beside the file, so the folder must be writable too.
        return Storage(
            kind=StorageKind.FILE,
            format=_format(file) if there and file.stat().st_size else 0,
            known=len(shipped()),
            writable=may_write(file) and may_write(file.parent),
            free_bytes=shutil.disk_usage(next(one for one in file.parents if one.exists())).free,
        )


def files_of(url_or_path: str) -> tuple[Path, ...]:
    """Return the file of a ledger and what SQLite keeps beside it, there or not; none for a URL or another file."""
    if "://" in url_or_path:
        return ()
    path = Path(url_or_path)
    try:
        real = path.resolve()
        if not real.is_file():
            return ()
        with real.open("rb") as file:
            header = file.read(_HEADER)
    except (OSError, RuntimeError, ValueError):
        # A loop of links is a RuntimeError before Python 3.13, and a NUL in a name is a ValueError.
        return ()
    if not header.endswith(APPLICATION_ID.to_bytes(4, "big")):
        return ()
    return (path, *(real.with_name(real.name + end) for end in ("-wal", "-shm", "-journal")))


def contents_of(url_or_path: str, *, environment: str, base_url: str, cipher: Cipher | None = None) -> Contents:
    """Return what a ledger holds; raises as opening and reading it do."""
    with open_ledger(url_or_path, environment=environment, base_url=base_url, writable=False) as held:
        ledger = SealedLedger(held, cipher or Cipher())
        return Contents(ledger.meta, ledger.records(), ledger.runs())


def _format(file: Path) -> int:
    """Return the format of a file, also one that is newer than this program; LedgerFailed where it is no ledger."""
    with closing(connect_to_read(file)) as connection:
        return version_of(connection, file, known=_ANY)
