"""The ledger of one environment in a PostgreSQL database: few round trips, nothing that a pooler would lose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, LiteralString, Self
from uuid import uuid4

import psycopg

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed, TakenOver
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.faults import altered, locked, taken_over
from reconciler.ledger.lock import LEASE_S, Holder
from reconciler.ledger.postgres import lease as leases
from reconciler.ledger.postgres import reading, sql
from reconciler.ledger.postgres.faults import told
from reconciler.ledger.postgres.session import BEGIN_WRITING, SETTINGS, Connection, Lost, Session
from reconciler.ledger.process import died
from reconciler.ledger.rows import statements
from reconciler.ledger.tables import TABLES
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write

First = tuple[LiteralString, tuple[Any, ...]]

_OVERWRITE: LiteralString = (
    "UPDATE reconciler.ledgers SET lineage = %s, serial = greatest(serial, %s), account = '' WHERE id = %s"
)
_LOCK = "SELECT 1 FROM reconciler.ledgers WHERE id = %s FOR UPDATE"


@dataclass(frozen=True, slots=True)
class PostgresLedger:
    """
    A ledger over a connection; leaving the context ends the lease, where one was taken, and closes it.

    `number` is that of its row, `known` the format that this program knows. A commit whose connection
    breaks is done again where it is known not to have happened.
    """

    session: Session
    number: int
    meta: Meta
    writable: bool
    known: int
    lease: leases.Lease | None = None
    died: leases.Died = died
    step: Step = no_hook

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the lease, where it can be reached, and close the connection."""
        if self.lease is not None:
            # It would end by itself soon.
            with suppress(psycopg.Error, Lost, LedgerFailed), self.session.watched() as connection:
                leases.end(connection, self.lease)
        self.session.close()

    def records(self) -> Records:
        """Return all that planning asks, as one commit left it."""
        with told(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: reading.records(connection, self.number))

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""
        with told(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: reading.binding(connection, self.number, external_id))

    def runs(self) -> tuple[Run, ...]:
        """Return every run, in the order in which they began."""
        with told(self.session.place):
            return self.session.once_more(lambda connection: reading.runs(connection, self.number))

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
        with told(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: reading.intents(connection, self.number, run))

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id; a run without any is left out."""
        with told(self.session.place):
            return self.session.once_more(lambda connection: reading.tallies(connection, self.number))

    def history(self, name: str) -> tuple[Intent, ...]:
        """Return the intents of every run about one customer and its users, oldest first."""
        with told(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: reading.history(connection, self.number, name))

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        with told(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: reading.copy(connection, self.number))

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        TakenOver where the lease is another run's by now; Locked, for one that has not begun, while a run
        writes. Both are asked in this transaction, whose locks keep the answer true until it has ended.
        """
        self._commit((), sql.steps(statements(writes), self.number))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""
        emptied: list[First] = [
            (f"DELETE FROM reconciler.{table} WHERE ledger = %s", (self.number,))  # noqa: S608 - the names are our own
            for table in TABLES
        ]
        named = (_OVERWRITE, (copy.meta.lineage, copy.meta.serial + 1, self.number))
        self._commit((*emptied, named), sql.steps(statements(copy.writes), self.number))

    def begin(self, holder: Holder, *, account: str) -> PostgresLedger:
        """Return this ledger with the lease of `account` taken; Locked where another run holds it."""
        self._writable()
        run = uuid4().hex

        def take(connection: Connection) -> leases.Lease:
            return leases.take(
                connection, self.number, holder, account=account, run=run, known=self.known, died=self.died
            )

        with told(self.session.place):
            return replace(self, lease=self.session.once_more(take))

    @property
    def remote(self) -> bool:
        """Return False: its connection is for one thread."""
        return False

    @property
    def lease_s(self) -> float:
        """Return how long a lease lasts without `renew`; 0 before one was taken."""
        return 0.0 if self.lease is None else LEASE_S

    def renew(self) -> None:
        """Make the lease last from now; TakenOver where it is another's by now."""
        lease = self.lease
        if lease is None:
            return
        with told(self.session.place):
            if not self.session.once_more(lambda connection: leases.renew(connection, lease)):
                raise self._taken_over()

    def _writable(self) -> None:
        """Raise LedgerFailed where the ledger was opened for reading."""
        if not self.writable:
            raise LedgerFailed(f"{self.session.place}: the ledger was opened for reading only")

    def _commit(self, first: Sequence[First], steps: list[sql.Step]) -> None:
        """Commit, and once more where the connection broke and nothing was written."""
        self._writable()
        with told(self.session.place):
            try:
                with self.session.watched() as connection:
                    done = self._transact(connection, first, steps)
            except Lost as lost:
                if lost.transaction is not None and self._landed(lost.transaction):
                    return
                with self.session.plain() as connection:
                    done = self._transact(connection, first, steps)
            if not done:
                raise self._taken_over()

    def _transact(self, connection: Connection, first: Sequence[First], steps: list[sql.Step]) -> bool:
        """
        Do one transaction; say False, and leave it, where this run may not write.

        Small ones take two round trips: all but the COMMIT, and the COMMIT.
        """
        pieces = list(sql.pieces(steps))
        begins = pieces.pop(0)[2] if pieces and not pieces[0][1] else []
        with connection.pipeline():
            connection.execute(BEGIN_WRITING)
            connection.execute(SETTINGS)
            if self.lease is None:
                connection.execute(_LOCK, (self.number,))
                fence = connection.execute(leases.UNFENCED, (self.number,))
            else:
                fence = connection.execute(leases.FENCE, (self.lease.account, self.lease.token, self.number))
            for statement, values in first:
                connection.execute(statement, values)
            for step in begins:
                sql.send(connection, step)
        row = fence.fetchone()
        if row is None:
            connection.execute("ROLLBACK")
            return False
        for number, bulk, piece in pieces:
            if bulk:
                sql.copy_in(connection, piece[0], number)
                continue
            with connection.pipeline():
                for step in piece:
                    sql.send(connection, step)
        self._end(connection, row[0])
        return True

    def _end(self, connection: Connection, transaction: int) -> None:
        """Commit; Lost, with the transaction's number, where no answer came."""
        self.step("commit")
        try:
            answer = connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if connection.closed:
                raise Lost(error, transaction) from error
            raise
        self.step("committed")
        if answer != "COMMIT":
            raise LedgerFailed(f"{self.session.place}: the server took nothing of this step", "see the server's log")

    def _landed(self, transaction: int) -> bool:
        """
        Say whether a transaction was committed whose answer did not come.

        The row's lock is waited for first: while the server still works on it, the answer would be open.
        """
        with self.session.plain() as connection:
            connection.execute(BEGIN_WRITING)
            connection.execute(SETTINGS)
            connection.execute(_LOCK, (self.number,))
            (status,) = connection.execute("SELECT txid_status(%s)", (transaction,)).fetchone() or (None,)
            connection.execute("ROLLBACK")
        if status not in ("committed", "aborted"):
            raise LedgerFailed(
                f"{self.session.place}: the connection was lost, and whether the last step was written cannot be told",
                "run again: it reads what is there",
            )
        return bool(status == "committed")

    def _taken_over(self) -> LedgerFailed | Exception:
        """Return why this run may not write, with what is known of the one that may."""
        account = "" if self.lease is None else self.lease.account
        with self.session.plain() as connection:
            token, who, since, other = reading.writer(connection, self.number, account)
        if self.lease is None:
            return locked(Holder(*(other or ())), LEASE_S)
        if token != self.lease.token:
            return taken_over(self.session.place, who, since)
        if other is not None:
            return taken_over(self.session.place, str(Holder(*other)), other[1])
        return TakenOver(
            f"{self.session.place}: the lock of this run was ended by hand; it writes and sends nothing more",
            "run again: what it had sent is settled then",
        )
