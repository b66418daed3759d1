"""The SQLite file below a ledger: its format and migrations, its durability, its owner, and its errors as ours."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from itertools import count
from pathlib import Path

from reconciler.errors import LedgerFailed, LedgerTooNew, Locked, Refused, TakenOver
from reconciler.escape import visible
from reconciler.ledger.base import Meta
from reconciler.ledger.lock import Holder
from reconciler.system import HERE, System

# (journal_mode, synchronous): WAL keeps every commit with FULL; a rollback journal needs EXTRA, which also
# syncs the folder after the journal is deleted, or the commit may roll back after a power loss.
_WAL = ("wal", 2)
_ROLLBACK = ("delete", 3)

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs"}
_NETWORK |= {"fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.ceph", "virtiofs", "vboxsf", "prl_fs"}


def make_durable(connection: sqlite3.Connection, path: Path, *, network: Callable[[Path], bool]) -> None:
    """
    Set journal and syncs so that a commit that has returned survives a loss of power; read both back.

    WAL with FULL; a rollback journal with EXTRA where WAL cannot be had, or where `network` says that
    `path` is on a network file system: WAL shares memory between processes, which two hosts cannot
    (https://www.sqlite.org/wal.html). LedgerFailed where neither was taken.
    """
    if not network(path) and _set(connection, *_WAL):
        return
    if _set(connection, *_ROLLBACK):
        return
    raise LedgerFailed(
        f"{visible(str(path))}: SQLite cannot make commits durable here",
        "put the ledger on a local disk, with `state:` or RECONCILER_STATE",
    )


def on_network(path: Path) -> bool:
    """Say whether `path` is on a file system that other hosts may share; False where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return file_system(path, mounts) in _NETWORK


def file_system(path: Path, mounts: str) -> str:
    r"""
    Return the type of the file system that holds `path`, an absolute one; "" where `mounts` has none.

    `mounts` is the text of /proc/mounts: device, mount point, type …; spaces are written as \040.

    >>> file_system(Path("/srv/a b/x.db"), "/dev/sda / ext4 rw\nhost:/x /srv/a\\040b nfs4 rw\n")
    'nfs4'
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        folder = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point))
        if path.is_relative_to(folder) and len(folder.parts) >= longest:
            found, longest = kind, len(folder.parts)
    return found


def _set(connection: sqlite3.Connection, journal: str, synchronous: int) -> bool:
    """Set a journal and its syncs; say whether SQLite then answers that it has both."""
    answered = ""
    # A file system without shared memory may answer WAL with an error instead of another mode. What is
    # wrong beyond that (a full disk, a read-only file) the rollback journal's turn raises.
    with suppress(*([sqlite3.OperationalError] if journal == "wal" else [])):
        answered = connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()[0]
    if answered != journal:
        return False
    # macOS answers fsync before the disk has written; these two make it wait. No effect elsewhere.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    # What is overwritten or deleted is personal data, and must not stay in free pages.
    connection.execute("PRAGMA secure_delete = ON")
    held: int = connection.execute("PRAGMA synchronous").fetchone()[0]
    return held == synchronous


_ELSEWHERE = "or name another file in `state:` or RECONCILER_STATE"
_CORRUPT = (
    "it is damaged",
    (
        "restore a copy of it, or move it away: planning works without it, "
        "but archives nothing that you removed from the files"
    ),
)
_UNREADABLE = ("it cannot be read or written", f"check that the file and its folder can be written, {_ELSEWHERE}")
_BUSY = ("another process is writing to it", "try again when it has finished")

# By SQLite's primary result code (https://www.sqlite.org/rescode.html).
_TOLD = {
    sqlite3.SQLITE_FULL: ("the disk is full, and nothing of this step was written", "free some space and run again"),
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: ("it cannot be written", f"make the file and its folder writable, {_ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_PERM: _UNREADABLE,
    sqlite3.SQLITE_AUTH: _UNREADABLE,
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write it", f"check the disk, {_ELSEWHERE}"),
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: ("this file is not a ledger", f"move it away, {_ELSEWHERE}"),
    sqlite3.SQLITE_CONSTRAINT: (
        "two keys would be bound to one customer, or a row lacks a value; nothing of this step was written",
        "this is a bug in Reconciler: please report it",
    ),
}


def primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error, 0 where the module raised it by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def ledger_errors(path: Path | str) -> Iterator[None]:
    """Raise LedgerFailed, naming `path`, for what a database, a disk or a text that cannot be stored raises inside."""
    try:
        yield
    except sqlite3.Error as error:
        what, now = _TOLD.get(primary(error), ("it cannot be used", "check that the file is complete"))
        raise LedgerFailed(f"{visible(str(path))}: {what}", now) from error
    except UnicodeDecodeError as error:
        # A text that is none, or SQLite's words about one.
        raise LedgerFailed(f"{visible(str(path))}: {_CORRUPT[0]}", _CORRUPT[1]) from error
    except UnicodeEncodeError as error:
        raise LedgerFailed(
            f"{visible(str(path))}: a text holds half a character (a lone surrogate) and cannot be stored; "
            "nothing of this step was written",
            "correct that value",
        ) from error
    except OSError as error:
        why = visible(error.strerror or type(error).__name__)
        raise LedgerFailed(f"{visible(str(path))}: {why}", f"correct the path, {_ELSEWHERE}") from error


def taken_over(place: str, who: str, since: str) -> TakenOver:
    """Return that another run began after this one; `who` is a Holder's text, "" where it is unknown."""
    when = f" at {visible(since)}" if since else ""
    by = f": {visible(who)}" if who else ""
    return TakenOver(
        f"{visible(place)}: another run has taken over{when}{by}; this run writes and sends nothing more",
        "wait for that run to end, then plan again: it settles what this run sent",
    )


def locked(who: Holder, lease_s: float) -> Locked:
    """Return that another run, `who`, holds the lease of the account, which lasts for `lease_s` without renewal."""
    return Locked(
        f"another run on this account holds the lock: {who}",
        f"wait for it to end, or use --lock-timeout; if it has died, its lock ends after {lease_s:.0f} s",
    )


@contextmanager
def altered(path: Path | str) -> Iterator[None]:
    """Raise LedgerFailed, naming `path`, where a row that was read holds what this program never writes."""
    try:
        yield
    except UnicodeError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise LedgerFailed(
            f"{visible(str(path))}: a row cannot be read, because something else has altered the ledger",
            "restore a copy of it",
        ) from error


APPLICATION_ID = 0x5265636E
"""In the file's header ("Recn"), so that a ledger is told from any other SQLite database."""

# A trigger or a view runs what it says whenever a table is written or read.
_TABLES = """
    SELECT count(*), coalesce(sum(type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL %'), 0) FROM sqlite_master
"""

Connect = Callable[[Path, str], sqlite3.Connection]
"""Opens a file with SQLite's URI parameters, such as `mode=rw`, in autocommit."""


def shipped() -> tuple[str, ...]:
    """Return the migrations of a file, oldest first: the n-th leads from format n - 1 to format n."""
    return shipped_in("reconciler.ledger")


def shipped_in(package: str) -> tuple[str, ...]:
    """Return the migrations that came with a package, oldest first."""
    folder = files(package) / "migrations"
    return tuple(
        script.read_text(encoding="utf-8")
        for script in sorted(folder.iterdir(), key=lambda script: script.name)
        if script.name.endswith(".sql")
    )


def hardened(connection: sqlite3.Connection) -> sqlite3.Connection:
    """
    Return a connection that is safe to use with a database of unknown origin; nothing was read by it yet.

    What the database's schema calls is then limited to harmless functions, its pages are checked as they are read,
    and SQL cannot damage its file (https://www.sqlite.org/security.html). Extensions are off in Python.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # noqa: FBT003 - its signature
    return connection


def version_of(connection: sqlite3.Connection, path: Path | str, *, known: int) -> int:
    """
    Return the format of a ledger file: 0 for an empty file or database, at most `known`.

    LedgerFailed where it is another program's database, LedgerTooNew beyond `known`. Reads only.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables, others = connection.execute(_TABLES).fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise LedgerFailed(
            f"{visible(str(path))}: this is a database of another program, not a ledger",
            "name another file in `state:` or RECONCILER_STATE",
        )
    if others:
        raise LedgerFailed(
            f"{visible(str(path))}: this ledger contains triggers, views or virtual tables, so "
            "something else has altered it",
            "restore a copy of it",
        )
    if version > known:
        raise LedgerTooNew(
            f"{visible(str(path))}: the ledger has format {version}, and this version of reconciler knows "
            f"formats up to {known}",
            "update reconciler",
        )
    return version


