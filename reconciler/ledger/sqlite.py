"""The ledger in one SQLite file: durable through crashes, private to its owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from reconciler.errors import LedgerFailed
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.faults import altered, taken_over, told
from reconciler.ledger.lock import Holder
from reconciler.ledger.rows import SeenUsers, read_binding, read_intent, read_learned, read_run, statements, writes_of
from reconciler.ledger.tables import (
    BINDING_COLUMNS,
    INTENT_COLUMNS,
    LEARNED_COLUMNS,
    PUTS,
    RUN_COLUMNS,
    TABLES,
    Put,
    Statement,
)
from reconciler.model import CustomerId
from reconciler.records import Binding, Intent, Records, Run, Write
from reconciler.step import Step, unheard
from reconciler.text import visible

Result = TypeVar("Result")


def _select(columns: str, rest: str) -> str:
    """Return the statement that reads `columns`."""
    return f"SELECT {columns} {rest}"


def _put(put: Put) -> str:
    """
    Return the statement that writes a row whether or not its key is there.

    >>> _put(PUTS[Statement.PUT_TAKEN]).replace("excluded.words", "...")
    'INSERT INTO taken (external_id, words) VALUES (?, ?) ON CONFLICT (external_id) DO UPDATE SET words = ...'
    """
    marks = ", ".join("?" * len(put.columns.split(", ")))
    columns, marks, key = (put.columns, marks, put.key) if put.key else (f"only, {put.columns}", f"1, {marks}", "only")
    return f"INSERT INTO {put.table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {put.changed()}"  # noqa: S608 - all of it is in our own files


_SQL: Mapping[Statement, str] = {
    **{statement: _put(put) for statement, put in PUTS.items()},
    Statement.PUT_ACCOUNT: "UPDATE meta SET account = ?",
    Statement.DROP_TAKEN: "DELETE FROM taken WHERE external_id = ?",
    Statement.DROP_USERS: "DELETE FROM users WHERE id = (SELECT id FROM bindings WHERE external_id = ?)",
    Statement.DROP_BINDING: "DELETE FROM bindings WHERE external_id = ?",
}

_BINDINGS = _select(BINDING_COLUMNS, "FROM bindings")
_BINDING = _select(BINDING_COLUMNS, "FROM bindings WHERE external_id = ?")
_OPEN_INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE status IS NULL ORDER BY opened_at, run, seq")
_INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE run = ? ORDER BY seq")
_LEARNED = _select(LEARNED_COLUMNS, "FROM learned")
_RUNS = _select(RUN_COLUMNS, "FROM runs ORDER BY position")
_ALL_INTENTS = _select(INTENT_COLUMNS, "FROM intents ORDER BY run, seq")
_META = "SELECT environment, base_url, lineage, created_at, serial FROM meta"
# No write: the serial, which the fence has counted on, stays what it was.
_BEGIN = "UPDATE meta SET token = token + 1, serial = serial - 1, taken_by = ?, taken_at = ?"
_FENCE = "UPDATE meta SET serial = serial + 1 WHERE token = coalesce(?, token)"
_OVERWRITE = "UPDATE meta SET lineage = ?, serial = max(serial, ?), account = ''"
_FINISHED = "SELECT 1 FROM runs WHERE outcome <> '' LIMIT 1"


@dataclass(frozen=True, slots=True)
class SqliteLedger:
    """
    A ledger over an open connection in autocommit, of today's format; leaving the context closes it.

    `token` is that of the run that writes, None for one that writes without having begun.
    """

    path: Path
    meta: Meta
    writable: bool
    connection: sqlite3.Connection
    token: int | None = None
    step: Step = unheard

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.connection.close()

    def records(self) -> Records:
        """
        Return all that planning asks, as one commit left it.

        It is *known* once a customer is bound or a run has finished: until then the ledger knows no
        more than one that was not made yet, and a first apply plans as its plan did.
        """
        with told(self.path), altered(self.path):
            self.connection.execute("BEGIN")
            try:
                return self._read()
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""
        with told(self.path), altered(self.path):
            row = self.connection.execute(_BINDING, (external_id,)).fetchone()
            return None if row is None else read_binding(row)

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        A customer that moves to another key is dropped under the old one before it is put under the
        new one: an id is never bound twice, not even within a commit. After a failure nothing of
        `writes` is there, and the ledger can be used as before.
        """
        self._transact(lambda: self._put(writes))

    def begin(self, holder: Holder, *, account: str) -> SqliteLedger:  # noqa: ARG002 - the lock is the caller's
        """Return this ledger as the writing run `holder` has it: whoever began before commits no more."""

        def take() -> int:
            self.connection.execute(_BEGIN, (str(holder), holder.since))
            token: int = self.connection.execute("SELECT token FROM meta").fetchone()[0]
            return token

        return replace(self, token=self._transact(take))

    @property
    def lease_s(self) -> float:
        """Return 0: the lock is the operating system's, and ends with its process."""
        return 0.0

    def renew(self) -> None:
        """Do nothing: there is no lease."""

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        with told(self.path), altered(self.path):
            self.connection.execute("BEGIN")
            try:
                records, runs = self._read(), tuple(map(read_run, self.connection.execute(_RUNS)))
                intents = tuple(map(read_intent, self.connection.execute(_ALL_INTENTS)))
                meta = Meta(*self.connection.execute(_META).fetchone())
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            return Copy(meta, writes_of(records, intents, runs))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""

        def write() -> None:
            for table in TABLES:
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are our own
            self.connection.execute(_OVERWRITE, (copy.meta.lineage, copy.meta.serial + 1))
            self._put(copy.writes)

        self._transact(write)

    def runs(self) -> tuple[Run, ...]:
        """Return every run, in the order in which they began."""
        with told(self.path):
            return tuple(map(read_run, self.connection.execute(_RUNS)))

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
        with told(self.path), altered(self.path):
            return tuple(map(read_intent, self.connection.execute(_INTENTS, (run,))))

    def _read(self) -> Records:
        """Return the records, inside a transaction."""
        ask = self.connection.execute
        bindings = {binding.external_id: binding for binding in map(read_binding, ask(_BINDINGS))}
        users: dict[CustomerId, str] = dict(ask("SELECT id, users_json FROM users"))
        return Records(
            bindings=bindings,
            users=SeenUsers(users),
            taken=dict(ask("SELECT external_id, words FROM taken")),
            intents=tuple(map(read_intent, ask(_OPEN_INTENTS))),
            learned=read_learned(ask(_LEARNED).fetchone()),
            known=bool(bindings) or ask(_FINISHED).fetchone() is not None,
            account=ask("SELECT account FROM meta").fetchone()[0],
        )

    def _transact(self, work: Callable[[], Result]) -> Result:
        """Do `work` in one transaction, unless another run has begun, and return what it returns."""
        if not self.writable:
            raise LedgerFailed(f"{visible(str(self.path))}: the ledger was opened for reading only")
        with told(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                self._fence()
                result = work()
                self.step("commit")
                self.connection.execute("COMMIT")
                self.step("committed")
            except BaseException:
                # SQLite has ended the transaction by itself after some failures, a full disk among them.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            return result

    def _put(self, writes: Iterable[Write]) -> None:
        """Write `writes`, inside a transaction."""
        for statement, group in groupby(statements(writes), itemgetter(0)):
            self.connection.executemany(_SQL[statement], (values for _, values in group))

    def _fence(self) -> None:
        """Count the commit; TakenOver where another run has begun since this one did."""
        if self.connection.execute(_FENCE, (self.token,)).rowcount == 1:
            return
        who, since = self.connection.execute("SELECT taken_by, taken_at FROM meta").fetchone()
        raise taken_over(str(self.path), who, since)
