"""What is no ledger is told and left as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledgers import WHERE, bound, mode

from reconciler.errors import LedgerFailed
from reconciler.ledger import open_ledger
from reconciler.ledger.objects.replica import shrink
from reconciler.ledger.open import connect_sqlite
from reconciler.model.core import CustomerId
from reconciler.model.ledger import PutBinding, PutRun, Run


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    return path


def text_file(path: Path) -> None:
    path.write_text("version: 1\ncustomers: {}\n" * 50)


def one_byte(path: Path) -> None:
    path.write_bytes(b"\n")


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bindings (external_id)")


def database_of_another_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
        connection.execute("CREATE TABLE meta (environment)")


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("make", [text_file, one_byte, other_database, database_of_another_application])
def test_a_file_that_is_no_ledger_is_named_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None], *, writable: bool
) -> None:
    path = tmp_path / "notes"
    make(path)
    path.chmod(0o644)
    before = path.read_bytes()
    with pytest.raises(LedgerFailed, match=r"notes: this .*ledger.*RECONCILER_STATE"):
        open_ledger(str(path), **WHERE, writable=writable)
    assert (path.read_bytes(), mode(path), list(tmp_path.iterdir())) == (before, 0o644, [path])


@pytest.mark.parametrize("writable", [True, False])
def test_a_folder_is_no_ledger(tmp_path: Path, *, writable: bool) -> None:
    with pytest.raises(LedgerFailed, match="the ledger is a file, and this is a folder"):
        open_ledger(str(tmp_path), **WHERE, writable=writable)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_told(path: str) -> None:
    with pytest.raises(LedgerFailed, match="not a path for a ledger"):
        open_ledger(path, **WHERE)


def test_a_url_of_an_unknown_kind_is_refused_and_its_password_is_not_shown() -> None:
    with pytest.raises(LedgerFailed, match="redis:// ledgers are not supported by this version") as told:
        open_ledger("redis://ana:hunter2@db.example/state", **WHERE)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("writable", [True, False])
def test_a_path_below_a_file_is_told_with_what_to_do(made: Path, *, writable: bool) -> None:
    with pytest.raises(LedgerFailed, match=r"ledger.db/x.db: Not a directory; correct the path.*RECONCILER_STATE"):
        open_ledger(str(made / "x.db"), **WHERE, writable=writable)


def test_a_damaged_ledger_is_told_as_damaged(made: Path) -> None:
    content = made.read_bytes()
    made.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(LedgerFailed, match="it is damaged; restore a copy"):
        open_ledger(str(made), **WHERE)


def test_a_word_that_this_program_does_not_write_is_told_as_altered(made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("UPDATE bindings SET state = 'sleeping'")
    with open_ledger(str(made), **WHERE) as ledger, pytest.raises(LedgerFailed, match="something else has altered"):
        ledger.records()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON bindings BEGIN DELETE FROM taken; END",
        "CREATE VIEW v AS SELECT * FROM bindings",
        "CREATE VIRTUAL TABLE x USING fts4(a)",
        "create virtual table x using fts4(a)",
    ],
)
def test_what_runs_when_a_table_is_read_or_written_is_told_as_altered(
    made: Path, planted: str, *, writable: bool
) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute(planted)
    with pytest.raises(LedgerFailed, match="contains triggers, views or virtual tables"):
        open_ledger(str(made), **WHERE, writable=writable)


def test_a_database_of_unknown_origin_is_opened_with_the_guards_that_sqlite_has(made: Path) -> None:
    with closing(connect_sqlite(made, "mode=rw")) as connection:
        guards = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("trusted_schema", "cell_size_check")]
        assert guards == [0, 1]
        with pytest.raises(sqlite3.OperationalError, match="not authorized"):
            connection.execute("SELECT load_extension('x')")


def test_free_pages_do_not_make_a_snapshot_a_bomb() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("CREATE TABLE a (b)")
        connection.execute("INSERT INTO a VALUES (randomblob(1000000))")
        connection.execute("DELETE FROM a")
        shrink(connection)
        assert len(connection.serialize()) < 100_000


@pytest.mark.parametrize("column", ["environment", "base_url", "lineage", "created_at", "serial"])
@pytest.mark.parametrize("value", ["x'00ff'", "CAST(x'e328' AS TEXT)"])
def test_a_value_of_another_type_is_told(made: Path, column: str, value: str) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute(f"UPDATE meta SET {column} = {value}")  # noqa: S608 - the columns above
    with pytest.raises(LedgerFailed, match=r"damaged|altered|cannot be used"):
        open_ledger(str(made), **WHERE)


@pytest.mark.parametrize(
    ("planted", "read"),
    [
        ("UPDATE runs SET id = x'00'", "runs"),
        ("UPDATE runs SET requests = 'many'", "runs"),
        ("UPDATE bindings SET created_at = x'00'", "records"),
        ("UPDATE bindings SET external_id = x'00'", "records"),
    ],
)
def test_a_row_with_a_value_of_another_type_is_told_as_altered(made: Path, planted: str, read: str) -> None:
    with open_ledger(str(made), **WHERE) as ledger:
        ledger.commit([PutRun(Run("r", "2026-01-01T00:00:00Z", "apply"))])
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute(planted)
    with open_ledger(str(made), **WHERE) as ledger, pytest.raises(LedgerFailed, match="something else has altered"):
        getattr(ledger, read)()


def test_a_schema_whose_words_are_no_text_is_told_as_damaged(made: Path) -> None:
    content = made.read_bytes()
    made.write_bytes(content.replace(b"CREATE TABLE bindings", b"CREATE \xe3(ABLE bindings", 1))
    with pytest.raises(LedgerFailed, match=r"damaged|cannot be used"):
        open_ledger(str(made), **WHERE)


def test_users_that_were_altered_are_told_when_they_are_asked_for(made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("INSERT INTO users VALUES ('cus_1', 'not JSON')")
    with open_ledger(str(made), **WHERE) as ledger:
        users = ledger.records().users
    with pytest.raises(LedgerFailed, match="was altered"):
        users[CustomerId("cus_1")]


def test_a_path_with_signs_of_a_url_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20d é" / "l.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    assert path.is_file()


def test_a_link_to_a_ledger_that_is_not_there_yet_makes_it_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "l.db")
    with open_ledger(str(tmp_path / "link.db"), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    assert (tmp_path / "real" / "l.db").is_file()
