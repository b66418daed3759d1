"""Which format a ledger file has, and how an older one becomes today's."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.resources import files
from itertools import count
from pathlib import Path

from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.escape import visible

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
            f"{visible(str(path))}: this ledger holds triggers, views or virtual tables, which no version makes; "
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
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def make_private(path: Path) -> bool:
    """Create `path`, empty and readable by its owner only, durably; say False where it exists."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
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


def _statements(script: str) -> Iterator[str]:
    r"""
    Yield the statements of a script, each ending with `;` at the end of a line.

    Not `executescript`: it commits what is open, and a migration would no longer be one transaction.

    >>> list(_statements("CREATE TABLE a (b);\nDROP TABLE a;\n"))
    ['CREATE TABLE a (b);\n', 'DROP TABLE a;\n']
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
