"""
What is known of each account of a fleet: one table, in a file of this machine or in the database of the ledgers.

It holds counts, codes and words without personal values. What is due is read from it, so that whoever was killed runs
again and goes on: it is written when a job has ended, and an account whose job was cut off is still due.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import cache
from math import floor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.escape import visible
from reconciler.ledger import sqlite_file
from reconciler.ledger.open import StorageKind, connect_sqlite, kind_of
from reconciler.model.fleet import MISCONFIGURED, AccountState, AccountStatus, Day, FleetAccount, JobResult
from reconciler.resources import to_install
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.ledger.postgres.session import DatabaseSession

FILE = "fleet.db"
APPLICATION_ID = 0x52656346
"""In the file's header ("RecF")."""
DAYS_KEPT = 400

Row = tuple[Any, ...]
Write = tuple[str, Sequence[Row]]
"""A statement, and the rows that it is carried out for."""

_FIRST_WAIT_S = 60.0
_SENDING_S = 120.0


# --- where it is -------------------------------------------------------------------------------------


def place_of(settings: Settings, environment: str) -> str:
    """
    Return where the table of a fleet is: the URL of the database that holds its ledgers, else the path of a file.

    The file is in the folder that the ledgers of all accounts have in common.
    """
    places = [settings.shared(environment, name).environment().state() for name in "ab"]
    kinds = {kind_of(place) for place in places}
    if kinds == {StorageKind.DATABASE} and len(set(places)) == 1:
        return places[0]
    if kinds != {StorageKind.FILE}:
        return str(settings.root / ".reconciler" / FILE)
    return str(Path(os.path.commonpath([Path(one).parent for one in places])) / FILE)


def open_table(settings: Settings, environment: str, *, create: bool = True) -> FleetTable:
    """
    Return the table of a fleet whose accounts share an environment, open; leaving its context closes it.

    Without `create` one that is not there is not made, and looks empty. LedgerFailed where it cannot be used.
    """
    place = place_of(settings, environment)
    store: Store = DatabaseStore(place, create=create) if "://" in place else FileStore(Path(place), create=create)
    return FleetTable(store, environment, settings.project)


class Store(Protocol):
    """Where the tables are."""

    place: str

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return the rows that a query finds; values stand for its `?`."""

    def write(self, writes: Iterable[Write]) -> int:
        """Carry out all statements or none, and return how many rows they changed in all."""

    def close(self) -> None:
        """Close it."""


@cache
def _migrations() -> tuple[str, ...]:
    """Return the scripts that make the tables, oldest first."""
    return sqlite_file.shipped_in("reconciler.fleet")


def _too_new(place: str, version: int) -> LedgerTooNew:
    """Return that a newer version wrote the tables."""
    known = f"this version of Reconciler knows formats up to {len(_migrations())}"
    return LedgerTooNew(f"{place}: the fleet's table has format {version}, but {known}", "update reconciler")


class FileStore:
    """Tables in an SQLite file, which is its owner's alone."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.place = visible(str(path))
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        with sqlite_file.ledger_errors(path):
            if not path.exists():
                if not create:
                    return
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                sqlite_file.make_private(path)
            self._connection = connect_sqlite(path, "mode=rw", any_thread=True)
            try:
                self._prepare(path, self._connection)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, path: Path, connection: sqlite3.Connection) -> None:
        """Make or migrate the tables."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (application or version or tables):
            raise LedgerFailed(f"{self.place}: this is not the table of a fleet", "move it away")
        if version > len(_migrations()):
            raise _too_new(self.place, version)
        sqlite_file.make_durable(connection, path.resolve(), network=sqlite_file.on_network)
        if version == len(_migrations()):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again: another process may have been quicker.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            for script in _migrations()[version:]:
                for statement in sqlite_file.statements(script):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(_migrations())}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return the rows that a query finds."""
        if self._connection is None:
            return []
        with self._lock, sqlite_file.ledger_errors(self.place):
            return self._connection.execute(query, values).fetchall()

    def write(self, writes: Iterable[Write]) -> int:
        """Carry out all statements or none."""
        if self._connection is None:
            raise LedgerFailed(f"{self.place}: there is no such file", "run `reconciler fleet drift`")
        connection, changed = self._connection, 0
        with self._lock, sqlite_file.ledger_errors(self.place):
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, rows in writes:
                    changed += connection.executemany(statement, rows).rowcount
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        return changed

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


