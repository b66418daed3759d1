"""Many ledgers in one database: connections while an account is read, and an update while others write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ledgers
import postgres_server
import pytest
from command_line import THREE, Online, variables_of
from postgres_server import ask

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator

pytest_plugins = ("command_fixtures",)

CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'many' AND application_name = 'reconciler'"


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Online, list[int]]]:
    """A place whose ledger is in a database, and whether that had a connection at each request for customers."""
    url = postgres_server.database("many")
    connections: list[int] = []

    def count(call: object, *_: object) -> None:
        if "/customers" in str(call):
            # A connection that was closed is seen until the server has noticed.
            asked = (ask(CONNECTED)[0][0] for _ in range(40))
            connections.append(0 if 0 in asked else 1)

    emulator = Emulator(rate=0, witness=count)
    with running(emulator) as api:
        shop = Online(tmp_path, {**variables_of(api), "RECONCILER_STATE": url, "RECONCILER_RATE": "0"}, emulator)
        shop.write("customers.yaml", THREE)
        assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
        shop.later()
        connections.clear()
        yield shop, connections


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_who_only_reads_has_no_connection_while_the_account_is_read(
    counted: tuple[Online, list[int]], command: str
) -> None:
    shop, connections = counted
    ran = shop.run(command, "-f", "customers.yaml")
    assert (ran.code, connections) == (0, [0] * len(connections)), ran.err
    assert connections


def test_a_run_that_writes_keeps_the_connection_of_its_lease(counted: tuple[Online, list[int]]) -> None:
    shop, connections = counted
    shop.write("customers.yaml", THREE.replace("Boston", "Salem"))
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, set(connections)) == (0, {1}), ran.err


def test_an_updated_program_applies_while_another_environment_is_written_in_the_old_format(shop: Online) -> None:
    url = ledgers.put_back(f"postgres-{ledgers.SHIPPED['postgres'] - 1}", shop)
    ask(
        "INSERT INTO reconciler.leases VALUES ('other', 99, 'run', 'ana@elsewhere 7', '2026-01-01T00:00:00Z', "
        "'apply', 'elsewhere', '7', now() + interval '1 hour')",
        url=str(url),
    )
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert ran.code == 0, ran.err
    assert ("ana@elsewhere 7",) in ask("SELECT who FROM reconciler.leases", url=str(url))
    assert ask("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'reconciler%%'", url=str(url)) == [(1,)]
