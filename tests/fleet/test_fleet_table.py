"""The table of a fleet: what follows from a result, what is due, and that it survives and is refused where it must."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import postgres_server
import pytest
from command_line import Place
from fleets import fleet_in
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.fleet.table import (
    TABLES_LOCK,
    DatabaseStore,
    FileStore,
    FleetTable,
    after,
    in_shard,
    is_due,
    next_due,
    open_table,
    place_of,
)
from reconciler.model.fleet import AccountState, AccountStatus, Day, FleetAccount, JobKind, JobResult

pytest_plugins = ("command_fixtures",)

NOW = 1_767_225_600.0
ACME = FleetAccount("acme", "production", "accounts/acme", {"wave": "canary"}, 3600.0)
GLOBEX = FleetAccount("globex", "production", "accounts/globex")


@pytest.fixture(params=["file", "postgres"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FleetTable]:
    if request.param == "file":
        with opened(tmp_path) as one:
            yield one
    else:
        store = DatabaseStore(postgres_server.database("fleet_table"))
        with FleetTable(store, "production", "msp") as one:
            yield one


def opened(folder: Path, *, create: bool = True) -> FleetTable:
    return FleetTable(FileStore(folder / "state" / "fleet.db", create=create), "production", "msp")


def ended(state: AccountState, at: float = NOW, **fields: object) -> JobResult:
    return replace(JobResult("acme", JobKind.DRIFT, state, 0, at - 2.0, at, customers=7), **fields)  # type: ignore[arg-type]


def test_a_result_is_kept_with_what_was_known_before(table: FleetTable) -> None:
    table.put_accounts([ACME])
    former, now = table.record(ended(AccountState.DRIFTED, drifted=2, requests=3, commit="abc"), ACME)
    assert (former.state, now.state, now.since, now.drifted) == (AccountState.NEW, AccountState.DRIFTED, NOW, 2)
    former, later = table.record(ended(AccountState.DRIFTED, NOW + 60), ACME)
    assert former == now
    assert (later.since, later.checked_at, later.ok_at, later.seconds) == (NOW, NOW + 60, NOW + 60, 2.0)
    assert table.statuses() == {"acme": later}


def test_a_failure_keeps_what_was_known_of_the_customers(table: FleetTable) -> None:
    table.record(ended(AccountState.IN_SYNC), ACME)
    table.record(ended(AccountState.FAILED, NOW + 60, customers=0, error="Forbidden", message="403"), ACME)
    (status,) = table.statuses().values()
    assert (status.state, status.failures, status.customers, status.ok_at) == (AccountState.FAILED, 1, 7, NOW)
    table.record(ended(AccountState.IN_SYNC, NOW + 120), ACME)
    assert (table.statuses()["acme"].failures, table.statuses()["acme"].error) == (0, "")


def test_accounts_that_are_gone_are_forgotten_and_others_keep_what_is_known(table: FleetTable) -> None:
    table.put_accounts([ACME, GLOBEX])
    table.record(ended(AccountState.DRIFTED), ACME)
    suspended = replace(ACME, labels={}, suspended=True)
    table.put_accounts([suspended])
    assert table.accounts() == (suspended,)
    (status,) = table.statuses().values()
    assert (status.state, status.checked_at) == (AccountState.SUSPENDED, NOW)
    table.put_accounts([ACME])
    assert table.statuses()["acme"].state is AccountState.DRIFTED


def test_two_fleets_of_one_table_know_nothing_of_each_other(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "fleet.db")
    with FleetTable(store, "production", "east") as east:
        west = FleetTable(store, "production", "west")
        east.put_accounts([ACME])
        west.put_accounts([GLOBEX])
        east.put_accounts([])
        assert (east.accounts(), west.accounts()) == ((), (GLOBEX,))


def test_an_account_is_made_due(table: FleetTable) -> None:
    table.record(ended(AccountState.IN_SYNC), ACME)
    assert not is_due(ACME, table.statuses()["acme"], NOW)
    assert table.make_due(["acme", "unknown"], NOW) == 1
    assert is_due(ACME, table.statuses()["acme"], NOW)


def test_news_is_what_was_not_notified_of_yet(table: FleetTable) -> None:
    table.put_accounts([ACME, GLOBEX])
    assert table.news() == ()
    _, drifted = table.record(ended(AccountState.DRIFTED), ACME)
    assert table.news() == ((drifted, ""),)
    table.mark_notified([drifted])
    assert table.news() == ()
    _, recovered = table.record(ended(AccountState.IN_SYNC), ACME)
    assert table.news() == ((recovered, "drifted"),)


def test_one_process_notifies_at_a_time_and_one_that_was_killed_does_not_keep_others_from_it(
    table: FleetTable,
) -> None:
    with table.sending("a", NOW) as first, table.sending("b", NOW) as second:
        assert (first, second) == (True, False)
    with table.sending("b", NOW) as free:
        assert free
    killed = table.sending("a", NOW)
    assert killed.__enter__()
    for ahead_s, taken in ((60.0, False), (121.0, True)):
        with table.sending("b", NOW + ahead_s) as mine:
            assert mine is taken


def test_days_hold_their_last_counts(table: FleetTable) -> None:
    table.put_accounts([ACME, GLOBEX])
    table.record(ended(AccountState.DRIFTED), ACME)
    table.count_day(NOW)
    table.record(ended(AccountState.FAILED), ACME)
    table.count_day(NOW + 60)
    table.count_day(NOW + 86400)
    assert table.days() == (
        Day("2026-01-01", "production", 2, 0, 1),
        Day("2026-01-02", "production", 2, 0, 1),
    )


def test_what_was_written_is_there_after_the_process_has_ended(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        one.record(ended(AccountState.DRIFTED), ACME)
        with opened(tmp_path) as other:
            assert other.statuses()["acme"].state is AccountState.DRIFTED
    assert (tmp_path / "state" / "fleet.db").stat().st_mode & 0o077 == 0


def test_a_table_that_is_not_made_looks_empty_and_cannot_be_written(tmp_path: Path) -> None:
    with opened(tmp_path, create=False) as one:
        assert (one.statuses(), one.accounts(), one.days()) == ({}, (), ())
        with pytest.raises(LedgerFailed, match="no such file"):
            one.put_accounts([ACME])
    assert not (tmp_path / "state").exists()


def test_a_table_of_a_newer_version_and_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state" / "fleet.db"
    opened(tmp_path).store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerTooNew, match="format 99"):
        opened(tmp_path)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (a)")
    with pytest.raises(LedgerFailed, match="not the table of a fleet"):
        opened(tmp_path)
    path.write_text("text " * 200)
    with pytest.raises(LedgerFailed, match=r"fleet\.db"):
        opened(tmp_path)


def test_statements_are_carried_out_all_or_none(table: FleetTable) -> None:
    drop = "DELETE FROM fleet_accounts WHERE fleet = ?"
    table.put_accounts([ACME])
    with pytest.raises(LedgerFailed):
        table.store.write([(drop, [(table.name,)]), ("INSERT INTO fleet_days VALUES (?)", [(1,)])])
    assert table.accounts() == (ACME,)


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ("", ".reconciler/fleet.db"),
        ("state: ledgers/\n", "ledgers/fleet.db"),
        ("state: 'ledgers/{account}.db'\n", "ledgers/fleet.db"),
        ("state: s3://bucket/state\n", ".reconciler/fleet.db"),
    ],
)
def test_the_file_is_where_the_ledgers_of_all_accounts_are(here: Place, state: str, where: str) -> None:
    with fleet_in(here) as fleet:
        project = (fleet.folder / "reconciler.yaml").read_text()
        fleet.write("reconciler.yaml", project + (f"    {state}" if state else ""))
        fleet.variables["RECONCILER_ALLOWED_HOSTS"] = "bucket"
        assert place_of(fleet.settings(), "production") == str(fleet.folder / where)


def test_the_table_of_a_fleet_is_opened_by_its_settings(here: Place) -> None:
    with fleet_in(here) as fleet, open_table(fleet.settings(), "production") as table:
        assert table.name == "msp/production"
        assert (fleet.folder / ".reconciler" / "fleet.db").exists()


# --- what is due -------------------------------------------------------------------------------------

names = st.text("abcdefgh0123456789-", min_size=1, max_size=8)


@given(names, st.floats(1.0, 1e6), st.floats(0, 4e9))
def test_an_account_is_due_once_in_each_period_at_a_moment_of_its_own(name: str, every_s: float, now: float) -> None:
    account = FleetAccount(name, "production", name, {}, every_s)
    due = next_due(account, now)
    assert now < due <= now + every_s * 1.0001 + 0.001
    assert abs(next_due(account, due + every_s * 0.001) - due - every_s) < every_s * 0.01 + 0.01


def test_accounts_are_spread_over_the_period() -> None:
    due = [next_due(FleetAccount(f"a{number}", "production", ""), NOW) - NOW for number in range(1000)]
    assert [sum(0 <= one - at < 600 for one in due) > 100 for at in range(0, 3600, 600)] == [True] * 6


def test_after_failures_it_is_tried_again_soon_and_then_less_often() -> None:
    waits = [next_due(replace(ACME, every_s=1e9), NOW, number) - NOW for number in range(1, 6)]
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0]
    assert next_due(ACME, NOW, 30) == next_due(ACME, NOW)


def test_a_wrong_key_is_not_tried_again_soon() -> None:
    assert next_due(ACME, NOW, 1, "Forbidden") == next_due(ACME, NOW)


def test_what_is_suspended_is_never_due() -> None:
    assert is_due(ACME, None, NOW)
    assert not is_due(replace(ACME, suspended=True), None, NOW)


@given(names, st.integers(1, 20))
def test_an_account_is_in_one_part_of_several(name: str, parts: int) -> None:
    assert sum(in_shard(name, part, parts) for part in range(1, parts + 1)) == 1


def test_a_status_follows_from_a_result_alone() -> None:
    former = AccountStatus("acme", "production", AccountState.IN_SYNC, since=5.0)
    status = after(former, ended(AccountState.IN_SYNC), ACME)
    assert (status.since, status.next_due) == (5.0, next_due(ACME, NOW))


def test_a_database_without_the_table_looks_empty_and_one_of_a_newer_version_is_refused() -> None:
    url = postgres_server.database("fleet_table_format")
    with FleetTable(DatabaseStore(url, create=False), "production", "msp") as one:
        assert (one.accounts(), one.statuses()) == ((), {})
        with pytest.raises(LedgerFailed, match="no table of a fleet"):
            one.put_accounts([ACME])
    with FleetTable(DatabaseStore(url), "production", "msp") as one:
        one.put_accounts([ACME])
        one.store.write([("UPDATE fleet_format SET version = ?", [(99,)])])
    with pytest.raises(LedgerTooNew, match="format 99"):
        DatabaseStore(url)


def test_workers_that_begin_together_make_the_tables_once() -> None:
    url = postgres_server.database("fleet_table_together")

    def opens(_: int) -> None:
        DatabaseStore(url).close()

    with ThreadPoolExecutor(3) as threads:
        with postgres_server.locked(url, TABLES_LOCK) as waiting:
            opened = threads.map(opens, range(3))
            waiting(3)
        assert list(opened) == [None] * 3
    assert postgres_server.ask("SELECT count(*) FROM reconciler.fleet_format", url=url) == [(1,)]