def migrate(
    connection: sqlite3.Connection, path: Path | str, migrations: tuple[str, ...], connect: Connect | None
) -> None:
    """
    Bring the file to today's format in one transaction.

    A ledger of an older format is first copied beside itself, `NAME.vN.bak`, through `connect`; None
    copies nothing (a database in memory). LedgerTooNew where another process was quicker, and newer.
    """
    if version_of(connection, path, known=len(migrations)) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Asked again under the lock: two may have found the file new, or old, at once.
        version = version_of(connection, path, known=len(migrations))
        if version and version < len(migrations) and connect is not None:
            copy_beside(Path(path), f"v{version}", connect)
        for script in migrations[version:]:
            for statement in statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make_private(path: Path, system: System = HERE) -> bool:
    """Create `path`, empty and readable by its owner only, durably; say False where it exists."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    system.sync_folder(path.parent)
    return True


def copy_beside(path: Path, label: str, connect: Connect) -> Path:
    """
    Copy a ledger beside itself, `NAME.LABEL.bak` or the next name that is free, and return where.

    What others have open stays consistent.
    """
    names = (f"{path.name}.{label}{f'.{n}' if n else ''}.bak" for n in count())
    copy = next(file for name in names if make_private(file := path.with_name(name)))
    with closing(connect(path, "mode=rw")) as source, closing(connect(copy, "mode=rw")) as target:
        source.backup(target)
    return copy


def statements(script: str) -> Iterator[str]:
    r"""
    Yield the statements of a script, each ending with `;` at the end of a line.

    Not `executescript`: it commits what is open, and a migration would no longer be one transaction.

    >>> list(statements("CREATE TABLE a (b);\nDROP TABLE a;\n"))
    ['CREATE TABLE a (b);\n', 'DROP TABLE a;\n']
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


