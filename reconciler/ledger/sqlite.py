"""The ledger in one SQLite file: durable through crashes, private to its owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.errors import LedgerFailed
from reconciler.ledger.faults import altered, told
from reconciler.ledger.rows import (
    BINDING_COLUMNS,
    INTENT_COLUMNS,
    LEARNED_COLUMNS,
    RUN_COLUMNS,
    SeenUsers,
    read_binding,
    read_intent,
    read_learned,
    read_run,
    statements,
)
from reconciler.model import CustomerId
from reconciler.records import Binding, Intent, Records, Run, Write
from reconciler.text import visible


def _select(columns: str, rest: str) -> str:
    """Return the statement that reads `columns`."""
    return f"SELECT {columns} {rest}"


_BINDINGS = _select(BINDING_COLUMNS, "FROM bindings")
_BINDING = _select(BINDING_COLUMNS, "FROM bindings WHERE external_id = ?")
_OPEN_INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE status IS NULL ORDER BY opened_at, run, seq")
_INTENTS = _select(INTENT_COLUMNS, "FROM intents WHERE run = ? ORDER BY seq")
_LEARNED = _select(LEARNED_COLUMNS, "FROM learned")
_RUNS = _select(RUN_COLUMNS, "FROM runs ORDER BY position")
_FINISHED = "SELECT 1 FROM runs WHERE outcome <> '' LIMIT 1"


@dataclass(frozen=True, slots=True)
class Meta:
    """
    Whose ledger a file is; `created_at` is RFC 3339 UTC.

    `lineage` is a UUID made with the file: copies of one ledger share it, two ledgers never do.
    """

    environment: str
    base_url: str
    lineage: str
    created_at: str


@dataclass(frozen=True, slots=True)
class SqliteLedger:
    """A ledger over an open connection in autocommit, of today's format; leaving the context closes it."""

    path: Path
    meta: Meta
    writable: bool
    connection: sqlite3.Connection

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
        if not self.writable:
            raise LedgerFailed(f"{visible(str(self.path))}: the ledger was opened for reading only")
        with told(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, group in groupby(statements(writes), itemgetter(0)):
                    self.connection.executemany(statement, (values for _, values in group))
                self.connection.execute("COMMIT")
            except BaseException:
                # SQLite has ended the transaction by itself after some failures, a full disk among them.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

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
