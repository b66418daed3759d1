"""Whose ledger a database is: written when it is made, asked whenever it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from reconciler.errors import Refused
from reconciler.escape import visible
from reconciler.ledger.base import Meta
from reconciler.ledger.faults import altered

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
            "each environment has its own: name another one in `state:` or RECONCILER_STATE",
        )


def named(connection: sqlite3.Connection, environment: str, base_url: str, lineage: str) -> Meta:
    """Write whose ledger a new one is, and return it."""
    connection.execute(_WRITE_META, (environment, base_url, lineage))
    return Meta(*connection.execute(_READ_META).fetchone())
