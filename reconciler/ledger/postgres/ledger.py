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
from reconciler.ledger.lock import LEASE_S, Holder, died
from reconciler.ledger.postgres import coordination as leases
from reconciler.ledger.postgres.session import (
    BEGIN_READING,
    BEGIN_WRITING,
    SETTINGS,
    Connection,
    DatabaseSession,
    Lost,
    WriteStep,
    copy_in,
    ledger_errors,
    loaded,
    pieces_of,
    send,
    stored,
    write_steps,
)
from reconciler.ledger.rows import (
    BINDING_COLUMNS,
    INTENT_COLUMNS,
    LEARNED_COLUMNS,
    RUN_COLUMNS,
    TABLES,
    Row,
    SeenUsers,
    read_binding,
    read_intent,
    read_keys,
    read_lacked,
    read_learned,
    read_run,
    statements,
    writes_of,
)
from reconciler.ledger.sqlite_file import altered, locked, taken_over
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write


def _select(columns: LiteralString, rest: LiteralString) -> LiteralString:
    """Return the statement that reads `columns` of one ledger."""
    return f"SELECT {columns} FROM reconciler.{rest}"  # noqa: S608 - all of it is in our own files


_BINDINGS = _select(BINDING_COLUMNS, "bindings WHERE ledger = %s")
_BINDING = f"{_BINDINGS} AND external_id = %s"
_USERS = _select("id, users_json", "users WHERE ledger = %s")
_TAKEN = _select("external_id, words", "taken WHERE ledger = %s")
_LACKED = _select("external_id, at, held", "lacked WHERE ledger = %s")
_OPEN = _select(INTENT_COLUMNS, "intents WHERE ledger = %s AND status IS NULL ORDER BY opened_at, run, seq")
_LEARNED = _select(LEARNED_COLUMNS, "learned WHERE ledger = %s")
_FINISHED = _select("1", "runs WHERE ledger = %s AND outcome <> '' LIMIT 1")
_ACCOUNT = _select("account", "ledgers WHERE id = %s")
_RECORDS = (_BINDINGS, _USERS, _TAKEN, _LACKED, _OPEN, _LEARNED, _FINISHED, _ACCOUNT)

_RUNS = _select(RUN_COLUMNS, "runs WHERE ledger = %s ORDER BY position")
_INTENTS = _select(INTENT_COLUMNS, "intents WHERE ledger = %s AND run = %s ORDER BY seq")
_ALL_INTENTS = _select(INTENT_COLUMNS, "intents WHERE ledger = %s ORDER BY run, seq")
_TALLIES = _select("run, count(*), count(*) FILTER (WHERE status = 'done')", "intents WHERE ledger = %s GROUP BY run")
_HISTORY = _select(
    INTENT_COLUMNS,
    """intents WHERE ledger = %(ledger)s AND (external_id = %(name)s OR id = %(name)s OR id IN (
        SELECT id FROM reconciler.intents WHERE ledger = %(ledger)s AND external_id = %(name)s
        UNION SELECT id FROM reconciler.bindings WHERE ledger = %(ledger)s AND external_id = %(name)s
    )) ORDER BY opened_at, run, seq""",
)
_META = _select("environment, base_url, lineage, created_at, serial", "ledgers WHERE id = %s")
_WRITER = "SELECT token, taken_by, taken_at FROM reconciler.ledgers WHERE id = %s"
_OTHER = """
    SELECT l.who, l.since, l.doing FROM reconciler.leases AS l
    WHERE l.account = %s OR (%s = '' AND l.token = (SELECT g.token FROM reconciler.ledgers AS g WHERE g.id = %s))
"""


def records(connection: Connection, ledger: int) -> Records:
    """Return all that planning asks."""
    return _records(_at_once(connection, _RECORDS, ledger))


def copy(connection: Connection, ledger: int) -> Copy:
    """Return all that there is."""
    *first, every, ran, meta = _at_once(connection, (*_RECORDS, _ALL_INTENTS, _RUNS, _META), ledger)
    return Copy(Meta(*meta[0]), writes_of(_records(first), map(read_intent, every), map(read_run, ran)))


def binding(connection: Connection, ledger: int, external_id: str) -> Binding | None:
    """Return one customer's row."""
    row = connection.execute(_BINDING, (ledger, *stored((external_id,)))).fetchone()
    return None if row is None else read_binding(loaded(row))


def runs(connection: Connection, ledger: int) -> tuple[Run, ...]:
    """Return every run, in the order in which they began."""
    return tuple(read_run(loaded(row)) for row in connection.execute(_RUNS, (ledger,)).fetchall())


def intents(connection: Connection, ledger: int, run: str) -> tuple[Intent, ...]:
    """Return the intents of one run, in the order of their seq."""
    rows = connection.execute(_INTENTS, (ledger, *stored((run,)))).fetchall()
    return tuple(read_intent(loaded(row)) for row in rows)


def tallies(connection: Connection, ledger: int) -> dict[str, Tally]:
    """Return what the intents of each run come to, by its id."""
    return {run: Tally(sent, done) for run, sent, done in connection.execute(_TALLIES, (ledger,)).fetchall()}


def history(connection: Connection, ledger: int, name: str) -> tuple[Intent, ...]:
    """Return the intents of every run about one customer and its users, oldest first."""
    (text,) = stored((name,))
    rows = connection.execute(_HISTORY, {"ledger": ledger, "name": text}).fetchall()
    return tuple(read_intent(loaded(row)) for row in rows)


