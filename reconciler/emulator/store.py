"""The account in one SQLite file: read at the start, written through after each change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.errors import ReconcilerError
from reconciler.escape import visible
from reconciler.rules import Account, StoredCustomer, StoredUser, add_user, put

_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (id TEXT PRIMARY KEY, held TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL);
"""


_APPLICATION = 0x656D_7531  # "emu1"


class AccountFile:
    """
    One file, open; a context manager. A change is in the file before its answer leaves.

    A new file is for its owner alone (0600), and SQLite gives its journals the file's mode.
    """

    def __init__(self, path: Path) -> None:
        """Raise ReconcilerError where the file cannot be opened, or is no emulator's."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
            # The server's thread is not the one that opens the file; only one of them uses it at a time.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                _prepare(self._connection)
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error, ValueError) as exc:
            raise _failed(path, exc) from exc

    def __enter__(self) -> Self:
        """Return itself, open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._connection.close()

    def read(self) -> Account:
        """Return the account that the file holds, an empty one for a new file."""
        account = Account()
        try:
            for customer_id, held in self._connection.execute("SELECT id, held FROM customers"):
                _take(account, customer_id, json.loads(held))
            for (count,) in self._connection.execute("SELECT count FROM made"):
                account.made = count
        except (sqlite3.Error, ValueError, LookupError, TypeError) as exc:
            raise _failed(self._path, exc) from exc
        return account

    def save(self, account: Account, *customer_ids: str) -> None:
        """Write customers with their users, all of them or none."""
        rows = [(one, json.dumps(_held(account, one))) for one in customer_ids]
        with _transaction(self._connection):
            self._connection.executemany("INSERT OR REPLACE INTO customers VALUES (?, ?)", rows)
            self._connection.execute("INSERT OR REPLACE INTO made VALUES (1, ?)", (account.made,))

    def clear(self) -> None:
        """Forget every customer."""
        self._connection.execute("DELETE FROM customers")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all that is written within it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none; ValueError for a file of another program."""
    _refuse_foreign(connection)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(_SCHEMA)


def _refuse_foreign(connection: sqlite3.Connection) -> None:
    """Raise ValueError for a database that something else made: nothing is to be written into it."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != _APPLICATION:
        raise ValueError("it is another program's database")


def _held(account: Account, customer_id: str) -> dict[str, object]:
    """Return a customer and its users as JSON values."""
    customer = account.customers[customer_id]
    return {
        "created_us": customer.created_us,
        "archived": customer.archived,
        "fields": dict(customer.fields),
        "users": [[user.id, user.created_us, dict(user.fields)] for user in account.users.get(customer_id, ())],
    }


def _take(account: Account, customer_id: str, held: dict[str, object]) -> None:
    """Keep what a row holds."""
    match held:
        case {"created_us": int(created_us), "archived": bool(archived), "fields": dict(fields), "users": list(users)}:
            put(account, StoredCustomer(customer_id, created_us, fields, archived))
            for user_id, user_created_us, user_fields in users:
                add_user(account, customer_id, StoredUser(user_id, user_created_us, user_fields))
        case _:
            raise ValueError("a row of another shape")


def _failed(path: Path, exc: Exception) -> ReconcilerError:
    """Return the error that says which file it was."""
    return ReconcilerError(
        f"{visible(str(path))}: the emulator's data cannot be read: {exc}", "name another file with --data"
    )