_WRITE_META = (
    "INSERT INTO meta (environment, base_url, lineage, created_at) "
    "SELECT ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE NOT EXISTS (SELECT 1 FROM meta)"
)
_READ_META = "SELECT environment, base_url, lineage, created_at, serial FROM meta"


def meta_of(connection: sqlite3.Connection, path: Path | str, environment: str, base_url: str) -> Meta | None:
    """Return whose ledger it is, None where it was not named yet; Refused where it is another's."""
    refuse_anothers(connection, path, environment, base_url)
    row = connection.execute(_READ_META).fetchone()
    if row is None:
        return None
    *texts, serial = row
    with altered(path):
        if not all(isinstance(text, str) for text in texts) or not isinstance(serial, int):
            raise TypeError
    return Meta(*row)


def refuse_anothers(connection: sqlite3.Connection, path: Path | str, environment: str, base_url: str) -> None:
    """Raise Refused where a ledger, of whichever format, is another environment's or another API's."""
    # Columns that every format has.
    row = connection.execute("SELECT environment, base_url FROM meta").fetchone()
    with altered(path):
        if row is not None and not all(isinstance(text, str) for text in row):
            raise TypeError
    if row not in (None, (environment, base_url)):
        raise Refused(
            f"{visible(str(path))}: this is the ledger of environment {visible(row[0])!r} at "
            f"{visible(row[1])}, not of {visible(environment)!r} at {visible(base_url)}",
            "each environment has its own ledger: name another one in `state:` or RECONCILER_STATE",
        )


def named(connection: sqlite3.Connection, environment: str, base_url: str, lineage: str) -> Meta:
    """Write whose ledger a new one is, and return it."""
    connection.execute(_WRITE_META, (environment, base_url, lineage))
    return Meta(*connection.execute(_READ_META).fetchone())
