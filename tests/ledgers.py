"""Ledgers for tests, and what goes into them. Another backend is another row of `OPENERS`."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import object_server
import postgres_server

from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.encryption import Cipher, SealedLedger, read_keys
from reconciler.ledger.open import write_sqlite
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.sqlite_file import shipped
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, BindingState, Via

WHERE: dict[str, Any] = {"environment": "demo", "base_url": "https://api.example"}
LATER = (*shipped(), "ALTER TABLE meta ADD COLUMN later TEXT NOT NULL DEFAULT 'yes';\n")


def bound(n: int, *, size: int = 0) -> Binding:
    return Binding(
        f"key-{n}",
        CustomerId(f"cus_{n}"),
        f"key-{n}",
        "2026-01-01T00:00:00Z",
        BindingState.ACTIVE,
        "default",
        "customers.yaml",
        protected=False,
        via=Via.MATCHED,
        applied_json='"' + "x" * size + '"',
    )


def sqlite_ledger(path: Path, **how: object) -> SqliteLedger:
    given: dict[str, Any] = {**WHERE, **how}
    ledger = write_sqlite(path, **given)
    assert isinstance(ledger, SqliteLedger)
    return ledger


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


Open = Callable[[Path], Ledger]


def open_sqlite(folder: Path) -> Ledger:
    return open_ledger(str(folder / "ledger.db"), environment="demo", base_url="https://api.example")


def open_postgres(folder: Path) -> Ledger:
    """Each folder is an environment of its own, in one database."""
    return open_ledger(postgres_server.url(), environment=f"demo {folder}", base_url="https://api.example")


def open_objects(folder: Path) -> Ledger:
    """Each folder is an environment of its own, in one bucket."""
    return open_ledger(object_server.url(), environment=f"demo {folder}", base_url="https://api.example")


KEY = base64.b64encode(bytes(range(32))).decode()
"""A key of a ledger, as RECONCILER_STATE_KEY takes it."""


def open_sealed(folder: Path) -> Ledger:
    return SealedLedger(open_sqlite(folder), Cipher(read_keys(KEY)))


OPENERS: Mapping[str, Open] = {
    "sqlite": open_sqlite,
    "postgres": open_postgres,
    "objects": open_objects,
    "sealed": open_sealed,
}
