"""The tables in the database: made once, migrated with a copy, read without a right to write, filled by COPY."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import postgres_server
import pytest
from ledgers import bound, open_postgres
from postgres_server import ask

from reconciler.errors import LedgerFailed, LedgerTooNew, Locked
from reconciler.ledger import Holder, Ledger
from reconciler.ledger.base import EmptyLedger
from reconciler.ledger.postgres.connect import open_postgres as open_url
from reconciler.ledger.postgres.ledger import PostgresLedger
from reconciler.ledger.sqlite_file import shipped_in
from reconciler.model.core import Action, Address, CustomerId
from reconciler.model.ledger import DropBinding, Intent, PutBinding, PutIntent, PutTaken, PutUsers, SeenUser

SHIPPED = shipped_in("reconciler.ledger.postgres")
NOW = len(SHIPPED)
LATER = (*SHIPPED, "ALTER TABLE reconciler.ledgers ADD COLUMN later TEXT NOT NULL DEFAULT 'yes';")
ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")


@pytest.fixture
def empty() -> str:
    return postgres_server.database("made")


def opened(url: str, environment: str = "demo", **how: object) -> Ledger:
    given: dict[str, object] = {"environment": environment, "base_url": "https://api.example", **how}
    return open_url(url, **given)  # type: ignore[arg-type]


def test_reading_makes_nothing(empty: str) -> None:
    with opened(empty, writable=False) as ledger:
        assert ledger == EmptyLedger(ledger.path if isinstance(ledger, EmptyLedger) else "")
    assert ask("SELECT to_regnamespace('reconciler')", url=empty) == [(None,)]


def test_two_first_runs_at_once_make_one_ledger(empty: str) -> None:
    lineages: list[str] = []

    def first_run() -> None:
        with opened(empty) as ledger:
            lineages.append(ledger.copy().meta.lineage)

    threads = [threading.Thread(target=first_run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(lineages), len(set(lineages))) == (4, 1)


def test_environments_and_apis_have_ledgers_of_their_own_in_one_database(empty: str) -> None:
    with opened(empty) as ledger:
        ledger.commit([PutBinding(bound(1))])
    for other in ({"environment": "production"}, {"base_url": "https://other.example"}):
        with opened(empty, **other) as ledger:
            assert ledger.records().bindings == {}


def test_before_a_migration_all_tables_are_copied_into_a_schema_beside(empty: str) -> None:
    with opened(empty) as ledger:
        ledger.commit([PutBinding(bound(1))])
    with opened(empty, migrations=LATER) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}
    assert ask("SELECT later FROM reconciler.ledgers", url=empty) == [("yes",)]
    copied = f"SELECT external_id, version FROM reconciler_v{NOW}.bindings, reconciler_v{NOW}.format"  # noqa: S608 - a number of our own
    assert ask(copied, url=empty) == [("key-1", NOW)]


def test_a_newer_format_is_refused_with_both_numbers(empty: str) -> None:
    opened(empty, migrations=LATER).__exit__(None, None, None)
    for writable in (True, False):
        with pytest.raises(
            LedgerTooNew, match=f"has format {NOW + 1}, but .* knows formats up to {NOW}; update reconciler"
        ):
            opened(empty, writable=writable)


def test_an_older_format_is_not_migrated_by_one_who_only_reads(empty: str) -> None:
    opened(empty).__exit__(None, None, None)
    with pytest.raises(LedgerFailed, match=f"has the older format {NOW}, and is read-only here"):
        opened(empty, writable=False, migrations=LATER)


def test_while_a_run_writes_nothing_is_migrated(empty: str) -> None:
    with opened(empty) as ledger, ledger.begin(ANA, account="a"), pytest.raises(Locked, match="apply by ana@host 7"):
        opened(empty, migrations=LATER)
    assert ask("SELECT version FROM reconciler.format", url=empty) == [(NOW,)]


def test_a_run_that_was_only_delayed_writes_nothing_into_a_migrated_ledger(empty: str) -> None:
    with opened(empty) as ledger:
        late = ledger.begin(ANA, account="a")
        ask("UPDATE reconciler.leases SET expires_at = now() - interval '1 second'", url=empty)
        opened(empty, migrations=LATER).__exit__(None, None, None)
        with pytest.raises(LedgerFailed, match="another run has taken over"):
            late.commit([PutBinding(bound(1))])
        with pytest.raises(LedgerTooNew):
            ledger.begin(ANA, account="a")


def test_a_migration_that_fails_leaves_the_old_format(empty: str) -> None:
    opened(empty).__exit__(None, None, None)
    with pytest.raises(LedgerFailed):
        opened(empty, migrations=(*SHIPPED, "CREATE TABLE reconciler.half (a TEXT); CREATE TABLE reconciler.runs ();"))
    assert ask(f"SELECT to_regclass('reconciler.half'), to_regnamespace('reconciler_v{NOW}')", url=empty) == [
        (None, None)
    ]
    with opened(empty) as ledger:
        assert ledger.records().known is False


@pytest.fixture
def reader(empty: str) -> Iterator[str]:
    with opened(empty) as ledger:
        ledger.commit([PutBinding(bound(1))])
    ask("DROP ROLE IF EXISTS reader")
    ask("CREATE ROLE reader LOGIN PASSWORD 'reads'")
    ask("GRANT USAGE ON SCHEMA reconciler TO reader", url=empty)
    ask("GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO reader", url=empty)
    yield empty.replace("postgres@", "reader:reads@")
    ask("DROP OWNED BY reader", url=empty)
    ask("DROP ROLE reader")


def test_to_plan_a_right_to_read_is_enough(reader: str) -> None:
    with opened(reader, writable=False) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}
        with pytest.raises(LedgerFailed, match="opened for reading only"):
            ledger.commit([PutBinding(bound(2))])


def test_one_who_may_not_write_is_told_so(reader: str) -> None:
    with opened(reader) as ledger, pytest.raises(LedgerFailed, match="this user lacks a privilege there; ask the"):
        ledger.commit([PutBinding(bound(2))])


# --- many rows -------------------------------------------------------------------------------------------


def test_many_rows_of_every_kind_are_written_over_older_ones_and_read_back(tmp_path: Path) -> None:
    users = {CustomerId(f"cus_{n}"): (SeenUser(f"u{n}@x.example", {"first_name": "a\t\\N\n"}),) for n in range(300)}
    intents = [
        Intent("r", n, Action.CREATE, Address(f"key-{n}", None), None, 1.5, after={"name": None}) for n in range(300)
    ]
    with open_postgres(tmp_path) as ledger:
        for source in ("first.yaml", "tab\tbackslash\\N\nnul\0.yaml"):
            bindings = {
                f"key-{n}": replace(bound(n), source=source, applied_hash=bytes([n % 256])) for n in range(1000)
            }
            ledger.commit(
                [
                    *map(PutBinding, bindings.values()),
                    *(PutUsers(*row) for row in users.items()),
                    *(PutTaken(f"key-{n}", "\x1a") for n in range(300)),
                    *map(PutIntent, intents),
                ]
            )
        records = ledger.records()
        assert (records.bindings, dict(records.users)) == (bindings, users)
        assert records.taken == {f"key-{n}": "\x1a" for n in range(300)}
        assert sorted(records.intents, key=lambda one: one.seq) == intents


def test_among_many_rows_customers_may_change_their_keys_in_their_order(tmp_path: Path) -> None:
    with open_postgres(tmp_path) as ledger:
        ledger.commit([PutBinding(bound(n)) for n in range(400)])
        shifted = [replace(bound(n), id=CustomerId(f"cus_{n + 1}")) for n in reversed(range(400))]
        ledger.commit(map(PutBinding, shifted))
        assert ledger.records().bindings == {row.external_id: row for row in shifted}


def test_among_many_rows_a_second_key_for_a_customer_is_refused_and_none_is_written(tmp_path: Path) -> None:
    with open_postgres(tmp_path) as ledger:
        with pytest.raises(LedgerFailed, match="two keys"):
            ledger.commit([*(PutBinding(bound(n)) for n in range(400)), PutBinding(replace(bound(1), external_id="b"))])
        assert ledger.records().bindings == {}


def test_many_drops_and_many_rows_take_effect_in_their_order(tmp_path: Path) -> None:
    with open_postgres(tmp_path) as ledger:
        ledger.commit([PutBinding(bound(n)) for n in range(300)])
        moved = [replace(bound(n), external_id=f"new-{n}") for n in range(300)]
        ledger.commit([*(DropBinding(f"key-{n}") for n in range(300)), *map(PutBinding, moved), DropBinding("new-0")])
        assert ledger.records().bindings == {row.external_id: row for row in moved[1:]}


def test_nothing_outlives_a_commit_on_the_connection(tmp_path: Path) -> None:
    with open_postgres(tmp_path) as ledger:
        assert isinstance(ledger, PostgresLedger)
        ledger.commit([PutBinding(bound(n)) for n in range(300)])
        connection = ledger.session.connection()
        left = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'reconciler_incoming%'").fetchone()
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        locks = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
        timeout = connection.execute("SHOW lock_timeout").fetchone()
    assert (left, prepared, locks, timeout) == ((0,), (0,), (0,), ("0",))
