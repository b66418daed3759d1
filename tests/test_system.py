"""The code of each system runs on any: that of Windows with locks that are told, that of macOS without /proc."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import LedgerFailed
from reconciler.input_file import private_mode
from reconciler.ledger.lock import died, process_key, this_machine, this_process, try_lock
from reconciler.ledger.sqlite_file import make_private
from reconciler.model.reports import Verdict
from reconciler.pipeline.doctor import files
from reconciler.settings import Options, read_settings
from reconciler.settings.project import belongs_to_another
from reconciler.system import HERE, System, Unix, Windows

BEHIND = 1 << 20


class ToldLocks:
    """Locks of bytes: what was locked, and which error is the answer."""

    LK_NBLCK = 2

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error
        self.locked: list[tuple[int, int, int]] = []

    def locking(self, fd: int, mode: int, nbytes: int, /) -> None:
        if self.error is not None:
            raise self.error
        self.locked.append((os.lseek(fd, 0, os.SEEK_CUR), mode, nbytes))


WINDOWS, MACOS, LINUX = Windows(ToldLocks()), Unix(fcntl, None), Unix(fcntl, Path("/proc"))
ALL = pytest.mark.parametrize("system", [WINDOWS, MACOS, LINUX], ids=["windows", "macos", "linux"])


def test_the_system_of_this_machine_is_chosen_by_its_name() -> None:
    assert type(HERE) is (Windows if sys.platform == "win32" else Unix)


@ALL
def test_a_lock_is_taken_and_what_its_file_says_is_written_from_the_beginning(system: System, tmp_path: Path) -> None:
    with (tmp_path / "a.lock").open("w+b") as file:
        assert try_lock(file.fileno(), system) is True
        os.write(file.fileno(), b"{}")
    assert (tmp_path / "a.lock").read_bytes() == b"{}"


def test_windows_locks_one_byte_behind_the_text(tmp_path: Path) -> None:
    locks = ToldLocks()
    with (tmp_path / "a.lock").open("w+b") as file:
        try_lock(file.fileno(), Windows(locks))
    assert locks.locked == [(BEHIND, 2, 1)]


def test_a_lock_that_another_process_holds_is_not_taken(tmp_path: Path) -> None:
    held = Windows(ToldLocks(PermissionError(13, "Permission denied")))
    with (tmp_path / "a.lock").open("w+b") as mine, (tmp_path / "a.lock").open("r+b") as theirs:
        assert try_lock(theirs.fileno(), held) is False
        assert (try_lock(mine.fileno(), MACOS), try_lock(theirs.fileno(), MACOS)) == (True, False)


def test_a_disk_without_locks_is_named_on_windows_too(tmp_path: Path) -> None:
    without = Windows(ToldLocks(OSError(22, "Invalid argument")))
    with (tmp_path / "a.lock").open("w+b") as file, pytest.raises(LedgerFailed, match="Invalid argument"):
        try_lock(file.fileno(), without)


@ALL
def test_a_private_file_is_made_once(system: System, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert (make_private(path, system), make_private(path, system)) == (True, False)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_mode_of_a_file_says_who_can_read_it_but_on_windows(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s")
    path.chmod(0o644)
    assert [private_mode(path, system) for system in (WINDOWS, MACOS, LINUX)] == ["", "600", "600"]


def test_a_file_is_nobody_elses_on_windows(tmp_path: Path) -> None:
    assert [belongs_to_another(tmp_path, system) for system in (WINDOWS, MACOS, LINUX)] == [False, False, False]


def test_doctor_says_why_it_does_not_look_at_modes_on_windows(tmp_path: Path) -> None:
    environment = read_settings(Options(), variables={}, cwd=tmp_path).environment()
    found = [files(environment, (), system) for system in (WINDOWS, MACOS)]
    assert [one.verdict for one in found] == [Verdict.SKIPPED, Verdict.OK]
    assert "does not say who can read it" in found[0].said


def test_a_dead_process_is_known_as_dead_only_where_the_system_shows_its_processes() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        key = f"{process.pid}:{LINUX.started(process.pid) or 1}"
        process.wait()
    machine = this_machine(LINUX)
    assert [died(machine, key, system) for system in (WINDOWS, MACOS, LINUX)] == [False, False, machine != ""]
    assert [this_machine(system) for system in (WINDOWS, MACOS)] == ["", ""]


def test_a_process_has_a_number_on_every_system() -> None:
    assert process_key().startswith(f"{os.getpid()}:")
    assert this_process().endswith(f" {os.getpid()}")
    assert this_process(WINDOWS).partition("@")[0] != ""
    assert [system.user_number() for system in (WINDOWS, MACOS)] == ["somebody", str(os.getuid())]


@ALL
def test_a_file_system_is_read_only_where_it_is_mounted_so(system: System, tmp_path: Path) -> None:
    assert system.is_read_only(tmp_path) is False


@ALL
def test_a_port_is_bound_again_at_once_but_on_windows(system: System) -> None:
    assert system.binds_again is not isinstance(system, Windows)
