"""What the SQLite ledger says to its database. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.ledger.tables import (
    BINDING_COLUMNS,
    INTENT_COLUMNS,
    LEARNED_COLUMNS,
    PUTS,
    RUN_COLUMNS,
    Put,
    Statement,
)


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
    Statement.PUT_ACCOUNT: "UPDATE meta SET account = ?",
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
