"""A ledger is read where nothing may be written, and a failed write leaves nothing half."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledgers import WHERE, bound, sqlite_ledger

from reconciler.errors import LedgerFailed
from reconciler.ledger import open_ledger
from reconciler.ledger.open import connect_sqlite, read_sqlite, write_sqlite
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.model.ledger import Learned, PutBinding, PutLearned, Records


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    return path


@pytest.mark.parametrize("how", [{"writable": False}, {"create": False}])
def test_where_there_is_no_ledger_reading_finds_an_empty_one_and_makes_nothing(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    with open_ledger(str(tmp_path / "state" / "l.db"), **WHERE, **how) as ledger:
        assert (ledger.writable, ledger.records(), ledger.runs(), ledger.intents("r")) == (False, Records(), (), ())
        assert ledger.binding("acme") is None
        with pytest.raises(LedgerFailed, match="there is no ledger here; the first apply creates one"):
            ledger.commit([PutBinding(bound(1))])
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_opened_for_reading_refuses_a_commit_and_leaves_no_file_behind(made: Path) -> None:
    before = made.read_bytes()
    with open_ledger(str(made), **WHERE, writable=False) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}
        with pytest.raises(LedgerFailed, match="opened for reading only"):
            ledger.commit([PutBinding(bound(2))])
    assert (made.read_bytes(), list(made.parent.iterdir())) == (before, [made])


def test_nothing_can_be_written_through_the_connection_of_a_ledger_opened_for_reading(made: Path) -> None:
    with read_sqlite(made, **WHERE) as ledger:
        assert isinstance(ledger, SqliteLedger)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger.connection.execute("DELETE FROM bindings")


def test_a_reader_sees_what_a_running_writer_has_committed(made: Path) -> None:
    with open_ledger(str(made), **WHERE) as writer, open_ledger(str(made), **WHERE, writable=False) as reader:
        writer.commit([PutBinding(bound(2))])
        assert set(reader.records().bindings) == {"key-1", "key-2"}


@pytest.fixture
def common() -> Iterator[Path]:
    """Return a folder that a user without rights can reach, as pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def powerless() -> Iterator[Callable[[], None]]:
    """Return a function after which file modes hold for this process too, as they do not for root."""
    root = os.geteuid() == 0
    yield lambda: os.seteuid(65534) if root else None
    if root:
        os.seteuid(0)


def test_a_ledger_in_a_folder_that_may_only_be_read_is_read(common: Path, powerless: Callable[[], None]) -> None:
    path = common / "l.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    path.chmod(0o444)
    common.chmod(0o555)
    powerless()
    with open_ledger(str(path), **WHERE, writable=False) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}


def test_what_a_killed_run_committed_is_read_also_where_nothing_may_be_written(
    common: Path, powerless: Callable[[], None]
) -> None:
    copies = (common / "l.db", common / "l.db-wal")
    with open_ledger(str(common / "open.db"), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
        for copy in copies:  # as a process leaves it that dies now
            shutil.copyfile(copy.with_name(copy.name.replace("l.db", "open.db")), copy)
            copy.chmod(0o444)
    common.chmod(0o555)
    powerless()
    with open_ledger(str(copies[0]), **WHERE, writable=False) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}


def test_a_ledger_that_may_only_be_read_is_told_at_opening_when_it_is_to_be_written(
    common: Path, powerless: Callable[[], None]
) -> None:
    path = common / "l.db"
    open_ledger(str(path), **WHERE).__exit__(None, None, None)
    path.chmod(0o444)
    common.chmod(0o555)
    powerless()
    with pytest.raises(LedgerFailed, match=r"l.db: it cannot be .*written; .*RECONCILER_STATE"):
        open_ledger(str(path), **WHERE)


def test_a_folder_in_which_no_ledger_can_be_made_is_told(common: Path, powerless: Callable[[], None]) -> None:
    common.chmod(0o555)
    powerless()
    with pytest.raises(LedgerFailed, match=r"state/l.db: Permission denied; correct the path"):
        open_ledger(str(common / "state" / "l.db"), **WHERE)


def test_a_full_disk_is_told_nothing_is_half_written_and_the_ledger_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with sqlite_ledger(path) as ledger:
        ledger.commit([PutBinding(bound(1))])
        pages = ledger.connection.execute("PRAGMA page_count").fetchone()[0]
        ledger.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(LedgerFailed, match=r"l.db: the disk is full, and nothing of this step was written; free"):
            ledger.commit(
                [PutLearned(Learned(longest_page=9)), *(PutBinding(bound(n, size=900)) for n in range(2, 40))]
            )
        assert ledger.records() == Records(bindings={"key-1": bound(1)}, known=True)
        ledger.commit([PutLearned(Learned(longest_page=7))])
        assert ledger.records().learned == Learned(longest_page=7)


def test_a_disk_that_is_full_from_the_start_makes_no_ledger_and_the_next_run_does(tmp_path: Path) -> None:
    def connect(path: Path, parameters: str) -> sqlite3.Connection:
        connection = connect_sqlite(path, parameters)
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    path = tmp_path / "l.db"
    with pytest.raises(LedgerFailed, match="the disk is full"):
        write_sqlite(path, **WHERE, connect=connect)
    with open_ledger(str(path), **WHERE) as ledger:
        assert ledger.records() == Records()


def test_a_ledger_that_another_process_is_writing_is_told_as_busy(made: Path) -> None:
    def connect(path: Path, parameters: str) -> sqlite3.Connection:
        connection = connect_sqlite(path, parameters)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    with sqlite_ledger(made) as ledger:
        ledger.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerFailed, match="another process is writing to it; try again"):
            write_sqlite(made, **WHERE, connect=connect)
