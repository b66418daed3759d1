"""One writing run per account on this machine."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LedgerFailed, Locked
from reconciler.ledger import Holder, Lock, lock_holder, take_lock

ACCOUNT: dict[str, Any] = {"base_url": "https://api.example", "client_id": "client"}


class Waits:
    """A clock that notes its waits; `then` happens in each."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.waits: list[float] = []
        self.then = then

    def now(self) -> float:
        return 1_767_225_600.0

    def monotonic(self) -> float:
        return sum(self.waits)

    async def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.then()


def take(folder: Path, **how: object) -> Lock:
    given: dict[str, Any] = {**ACCOUNT, "doing": "apply", "clock": Waits(), "folder": folder, **how}
    return asyncio.run(take_lock(**given))


def test_a_held_lock_says_who_holds_it_since_when_doing_what(tmp_path: Path) -> None:
    with (
        take(tmp_path, who="ana@host 7"),
        pytest.raises(Locked, match="holds the lock: apply by ana@host 7 since 2026-01-01T00:00:00Z; wait") as told,
    ):
        take(tmp_path)
    assert told.value.exit_code == 3


def test_a_lock_names_this_process_unless_told(tmp_path: Path) -> None:
    with take(tmp_path) as lock:
        assert lock.holder.who.startswith(f"{getpass.getuser()}@")
        assert lock.holder.who.endswith(f" {os.getpid()}")


def test_a_lock_that_was_left_can_be_taken(tmp_path: Path) -> None:
    with take(tmp_path) as first:
        pass
    with take(tmp_path) as second:
        assert second.file == first.file


def test_a_lock_says_nothing_of_a_former_holder_that_was_killed(tmp_path: Path) -> None:
    with take(tmp_path) as killed:
        file = killed.file
    file.write_text('{"who": "' + "x" * 500)
    with take(tmp_path) as lock:
        assert lock_holder(**ACCOUNT, folder=tmp_path) == lock.holder


