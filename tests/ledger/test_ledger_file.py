"""The SQLite file: private, durable, its owner's, of a format that is known."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ledgers import LATER, WHERE, bound, mode, sqlite_ledger

from reconciler.errors import LedgerFailed, LedgerTooNew, Refused
from reconciler.ledger import open_ledger
from reconciler.ledger.base import EmptyLedger
from reconciler.ledger.open import connect_sqlite, read_sqlite, write_sqlite
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.sqlite_file import file_system, on_network, shipped
from reconciler.model.ledger import PutBinding

NOW = len(shipped())


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
    return path


def test_the_file_its_journal_and_the_folder_made_for_it_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "demo.db"
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
        modes = {file.name: mode(file) for file in path.parent.iterdir()}
    assert modes == {"demo.db": 0o600, "demo.db-wal": 0o600, "demo.db-shm": 0o600}
    assert mode(path.parent) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_ledger(str(tmp_path / "demo.db"), **WHERE).__exit__(None, None, None)
    assert mode(tmp_path) == 0o755


def test_after_closing_the_file_stands_alone(made: Path) -> None:
    assert [file.name for file in made.parent.iterdir()] == ["ledger.db"]


def test_commits_go_to_a_write_ahead_log_that_is_synced_each_time(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "l.db", network=lambda _: False) as ledger:
        assert durability(ledger) == ("wal", 2)


def test_on_a_network_disk_commits_go_to_a_rollback_journal_with_every_sync(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "l.db", network=lambda _: True) as ledger:
        assert durability(ledger) == ("delete", 3)


def test_where_sqlite_answers_wal_with_another_journal_the_rollback_journal_is_used(tmp_path: Path) -> None:
    def connect(path: Path, parameters: str) -> sqlite3.Connection:
        return connect_sqlite(path, f"{parameters}&vfs=unix-dotfile")  # it has no shared memory, so no WAL

    with sqlite_ledger(tmp_path / "l.db", connect=connect, network=lambda _: False) as ledger:
        assert durability(ledger) == ("delete", 3)


def test_a_ledger_that_was_moved_to_a_network_disk_leaves_wal_and_keeps_its_rows(made: Path) -> None:
    with sqlite_ledger(made, network=lambda _: True) as ledger:
        assert durability(ledger) == ("delete", 3)
        assert ledger.records().bindings == {"key-1": bound(1)}


def test_a_file_system_of_the_kernel_itself_is_on_no_network() -> None:
    assert on_network(Path("/proc/self")) is False


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv/x.db", "nfs4"), ("/srv/local/x.db", "ext4"), ("/srvx/x.db", "xfs"), ("/srv/two words/x.db", "cifs")],
)
def test_a_path_lies_on_the_deepest_mount_above_it(path: str, kind: str) -> None:
    mounts = "d / xfs rw 0 0\nh:/e /srv nfs4 rw 0 0\nd /srv/local ext4 rw 0 0\n//h/s /srv/two\\040words cifs rw 0 0\n"
    assert file_system(Path(path), mounts) == kind


def durability(ledger: SqliteLedger) -> tuple[str, int]:
    journal: str = ledger.connection.execute("PRAGMA journal_mode").fetchone()[0]
    return journal, ledger.connection.execute("PRAGMA synchronous").fetchone()[0]


def test_a_ledger_says_whose_it_is_and_keeps_the_lineage_it_was_given(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "l.db", lineage="one") as ledger:
        first = ledger.meta
    with sqlite_ledger(tmp_path / "l.db", lineage="two") as ledger:
        assert ledger.meta == first
    assert (first.environment, first.base_url, first.lineage) == ("demo", "https://api.example", "one")


def test_two_ledgers_have_two_lineages(tmp_path: Path) -> None:
    with sqlite_ledger(tmp_path / "a.db") as one, sqlite_ledger(tmp_path / "b.db") as other:
        assert one.meta.lineage != other.meta.lineage


@pytest.mark.parametrize("writable", [True, False])
def test_the_ledger_of_another_environment_or_api_is_refused(made: Path, *, writable: bool) -> None:
    with pytest.raises(Refused, match=r"environment 'demo' at https://api.example, not of 'production'"):
        open_ledger(str(made), environment="production", base_url="https://api.example", writable=writable)
    with pytest.raises(Refused, match=r"not of 'demo' at https://other.example"):
        open_ledger(str(made), environment="demo", base_url="https://other.example", writable=writable)


def test_another_environments_ledger_is_not_migrated(made: Path) -> None:
    before = made.read_bytes()
    with pytest.raises(Refused):
        write_sqlite(made, environment="production", base_url="https://api.example", migrations=LATER)
    assert (made.read_bytes(), [made]) == (before, list(made.parent.iterdir()))


@pytest.mark.parametrize("writable", [True, False])
def test_a_newer_ledger_is_refused_with_both_formats_and_left_as_it_is(made: Path, *, writable: bool) -> None:
    sqlite_ledger(made, migrations=LATER).__exit__(None, None, None)
    before = made.read_bytes()
    with pytest.raises(LedgerTooNew, match=f"has format {NOW + 1}, and .* knows formats up to {NOW}; update"):
        open_ledger(str(made), **WHERE, writable=writable)
    assert made.read_bytes() == before


def test_before_a_migration_the_ledger_is_copied_beside_itself(made: Path) -> None:
    with sqlite_ledger(made, migrations=LATER) as ledger:
        assert ledger.connection.execute("SELECT later FROM meta").fetchone() == ("yes",)
        assert ledger.records().bindings == {"key-1": bound(1)}
    copy = made.with_name(f"ledger.db.v{NOW}.bak")
    assert mode(copy) == 0o600
    with open_ledger(str(copy), **WHERE) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}


def test_a_copy_of_an_earlier_migration_is_not_written_over(made: Path) -> None:
    made.with_name(f"ledger.db.v{NOW}.bak").write_bytes(b"kept")
    sqlite_ledger(made, migrations=LATER).__exit__(None, None, None)
    assert made.with_name(f"ledger.db.v{NOW}.bak").read_bytes() == b"kept"
    assert made.with_name(f"ledger.db.v{NOW}.1.bak").is_file()


def test_a_migration_that_fails_leaves_the_ledger_in_its_old_format(made: Path) -> None:
    broken = (*shipped(), "CREATE TABLE half (a);\nCREATE TABLE meta (a);\n")
    with pytest.raises(LedgerFailed):
        write_sqlite(made, **WHERE, migrations=broken)
    with open_ledger(str(made), **WHERE) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}


def test_reading_an_older_ledger_reads_it_as_migrated_and_leaves_the_file(made: Path) -> None:
    before = made.read_bytes()
    with read_sqlite(made, **WHERE, migrations=LATER) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}
    assert (made.read_bytes(), list(made.parent.iterdir())) == (before, [made])


def test_a_ledger_whose_making_was_cut_short_is_made_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.touch()
    with open_ledger(str(path), **WHERE, writable=False) as ledger:
        assert ledger == EmptyLedger(str(path))
    with open_ledger(str(path), **WHERE) as ledger:
        ledger.commit([PutBinding(bound(1))])
        assert ledger.records().bindings == {"key-1": bound(1)}
