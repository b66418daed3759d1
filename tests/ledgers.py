"""Ledgers for tests, of every kind and of every format that there ever was, and what goes into them."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import object_server
import postgres_server
from command_line import Online

from reconciler.emulator.service import load
from reconciler.ledger import Ledger, open_ledger
from reconciler.ledger.encryption import Cipher, SealedLedger, read_keys
from reconciler.ledger.open import write_sqlite
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.sqlite_file import shipped, shipped_in
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, BindingState, Via
from reconciler.rules import Account

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
    return open_ledger(postgres_server.server_url(), environment=f"demo {folder}", base_url="https://api.example")


def open_objects(folder: Path) -> Ledger:
    """Each folder is an environment of its own, in one bucket."""
    return open_ledger(object_server.store_url(), environment=f"demo {folder}", base_url="https://api.example")


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


FOLDER = Path(__file__).parent / "fixtures" / "ledgers"
SHIPPED = {"sqlite": len(shipped()), "postgres": len(shipped_in("reconciler.ledger.postgres"))}
"""How many formats each kind of ledger has had."""

ALL = [f"{kind}-{number}" for kind, last in SHIPPED.items() for number in range(1, last + 1)]
ANY_URL = "http://127.0.0.1:8085"
"""Stands for the address of the API in what is kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kept(name: str, file: str, url: str) -> str:
    """Return one of the files of an old ledger, of the API at `url`."""
    return (FOLDER / name / file).read_text(encoding="utf-8").replace(ANY_URL, url)


def put_back(name: str, shop: Online) -> Path | str:
    """Put an old ledger into a place and its account into the place's emulator; return its file or its URL."""
    url = shop.variables["AP_BASE_URL"]
    load(shop.emulator.account, json.loads(kept(name, "account.json", url)), 0.0)
    shop.emulator.account.seed = "later"  # no new customer gets the id of one that is there
    shop.write("customers.yaml", (FOLDER / "3.yaml").read_bytes())
    dump = kept(name, "ledger.sql", url)
    if name.startswith("postgres"):
        where = postgres_server.database("old")
        _into_database(where, dump)
        shop.variables["RECONCILER_STATE"] = where
        return where
    path = shop.folder / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump)
    shop.variables["RECONCILER_STATE"] = str(path)
    return path


def copy_of(text: str) -> str:
    """Return the text of a copy whose last line is true again."""
    lines = text.splitlines(keepends=True)[:-1]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return "".join([*lines, json.dumps({"rows": len(lines) - 1, "sha256": digest}, separators=(",", ":")), "\n"])


def plan_of(name: str, url: str) -> str:
    """Return the plan that was saved beside an old ledger, for the API at `url`, its digest true again."""
    document = json.loads(kept(name, "next.plan", url))
    del document["digest"]
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return json.dumps({**document, "digest": hashlib.sha256(content.encode()).hexdigest()})


def _into_database(url: str, dump: str) -> None:
    """Run what `pg_dump` wrote."""
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(dump.encode())


def account_of(account: Account) -> list[dict[str, Any]]:
    """Return what `load` makes the same account of."""
    return [
        {
            "id": one.id,
            "created_at": (_EPOCH + timedelta(microseconds=one.created_us)).isoformat(),
            "archived": one.archived,
            **one.fields,
            "users": [{"id": user.id, **user.fields} for user in account.users.get(one.id, ())],
        }
        for one in account.customers.values()
    ]
