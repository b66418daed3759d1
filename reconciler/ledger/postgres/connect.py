"""From a URL to an open ledger: the tables made, checked or migrated, the ledger's row found or made."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

from psycopg import errors

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.escape import visible
from reconciler.ledger.base import EmptyLedger, Ledger, Meta
from reconciler.ledger.lock import Holder
from reconciler.ledger.lock import died as process_died
from reconciler.ledger.postgres import coordination as leases
from reconciler.ledger.postgres.ledger import PostgresLedger
from reconciler.ledger.postgres.session import BEGIN_WRITING, SETTINGS, Connection, DatabaseSession, ledger_errors
from reconciler.ledger.sqlite_file import shipped_in

_MIGRATION_LOCK = 0x5265636E
TRIES = 40
"""So often a migration asks for the tables before it gives up."""

_WAIT_S = 0.5
"""
So long it waits for one of them, and others behind it.

PostgreSQL looks for a deadlock after 1 s: by then the migration has given way, so that no run has to.
"""

# Not by to_regclass and to_regnamespace: after waiting for a lock they may still say what was so before it.
_READY = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'reconciler' AND tablename = 'format')"
_SCHEMA = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'reconciler')"
_VERSION = "SELECT version FROM reconciler.format"
_FIND = (
    "SELECT id, environment, base_url, lineage, created_at, serial FROM reconciler.ledgers "
    "WHERE environment = %s AND base_url = %s"
)
_MAY_MAKE = "SELECT NOT pg_is_in_recovery() AND has_database_privilege(current_database(), 'CREATE')"
_MAY_WRITE = """
    SELECT NOT pg_is_in_recovery() AND has_table_privilege('reconciler.bindings', 'INSERT')
       AND has_table_privilege('reconciler.bindings', 'UPDATE')