TABLES_LOCK = 0x52656346
"""Held in the database while the tables are made."""
_FORMAT = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'reconciler' AND tablename = 'fleet_format')
"""
"""Not by to_regclass, which may still say after waiting for a lock what was so before it."""


class DatabaseStore:
    """Tables in the schema of the ledgers in PostgreSQL."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        try:
            from reconciler.ledger.postgres import session  # noqa: PLC0415 - most ledgers are files
        except ImportError as error:
            message = "a fleet in PostgreSQL needs a driver that is not installed"
            raise LedgerFailed(message, to_install("postgres")) from error
        self._errors = session.ledger_errors
        self._lock = threading.Lock()
        self._session: DatabaseSession = session.DatabaseSession(url)
        self.place = self._session.place
        self._there = True
        try:
            with self._errors(self.place):
                self._prepare(create=create)
        except BaseException:
            self._session.close()
            raise

    def _prepare(self, *, create: bool) -> None:
        """Make or migrate the tables."""
        version = self._version()
        if version > len(_migrations()):
            raise _too_new(self.place, version)
        if version == len(_migrations()):
            return
        if not create and not version:
            self._there = False
            return
        with self._session.plain() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (TABLES_LOCK,))
            version = self._version()
            if not version:
                connection.execute("CREATE SCHEMA IF NOT EXISTS reconciler")
                connection.execute("CREATE TABLE IF NOT EXISTS reconciler.fleet_format (version BIGINT NOT NULL)")
                connection.execute("INSERT INTO reconciler.fleet_format VALUES (0)")
            for script in _migrations()[version:]:
                connection.execute(_as_postgres(script))
            connection.execute("UPDATE reconciler.fleet_format SET version = %s", (len(_migrations()),))

    def _version(self) -> int:
        """Return the format of the tables, 0 for none."""
        with self._session.plain() as connection:
            if connection.execute(_FORMAT).fetchone() != (True,):
                return 0
            row = connection.execute("SELECT version FROM reconciler.fleet_format").fetchone()
            return 0 if row is None else int(row[0])

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return the rows that a query finds; asked once more where the connection was lost."""
        if not self._there:
            return []
        with self._lock, self._errors(self.place):
            return self._session.once_more(lambda one: one.execute(_as_postgres(query), values or None).fetchall())

    def write(self, writes: Iterable[Write]) -> int:
        """
        Carry out all statements or none.

        They are carried out once more where the connection was lost, so each must be one that may be repeated.
        """
        if not self._there:
            raise LedgerFailed(f"{self.place}: there is no table of a fleet", "run `reconciler fleet drift`")
        known = [(_as_postgres(statement), list(rows)) for statement, rows in writes]

        def carried_out(connection: Any) -> int:  # noqa: ANN401 - the driver's connection
            changed = 0
            with connection.transaction(), connection.cursor() as cursor:
                for statement, rows in known:
                    if rows:
                        cursor.executemany(statement, rows)
                        changed += cursor.rowcount
            return changed

        with self._lock, self._errors(self.place):
            return self._session.once_more(carried_out)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _as_postgres(text: str) -> str:
    """
    Return SQL of the file's for the database: its tables in the schema, its marks for values.

    >>> _as_postgres("SELECT day FROM fleet_days WHERE day > ?")
    'SELECT day FROM reconciler.fleet_days WHERE day > %s'
    """
    return text.replace(" fleet_", " reconciler.fleet_").replace("?", "%s")


# --- what is in it -----------------------------------------------------------------------------------

_ACCOUNT = ("folder", "labels", "every_s", "suspended")
_STATUS = tuple(one.name for one in fields(AccountStatus) if one.name not in ("account", "environment"))


def column(name: str) -> str:
    """Return the column of a field; `commit` is a word of SQL."""
    return "git_commit" if name == "commit" else name


_SETTINGS_COLUMNS = ", ".join(_ACCOUNT)
_STATUS_COLUMNS = ", ".join(map(column, _STATUS))
_OF_FLEET = "FROM fleet_accounts WHERE fleet = ?"
_PUT_ACCOUNT = (
    f"INSERT INTO fleet_accounts (fleet, account, {_SETTINGS_COLUMNS}, {_STATUS_COLUMNS}) "  # noqa: S608 - all of it is in this file
    f"VALUES ({', '.join('?' * (2 + len(_ACCOUNT) + len(_STATUS)))}) ON CONFLICT (fleet, account) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _ACCOUNT)
)
_DROP_ACCOUNT = "DELETE FROM fleet_accounts WHERE fleet = ? AND account = ?"
_PUT_STATUS = (
    f"UPDATE fleet_accounts SET {', '.join(f'{column(name)} = ?' for name in _STATUS)} "  # noqa: S608 - the same
    "WHERE fleet = ? AND account = ?"
)
_MAKE_DUE = "UPDATE fleet_accounts SET next_due = ? WHERE fleet = ? AND account = ?"
_ADD_SENDER = "INSERT INTO fleet_senders (fleet, sender, until) VALUES (?, '', 0) ON CONFLICT DO NOTHING"
_SEND = "UPDATE fleet_senders SET sender = ?, until = ? WHERE fleet = ? AND (until <= ? OR sender = ?)"
_SENT = "UPDATE fleet_senders SET until = 0 WHERE fleet = ? AND sender = ?"
_MARK = "UPDATE fleet_accounts SET notified = ? WHERE fleet = ? AND account = ?"
_COUNT = (
    "INSERT INTO fleet_days (fleet, day, accounts, drifted, failing) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (fleet, day) DO UPDATE "
    "SET accounts = excluded.accounts, drifted = excluded.drifted, failing = excluded.failing"
)
_DROP_DAYS = "DELETE FROM fleet_days WHERE fleet = ? AND day < ?"


@dataclass(frozen=True, slots=True)
class FleetTable:
    """
    What is known of the accounts of a project's fleet, which share an environment; may be used by several threads.

    In a database there may be several fleets: `name` is this one's, `PROJECT/ENVIRONMENT`.
    """

    store: Store
    environment: str
    project: str

    @property
    def name(self) -> str:
        """Return the fleet's name."""
        return f"{self.project}/{self.environment}"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.store.close()

    def accounts(self) -> tuple[FleetAccount, ...]:
        """Return the accounts that are known, by name."""
        rows = self.store.rows(f"SELECT account, {_SETTINGS_COLUMNS} {_OF_FLEET} ORDER BY account", self.name)
        return tuple(
            FleetAccount(name, self.environment, folder, json.loads(labels), every_s, bool(suspended))
            for name, folder, labels, every_s, suspended in rows
        )

    def put_accounts(self, accounts: Sequence[FleetAccount]) -> None:
        """Take the accounts that there are; what was known of those that are gone is forgotten."""
        known = {one.name: one for one in self.accounts()}
        new = [one for one in accounts if known.pop(one.name, None) != one]
        if new or known:
            rows = [(self.name, one.name, *_settings_row(one), *_status_row(_unknown(one))) for one in new]
            self.store.write([(_PUT_ACCOUNT, rows), (_DROP_ACCOUNT, [(self.name, name) for name in known])])

    def statuses(self) -> dict[str, AccountStatus]:
        """Return what is known of each account, by name; a suspended one has that state."""
        query = f"SELECT account, suspended, {_STATUS_COLUMNS} {_OF_FLEET} ORDER BY account"
        found = {}
        for name, suspended, *row in self.store.rows(query, self.name):
            status = AccountStatus(name, self.environment, AccountState(row[0]), *row[1:])
            found[name] = replace(status, state=AccountState.SUSPENDED) if suspended else status
        return found

    def status(self, account: FleetAccount) -> AccountStatus:
        """Return what the last jobs of an account found."""
        return self._known(account) or _unknown(account)

    def _known(self, account: FleetAccount) -> AccountStatus | None:
        """Return what is known of an account, None where it was never seen."""
        query = f"SELECT {_STATUS_COLUMNS} {_OF_FLEET} AND account = ?"
        rows = self.store.rows(query, self.name, account.name)
        return AccountStatus(account.name, self.environment, AccountState(rows[0][0]), *rows[0][1:]) if rows else None

    def record(self, result: JobResult, account: FleetAccount) -> tuple[AccountStatus, AccountStatus]:
        """Write how a job of an account ended, and when its next is due; return what was known before, and is now."""
        known = self._known(account)
        former = known or _unknown(account)
        status = after(former, result, account)
        row = _status_row(status)
        if known:
            self.store.write([(_PUT_STATUS, [(*row, self.name, account.name)])])
        else:
            self.store.write([(_PUT_ACCOUNT, [(self.name, account.name, *_settings_row(account), *row)])])
        return former, status

    def news(self) -> tuple[tuple[AccountStatus, str], ...]:
        """Return the accounts whose state was not notified of yet, each with the state that was, "" for a good one."""
        rows = self.store.rows(f"SELECT account, notified {_OF_FLEET} AND suspended = 0", self.name)
        notified = {str(name): str(state) for name, state in rows}
        return tuple(
            (one, notified[name])
            for name, one in self.statuses().items()
            if name in notified and alarm(one.state) != notified[name]
        )

    @contextmanager
    def sending(self, sender: str, now: float) -> Iterator[bool]:
        """
        Yield whether `sender`, a name that nobody else has, may notify of news until the context ends; nobody else may.

        One that was killed meanwhile keeps others from it for two minutes, which is more than their clocks differ by.
        """
        self.store.write([(_ADD_SENDER, [(self.name,)])])
        mine = self.store.write([(_SEND, [(sender, now + _SENDING_S, self.name, now, sender)])]) > 0
        try:
            yield mine
        finally:
            if mine:
                self.store.write([(_SENT, [(self.name, sender)])])

    def mark_notified(self, statuses: Iterable[AccountStatus]) -> None:
        """Remember that the states of accounts were notified of."""
        self.store.write([(_MARK, [(alarm(one.state), self.name, one.account) for one in statuses])])

    def make_due(self, accounts: Iterable[str], now: float) -> int:
        """Let accounts be due now, and return how many of them are known."""
        return self.store.write([(_MAKE_DUE, [(now, self.name, name) for name in accounts])])

    def days(self) -> tuple[Day, ...]:
        """Return how many accounts were drifted and failing at the end of each day, the oldest first."""
        query = "SELECT day, accounts, drifted, failing FROM fleet_days WHERE fleet = ? ORDER BY day"
        return tuple(Day(day, self.environment, *numbers) for day, *numbers in self.store.rows(query, self.name))

    def count_day(self, now: float) -> None:
        """Write how many accounts are drifted and failing now, for the day that it is; old days are forgotten."""
        query = f"SELECT state, count(*) {_OF_FLEET} AND suspended = 0 GROUP BY state"
        states = {str(state): int(number) for state, number in self.store.rows(query, self.name)}
        drifted, failing = (states.get(state, 0) for state in (AccountState.DRIFTED, AccountState.FAILED))
        row = (self.name, _day(now), sum(states.values()), drifted, failing)
        self.store.write([(_COUNT, [row]), (_DROP_DAYS, [(self.name, _day(now - DAYS_KEPT * 86400.0))])])