def writer(connection: Connection, ledger: int, account: str) -> tuple[int, str, str, tuple[Any, ...] | None]:
    """Return the token of whoever began last, who that was, when, and the lease of `account` ("": the ledger's own)."""
    token, who, since = connection.execute(_WRITER, (ledger,)).fetchone() or (0, "", "")
    return token, who, since, connection.execute(_OTHER, (account, account, ledger)).fetchone()


def _at_once(connection: Connection, questions: tuple[LiteralString, ...], ledger: int) -> list[list[Row]]:
    """Return the rows of several questions about one ledger, as one commit left them, in one round trip."""
    with connection.pipeline():
        connection.execute(BEGIN_READING)
        cursors = [connection.execute(question, (ledger,)) for question in questions]
        connection.execute("COMMIT")
    return [[loaded(row) for row in cursor.fetchall()] for cursor in cursors]


def _records(answers: list[list[Row]]) -> Records:
    """Return the answers to `_RECORDS` as nouns."""
    bound, users, taken, lacked, opened, learned, finished, account = answers
    bindings = {binding.external_id: binding for binding in map(read_binding, bound)}
    seen: dict[CustomerId, str] = {CustomerId(customer): text for customer, text in users}
    return Records(
        bindings=bindings,
        users=SeenUsers(seen),
        taken={row[0]: row[1] for row in taken},
        lacked=read_lacked(lacked),
        intents=tuple(map(read_intent, opened)),
        learned=read_learned(learned[0] if learned else None),
        known=bool(bindings) or bool(finished),
        keys=read_keys(account[0][0]) if account else (),
    )


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

    session: DatabaseSession
    number: int
    meta: Meta
    writable: bool
    known: int
    lease: leases.LeaseRow | None = None
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
        with ledger_errors(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: records(connection, self.number))

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""
        with ledger_errors(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: binding(connection, self.number, external_id))

    def runs(self) -> tuple[Run, ...]:
        """Return every run, in the order in which they began."""
        with ledger_errors(self.session.place):
            return self.session.once_more(lambda connection: runs(connection, self.number))

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
        with ledger_errors(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: intents(connection, self.number, run))

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id; a run without any is left out."""
        with ledger_errors(self.session.place):
            return self.session.once_more(lambda connection: tallies(connection, self.number))

    def history(self, name: str) -> tuple[Intent, ...]:
        """Return the intents of every run about one customer and its users, oldest first."""
        with ledger_errors(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: history(connection, self.number, name))

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        with ledger_errors(self.session.place), altered(self.session.place):
            return self.session.once_more(lambda connection: copy(connection, self.number))

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        TakenOver where the lease is another run's by now; Locked, for one that has not begun, while a run
        writes. Both are asked in this transaction, whose locks keep the answer true until it has ended.
        """
        self._commit((), write_steps(statements(writes), self.number))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""
        emptied: list[First] = [
            (f"DELETE FROM reconciler.{table} WHERE ledger = %s", (self.number,))  # noqa: S608 - the names are our own
            for table in TABLES
        ]
        named = (_OVERWRITE, (copy.meta.lineage, copy.meta.serial + 1, self.number))
        self._commit((*emptied, named), write_steps(statements(copy.writes), self.number))

    def begin(self, holder: Holder, *, account: str) -> PostgresLedger:
        """Return this ledger with the lease of `account` taken; Locked where another run holds it."""
        self._writable()
        run = uuid4().hex

        def take(connection: Connection) -> leases.LeaseRow:
            return leases.take(
                connection, self.number, holder, account=account, run=run, known=self.known, died=self.died
            )

        with ledger_errors(self.session.place):
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
        with ledger_errors(self.session.place):
            if not self.session.once_more(lambda connection: leases.renew(connection, lease)):
                raise self._taken_over()

    def disconnect(self) -> None:
        """Close the connection until the ledger is next used; a run with a lease keeps it, to renew that."""
        if self.lease is None:
            self.session.close()

    def _writable(self) -> None:
        """Raise LedgerFailed where the ledger was opened for reading."""
        if not self.writable:
            raise LedgerFailed(f"{self.session.place}: the ledger was opened for reading only")

    def _commit(self, first: Sequence[First], steps: list[WriteStep]) -> None:
        """Commit, and once more where the connection broke and nothing was written."""
        self._writable()
        with ledger_errors(self.session.place):
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

    def _transact(self, connection: Connection, first: Sequence[First], steps: list[WriteStep]) -> bool:
        """
        Do one transaction; say False, and leave it, where this run may not write.

        Small ones take two round trips: all but the COMMIT, and the COMMIT.
        """
        pieces = list(pieces_of(steps))
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
                send(connection, step)
        row = fence.fetchone()
        if row is None:
            connection.execute("ROLLBACK")
            return False
        for number, bulk, piece in pieces:
            if bulk:
                copy_in(connection, piece[0], number)
                continue
            with connection.pipeline():
                for step in piece:
                    send(connection, step)
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
            raise LedgerFailed(f"{self.session.place}: the server wrote nothing of this step", "see the server's log")

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
                f"{self.session.place}: the connection was lost, and it is unknown whether the last step was written",
                "run again: it reads what is there",
            )
        return bool(status == "committed")

    def _taken_over(self) -> LedgerFailed | Exception:
        """Return why this run may not write, with what is known of the one that may."""
        account = "" if self.lease is None else self.lease.account
        with self.session.plain() as connection:
            token, who, since, other = writer(connection, self.number, account)
        if self.lease is None:
            return locked(Holder(*(other or ())), LEASE_S)
        if token != self.lease.token:
            return taken_over(self.session.place, who, since)
        if other is not None:
            return taken_over(self.session.place, str(Holder(*other)), other[1])
        return TakenOver(
            f"{self.session.place}: someone ended this run's lock; it writes and sends nothing more",
            "run again: that settles what this run sent",
        )
