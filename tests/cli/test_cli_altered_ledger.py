"""A ledger in which something else wrote, column by column: nothing raw in any output, and nothing that breaks."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress

import pytest
from command_line import Online, Prepared, raw

from reconciler.ledger.sqlite_file import shipped

pytest_plugins = ("command_fixtures",)

EVIL = "done\x1b[2J\x1b]0;owned\x07\u202e\r##vso[task.x]\u2028y"
CUSTOMERS = """\
customers:
  acme: {name: Acme, email: a@acme.example, users: {jane@acme.example: {first_name: Jane}}}
  globex: {name: Globex, email: g@globex.example}
"""
COMMANDS = (
    ("history",),
    ("history", "--key", "acme"),
    ("state", "list"),
    ("state", "show", "acme"),
    ("show", "acme", "--why", "-f", "customers.yaml"),
    ("plan", "-f", "customers.yaml"),
    ("drift", "-f", "customers.yaml"),
)


def columns() -> list[tuple[str, str]]:
    """Return each table of a ledger with each of its columns."""
    with closing(sqlite3.connect(":memory:")) as database:
        for script in shipped():
            database.executescript(script)
        return database.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
            "WHERE m.type = 'table' ORDER BY 1, 2"
        ).fetchall()


def with_rows(shop: Online) -> None:
    """Apply, archive and patch, so that the ledger has rows."""
    for text in (
        CUSTOMERS,
        CUSTOMERS.replace("name: Acme", "city: Rome, name: Acme"),
        CUSTOMERS.rpartition("  globex")[0],
    ):
        assert shop.applied(text).code == 0
        shop.later()


@pytest.mark.parametrize("table", sorted({table for table, _ in columns()}))
@pytest.mark.parametrize("value", [EVIL, '{"name": 7, "made": "x", "at": [[]], "fields": {"name": [7, [7]]}}'])
def test_a_column_that_holds_anything_is_never_shown_raw_and_breaks_nothing(
    shop: Online, prepared: Prepared, table: str, value: str
) -> None:
    prepared.bring(shop, with_rows)
    path = shop.folder / ".reconciler" / "default.db"
    run = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    before, whole = len(shop.writes()), path.read_bytes()
    for column in (column for one, column in columns() if one == table):
        path.write_bytes(whole)
        with closing(sqlite3.connect(path)) as database, database, suppress(sqlite3.IntegrityError):  # a row's number
            database.execute("PRAGMA ignore_check_constraints = 1")
            database.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (value,))  # noqa: S608 - names of our own
        for words in (*COMMANDS, ("history", run), ("undo", run)):
            ran = shop.run(*words)
            assert (raw(ran.all), re.findall(r"##vso|bug in|Traceback", ran.all)) == ([], []), (column, words, ran.err)
            assert ran.code in (0, 1, 2, 3)
    assert len(shop.writes()) == before
