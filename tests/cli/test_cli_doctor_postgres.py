"""`doctor` of a ledger in PostgreSQL: its format, its rights, its lease; and a probe whose journal is there."""

from __future__ import annotations

import postgres_server
from command_line import Online

from reconciler.emulator.fault_settings import switched
from reconciler.ledger.lock import Holder, account_key
from reconciler.ledger.open import open_ledger

pytest_plugins = ("command_fixtures",)


def checks(shop: Online) -> dict[str, dict[str, object]]:
    return {one["check"]: one for one in shop.run("doctor", "--format", "json").json["checks"]}


def shared(shop: Online) -> str:
    """Let the ledger be in a database, under a base URL that no other test has."""
    shop.variables["RECONCILER_STATE"] = url = postgres_server.server_url()
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"gets_archived": False})
    return url


def test_a_shared_ledger_is_probed_and_then_looked_at(shop: Online) -> None:
    shared(shop)
    shop.write("reconciler.yaml", "version: 1\nenvironments: {probed-in-a-database: {disposable: true}}\n")
    ran = shop.run("doctor", "--probe", "--auto-approve", "--format", "json")
    assert (ran.code, ran.json["probe"]["left"]) == (0, 0), ran.err
    found = checks(shop)
    assert {one["verdict"] for one in found.values()} == {"ok"}
    assert (found["state"]["facts"]["kind"], found["state"]["facts"]["customers"]) == ("postgresql", 1)
    assert found["learned"]["facts"]["probe_clears"] == "text"


def test_who_holds_the_lease_is_said_with_the_way_to_end_it(shop: Online) -> None:
    url = shared(shop)
    base_url = shop.variables["AP_BASE_URL"]
    with open_ledger(url, environment="default", base_url=base_url) as ledger:
        holder = Holder("ana@build 7", "2026-01-01T00:00:00Z", "apply")
        with ledger.begin(holder, account=account_key(base_url, "local")):
            found = checks(shop)["lock"]
    assert found["verdict"] == "warning"
    assert "apply by ana@build 7" in str(found["said"])
    assert "reconciler state unlock" in str(found["mend"])


def test_a_database_that_is_not_there_is_wrong_and_its_password_is_not_shown(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = "postgresql://me:hidden@127.0.0.1:1/state"
    ran = shop.run("doctor")
    assert (ran.code, "hidden" in ran.all, "Connection refused" in ran.out) == (1, False, True)
