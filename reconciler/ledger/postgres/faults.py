"""What PostgreSQL and its driver say, told as our errors; never with a password, a row or the server's whole text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg import errors

from reconciler.errors import LedgerFailed
from reconciler.escape import visible

_PRIVILEGES = "let the database's owner grant what docs/reference/ledger.md lists"
_REPORT = "this is a fault of this program: please report it"

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
    (errors.ReadOnlySqlTransaction, "it may only be read (a standby?)", "name the primary server"),
    (errors.LockNotAvailable, "another process is writing to it", "try again when that has ended"),
    (errors.DeadlockDetected, "another process is writing to it", "try again when that has ended"),
    (errors.UndefinedTable, "its tables are not as they were made: something else has altered them", "restore a copy"),
    (errors.UndefinedColumn, "its tables are not as they were made: something else has altered them", "restore a copy"),
)
_LOST = "the connection was lost, or none could be made"


@contextmanager
def told(place: str) -> Iterator[None]:
    """Raise LedgerFailed, naming `place`, for what the database, or a text that it cannot store, raises inside."""
    try:
        yield
    except psycopg.Error as error:
        raise failed(place, error) from error
    except UnicodeEncodeError as error:
        raise LedgerFailed(
            f"{place}: a text holds half a character (a lone surrogate) and cannot be stored; "
            "nothing of this step was written",
            "correct the value that holds it",
        ) from error


def failed(place: str, error: psycopg.Error) -> LedgerFailed:
    """Return what an error of the driver means."""
    for kind, what, now in _TOLD:
        if isinstance(error, kind):
            return LedgerFailed(f"{place}: {what}", now)
    if error.sqlstate is None or error.sqlstate[:2] in ("08", "57"):
        return LedgerFailed(f"{place}: {_LOST}", "see whether the server runs and can be reached, and run again")
    return LedgerFailed(f"{place}: the server answered with error {error.sqlstate}", "see the server's log")


def refused(place: str, error: psycopg.Error, password: str) -> LedgerFailed:
    """Return why no connection could be made, in the server's words but for the password."""
    # Lines that begin with a tab are advice to somebody who runs a server on this machine.
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    words = visible("".join(lines[-1:]).rpartition("failed: ")[2].removeprefix("FATAL:").strip())
    if password:
        for written in (password, quote(password, safe=""), visible(password)):
            words = words.replace(written, "***")
    now = "see whether the server runs, and check host, user and password"
    if "certificate" in words:
        now = (
            "add ?sslrootcert=FILE to the URL, with the certificate of the authority that signed the server's; only "
            "where the network is trusted, ?sslmode=require, which encrypts and verifies nobody"
        )
    elif "SSL" in words:
        now = "the server offers no TLS; only where the network is trusted, add ?sslmode=disable to the URL"
    return LedgerFailed(f"{place}: it cannot be reached: {words}", now)
