"""How a ledger fares: there, of which format, to be written, whose. Looks, and changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reconciler.ledger.base import Meta
from reconciler.ledger.cipher import Cipher
from reconciler.ledger.faults import told
from reconciler.ledger.lock import may_write
from reconciler.ledger.open import connect_to_read, open_ledger
from reconciler.ledger.schema import shipped, version_of
from reconciler.ledger.sealed import SealedLedger
from reconciler.ledger.shared import Kind, kind_of, known_format, usable
from reconciler.model.ledger import Records, Run

FEW_BYTES = 64 * 1024**2
"""With less free space than this a ledger may soon find the disk full."""

_ANY = 2**31


@dataclass(frozen=True, slots=True)
class Storage:
    """
    Where a ledger lies, whether or not there is one.

    - `format`: that of what is there, 0 for nothing; `known`: that which this version writes.
    - `private`: nobody else on this machine may read it. `free_bytes`: None where that is not this machine's matter.
    """

    kind: Kind
    format: int
    known: int
    writable: bool
    private: bool = True
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a ledger holds: `meta` is None where there is none yet."""

    meta: Meta | None
    records: Records
    runs: tuple[Run, ...]


def storage_of(url_or_path: str) -> Storage:
    """Return where a ledger lies; LedgerFailed where that cannot be looked at."""
    if "://" in url_or_path:
        version, writable = usable(url_or_path)
        return Storage(kind_of(url_or_path), format=version, known=known_format(url_or_path), writable=writable)
    path = Path(url_or_path)
    with told(path):
        file = path.resolve()
        there = file.is_file()
        # SQLite writes a journal beside the file, so the folder must be writable too.
        return Storage(
            kind=Kind.FILE,
            format=_format(file) if there and file.stat().st_size else 0,
            known=len(shipped()),
            writable=may_write(file) and may_write(file.parent),
            private=not (there and os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077),
            free_bytes=shutil.disk_usage(next(one for one in file.parents if one.exists())).free,
        )


def contents_of(url_or_path: str, *, environment: str, base_url: str, cipher: Cipher | None = None) -> Contents:
    """Return what a ledger holds; raises as opening and reading it do."""
    with open_ledger(url_or_path, environment=environment, base_url=base_url, writable=False) as held:
        ledger = SealedLedger(held, cipher or Cipher())
        return Contents(ledger.meta, ledger.records(), ledger.runs())


def _format(file: Path) -> int:
    """Return the format of a file, also one that is newer than this program; LedgerFailed where it is no ledger."""
    with closing(connect_to_read(file)) as connection:
        return version_of(connection, file, known=_ANY)