"""
_MAKE = """
    INSERT INTO reconciler.ledgers (environment, base_url, lineage, created_at)
    VALUES (%s, %s, %s, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    ON CONFLICT (environment, base_url) DO NOTHING
"""


def open_postgres(
    url: str,
    *,
    environment: str,
    base_url: str,
    writable: bool = True,
    create: bool = True,
    lineage: str | None = None,
    migrations: tuple[str, ...] | None = None,
    tries: int = TRIES,
    died: leases.Died = process_died,
    step: Step = no_hook,
) -> Ledger:
    """Return the ledger of one environment in a database, open (see `open.open_ledger`)."""
    migrations = shipped_in("reconciler.ledger.postgres") if migrations is None else migrations
    session = DatabaseSession(url)
    try:
        with ledger_errors(session.place):
            _check_encoding(session)
            version = session.once_more(lambda connection: _version(connection, session.place, len(migrations)))
            if writable and version < len(migrations) and (version or create):
                _bring_up_to_date(session, migrations, tries)
                version = len(migrations)
            _check_format(session, version, len(migrations))
            new = (lineage or str(uuid4())) if writable and create else None
            row = session.once_more(lambda one: _find(one, environment, base_url, new)) if version else None
        if row is None:
            session.close()
            return EmptyLedger(session.place)
        return PostgresLedger(session, row[0], Meta(*row[1:]), writable, len(migrations), died=died, step=step)
    except BaseException:
        session.close()
        raise


def usable(url: str) -> tuple[int, bool]:
    """Return the format of the tables in a database, 0 for none, and whether this user may write, or make them."""
    session = DatabaseSession(url)
    try:
        with ledger_errors(session.place):
            return session.once_more(lambda connection: (_written(connection), _may_write(connection)))
    finally:
        session.close()


def lease_holder(url: str, account: str) -> Holder | None:
    """Return who holds the lease of an account in a database, None for nobody."""
    session = DatabaseSession(url)
    try:
        with ledger_errors(session.place):
            return session.once_more(
                lambda connection: leases.holder_now(connection, account) if _ready(connection) else None
            )
    finally:
        session.close()


def end_lease(url: str, account: str) -> None:
    """End the lease of an account, whoever holds it: that run writes and sends nothing more."""
    session = DatabaseSession(url)
    try:
        with ledger_errors(session.place):
            session.once_more(lambda connection: leases.end_by_hand(connection, account))
    finally:
        session.close()


def _find(connection: Connection, environment: str, base_url: str, lineage: str | None) -> tuple[Any, ...] | None:
    """Return the row of a ledger, made with `lineage` where there is none and that is not None."""
    row = connection.execute(_FIND, (environment, base_url)).fetchone()
    if row is None and lineage is not None:
        connection.execute(_MAKE, (environment, base_url, lineage))
        row = connection.execute(_FIND, (environment, base_url)).fetchone()
    return row


def _check_format(session: DatabaseSession, version: int, known: int) -> None:
    """Raise LedgerFailed where the tables are older than what this program reads."""
    if 0 < version < known:
        raise LedgerFailed(
            f"{session.place}: the ledger has the older format {version}, and is read-only here",
            "any command that writes, `reconciler state rm` or `apply`, migrates it",
        )


def _check_encoding(session: DatabaseSession) -> None:
    """Raise LedgerFailed where the database cannot hold every text."""
    encoding = session.connection().info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        raise LedgerFailed(
            f"{session.place}: the database's encoding is {visible(str(encoding))}, and the ledger needs UTF8",
            "make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


def _ready(connection: Connection) -> bool:
    """Say whether there are ledgers in the database."""
    return bool((connection.execute(_READY).fetchone() or (False,))[0])


def _written(connection: Connection) -> int:
    """Return the format of the tables, 0 for none, also one that is newer than this program."""
    return int((connection.execute(_VERSION).fetchone() or (0,))[0]) if _ready(connection) else 0


def _may_write(connection: Connection) -> bool:
    """Say whether this user may write the tables, or make them where there are none."""
    asked = _MAY_WRITE if _ready(connection) else _MAY_MAKE
    return bool((connection.execute(asked).fetchone() or (False,))[0])


def _version(connection: Connection, place: str, known: int) -> int:
    """Return the format of the tables, 0 where there are none; LedgerTooNew beyond `known`."""
    if not _ready(connection):
        return 0
    version: int = (connection.execute(_VERSION).fetchone() or (0,))[0]
    if version > known:
        raise LedgerTooNew(
            f"{place}: the ledger has format {version}, but this version of Reconciler knows formats up to {known}",
            "update reconciler",
        )
    return version


def _bring_up_to_date(session: DatabaseSession, migrations: tuple[str, ...], tries: int) -> None:
    """
    Bring the tables to today's format while others use them.

    A migration waits for each table no longer than others should wait behind it, and is tried again; LedgerFailed
    where something else has used the tables all the while.
    """
    for _ in range(tries):
        with suppress(errors.LockNotAvailable, errors.DeadlockDetected):
            session.once_more(lambda connection: _migrate(connection, session.place, migrations))
            return
    raise LedgerFailed(
        f"{session.place}: the tables have an older format, and something that has used them for "
        f"{tries * _WAIT_S:g} s (a backup?) keeps this version from migrating them",
        "run again when that has finished",
    )


def _migrate(connection: Connection, place: str, migrations: tuple[str, ...]) -> None:
    """
    Bring the tables to today's format in one transaction, under a lock that ends with it.

    Migrations only add: a run of an older version that is writing goes on, and cannot begin another one.
    """
    connection.execute(BEGIN_WRITING)
    connection.execute(SETTINGS)
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_WAIT_S * 1000:.0f}ms",))
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
    if connection.execute(_SCHEMA).fetchone() == (False,):
        connection.execute("CREATE SCHEMA reconciler")
    # Asked again under the lock: two may have found them old, or absent, at once.
    for script in migrations[_version(connection, place, len(migrations)) :]:
        connection.execute(script)
    connection.execute("UPDATE reconciler.format SET version = %s", (len(migrations),))
    connection.execute("COMMIT")
