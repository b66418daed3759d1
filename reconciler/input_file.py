"""Reads whole files, but never one that waits for a writer, has no end, or is larger than its reader accepts."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

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
