"""
What the ledger says to PostgreSQL, and over which connection.

The connection is made again when lost, its transactions work behind a pooler, and its errors are raised as ours. A
commit's writes are upserts, and COPY where there are many.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo, TransactionStatus

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.rows import PUTS, Put, Row, Statement

_PRIVILEGES = "ask the database's owner to grant what docs/reference/ledger.md lists"
_REPORT = "this is a bug in Reconciler: please report it"

# By class of error, the narrowest first (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_TOLD: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (
        errors.IntegrityError,
        "two keys would be bound to one customer, or a row lacks a value; nothing of this step was written",
        _REPORT,
    ),
    (errors.DiskFull, "its disk is full, and nothing of this step was written", "free some space and run again"),
    (errors.TooManyConnections, "it has no connection left", "try again later, or put a pooler in front of it"),
    (errors.InsufficientPrivilege, "this user lacks a privilege there", _PRIVILEGES),
    (errors.ReadOnlySqlTransaction, "it is read-only (a standby?)", "name the primary server"),
    (errors.LockNotAvailable, "another process is writing to it", "try again when it has finished"),
    (errors.DeadlockDetected, "another process is writing to it", "try again when it has finished"),
    (errors.UndefinedTable, "something else has altered its tables", "restore a copy"),
    (errors.UndefinedColumn, "something else has altered its tables", "restore a copy"),
)
_LOST = "the connection was lost, or could not be made"


@contextmanager
def ledger_errors(place: str) -> Iterator[None]:
    """Raise LedgerFailed, naming `place`, for what the database, or a text that it cannot store, raises inside."""
    try:
        yield
    except psycopg.Error as error:
        raise failed(place, error) from error
    except UnicodeEncodeError as error:
        raise LedgerFailed(
            f"{place}: a text holds half a character (a lone surrogate) and cannot be stored; "
            "nothing of this step was written",
            "correct that value",
        ) from error


def failed(place: str, error: psycopg.Error) -> LedgerFailed:
    """Return what an error of the driver means."""
    for kind, what, now in _TOLD:
        if isinstance(error, kind):
            return LedgerFailed(f"{place}: {what}", now)
    if error.sqlstate is None or error.sqlstate[:2] in ("08", "57"):
        return LedgerFailed(f"{place}: {_LOST}", "check that the server is running and can be reached, and run again")
    return LedgerFailed(f"{place}: the server answered with error {error.sqlstate}", "see the server's log")


def refused(place: str, error: psycopg.Error, password: str) -> LedgerFailed:
    """Return why no connection could be made, in the server's words but for the password."""
    # Lines that begin with a tab are advice to somebody who runs a server on this machine.
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    words = visible("".join(lines[-1:]).rpartition("failed: ")[2].removeprefix("FATAL:").strip())
    if password:
        for written in (password, quote(password, safe=""), visible(password)):
            words = words.replace(written, "***")
    now = "check that the server is running, and check host, user and password"
    if "certificate" in words:
        now = (
            "add ?sslrootcert=FILE to the URL, with the certificate of the authority that signed the server's; on a "
            "trusted network only, ?sslmode=require encrypts without verifying the server"
        )
    elif "SSL" in words:
        now = "the server offers no TLS; on a trusted network only, add ?sslmode=disable to the URL"
    return LedgerFailed(f"{place}: it cannot be reached: {words}", now)


Result = TypeVar("Result")
Connection = psycopg.Connection[tuple[Any, ...]]
DatabaseError = psycopg.Error

BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN_WRITING = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
# For one transaction each, as a pooler gives the next one another connection. A commit must survive a crash; a
# process that was stopped in the middle must not keep others out for long.
SETTINGS = """
    SELECT set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '15s', true),
           set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
                                            ELSE current_setting('synchronous_commit') END, true)
"""

# Debian, Fedora, Alpine and macOS. The driver's own OpenSSL looks into a folder that no system has.
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_HERE = ("localhost", "127.0.0.1", "::1")
_UNREADABLE = "the URL of the ledger cannot be read"
_URL = "write postgresql://user@host:5432/database, with % in a password as %25, @ as %40, / as %2F and : as %3A"


class Lost(Exception):
    """The connection broke. `transaction` is the number of one whose COMMIT was sent, None where none was."""

    def __init__(self, cause: psycopg.Error, transaction: int | None = None) -> None:
        super().__init__()
        self.cause = cause
        self.transaction = transaction


