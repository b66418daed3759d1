"""The lease in object storage: one writing run per account on any machine, by the store's clock."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import object_server
import pytest
from ledgers import bound, open_objects
from object_server import expire, lasts_s

from reconciler.errors import LedgerFailed, Locked, ReconcilerError, TakenOver
from reconciler.ledger import Holder, Ledger
from reconciler.ledger.objects.ledger import end_lease, lease_holder
from reconciler.ledger.objects.ledger import open_objects as open_url
from reconciler.model.ledger import PutBinding

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")
BEN = Holder("ben@other 8", "2026-01-01T00:00:20Z", "undo")


def begin(folder: Path, holder: Holder = ANA, *, account: str | None = None, **how: Any) -> Ledger:  # noqa: ANN401
    given = {"environment": f"demo {folder}", "base_url": "https://api.example", **how}
    ledger = open_url(object_server.store_url(), **given)
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
    assert lease_holder(object_server.store_url(), f"{tmp_path} b") is None


def test_a_lease_that_has_expired_is_taken_over(tmp_path: Path) -> None:
    with begin(tmp_path):
        expire(str(tmp_path))
        with begin(tmp_path, BEN):
            assert lease_holder(object_server.store_url(), str(tmp_path)) == BEN


def test_leaving_ends_the_lease(tmp_path: Path) -> None:
    with begin(tmp_path):
        held = lease_holder(object_server.store_url(), str(tmp_path))
    assert (held, lease_holder(object_server.store_url(), str(tmp_path))) == (ANA, None)


def test_a_late_run_that_leaves_does_not_end_the_lease_of_the_one_that_took_over(tmp_path: Path) -> None:
    late = begin(tmp_path)
    expire(str(tmp_path))
    with begin(tmp_path, BEN):
        late.__exit__(None, None, None)
        assert lease_holder(object_server.store_url(), str(tmp_path)) == BEN


def test_a_late_run_that_leaves_does_not_take_the_log_back(tmp_path: Path) -> None:
    late = begin(tmp_path)
    late.commit([PutBinding(bound(1))])
    expire(str(tmp_path))
    with begin(tmp_path, BEN) as run:
        run.commit([PutBinding(bound(2))])
        late.__exit__(None, None, None)
        run.commit([PutBinding(bound(3))])
    with open_objects(tmp_path) as ledger:
        assert set(ledger.records().bindings) == {"key-1", "key-2", "key-3"}


def test_a_lease_lasts_15_seconds_from_its_last_renewal(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        lasts = [run.lease_s, lasts_s(str(tmp_path))]
        expire(str(tmp_path))
        run.renew()
        assert [*lasts, lasts_s(str(tmp_path))] == [15.0, 15.0, 15.0]


def test_a_run_whose_lease_expired_goes_on_where_nobody_took_it(tmp_path: Path) -> None:
    with begin(tmp_path) as run:
        expire(str(tmp_path))
        run.commit([PutBinding(bound(1))])
        assert run.records().bindings == {"key-1": bound(1)}


def test_a_run_whose_lease_expired_goes_on_after_a_plan_wrote_what_it_learned(tmp_path: Path) -> None:
    with begin(tmp_path) as run, open_objects(tmp_path) as plan:
        expire(str(tmp_path))
        plan.commit([PutBinding(bound(1))])
        run.commit([PutBinding(bound(2))])
        assert set(plan.records().bindings) == {"key-1", "key-2"}


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
        end_lease(object_server.store_url(), str(tmp_path))
        with pytest.raises(TakenOver, match="ended by hand; it writes and sends nothing more"):
            run.commit([PutBinding(bound(1))])
        with pytest.raises(TakenOver, match="ended by hand"):
            run.renew()
        assert run.records().bindings == {}


def test_what_was_learned_is_not_written_while_a_run_writes(tmp_path: Path) -> None:
    with begin(tmp_path), open_objects(tmp_path) as other:
        with pytest.raises(Locked, match="apply by ana@host 7"):
            other.commit([PutBinding(bound(1))])
        assert other.records().bindings == {}


def test_what_was_learned_while_a_run_began_committed_and_ended_is_written_after_it(tmp_path: Path) -> None:
    with open_objects(tmp_path) as slow:
        with begin(tmp_path) as run:
            run.commit([PutBinding(bound(1))])
            run.commit([PutBinding(bound(2))])
        slow.commit([PutBinding(bound(3))])
    with open_objects(tmp_path) as ledger:
        assert set(ledger.records().bindings) == {"key-1", "key-2", "key-3"}


def test_a_ledger_that_was_opened_for_reading_begins_no_run(tmp_path: Path) -> None:
    with begin(tmp_path), pytest.raises(LedgerFailed, match="opened for reading only"):
        begin(tmp_path, writable=False)


def test_of_two_that_want_the_lease_at_once_one_has_it(tmp_path: Path) -> None:
    def tried(folder: Path, holder: Holder, both: Barrier) -> Ledger | None:
        both.wait()
        try:
            return begin(folder, holder)
        except Locked:
            return None

    won = []
    with ThreadPoolExecutor(2) as runners:
        for number in range(20):
            both = Barrier(2)
            races = [runners.submit(tried, tmp_path / str(number), holder, both) for holder in (ANA, BEN)]
            won.append([race.result() for race in races])
    for ledgers in won:
        for ledger in ledgers:
            if ledger is not None:
                ledger.__exit__(None, None, None)
    assert [sum(one is not None for one in ledgers) for ledgers in won] == [1] * 20


# --- holders that died -----------------------------------------------------------------------------------


def test_the_lease_of_a_process_that_is_known_to_be_dead_is_taken_at_once(tmp_path: Path) -> None:
    with begin(tmp_path) as late, begin(tmp_path, BEN, died=lambda *_: True), pytest.raises(TakenOver):
        late.commit([PutBinding(bound(1))])


def test_a_killed_run_leaves_no_lease_to_wait_for_on_its_own_machine(tmp_path: Path) -> None:
    begun = f"""
import sys
from reconciler.ledger import Holder
from reconciler.ledger.objects.ledger import open_objects
ledger = open_objects({object_server.store_url()!r}, environment="demo {tmp_path}", base_url="https://api.example")
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
        assert lease_holder(object_server.store_url(), str(tmp_path)) == BEN
