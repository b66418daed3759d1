"""Where a ledger lies and what it holds, looked at without a change."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import postgres_server
import pytest
from ledgers import WHERE, bound, open_postgres, sqlite_ledger

from reconciler.errors import LedgerFailed
from reconciler.ledger.lock import lock_folder, may_write
from reconciler.ledger.open import Storage, StorageKind, contents_of, files_of, storage_of
from reconciler.ledger.sqlite_file import shipped, shipped_in
from reconciler.model.ledger import PutBinding

KNOWN = len(shipped())


def test_where_there_is_no_ledger_yet_one_could_be_made_and_none_is(tmp_path: Path) -> None:
    found = storage_of(str(tmp_path / "deep" / "ledger.db"))
    contents = contents_of(str(tmp_path / "deep" / "ledger.db"), **WHERE)
    assert (found.format, found.known, found.writable, contents.meta) == (0, KNOWN, True, None)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_is_looked_at_without_a_byte_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with sqlite_ledger(path) as ledger:
        ledger.commit([PutBinding(bound(1))])
    before = hashlib.sha256(path.read_bytes()).digest()
    found, contents = storage_of(str(path)), contents_of(str(path), **WHERE)
    assert (found.format, found.writable) == (KNOWN, True)
    assert (contents.meta, len(contents.records.bindings)) == (replace(ledger.meta, serial=1), 1)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.db"]


def test_an_older_ledger_says_its_own_format(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "ledger.db", migrations=shipped()[:2]):
        pass
    assert storage_of(str(tmp_path / "ledger.db")).format == 2


def test_a_ledger_is_its_file_and_what_sqlite_keeps_beside_it_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with sqlite_ledger(tmp_path / "real" / "ledger.db"):
        pass
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "ledger.db")
    beside = [tmp_path / "real" / f"ledger.db{end}" for end in ("-wal", "-shm", "-journal")]
    assert list(files_of(str(tmp_path / "link.db"))) == [tmp_path / "link.db", *beside]


def test_what_is_no_ledger_has_no_files_of_one(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no ledger\n" * 100)
    (tmp_path / "empty.db").touch()
    (tmp_path / "loop.db").symlink_to("loop.db")
    os.mkfifo(tmp_path / "pipe.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE theirs (one TEXT)")
    names = ("text.db", "empty.db", "loop.db", "pipe.db", "other.db", "none.db", ".", "a\0b")
    assert [files_of(str(tmp_path / name)) for name in names] == [()] * len(names)
    assert files_of("s3://bucket/state") == ()


def test_a_file_stands_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not may_write(tmp_path / "file" / "ledger.db")
    assert may_write(tmp_path / "folder" / "ledger.db")
    assert lock_folder(folder=tmp_path / "file" / "x", otherwise=tmp_path / "state") == tmp_path / "state"


def test_a_database_says_its_format_and_that_it_may_be_written(tmp_path: Path) -> None:
    with open_postgres(tmp_path):
        pass
    known = len(shipped_in("reconciler.ledger.postgres"))
    assert storage_of(postgres_server.server_url()) == Storage(
        StorageKind.DATABASE, format=known, known=known, writable=True
    )


def test_a_url_of_no_known_kind_is_refused_without_its_password() -> None:
    with pytest.raises(LedgerFailed) as refused:
        storage_of("s3://me:hidden@bucket/state")
    assert "hidden" not in str(refused.value)
