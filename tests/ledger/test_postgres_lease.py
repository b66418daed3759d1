"""The lease: one writing run per account on any machine, by the database's clock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import postgres_server
import pytest
from ledgers import bound, open_postgres
from postgres_server import ask, expire, lasts_s

from reconciler.errors import LedgerFailed, Locked, ReconcilerError, TakenOver
from reconciler.ledger import Holder, Ledger
from reconciler.ledger.lock import died, process_key, this_machine
from reconciler.ledger.postgres.connect import end_lease, lease_holder
from reconciler.ledger.postgres.connect import open_postgres as open_url
from reconciler.model.ledger import PutBinding

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")
BEN = Holder("ben@other 8", "2026-01-01T00:00:20Z", "undo")


def begin(folder: Path, holder: Holder = ANA, *, account: str | None = None, **how: Any) -> Ledger:  # noqa: ANN401
    given = {"environment": f"demo {folder}", "base_url": "https://api.example", **how}
    ledger = open_url(postgres_server.server_url(), **given)
    try:
        return ledger.begin(holder, account=account or str(folder))
    except ReconcilerError:
        ledger.__exit__(None, None, None)
        raise


def test_while_a_run_holds_the_lease_another_is_told_who_it_is(tmp_path: Path) -> None:
    with (
        begin(tmp_path),
        pytest.raises(Locked, match="holds the lock: apply by ana@host 7 since 2026-01-01T00:00:00Z; wait") as told,
    ):
        begin(tmp_path, BEN)
    assert told.value.exit_code == 3


def test_two_ledgers_of_one_account_share_its_lease_and_other_accounts_have_their_own(tmp_path: Path) -> None:
    with (
        begin(tmp_path / "one", account=str(tmp_path)),
        begin(tmp_path / "two", account=f"{tmp_path} too"),
        pytest.raises(Locked),
    ):
        begin(tmp_path / "three", account=str(tmp_path))


def test_two_client_ids_do_not_write_to_one_ledger_at_once(tmp_path: Path) -> None:
    with begin(tmp_path, account=f"{tmp_path} a"), pytest.raises(Locked, match="ana@host 7"):
        begin(tmp_path, BEN, account=f"{tmp_path} b")


def test_a_refused_run_leaves_no_lease_behind(tmp_path: Path) -> None:
    with begin(tmp_path, account=f"{tmp_path} a"), pytest.raises(Locked):
        begin(tmp_path, BEN, account=f"{tmp_path} b")
    assert lease_holder(postgres_server.server_url(), f"{tmp_path} b") is None


def test_a_lease_that_has_expired_is_taken_over(tmp_path: Path) -> None:
    with begin(tmp_path):
        expire(str(tmp_path))
        with begin(tmp_path, BEN):
            assert lease_holder(postgres_server.server_url(), str(tmp_path)) == BEN


def test_leaving_ends_the_lease(tmp_path: Path) -> None:
    with begin(tmp_path):
        held = lease_holder(postgres_server.server_url(), str(tmp_path))
    assert (held, lease_holder(postgres_server.server_url(), str(tmp_path))) == (ANA, None)


def test_a_late_run_that_leaves_does_not_end_the_lease_of_the_one_that_took_over(tmp_path: Path) -> None:
    late = begin(tmp_path)
    expire(str(tmp_path))
    with begin(tmp_path, BEN):
        late.__exit__(None, None, None)
        assert lease_holder(postgres_server.server_url(), str(tmp_path)) == BEN


def test_a_lease_lasts_15_seconds_from_its_last_renewal_or_commit(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        lasted = [run.lease_s, lasts_s(str(tmp_path))]
        for again in (run.renew, lambda: run.commit([])):
            expire(str(tmp_path))
            again()
            lasted.append(lasts_s(str(tmp_path)))
    assert all(10 < seconds <= 15 for seconds in lasted)


def test_a_run_whose_lease_expired_goes_on_where_nobody_took_it(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        expire(str(tmp_path))
        run.commit([PutBinding(bound(1))])
        assert run.records().bindings == {"key-1": bound(1)}


def test_a_run_that_was_taken_over_cannot_renew(tmp_path: Path) -> None:
    with begin(tmp_path) as late:
        expire(str(tmp_path))
        with begin(tmp_path, BEN), pytest.raises(TakenOver, match="at 2026-01-01T00:00:20Z: undo by ben@other 8"):
            late.renew()


def test_a_run_on_another_ledger_of_the_account_takes_over_too(tmp_path: Path) -> None:
    with begin(tmp_path / "one", account=str(tmp_path)) as late:
        expire(str(tmp_path))
        with begin(tmp_path / "two", BEN, account=str(tmp_path)), pytest.raises(TakenOver, match="undo by ben@other 8"):
            late.commit([PutBinding(bound(1))])
        assert late.records().bindings == {}


def test_a_run_whose_lock_was_ended_by_hand_writes_nothing_more(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        end_lease(postgres_server.server_url(), str(tmp_path))
        with pytest.raises(TakenOver, match="ended by hand; it writes and sends nothing more"):
            run.commit([PutBinding(bound(1))])
        assert run.records().bindings == {}


def test_what_was_learned_is_not_written_while_a_run_writes(tmp_path: Path) -> None:
    with begin(tmp_path), open_postgres(tmp_path) as other:
        with pytest.raises(Locked, match="apply by ana@host 7"):
            other.commit([PutBinding(bound(1))])
        assert other.records().bindings == {}


def test_a_ledger_that_was_opened_for_reading_begins_no_run(tmp_path: Path) -> None:
    with begin(tmp_path), pytest.raises(LedgerFailed, match="opened for reading only"):
        begin(tmp_path, writable=False)


# --- holders that died -----------------------------------------------------------------------------------


def test_the_lease_of_a_process_that_is_known_to_be_dead_is_taken_at_once(tmp_path: Path) -> None:
    with begin(tmp_path) as late, begin(tmp_path, BEN, died=lambda *_: True), pytest.raises(TakenOver):
        late.commit([PutBinding(bound(1))])


def test_a_killed_run_leaves_no_lease_to_wait_for_on_its_own_machine(tmp_path: Path) -> None:
    begun = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from reconciler.ledger import Holder
from reconciler.ledger.postgres.connect import open_postgres
ledger = open_postgres({postgres_server.server_url()!r}, environment="demo {tmp_path}", base_url="https://api.example")
ledger.begin(Holder("ana@host 7", "", "apply"), account={str(tmp_path)!r})
print("begun", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", begun]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(Locked):
            begin(tmp_path, BEN)
        other.kill()
    with begin(tmp_path, BEN):
        assert lease_holder(postgres_server.server_url(), str(tmp_path)) == BEN
    assert ask("SELECT count(*) FROM reconciler.leases WHERE account = %s", str(tmp_path)) == [(0,)]


def test_this_process_lives() -> None:
    assert died(this_machine(), process_key()) is False


def test_a_process_that_ended_and_was_not_waited_for_has_died() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        stat = Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()
        assert (stat[0], died(this_machine(), f"{ended.pid}:{stat[19]}")) == ("Z", True)


def test_a_number_that_another_process_has_now_is_one_that_died() -> None:
    number = process_key().partition(":")[0]
    assert died(this_machine(), f"{number}:1") is (this_machine() != "")


@pytest.mark.parametrize("process", ["", "7", "7:", "x:1"])
def test_of_a_process_that_is_not_named_whole_nothing_is_known(process: str) -> None:
    assert died(this_machine(), process) is False


@pytest.mark.parametrize("machine", ["", "another"])
def test_of_a_process_on_another_machine_nothing_is_known(machine: str) -> None:
    assert died(machine, "4194305:1") is False
