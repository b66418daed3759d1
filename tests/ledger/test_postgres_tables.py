"""The tables in the database: made once, migrated in use, read without a right to write, filled by COPY."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ledgers
import postgres_server
import psycopg
import pytest
from ledgers import bound, open_postgres
from postgres_server import ask

from reconciler.errors import LedgerFailed, LedgerTooNew, Locked
from reconciler.ledger import Holder, Ledger
from reconciler.ledger.base import EmptyLedger
from reconciler.ledger.postgres.connect import open_postgres as open_url
from reconciler.ledger.postgres.ledger import PostgresLedger
from reconciler.ledger.rows import PUTS
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


def test_a_migration_adds_to_the_tables_and_copies_none(empty: str) -> None:
    with opened(empty) as ledger:
        ledger.commit([PutBinding(bound(1))])
    with opened(empty, migrations=LATER) as ledger:
        assert ledger.records().bindings == {"key-1": bound(1)}
    assert ask("SELECT later FROM reconciler.ledgers", url=empty) == [("yes",)]
    assert ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'reconciler%%'", url=empty) == [("reconciler",)]


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


def test_a_run_that_writes_goes_on_through_a_migration_and_no_other_begins_in_the_old_format(empty: str) -> None:
    with opened(empty) as ledger, ledger.begin(ANA, account="a") as writing:
        writing.commit([PutBinding(bound(1))])
        with opened(empty, environment="other", migrations=LATER) as later:
            later.commit([PutBinding(bound(2))])
        writing.renew()
        writing.commit([PutBinding(bound(3))])
        assert set(writing.records().bindings) == {"key-1", "key-3"}
        with opened(empty, migrations=LATER) as later, pytest.raises(Locked, match="apply by ana@host 7"):
            later.begin(Holder("bob@host 8", "2026-01-01T00:00:00Z", "apply"), account="a")
    with opened(empty, environment="other", migrations=LATER) as later:
        assert set(later.records().bindings) == {"key-2"}
    assert ask("SELECT version FROM reconciler.format", url=empty) == [(NOW + 1,)]


def test_a_program_that_opened_the_ledger_before_a_migration_begins_no_run_after_it(empty: str) -> None:
    with opened(empty) as ledger:
        opened(empty, migrations=LATER).__exit__(None, None, None)
        with pytest.raises(LedgerTooNew, match="just migrated to another format; update reconciler"):
            ledger.begin(ANA, account="a")
    assert ask("SELECT count(*) FROM reconciler.leases", url=empty) == [(0,)]


def test_a_migration_waits_its_turn_behind_a_commit_and_holds_up_none_behind_it(empty: str) -> None:
    opened(empty).__exit__(None, None, None)
    with psycopg.connect(empty) as busy:
        busy.execute("LOCK TABLE reconciler.ledgers IN ROW EXCLUSIVE MODE")
        migrating = threading.Thread(target=lambda: opened(empty, migrations=LATER).__exit__(None, None, None))
        migrating.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        while migrating.is_alive() and ask(waits, url=empty) == [(0,)]:
            pass
        with opened(empty, environment="other") as ledger:
            ledger.commit([PutBinding(bound(1))])
            assert ask("SELECT version FROM reconciler.format", url=empty) == [(NOW,)]
    migrating.join()
    assert ask("SELECT version FROM reconciler.format", url=empty) == [(NOW + 1,)]


def test_what_keeps_a_migration_waiting_for_long_is_reported_and_nothing_is_changed(empty: str) -> None:
    opened(empty).__exit__(None, None, None)
    with psycopg.connect(empty) as backup:
        backup.execute("LOCK TABLE reconciler.ledgers IN ACCESS SHARE MODE")
        with pytest.raises(LedgerFailed, match=r"used them for 1 s \(a backup\?\).*; run again when that has finished"):
            opened(empty, migrations=LATER, tries=2)
    assert ask("SELECT version FROM reconciler.format", url=empty) == [(NOW,)]


def test_a_migration_that_fails_leaves_the_old_format(empty: str) -> None:
    opened(empty).__exit__(None, None, None)
    with pytest.raises(LedgerFailed):
        opened(empty, migrations=(*SHIPPED, "CREATE TABLE reconciler.half (a TEXT); CREATE TABLE reconciler.runs ();"))
    assert ask("SELECT to_regclass('reconciler.half')", url=empty) == [(None,)]
    with opened(empty) as ledger:
        assert ledger.records().known is False


# --- a migration only adds -------------------------------------------------------------------------------

_COLUMN = r"\w+ (?!.*NOT NULL$)[A-Z ]+?( NOT NULL DEFAULT ('\w*'|\d+|true|false))?"
ADDS = re.compile(
    r"CREATE TABLE reconciler\.\w+ \(.*\)"
    r"|CREATE INDEX \w+ ON reconciler\.\w+ \(.*\)"
    rf"|ALTER TABLE reconciler\.(?!leases|paces|format)\w+ ADD COLUMN {_COLUMN}",
    re.DOTALL,
)
"""
What a run of an older version goes on with: it leaves out new columns and tables, and a new row has its default there.