class DatabaseSession:
    """
    A connection in autocommit, without prepared statements or anything else that outlives a transaction.

    `place` names the database in messages: host and name, no user and no password.
    """

    def __init__(self, url: str) -> None:
        self._parts = _parts(url)
        self.place = _place(self._parts)
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Return the connection, made where there is none; LedgerFailed where it cannot be."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def once_more(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` returns; where the connection was lost in it, it is done again on a new one, once."""
        try:
            with self.watched() as connection:
                return work(connection)
        except Lost:
            with self.plain() as connection:
                return work(connection)

    @contextmanager
    def watched(self) -> Iterator[Connection]:
        """Yield the connection; Lost where it broke, and no transaction is left open after any other error."""
        connection = self.connection()
        try:
            yield connection
        except BaseException as error:
            if connection.closed:
                if isinstance(error, psycopg.Error):
                    raise Lost(error) from error
            elif connection.info.transaction_status is not TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
            raise

    @contextmanager
    def plain(self) -> Iterator[Connection]:
        """Yield the connection as `watched` does, a lost one raising the driver's error."""
        try:
            with self.watched() as connection:
                yield connection
        except Lost as lost:
            raise lost.cause from None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Return what the driver connects with; anyone who needs connections of their own makes them with it."""
        given = {"application_name": "reconciler", "connect_timeout": 10, "tcp_user_timeout": 15_000, **self._parts}
        given |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "client_encoding": "UTF8"}
        # psycopg would otherwise prepare a statement that is used often, and a pooler may not know it.
        return {**given, "autocommit": True, "prepare_threshold": None}

    def _connect(self) -> Connection:
        """Return a new connection."""
        try:
            connection = psycopg.connect(**self.arguments)
        except psycopg.Error as error:
            raise refused(self.place, error, str(self._parts.get("password") or "")) from None
        return connection


def _parts(url: str) -> dict[str, Any]:
    """
    Return the parts of a connection URL; the server must prove who it is, unless it is on this machine.

    What the URL or a variable of libpq says of TLS wins.

    >>> _parts("postgresql://ana@db.example/state?sslmode=disable")["sslmode"], _parts("postgres://localhost")
    ('disable', {'host': 'localhost'})
    """
    try:
        parts = dict(conninfo_to_dict(url))
    except psycopg.Error:
        # Not its text, which quotes the URL, and not the cause either.
        raise LedgerFailed(_UNREADABLE, _URL) from None
    host, port, name = (str(parts.get(key) or "") for key in ("host", "port", "dbname"))
    if "@" in host.lstrip("@") or "@" in name or not set(port) <= set("0123456789,"):
        # An @ or a / in a password: what follows it would be shown as the host, the port or the database.
        raise LedgerFailed(_UNREADABLE, _URL)
    hosts = f"{host},{parts.get('hostaddr') or ''}".split(",")
    here = all(one in _HERE or one.startswith("/") or not one for one in hosts)
    given = {one.keyword.decode(): (one.val or b"").decode() for one in Conninfo.get_defaults()} | parts
    if here or given["sslmode"] not in ("", "prefer"):
        return parts
    parts["sslmode"] = "verify-full"
    # Without a file of authorities libpq would verify by none, and refuse every server.
    if not given["sslrootcert"] and not Path("~/.postgresql/root.crt").expanduser().exists():
        parts["sslrootcert"] = _authorities()
    return parts


def _authorities() -> str:
    """Return the file of the authorities that this machine trusts; libpq's own word where none is found."""
    named = ssl.get_default_verify_paths().cafile
    return next((path for path in (named, *_BUNDLES) if path and Path(path).is_file()), "system")


def _place(parts: dict[str, Any]) -> str:
    """
    Return the name of a database for messages.

    >>> _place(_parts("postgresql://ana:hunter2@db.example:6432/state"))
    'postgresql://db.example:6432/state'
    """
    port = f":{parts['port']}" if parts.get("port") else ""
    host = parts.get("host") or ""
    host = "" if host.startswith("/") else host
    return visible(f"postgresql://{host}{port}/{parts.get('dbname') or ''}")


BULK = 200
"""From that many rows of one table on, COPY is the quicker way."""

WriteStep = tuple[Statement, list[Row]]

_COPIED = (
    Statement.PUT_BINDING,
    Statement.PUT_USERS,
    Statement.PUT_TAKEN,
    Statement.PUT_LACKED,
    Statement.PUT_INTENT,
)


def _conflict(put: Put) -> str:
    """Return what an upsert says of a key that is there."""
    key = f"ledger, {put.key}" if put.key else "ledger"
    return f"ON CONFLICT ({key}) DO UPDATE SET {put.changed()}"


def _put(put: Put) -> str:
    """Return the statement that writes a row whether or not its key is there."""
    marks = ", ".join(["%s"] * (len(put.columns.split(", ")) + 1))
    return f"INSERT INTO reconciler.{put.table} (ledger, {put.columns}) VALUES ({marks}) {_conflict(put)}"  # noqa: S608 - all of it is in our own files


