"""How SQLite keeps a commit through a crash: the journal and the syncs, set and read back."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from reconciler.errors import LedgerFailed
from reconciler.escape import visible

# (journal_mode, synchronous): WAL keeps every commit with FULL; a rollback journal needs EXTRA, which also
# syncs the folder after the journal is deleted, or the commit may roll back after a power loss.
_WAL = ("wal", 2)
_ROLLBACK = ("delete", 3)

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs"}
_NETWORK |= {"fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.ceph", "virtiofs", "vboxsf", "prl_fs"}


def make_durable(connection: sqlite3.Connection, path: Path, *, network: Callable[[Path], bool]) -> None:
    """
    Set journal and syncs so that a commit that has returned survives a loss of power; read both back.

    WAL with FULL; a rollback journal with EXTRA where WAL cannot be had, or where `network` says that
    `path` is on a network file system: WAL shares memory between processes, which two hosts cannot
    (https://www.sqlite.org/wal.html). LedgerFailed where neither was taken.
    """
    if not network(path) and _set(connection, *_WAL):
        return
    if _set(connection, *_ROLLBACK):
        return
    raise LedgerFailed(
        f"{visible(str(path))}: SQLite will not make commits durable here",
        "put the ledger on a local disk, with `state:` or RECONCILER_STATE",
    )


def on_network(path: Path) -> bool:
    """Say whether `path` is on a file system that other hosts may share; False where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return file_system(path, mounts) in _NETWORK


def file_system(path: Path, mounts: str) -> str:
    r"""
    Return the type of the file system that holds `path`, an absolute one; "" where `mounts` has none.

    `mounts` is the text of /proc/mounts: device, mount point, type …; blanks are written as \040.

    >>> file_system(Path("/srv/a b/x.db"), "/dev/sda / ext4 rw\nhost:/x /srv/a\\040b nfs4 rw\n")
    'nfs4'
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        folder = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point))
        if path.is_relative_to(folder) and len(folder.parts) >= longest:
            found, longest = kind, len(folder.parts)
    return found


def _set(connection: sqlite3.Connection, journal: str, synchronous: int) -> bool:
    """Set a journal and its syncs; say whether SQLite then answers that it has both."""
    answered = ""
    # A file system without shared memory may answer WAL with an error instead of another mode. What is
    # wrong beyond that (a full disk, a read-only file) the rollback journal's turn raises.
    with suppress(*([sqlite3.OperationalError] if journal == "wal" else [])):
        answered = connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()[0]
    if answered != journal:
        return False
    # macOS answers fsync before the disk has written; these two make it wait. No effect elsewhere.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    # What is overwritten or deleted is personal data, and must not stay in free pages.
    connection.execute("PRAGMA secure_delete = ON")
    held: int = connection.execute("PRAGMA synchronous").fetchone()[0]
    return held == synchronous
