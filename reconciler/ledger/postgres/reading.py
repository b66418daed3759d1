"""What a PostgreSQL ledger holds, read in one round trip and as one state."""

from __future__ import annotations

from typing import Any, LiteralString

from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.postgres.session import BEGIN_READING, Connection
from reconciler.ledger.postgres.sql import loaded, stored
from reconciler.ledger.rows import (
    Row,
    SeenUsers,
    read_binding,
    read_intent,
    read_lacked,
    read_learned,
    read_run,
    writes_of,
)
from reconciler.ledger.tables import BINDING_COLUMNS, INTENT_COLUMNS, LEARNED_COLUMNS, RUN_COLUMNS
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally


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
        account=account[0][0] if account else "",
    )
