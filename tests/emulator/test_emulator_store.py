from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest
from emulated import against, emulator

from reconciler.emulator.store import AccountFile
from reconciler.errors import ReconcilerError
from reconciler.rules import Account


def test_an_account_is_in_the_file_as_soon_as_it_answers(tmp_path: Path) -> None:
    path = tmp_path / "new" / "emulator.db"

    async def steps(client: httpx.AsyncClient) -> None:
        one = (await client.post("/customers", json={"external_id": "acme", "city": "Boston"})).json()["id"]
        await client.post(f"/customers/{one}/users", json={"email": "a@x.example"})
        await client.patch(f"/customers/{one}", json={"city": "Rome"})
        await client.delete(f"/customers/{one}")
        await client.post("/_emulator/load", json={"customers": [{"name": "Globex"}]})
        with AccountFile(path) as other:
            read = other.read()
        assert (read.customers, read.users) == (served.account.customers, served.account.users)
        assert (read.by_time, read.holders, read.made) == (
            served.account.by_time,
            served.account.holders,
            served.account.made,
        )

    with AccountFile(path) as store:
        served = emulator(store=store)
        against(served, steps)


def test_a_reset_empties_the_file(tmp_path: Path) -> None:
    async def steps(client: httpx.AsyncClient) -> None:
        await client.post("/customers", json={})
        await client.post("/_emulator/reset")

    with AccountFile(tmp_path / "emulator.db") as store:
        against(emulator(store=store), steps)
        assert store.read().customers == {}


def test_the_file_and_its_journals_are_for_their_owner_alone(tmp_path: Path) -> None:
    with AccountFile(tmp_path / "emulator.db") as store:
        store.save(Account())
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert modes == {"emulator.db": "0o600", "emulator.db-wal": "0o600", "emulator.db-shm": "0o600"}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("customers: {}\n" * 100)
    with pytest.raises(ReconcilerError, match=r"text\.db: the emulator's data cannot be read: file is not a database"):
        AccountFile(path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE bindings (id)")
    foreign.close()
    before = path.read_bytes()
    with pytest.raises(ReconcilerError, match="it is another program's database"):
        AccountFile(path)
    assert path.read_bytes() == before