No column of what all ledgers share, on which versions must agree, and no unique index, which would refuse its rows.
"""


def only_adds(script: str) -> bool:
    statements = (one.strip() for one in re.sub(r"--.*", "", script).split(";"))
    return all(ADDS.fullmatch(one) for one in statements if one)


@pytest.mark.parametrize("number", range(2, NOW + 1))
def test_every_migration_only_adds(number: int) -> None:
    assert only_adds(SHIPPED[number - 1])


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE reconciler.runs DROP COLUMN who;",
        "ALTER TABLE reconciler.runs ADD COLUMN later TEXT NOT NULL;",
        "ALTER TABLE reconciler.runs ADD COLUMN later UUID DEFAULT gen_random_uuid();",
        "ALTER TABLE reconciler.runs ADD COLUMN later TEXT; UPDATE reconciler.runs SET later = who;",
        "ALTER TABLE reconciler.leases ADD COLUMN scope TEXT NOT NULL DEFAULT '';",
        "ALTER TABLE reconciler.runs RENAME COLUMN who TO person;",
        "CREATE UNIQUE INDEX one ON reconciler.runs (who);",
    ],
)
def test_what_an_older_run_could_not_go_on_with_is_no_migration(script: str) -> None:
    assert not only_adds(script)


@pytest.mark.parametrize("number", range(1, NOW))
def test_the_statements_of_every_older_version_do_the_same_in_the_tables_of_today(number: int) -> None:
    url = postgres_server.database("old")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ledgers.kept(f"postgres-{number}", "ledger.sql", ledgers.ANY_URL).encode())
        names = "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns "
        tables = {
            put.table: (columns, f"ledger, {put.key}" if put.key else "ledger")
            for put in PUTS.values()
            if (
                columns := connection.execute(
                    f"{names}WHERE table_name = '{put.table}' AND column_name <> 'position'"
                ).fetchone()[0]
            )  # type: ignore[index]
        }
        before = {table: contents(connection, table, columns) for table, (columns, _) in tables.items()}
        opened(url).__exit__(None, None, None)
        assert connection.execute("SELECT version FROM reconciler.format").fetchone() == (NOW,)
        assert {table: contents(connection, table, columns) for table, (columns, _) in tables.items()} == before
        for table, (columns, key) in tables.items():
            changed = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", "))
            row = f"INSERT INTO reconciler.{table} ({columns}) SELECT {columns} FROM aside"  # noqa: S608 - names of our own
            aside = f"SELECT {columns} FROM reconciler.{table}"  # noqa: S608 - names of our own
            connection.execute(f"CREATE TEMPORARY TABLE aside AS {aside}")
            connection.execute(f"{row} ON CONFLICT ({key}) DO UPDATE SET {changed}")
            connection.execute(f"DELETE FROM reconciler.{table}")  # noqa: S608 - names of our own
            connection.execute(row)
            connection.execute("DROP TABLE aside")
        assert {table: contents(connection, table, columns) for table, (columns, _) in tables.items()} == before
    with opened(url, environment="default", base_url=ledgers.ANY_URL, create=False) as ledger:
        assert len(ledger.records().bindings) == len(before["bindings"]) > 0


def contents(connection: psycopg.Connection[tuple[Any, ...]], table: str, columns: str) -> list[tuple[Any, ...]]:
    return sorted(connection.execute(f"SELECT {columns} FROM reconciler.{table}").fetchall(), key=str)  # noqa: S608 - names of our own


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
