"""
The ledger in one SQLite file: durable through crashes, private to its owner.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.lock import Holder
from reconciler.ledger.rows import (
    BINDING_COLUMNS,
    INTENT_COLUMNS,
    LEARNED_COLUMNS,
    PUTS,
    RUN_COLUMNS,
    TABLES,
    Put,
    Row,
    SeenUsers,
    Statement,
    read_binding,
    read_intent,
    read_keys,
    read_lacked,
    read_learned,
    read_run,
    read_texts,
    statements,
    writes_of,
)
from reconciler.ledger.sqlite_file import altered, ledger_errors, taken_over
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write


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


SQL: Mapping[Statement, str] = {
    **{statement: _put(put) for statement, put in PUTS.items()},
    Statement.PUT_KEYS: "UPDATE meta SET account = ?",
    Statement.DROP_TAKEN: "DELETE FROM taken WHERE external_id = ?",
    Statement.DROP_LACKED: "DELETE FROM lacked WHERE external_id = ?",
    Statement.DROP_OLD_LACKED: "DELETE FROM lacked WHERE at < ?",
    Statement.DROP_USERS: "DELETE FROM users WHERE id = (SELECT id FROM bindings WHERE external_id = ?)",
    Statement.DROP_BINDING: "DELETE FROM bindings WHERE external_id = ?",
}

BINDINGS = _select(BINDING_COLUMNS, "FROM bindings")
BINDING = _select(BINDING_COLUMNS, "FROM bindings WHERE external_id = ?")
OPEN_INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE status IS NULL ORDER BY opened_at, run, seq")
INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE run = ? ORDER BY seq")
LEARNED = _select(LEARNED_COLUMNS, "FROM learned")
RUNS = _select(RUN_COLUMNS, "FROM runs ORDER BY position")
ALL_INTENTS = _select(INTENT_COLUMNS, "FROM intents ORDER BY run, seq")
TALLIES = "SELECT run, count(*), count(*) FILTER (WHERE status = 'done') FROM intents GROUP BY run"
HISTORY = _select(
    INTENT_COLUMNS,
    """FROM intents WHERE external_id = :name OR id = :name OR id IN (
        SELECT id FROM intents WHERE external_id = :name UNION SELECT id FROM bindings WHERE external_id = :name
    ) ORDER BY opened_at, run, seq""",
)
META = "SELECT environment, base_url, lineage, created_at, serial FROM meta"
# No write: the serial, which the fence has counted on, stays what it was.
BEGIN = "UPDATE meta SET token = token + 1, serial = serial - 1, taken_by = ?, taken_at = ?"
FENCE = "UPDATE meta SET serial = serial + 1 WHERE token = coalesce(?, token)"
OVERWRITE = "UPDATE meta SET lineage = ?, serial = max(serial, ?), account = ''"
FINISHED = "SELECT 1 FROM runs WHERE outcome <> '' LIMIT 1"


Result = TypeVar("Result")


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class SqliteLedger:
    """
    A ledger over an open connection in autocommit, of today's format; leaving the context closes it.

    `token` is that of the run that writes, None for one that writes without having begun.
    """

    path: Path | str
    meta: Meta
    writable: bool
    connection: sqlite3.Connection
    token: int | None = None
    step: Step = no_hook

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
        with ledger_errors(self.path), altered(self.path):
            self.connection.execute("BEGIN")
            try:
                return self._read()
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""
        with ledger_errors(self.path), altered(self.path):
            row = self.connection.execute(BINDING, (external_id,)).fetchone()
            return None if row is None else read_binding(row)

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        A customer that moves to another key is dropped under the old one before it is put under the
        new one: an id is never bound twice, not even within a commit. After a failure nothing of
        `writes` is there, and the ledger can be used as before.
        """
        self.write(statements(writes))

    def write(self, rows: Iterable[tuple[Statement, Row]], *, then: Callable[[], None] = nothing) -> None:
        """Write rows as `commit` does writes; `then` is done last, and what it raises undoes them."""

        def work() -> None:
            self._put(rows)
            then()

        self._transact(work)

    def begin(self, holder: Holder, *, account: str) -> SqliteLedger:  # noqa: ARG002 - the lock is the caller's
        """Return this ledger as the writing run `holder` has it: whoever began before commits no more."""

        def take() -> int:
            self.connection.execute(BEGIN, (str(holder), holder.since))
            token: int = self.connection.execute("SELECT token FROM meta").fetchone()[0]
            return token

        return replace(self, token=self._transact(take))

    @property
    def remote(self) -> bool:
        """Return False: a commit waits for the disk alone."""
        return False

    @property
    def lease_s(self) -> float:
        """Return 0: the lock is the operating system's, and ends with its process."""
        return 0.0

    def renew(self) -> None:
        """Do nothing: there is no lease."""

    def disconnect(self) -> None:
        """Do nothing: a file is not a connection that others lack."""

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        with ledger_errors(self.path), altered(self.path):
            self.connection.execute("BEGIN")
            try:
                records, runs = self._read(), tuple(map(read_run, self.connection.execute(RUNS)))
                intents = tuple(map(read_intent, self.connection.execute(ALL_INTENTS)))
                meta = Meta(*self.connection.execute(META).fetchone())
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            return Copy(meta, writes_of(records, intents, runs))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""
        self.replace_all(copy.meta.lineage, copy.meta.serial, statements(copy.writes))

    def replace_all(
        self, lineage: str, serial: int, rows: Iterable[tuple[Statement, Row]], *, then: Callable[[], None] = nothing
    ) -> None:
        """Replace all that it holds by the rows of a copy; `then` is done last, and what it raises undoes it."""

        def work() -> None:
            for table in TABLES:
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are our own
            self.connection.execute(OVERWRITE, (lineage, serial + 1))
            self._put(rows)
            then()

        self._transact(work)

    def runs(self) -> tuple[Run, ...]:
        """Return every run, in the order in which they began."""
        with ledger_errors(self.path), altered(self.path):
            return tuple(map(read_run, self.connection.execute(RUNS)))

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
        with ledger_errors(self.path), altered(self.path):
            return tuple(map(read_intent, self.connection.execute(INTENTS, (run,))))

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id; a run without any is left out."""
        with ledger_errors(self.path):
            return {run: Tally(sent, done) for run, sent, done in self.connection.execute(TALLIES)}

    def history(self, name: str) -> tuple[Intent, ...]:
        """Return the intents of every run about one customer and its users, oldest first."""
        with ledger_errors(self.path), altered(self.path):
            return tuple(map(read_intent, self.connection.execute(HISTORY, {"name": name})))

    def _read(self) -> Records:
        """Return the records, inside a transaction."""
        ask = self.connection.execute
        bindings = {binding.external_id: binding for binding in map(read_binding, ask(BINDINGS))}
        users = {CustomerId(key): text for key, text in read_texts(ask("SELECT id, users_json FROM users")).items()}
        return Records(
            bindings=bindings,
            users=SeenUsers(users),
            taken=read_texts(ask("SELECT external_id, words FROM taken")),
            lacked=read_lacked(ask("SELECT external_id, at, held FROM lacked")),
            intents=tuple(map(read_intent, ask(OPEN_INTENTS))),
            learned=read_learned(ask(LEARNED).fetchone()),
            known=bool(bindings) or ask(FINISHED).fetchone() is not None,
            keys=read_keys(ask("SELECT account FROM meta").fetchone()[0]),
        )

    def _transact(self, work: Callable[[], Result]) -> Result:
        """Do `work` in one transaction, unless another run has begun, and return what it returns."""
        if not self.writable:
            raise LedgerFailed(f"{visible(str(self.path))}: the ledger was opened for reading only")
        with ledger_errors(self.path):
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

    def _put(self, rows: Iterable[tuple[Statement, Row]]) -> None:
        """Write rows, inside a transaction."""
        for statement, group in groupby(rows, itemgetter(0)):
            self.connection.executemany(SQL[statement], (values for _, values in group))

    def _fence(self) -> None:
        """Count the commit; TakenOver where another run has begun since this one did."""
        if self.connection.execute(FENCE, (self.token,)).rowcount == 1:
            return
        who, since = self.connection.execute("SELECT taken_by, taken_at FROM meta").fetchone()
        raise taken_over(str(self.path), who, since)
