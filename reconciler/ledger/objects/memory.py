"""A ledger's database in memory: nothing of it is left on the machine, however the process ends."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from reconciler.ledger.faults import told
from reconciler.ledger.objects.segments import damaged
from reconciler.ledger.schema import hardened, migrate, version_of
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.whose import meta_of, named


def made(place: str, whose: tuple[str, str], migrations: tuple[str, ...], lineage: str) -> bytes:
    """Return the database of a ledger that knows nothing, of the environment and base URL `whose`."""
    with told(place), closing(_empty()) as connection:
        migrate(connection, place, migrations, None)
        named(connection, *whose, lineage)
        return connection.serialize()


def opened(
    database: bytes, place: str, whose: tuple[str, str], migrations: tuple[str, ...]
) -> tuple[SqliteLedger, bool]:
    """Return a ledger over a database, brought to today's format, and whether it had an older one."""
    connection = _empty()
    try:
        with told(place):
            connection.deserialize(database)
            older = version_of(connection, place, known=len(migrations)) < len(migrations)
            migrate(connection, place, migrations, None)
            meta = meta_of(connection, place, *whose)
    except BaseException:
        connection.close()
        raise
    if meta is None:
        connection.close()
        raise damaged(place)
    return SqliteLedger(place, meta, writable=True, connection=connection), older


def shrink(connection: sqlite3.Connection) -> None:
    """Give back the free pages of a database where they are most of it: a snapshot of them would pass for a bomb."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free * 2 > connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("VACUUM")


def _empty() -> sqlite3.Connection:
    """Return an empty database; whoever uses it in several threads lets one at a time."""
    connection = hardened(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    # What is overwritten or deleted is personal data, and must not stay in free pages of a snapshot.
    connection.execute("PRAGMA secure_delete = ON")
    return connection
