"""What a database or a disk says, told as our errors: where, what is wrong, what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import LedgerFailed, Locked, TakenOver
from reconciler.escape import visible
from reconciler.ledger.lock import Holder

_ELSEWHERE = "or name another file in `state:` or RECONCILER_STATE"
_CORRUPT = (
    "it is damaged",
    "restore a copy of it, or move it away: planning works without, but archives nothing that has left the YAML",
)
_UNREADABLE = ("it cannot be read or written", f"check that the file and its folder may be written, {_ELSEWHERE}")
_BUSY = ("another process is writing to it", "try again when that has ended")

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
    sqlite3.SQLITE_NOTADB: ("this file is no ledger", f"move it away, {_ELSEWHERE}"),
    sqlite3.SQLITE_CONSTRAINT: (
        "two keys would be bound to one customer, or a row lacks a value; nothing of this step was written",
        "this is a fault of this program: please report it",
    ),
}


def primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error, 0 where the module raised it by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def told(path: Path | str) -> Iterator[None]:
    """Raise LedgerFailed, naming `path`, for what a database, a disk or a text that cannot be stored raises inside."""
    try:
        yield
    except sqlite3.Error as error:
        what, now = _TOLD.get(primary(error), ("it cannot be used", "see whether it is whole"))
        raise LedgerFailed(f"{visible(str(path))}: {what}", now) from error
    except UnicodeDecodeError as error:
        # A text that is none, or SQLite's words about one.
        raise LedgerFailed(f"{visible(str(path))}: {_CORRUPT[0]}", _CORRUPT[1]) from error
    except UnicodeEncodeError as error:
        raise LedgerFailed(
            f"{visible(str(path))}: a text holds half a character (a lone surrogate) and cannot be stored; "
            "nothing of this step was written",
            "correct the value that holds it",
        ) from error
    except OSError as error:
        why = visible(error.strerror or type(error).__name__)
        raise LedgerFailed(f"{visible(str(path))}: {why}", f"mend the path, {_ELSEWHERE}") from error


def taken_over(place: str, who: str, since: str) -> TakenOver:
    """Return that another run began after this one; `who` is a Holder's text, "" where it is not known."""
    when = f" at {visible(since)}" if since else ""
    by = f": {visible(who)}" if who else ""
    return TakenOver(
        f"{visible(place)}: another run has taken over{when}{by}; this run writes and sends nothing more",
        "let that one end, then plan again: what this run had sent is settled by then",
    )


def locked(who: Holder, lease_s: float) -> Locked:
    """Return that another run, `who`, holds the lease of the account, which lasts for `lease_s` without renewal."""
    return Locked(
        f"another run on this account holds the lock: {who}",
        f"wait for it to end, or let --lock-timeout do so; if it has died, its lock ends after {lease_s:.0f} s",
    )


@contextmanager
def altered(path: Path | str) -> Iterator[None]:
    """Raise LedgerFailed, naming `path`, where a row that was read holds what this program never writes."""
    try:
        yield
    except UnicodeError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise LedgerFailed(
            f"{visible(str(path))}: a row cannot be understood; something else has altered the ledger",
            "restore a copy of it",
        ) from error