def test_other_accounts_and_other_apis_have_their_own_locks(tmp_path: Path) -> None:
    with (
        take(tmp_path),
        take(tmp_path, client_id="other"),
        take(tmp_path, base_url="https://other.example"),
    ):
        assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("other", "excluded"),
    [
        ({"client_id": "another"}, "ledger"),
        ({"ledger": "b.db"}, "account"),
        ({"client_id": "another", "ledger": "link.db"}, "ledger"),
        ({"client_id": "another", "ledger": "b.db"}, ""),
        ({"client_id": "another", "base_url": "https://other.example"}, ""),
    ],
)
def test_two_keys_of_one_ledger_exclude_each_other_and_so_do_two_ledgers_of_one_key(
    tmp_path: Path, other: dict[str, str], excluded: str
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    ours: dict[str, Any] = {**ACCOUNT, "ledger": tmp_path / "a.db"}
    theirs = {**ours, **other, "ledger": tmp_path / other.get("ledger", "a.db")}
    with take(tmp_path, **ours, who="ana@host 7") as lock:
        assert lock_holder(**theirs, folder=tmp_path) == (lock.holder if excluded else None)
        if excluded:
            with pytest.raises(Locked, match=f"another run on this {excluded} holds the lock: apply by ana@host 7"):
                take(tmp_path, **theirs)
        else:
            take(tmp_path, **theirs).__exit__(None, None, None)
    assert (lock_holder(**theirs, folder=tmp_path), lock_holder(**ours, folder=tmp_path)) == (None, None)
    take(tmp_path, **theirs).__exit__(None, None, None)


def test_a_lock_that_is_refused_for_its_account_leaves_that_of_its_ledger_free(tmp_path: Path) -> None:
    free: dict[str, Any] = {"base_url": "https://api.example", "client_id": "another", "ledger": tmp_path / "b.db"}
    with take(tmp_path, ledger=tmp_path / "a.db"):
        with pytest.raises(Locked):
            take(tmp_path, ledger=tmp_path / "b.db")
        take(tmp_path, **free).__exit__(None, None, None)


def test_the_lock_file_is_its_owners_and_its_name_tells_nothing(tmp_path: Path) -> None:
    with take(tmp_path / "made") as lock:
        assert stat.S_IMODE(lock.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(lock.file.parent.stat().st_mode) == 0o700
        assert len(lock.file.stem) == 64
        assert set(lock.file.stem) <= set("0123456789abcdef")


def test_waiting_takes_the_lock_when_it_becomes_free(tmp_path: Path) -> None:
    held = take(tmp_path)
    clock = Waits(then=lambda: held.__exit__(None, None, None))
    with take(tmp_path, clock=clock, timeout_s=60):
        assert clock.waits == [0.5]


def test_waiting_ends_after_the_time_that_was_given(tmp_path: Path) -> None:
    clock = Waits()
    with take(tmp_path), pytest.raises(Locked):
        take(tmp_path, clock=clock, timeout_s=1.25)
    assert clock.waits == [0.5, 0.5, 0.25]


def test_a_stop_while_waiting_leaves_the_lock_with_its_holder(tmp_path: Path) -> None:
    def stop() -> None:
        raise asyncio.CancelledError

    with take(tmp_path, who="ana@host 7"):
        with pytest.raises(asyncio.CancelledError):
            take(tmp_path, clock=Waits(then=stop), timeout_s=60)
        assert lock_holder(**ACCOUNT, folder=tmp_path) == Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply")


def test_nobody_holds_a_lock_that_was_never_taken_or_was_left_and_asking_makes_no_file(tmp_path: Path) -> None:
    never = lock_holder(**ACCOUNT, folder=tmp_path)
    files = list(tmp_path.iterdir())
    take(tmp_path).__exit__(None, None, None)
    assert (never, files, lock_holder(**ACCOUNT, folder=tmp_path)) == (None, [], None)


def test_what_a_lock_file_says_is_shown_without_control_characters(tmp_path: Path) -> None:
    with take(tmp_path, who="\x1b[31mana\u202e"), pytest.raises(Locked) as told:
        take(tmp_path)
    assert "\\x1b[31mana\\u202e" in str(told.value)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}"])
def test_a_lock_whose_holder_has_not_written_yet_is_held_by_another_run(tmp_path: Path, text: str) -> None:
    with take(tmp_path) as lock:
        lock.file.write_text(text)
        with pytest.raises(Locked, match="holds the lock: another run;"):
            take(tmp_path)


def test_where_the_state_folder_cannot_be_written_the_ledgers_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with take(tmp_path / "file" / "state", otherwise=tmp_path / "ledger") as lock:
        assert lock.file.parent == tmp_path / "ledger"
        assert lock_holder(**ACCOUNT, folder=tmp_path / "file" / "state", otherwise=tmp_path / "ledger") == lock.holder


def test_where_no_folder_can_be_written_it_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerFailed, match=r"cannot be written: .*file/state: Not a directory; .*XDG_STATE_HOME"):
        take(tmp_path / "file" / "state")


# --- two processes ---------------------------------------------------------------------------------------

HOLDER = """
import asyncio, sys
from pathlib import Path
from reconciler.clock import RealClock
from reconciler.ledger import take_lock

lock = asyncio.run(take_lock(base_url="https://api.example", client_id="client", doing="apply", who="ana@host 7",
                             clock=RealClock(), folder=Path(sys.argv[1])))
print("held", flush=True)
sys.stdin.readline()
"""


def test_another_process_excludes_this_one_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Locked, match="apply by ana@host 7"):
            take(tmp_path)
        other.send_signal(signal.SIGKILL)
    with take(tmp_path, who="ben@host 8") as lock:
        assert lock_holder(**ACCOUNT, folder=tmp_path) == lock.holder
