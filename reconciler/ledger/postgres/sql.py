"""
The writes of a commit in PostgreSQL's words: upserts, and COPY where there are many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from operator import itemgetter

from reconciler.ledger.postgres.session import Connection
from reconciler.ledger.rows import PUTS, Put, Row, Statement

BULK = 200
"""From that many rows of one table on, COPY is the quicker way."""

Step = tuple[Statement, list[Row]]

_COPIED = (
    Statement.PUT_BINDING,
    Statement.PUT_USERS,
    Statement.PUT_TAKEN,
    Statement.PUT_LACKED,
    Statement.PUT_INTENT,
)


def _conflict(put: Put) -> str:
    """Return what an upsert says of a key that is there."""
    key = f"ledger, {put.key}" if put.key else "ledger"
    return f"ON CONFLICT ({key}) DO UPDATE SET {put.changed()}"


def _put(put: Put) -> str:
    """Return the statement that writes a row whether or not its key is there."""
    marks = ", ".join(["%s"] * (len(put.columns.split(", ")) + 1))
    return f"INSERT INTO reconciler.{put.table} (ledger, {put.columns}) VALUES ({marks}) {_conflict(put)}"  # noqa: S608 - all of it is in our own files


_SQL: Mapping[Statement, str] = {
    **{statement: _put(put) for statement, put in PUTS.items()},
    Statement.PUT_ACCOUNT: "UPDATE reconciler.ledgers SET account = %s WHERE id = %s",
    Statement.DROP_TAKEN: "DELETE FROM reconciler.taken WHERE ledger = %s AND external_id = %s",
    Statement.DROP_LACKED: "DELETE FROM reconciler.lacked WHERE ledger = %s AND external_id = %s",
    Statement.DROP_OLD_LACKED: "DELETE FROM reconciler.lacked WHERE ledger = %s AND at < %s",
    Statement.DROP_USERS: (
        "DELETE FROM reconciler.users AS u USING reconciler.bindings AS b "
        "WHERE u.ledger = b.ledger AND u.id = b.id AND b.ledger = %s AND b.external_id = %s"
    ),
    Statement.DROP_BINDING: "DELETE FROM reconciler.bindings WHERE ledger = %s AND external_id = %s",
}


def steps(rows: Iterable[tuple[Statement, Row]], ledger: int) -> list[Step]:
    """Return the writes of one ledger as steps, equal statements together and each row with its ledger's number."""
    grouped = []
    for statement, group in groupby(rows, itemgetter(0)):
        values = [stored(row) for _, row in group]
        last = statement is Statement.PUT_ACCOUNT
        grouped.append((statement, [(*row, ledger) if last else (ledger, *row) for row in values]))
    return grouped


def is_bulk(step: Step) -> bool:
    """Say whether a step is one for COPY: many rows, and no key twice."""
    statement, rows = step
    if statement not in _COPIED or len(rows) < BULK:
        return False
    # The ledger's number, then the key's columns, which come first in each of these tables.
    width = 1 + len(PUTS[statement].key.split(", "))
    return len({row[:width] for row in rows}) == len(rows)


def send(connection: Connection, step: Step) -> None:
    """Write the rows of a step, one statement each; nothing is waited for inside a pipeline."""
    statement, rows = step
    connection.cursor().executemany(_SQL[statement], rows)


def copy_in(connection: Connection, step: Step, number: int) -> None:
    """
    Write the rows of a step by COPY, as one upsert in their order, inside a transaction.

    Through a table that ends with the transaction, so that nothing is left on a pooler's connection.
    """
    statement, rows = step
    put = PUTS[statement]
    incoming = f"reconciler_incoming_{number}"
    columns = f"ledger, {put.columns}"
    connection.execute(
        f"CREATE TEMPORARY TABLE {incoming} ON COMMIT DROP AS "  # noqa: S608 - all of it is in our own files
        f"SELECT 0::bigint AS ordinal, {columns} FROM reconciler.{put.table} WITH NO DATA"
    )
    with connection.cursor().copy(f"COPY {incoming} (ordinal, {columns}) FROM STDIN") as copy:
        for ordinal, row in enumerate(rows):
            copy.write_row((ordinal, *row))
    connection.execute(
        f"INSERT INTO reconciler.{put.table} ({columns}) SELECT {columns} FROM {incoming} ORDER BY ordinal "  # noqa: S608 - all of it is in our own files
        f"{_conflict(put)}"
    )


def pieces(grouped: Sequence[Step]) -> Iterator[tuple[int, bool, list[Step]]]:
    """Yield the steps in their order: (number, True, [one]) for COPY, (number, False, several) for a pipeline."""
    numbers = count()
    for bulk, group in groupby(grouped, is_bulk):
        if bulk:
            yield from ((next(numbers), True, [step]) for step in group)
        else:
            yield next(numbers), False, list(group)


# PostgreSQL's texts hold any character but NUL; the escape is one that no text has, and may itself be escaped.
_ESCAPE = "\x1a"


def stored(row: Row) -> Row:
    r"""
    Return a row whose texts PostgreSQL can store.

    >>> stored(("a\0b", "\x1a", 1)), loaded(stored(("a\0b", "\x1a", 1)))
    (('a\x1a0b', '\x1a1', 1), ('a\x00b', '\x1a', 1))
    """
    if any(type(one) is str and ("\0" in one or _ESCAPE in one) for one in row):
        return tuple(
            one.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0") if isinstance(one, str) else one
            for one in row
        )
    return row


def loaded(row: Row) -> Row:
    """Return a row as it was before `stored`."""
    if any(type(one) is str and _ESCAPE in one for one in row):
        return tuple(
            one.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE) if isinstance(one, str) else one
            for one in row
        )
    return row
