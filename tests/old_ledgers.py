"""
Ledgers of each format that there ever was, each with the account that it is of and a plan saved by the same program.

Each was made by the program of its time: `python tests/ledger/write_old_ledger.py` says how.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import postgres_server
from command_line import Online

from reconciler.emulator.service import load
from reconciler.ledger.sqlite_file import shipped, shipped_in
from reconciler.rules import Account

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