_SQL: Mapping[Statement, str] = {
    **{statement: _put(put) for statement, put in PUTS.items()},
    Statement.PUT_KEYS: "UPDATE reconciler.ledgers SET account = %s WHERE id = %s",
    Statement.DROP_TAKEN: "DELETE FROM reconciler.taken WHERE ledger = %s AND external_id = %s",
    Statement.DROP_LACKED: "DELETE FROM reconciler.lacked WHERE ledger = %s AND external_id = %s",
    Statement.DROP_OLD_LACKED: "DELETE FROM reconciler.lacked WHERE ledger = %s AND at < %s",
    Statement.DROP_USERS: (
        "DELETE FROM reconciler.users AS u USING reconciler.bindings AS b "
        "WHERE u.ledger = b.ledger AND u.id = b.id AND b.ledger = %s AND b.external_id = %s"
    ),
    Statement.DROP_BINDING: "DELETE FROM reconciler.bindings WHERE ledger = %s AND external_id = %s",
}


def write_steps(rows: Iterable[tuple[Statement, Row]], ledger: int) -> list[WriteStep]:
    """Return the writes of one ledger as steps, equal statements together and each row with its ledger's number."""
    grouped = []
    for statement, group in groupby(rows, itemgetter(0)):
        values = [stored(row) for _, row in group]
        last = statement is Statement.PUT_KEYS
        grouped.append((statement, [(*row, ledger) if last else (ledger, *row) for row in values]))
    return grouped


def is_bulk(step: WriteStep) -> bool:
    """Say whether a step is one for COPY: many rows, and no key twice."""
    statement, rows = step
    if statement not in _COPIED or len(rows) < BULK:
        return False
    # The ledger's number, then the key's columns, which come first in each of these tables.
    width = 1 + len(PUTS[statement].key.split(", "))
    return len({row[:width] for row in rows}) == len(rows)


def send(connection: Connection, step: WriteStep) -> None:
    """Write the rows of a step, one statement each; nothing is waited for inside a pipeline."""
    statement, rows = step
    connection.cursor().executemany(_SQL[statement], rows)


def copy_in(connection: Connection, step: WriteStep, number: int) -> None:
    """
    Write the rows of a step by COPY, as one upsert in their order, inside a transaction.

    Through a table that ends with the transaction, so that nothing is left on a pooler's connection.
    """
    statement, rows = step
    put = PUTS[statement]
    incoming = f"reconciler_incoming_{number}"
    columns = f"ledger, {put.columns}"
    connection.execute(
        f"CREATE TEMPORARY TABLE {incoming} ON COMMIT DROP AS "  # noqa: S608 - all of it is in our own files
        f"SELECT 0::bigint AS ordinal, {columns} FROM reconciler.{put.table} WITH NO DATA"
    )
    with connection.cursor().copy(f"COPY {incoming} (ordinal, {columns}) FROM STDIN") as copy:
        for ordinal, row in enumerate(rows):
            copy.write_row((ordinal, *row))
    connection.execute(
        f"INSERT INTO reconciler.{put.table} ({columns}) SELECT {columns} FROM {incoming} ORDER BY ordinal "  # noqa: S608 - all of it is in our own files
        f"{_conflict(put)}"
    )


def pieces_of(grouped: Sequence[WriteStep]) -> Iterator[tuple[int, bool, list[WriteStep]]]:
    """Yield the steps in their order: (number, True, [one]) for COPY, (number, False, several) for a pipeline."""
    numbers = count()
    for bulk, group in groupby(grouped, is_bulk):
        if bulk:
            yield from ((next(numbers), True, [step]) for step in group)
        else:
            yield next(numbers), False, list(group)


# PostgreSQL's texts hold any character but NUL; the escape is one that no text has, and may itself be escaped.
_ESCAPE = "\x1a"


def stored(row: Row) -> Row:
    r"""
    Return a row whose texts PostgreSQL can store.

    >>> stored(("a\0b", "\x1a", 1)), loaded(stored(("a\0b", "\x1a", 1)))
    (('a\x1a0b', '\x1a1', 1), ('a\x00b', '\x1a', 1))
    """
    if any(type(one) is str and ("\0" in one or _ESCAPE in one) for one in row):
        return tuple(
            one.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0") if isinstance(one, str) else one
            for one in row
        )
    return row


def loaded(row: Row) -> Row:
    """Return a row as it was before `stored`."""
    if any(type(one) is str and _ESCAPE in one for one in row):
        return tuple(
            one.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE) if isinstance(one, str) else one
            for one in row
        )
    return row
