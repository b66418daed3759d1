"""The lease of a shared ledger: one writing run per account on any machine, by the clock of what is shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import object_server
import postgres_server
import pytest
from ledgers import bound, open_objects, open_postgres

from reconciler.errors import LedgerFailed, Locked, ReconcilerError, TakenOver
from reconciler.ledger import Holder, Ledger
from reconciler.ledger.lock import died, process_key, this_machine
from reconciler.ledger.objects import ledger as objects
from reconciler.ledger.postgres import connect as postgres
from reconciler.model.ledger import PutBinding

ANA = Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")
BEN = Holder("ben@other 8", "2026-01-01T00:00:20Z", "undo")


@dataclass(frozen=True, slots=True)
class Shared:
    """What ledgers may be shared by: where, how one is opened there, and its lease seen from outside."""

    url: Callable[[], str]
    opener: str
    open_url: Callable[..., Ledger]
    open: Callable[[Path], AbstractContextManager[Ledger]]
    lease_holder: Callable[[str, str], Holder | None]
    end_lease: Callable[[str, str], None]
    expire: Callable[[str], None]
    lasts_s: Callable[[str], float]

    def begin(self, folder: Path, holder: Holder = ANA, *, account: str | None = None, **how: Any) -> Ledger:  # noqa: ANN401
        """Begin a run on the ledger of `folder`."""
        given = {"environment": f"demo {folder}", "base_url": "https://api.example", **how}
        ledger = self.open_url(self.url(), **given)
        try:
            return ledger.begin(holder, account=account or str(folder))
        except ReconcilerError:
            ledger.__exit__(None, None, None)
            raise

    def holder(self, account: str) -> Holder | None:
        """Return who holds the lease of an account."""
        return self.lease_holder(self.url(), account)


SHARED = {
    "postgres": Shared(
        postgres_server.server_url,
        "from reconciler.ledger.postgres.connect import open_postgres as open_url",
        postgres.open_postgres,
        open_postgres,
        postgres.lease_holder,
        postgres.end_lease,
        postgres_server.expire,
        postgres_server.lasts_s,
    ),
    "objects": Shared(
        object_server.store_url,
        "from reconciler.ledger.objects.ledger import open_objects as open_url",
        objects.open_objects,
        open_objects,
        objects.lease_holder,
        objects.end_lease,
        object_server.expire,
        object_server.lasts_s,
    ),
}


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest) -> Shared:
    """Return each kind of ledger that machines share."""
    return SHARED[request.param]


def test_while_a_run_holds_the_lease_another_is_told_who_it_is(shared: Shared, tmp_path: Path) -> None:
    with (
        shared.begin(tmp_path),
        pytest.raises(Locked, match="holds the lock: apply by ana@host 7 since 2026-01-01T00:00:00Z; wait") as told,
    ):
        shared.begin(tmp_path, BEN)
    assert told.value.exit_code == 3


def test_two_ledgers_of_one_account_share_its_lease_and_other_accounts_have_theirs(
    shared: Shared, tmp_path: Path
) -> None:
    with (
        shared.begin(tmp_path / "one", account=str(tmp_path)),
        shared.begin(tmp_path / "two", account=f"{tmp_path} too"),
        pytest.raises(Locked),
    ):
        shared.begin(tmp_path / "three", account=str(tmp_path))


def test_two_client_ids_do_not_write_to_one_ledger_at_once(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path, account=f"{tmp_path} a"), pytest.raises(Locked, match="ana@host 7"):
        shared.begin(tmp_path, BEN, account=f"{tmp_path} b")


def test_a_refused_run_leaves_no_lease_behind(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path, account=f"{tmp_path} a"), pytest.raises(Locked):
        shared.begin(tmp_path, BEN, account=f"{tmp_path} b")
    assert shared.holder(f"{tmp_path} b") is None


def test_a_lease_that_has_expired_is_taken_over(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path):
        shared.expire(str(tmp_path))
        with shared.begin(tmp_path, BEN):
            assert shared.holder(str(tmp_path)) == BEN


def test_leaving_ends_the_lease(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path):
        held = shared.holder(str(tmp_path))
    assert (held, shared.holder(str(tmp_path))) == (ANA, None)


def test_a_late_run_that_leaves_does_not_end_the_lease_of_who_took_over(shared: Shared, tmp_path: Path) -> None:
    late = shared.begin(tmp_path)
    shared.expire(str(tmp_path))
    with shared.begin(tmp_path, BEN):
        late.__exit__(None, None, None)
        assert shared.holder(str(tmp_path)) == BEN


def test_a_late_run_that_leaves_does_not_take_the_log_back(shared: Shared, tmp_path: Path) -> None:
    late = shared.begin(tmp_path)
    late.commit([PutBinding(bound(1))])
    shared.expire(str(tmp_path))
    with shared.begin(tmp_path, BEN) as run:
        run.commit([PutBinding(bound(2))])
        late.__exit__(None, None, None)
        run.commit([PutBinding(bound(3))])
    with shared.open(tmp_path) as ledger:
        assert set(ledger.records().bindings) == {"key-1", "key-2", "key-3"}


def test_a_run_whose_lease_expired_goes_on_where_nobody_took_it(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as run:
        shared.expire(str(tmp_path))
        run.commit([PutBinding(bound(1))])
        assert run.records().bindings == {"key-1": bound(1)}


def test_a_run_whose_lease_expired_goes_on_after_a_plan_wrote_what_it_learned(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as run, shared.open(tmp_path) as plan:
        shared.expire(str(tmp_path))
        plan.commit([PutBinding(bound(1))])
        run.commit([PutBinding(bound(2))])
        assert set(plan.records().bindings) == {"key-1", "key-2"}


def test_a_run_that_was_taken_over_cannot_renew(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as late:
        shared.expire(str(tmp_path))
        with (
            shared.begin(tmp_path, BEN),
            pytest.raises(TakenOver, match="at 2026-01-01T00:00:20Z: undo by ben@other 8"),
        ):
            late.renew()


def test_a_run_on_another_ledger_of_the_account_takes_over_too(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path / "one", account=str(tmp_path)) as late:
        shared.expire(str(tmp_path))
        with (
            shared.begin(tmp_path / "two", BEN, account=str(tmp_path)),
            pytest.raises(TakenOver, match="undo by ben@other 8"),
        ):
            late.commit([PutBinding(bound(1))])
        assert late.records().bindings == {}


def test_a_run_whose_lock_was_ended_by_hand_writes_nothing_more(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as run:
        shared.end_lease(shared.url(), str(tmp_path))
        with pytest.raises(TakenOver, match="someone ended this run's lock; it writes and sends nothing more"):
            run.commit([PutBinding(bound(1))])
        with pytest.raises(TakenOver, match="someone ended this run's lock"):
            run.renew()
        assert run.records().bindings == {}


def test_what_was_learned_is_not_written_while_a_run_writes(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path), shared.open(tmp_path) as other:
        with pytest.raises(Locked, match="apply by ana@host 7"):
            other.commit([PutBinding(bound(1))])
        assert other.records().bindings == {}


def test_what_was_learned_while_a_run_began_and_ended_is_written_after_it(shared: Shared, tmp_path: Path) -> None:
    with shared.open(tmp_path) as slow:
        with shared.begin(tmp_path) as run:
            run.commit([PutBinding(bound(1))])
            run.commit([PutBinding(bound(2))])
        slow.commit([PutBinding(bound(3))])
    with shared.open(tmp_path) as ledger:
        assert set(ledger.records().bindings) == {"key-1", "key-2", "key-3"}


def test_a_ledger_that_was_opened_for_reading_begins_no_run(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path), pytest.raises(LedgerFailed, match="opened for reading only"):
        shared.begin(tmp_path, writable=False)


def test_of_two_that_want_the_lease_at_once_one_has_it(shared: Shared, tmp_path: Path) -> None:
    def tried(folder: Path, holder: Holder, both: Barrier) -> Ledger | None:
        both.wait()
        try:
            return shared.begin(folder, holder)
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


def test_the_lease_of_a_process_that_is_known_to_be_dead_is_taken_at_once(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as late, shared.begin(tmp_path, BEN, died=lambda *_: True), pytest.raises(TakenOver):
        late.commit([PutBinding(bound(1))])


def test_a_lease_lasts_15_seconds_from_its_last_renewal(shared: Shared, tmp_path: Path) -> None:
    with shared.begin(tmp_path) as run:
        lasts = [run.lease_s, shared.lasts_s(str(tmp_path))]
        shared.expire(str(tmp_path))
        run.renew()
        lasts.append(shared.lasts_s(str(tmp_path)))
    assert all(10 < seconds <= 15 for seconds in lasts)


def test_a_commit_to_a_database_renews_its_lease(tmp_path: Path) -> None:
    database = SHARED["postgres"]
    with database.begin(tmp_path) as run:
        database.expire(str(tmp_path))
        run.commit([])
        assert 10 < database.lasts_s(str(tmp_path)) <= 15


def test_a_killed_run_leaves_no_lease_to_wait_for_on_its_own_machine(shared: Shared, tmp_path: Path) -> None:
    begun = f"""
import sys
from reconciler.ledger import Holder
{shared.opener}
ledger = open_url({shared.url()!r}, environment="demo {tmp_path}", base_url="https://api.example")
ledger.begin(Holder("ana@host 7", "", "apply"), account={str(tmp_path)!r})
print("begun", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", begun]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "begun\n"
        with pytest.raises(Locked):
            shared.begin(tmp_path, BEN)
        other.kill()
    with shared.begin(tmp_path, BEN):
        assert shared.holder(str(tmp_path)) == BEN
    assert shared.holder(str(tmp_path)) is None


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
