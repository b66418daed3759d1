"""
Reads whole files, but never one that waits for a writer, has no end, or is larger than its reader accepts.

It also says whether others on this machine can read a file that is nobody else's business.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from reconciler.system import HERE, System

LARGEST = 512 * 1024**2
"""Bytes of the largest file that is read: for what may hold every customer of an account."""

_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
_STDIN = Path("/dev/stdin")


def read_file(path: Path, most: int = LARGEST) -> bytes:
    """
    Return what a file holds; OSError, with the reason as `strerror`, for what cannot be read or is no regular file.

    A descriptor of this process, such as a shell's `<(command)` names, may be a pipe. `most` is in bytes.
    """
    # Asked before it is opened: opening a pipe waits for its writer, and some devices act on it.
    state = path.stat()
    named = path == _STDIN or path.parent in _DESCRIPTORS
    if not named and not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
        raise OSError(errno.EINVAL, f"{kind(state.st_mode)}, not a file")
    if state.st_size <= most:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) <= most:
            return content
    size = f"{most // 1024**2} MiB" if most >= 1024**2 else f"{most // 1024} KiB"
    raise OSError(errno.EFBIG, f"larger than {size}")


def kind(mode: int) -> str:
    """Return what a thing that is neither file nor folder is, in words; `mode` is that of `stat`."""
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for asks, words in kinds if asks(mode)), "a device")


_MOUNTED = Path("/run/secrets")
_GROUP, _EVERYONE = 0o040, 0o004


def private_mode(path: Path, system: System = HERE) -> str:
    """
    Return the mode for `chmod` that keeps others on this machine from reading a file, "" where its mode does that.

    A file of our own is for us alone. One that belongs to someone else may be given to us through its group, as
    Kubernetes does with fsGroup, so it is open only if everyone can read it. What is on a read-only file system or
    below /run/secrets was mounted for this process: nothing is said of it, nor of what is no regular file, or cannot
    be looked at. Folders are not looked at, because copies and backups keep a file's mode, not its folder's.
    """
    if not system.has_modes:
        return ""
    try:
        # A link is as open as what it leads to.
        real = path.resolve()
        state = real.stat()
        mounted = real.is_relative_to(_MOUNTED) or system.is_read_only(real)
    except (OSError, RuntimeError, ValueError):
        # A loop of links is a RuntimeError before Python 3.13, and a NUL in a name is a ValueError.
        return ""
    if mounted or not stat.S_ISREG(state.st_mode):
        return ""
    if system.is_ours(state):
        return "600" if state.st_mode & (_GROUP | _EVERYONE) else ""
    return "o-r" if state.st_mode & _EVERYONE else ""
