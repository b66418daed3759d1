"""
What Linux, macOS and Windows do in different ways: locks, modes and owners of files, folders on disk, and processes.

`HERE` is the system that this runs on. Whatever uses another one than that is given it, so that the tests can run the
code of each on any machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol


class FileLocks(Protocol):
    """What Python's `fcntl` has for us."""

    LOCK_EX: int
    LOCK_NB: int

    def flock(self, fd: int, operation: int, /) -> None:
        """Lock a file."""


class ByteLocks(Protocol):
    """What Python's `msvcrt` has for us."""

    LK_NBLCK: int

    def locking(self, fd: int, mode: int, nbytes: int, /) -> None:
        """Lock bytes from where the file is positioned."""


class Unix:
    """Linux, macOS and their like; `proc` is where the system shows its processes, None where it does not (macOS)."""

    has_modes = True
    """Whether a file's mode says who can read it."""

    binds_again = True
    """Whether SO_REUSEADDR lets a port be used again that nobody listens on; on Windows it takes one from its owner."""

    def __init__(self, locks: FileLocks, proc: Path | None) -> None:
        self._locks, self._proc = locks, proc

    def lock(self, descriptor: int) -> None:
        """Lock a file; BlockingIOError or PermissionError where another process has locked it."""
        self._locks.flock(descriptor, self._locks.LOCK_EX | self._locks.LOCK_NB)

    def is_ours(self, state: os.stat_result) -> bool:
        """Say whether a file belongs to the user who runs this."""
        return state.st_uid == os.geteuid()

    def is_read_only(self, path: Path) -> bool:
        """Say whether the file system of a path is mounted to be read only."""
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def user_number(self) -> str:
        """Return what a user without a name is called."""
        return str(os.getuid())

    def machine(self) -> str:
        """
        Return what tells this machine, since it started, from any other; "" where that is unknown.

        Host name, boot id, and the namespace that process numbers are counted in: two containers of one host
        share all but that.
        """
        if self._proc is None:
            return ""
        try:
            boot = (self._proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
            return f"{os.uname().nodename} {boot} {(self._proc / 'self/ns/pid').readlink()}"
        except OSError:
            return ""

    def started(self, process: int) -> str | None:
        """Return when a process started, in ticks since the machine did; None for none, a dead or an unknown one."""
        if self._proc is None:
            return None
        try:
            stat = (self._proc / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The name stands in brackets and may hold any character; state is the third field, start the 22nd.
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in ("Z", "X") else rest[18]


class Windows:
    """Windows: files have no modes, a folder cannot be synced, and nothing is known of another process."""

    has_modes = False
    binds_again = False

    def __init__(self, locks: ByteLocks) -> None:
        self._locks = locks

    def lock(self, descriptor: int) -> None:
        """Lock a byte far behind the text, because nobody else can read a locked one; PermissionError as for `Unix`."""
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        self._locks.locking(descriptor, self._locks.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

    def is_ours(self, state: os.stat_result) -> bool:  # noqa: ARG002 - as for Unix
        """Take every file as our own."""
        return True

    def is_read_only(self, path: Path) -> bool:  # noqa: ARG002 - as for Unix
        """Take every file system as one to be written."""
        return False

    def sync_folder(self, path: Path) -> None:
        """Do nothing."""

    def user_number(self) -> str:
        """Return what a user without a name is called."""
        return "somebody"

    def machine(self) -> str:
        """Return "": unknown."""
        return ""

    def started(self, process: int) -> str | None:  # noqa: ARG002 - as for Unix
        """Return None: unknown."""
        return None


System = Unix | Windows

HERE: System
if sys.platform == "win32":
    import msvcrt

    HERE = Windows(msvcrt)
else:
    import fcntl

    HERE = Unix(fcntl, Path("/proc") if sys.platform == "linux" else None)