def _settings_row(account: FleetAccount) -> Row:
    """Return what an account's settings are, as columns."""
    labels = json.dumps(dict(account.labels), sort_keys=True)
    return account.folder, labels, account.every_s, int(account.suspended)


def _unknown(account: FleetAccount) -> AccountStatus:
    """Return what is known of an account that was never checked."""
    return AccountStatus(account.name, account.environment)


def _status_row(status: AccountStatus) -> Row:
    """Return a status as columns."""
    return status.state.value, *(getattr(status, name) for name in _STATUS[1:])


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


# --- what follows from a result ----------------------------------------------------------------------


def after(former: AccountStatus, result: JobResult, account: FleetAccount) -> AccountStatus:
    """Return what is known of an account once a job of it has ended; a failed one says nothing of its customers."""
    failed = result.state is AccountState.FAILED
    failures = former.failures + 1 if failed else 0
    status = replace(
        former,
        state=result.state,
        since=former.since if former.state is result.state else result.ended_at,
        checked_at=result.ended_at,
        next_due=next_due(account, result.ended_at, failures, result.error),
        failures=failures,
        requests=result.requests,
        seconds=round(result.ended_at - result.began_at, 3),
        commit=result.commit,
        error=result.error,
        message=result.message,
    )
    if failed:
        return status
    return replace(
        status,
        ok_at=result.ended_at,
        customers=result.customers,
        drifted=result.drifted,
        pending=result.pending,
        blocked=result.blocked,
    )


_ALARMS = (AccountState.FAILED, AccountState.BLOCKED, AccountState.DRIFTED)


def alarm(state: AccountState) -> str:
    """Return a state that people are notified of, "" for any other."""
    return state.value if state in _ALARMS else ""


def next_due(account: FleetAccount, now: float, failures: int = 0, error: str = "") -> float:
    """
    Return when an account is due next: at a moment of its own in each period, by its name.

    After failures it is tried again after 1, 2, 4, … minutes, at most after a period; one that only a person can fix,
    a wrong key for example, after a period.
    """
    every_s = account.every_s
    own_s = _number(account.name) % 1_000_000 / 1_000_000 * every_s
    due = (floor((now - own_s) / every_s) + 1) * every_s + own_s
    if not failures or error in MISCONFIGURED:
        return due
    return min(due, now + _FIRST_WAIT_S * 2.0 ** min(failures - 1, 30))


def _number(name: str) -> int:
    """Return a number that spreads names evenly, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def in_shard(name: str, part: int, parts: int) -> bool:
    """Say whether an account is in a part, counted from 1, of so many."""
    return _number(name) % parts == part - 1


def is_due(account: FleetAccount, status: AccountStatus | None, now: float) -> bool:
    """Say whether an account is to be checked now."""
    return not account.suspended and (status is None or status.next_due <= now)
