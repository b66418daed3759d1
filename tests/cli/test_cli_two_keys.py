"""A key that can only read plans, and a key that can write applies that plan: to the same account, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from command_line import EPOCH_S, ONE, THREE, Online, Ran

from reconciler.clock import RealClock
from reconciler.emulator.service import ApiKey, Emulator
from reconciler.ledger.lock import take_lock
from reconciler.rules import archive

pytest_plugins = ("command_fixtures",)

FILES = ("-f", "customers.yaml")
READER = {"AP_CLIENT_ID": "reader", "AP_CLIENT_SECRET": "reader"}
WRITER = {"AP_CLIENT_ID": "writer", "AP_CLIENT_SECRET": "writer"}
READS = frozenset({"customers:read", "users:read"})
WRITES = READS | {"customers:write", "users:write"}
SINCE = (
    "error: The plan was made with another API key, and customers were created or archived since, other than by this "
    "plan, so we cannot tell whether this key is for the same account. Nothing was sent."
)


@pytest.fixture
def two_keys(shop: Online) -> Online:
    """Return the shop, with a key that can only read and one that can also write."""
    shop.emulator.tokens.keys["reader"] = ApiKey("reader", "reader", READS)
    shop.emulator.tokens.keys["writer"] = ApiKey("writer", "writer", WRITES)
    return shop


def planned(shop: Online, text: str, *words: str) -> None:
    """Save a plan with the key that reads."""
    shop.write("customers.yaml", text)
    ran = shop.run("plan", *FILES, "--out", "today.plan", *words, **READER)
    assert ran.code == 0, ran.err


def applied(shop: Online, *words: str) -> Ran:
    """Apply the saved plan with the key that writes."""
    return shop.run("apply", "today.plan", *FILES, "--auto-approve", *words, **WRITER)


def refused(shop: Online) -> str:
    """Apply the saved plan, which must be refused with nothing sent, and return the first line of stderr."""
    before, ledger = shop.writes(), shop.ledger()
    ran = applied(shop)
    assert (ran.code, shop.writes(), shop.ledger()) == (3, before, ledger), ran.err
    return ran.err.splitlines()[0]


def wrote(shop: Online, text: str) -> None:
    """Apply customers with the key that writes."""
    shop.write("customers.yaml", text)
    assert shop.run("apply", *FILES, "--auto-approve", **WRITER).code == 0
    shop.later()


def another_account(shop: Online, *customers: dict[str, object]) -> None:
    """Put another account behind the same base URL."""
    shop.emulator.account = Emulator(rate=0).account
    shop.emulator.account.seed = "another account"
    shop.load(*customers)


def test_the_first_plan_of_an_empty_account_is_applied_by_the_key_that_writes(two_keys: Online) -> None:
    planned(two_keys, THREE)
    assert (applied(two_keys).code, len(two_keys.account())) == (0, 3)


def test_a_plan_for_customers_that_the_ledger_knows_is_applied_whatever_else_has_changed(two_keys: Online) -> None:
    wrote(two_keys, THREE)
    planned(two_keys, THREE.replace("Boston", "Dover"))
    two_keys.load({"external_id": "hooli", "name": "Hooli"}, {"id": two_keys.id_of("globex"), "city": "Salem"})
    assert (applied(two_keys).code, two_keys.named("acme")["city"]) == (0, "Dover")


def test_an_archive_is_planned_by_the_key_that_reads_and_done_by_the_one_that_writes(two_keys: Online) -> None:
    wrote(two_keys, THREE)
    planned(two_keys, ONE)
    assert applied(two_keys, "--max-archives", "2").code == 0
    assert sum(archived for _, archived, _ in two_keys.account().values()) == 2


def test_the_key_that_reads_plans_where_most_customers_of_the_ledger_are_archived(two_keys: Online) -> None:
    wrote(two_keys, THREE)
    two_keys.write("customers.yaml", ONE)
    assert two_keys.run("apply", *FILES, "--auto-approve", "--max-archives", "2", **WRITER).code == 0
    two_keys.later()
    planned(two_keys, ONE.replace("Boston", "Dover"))
    assert (applied(two_keys).code, two_keys.named("acme")["city"]) == (0, "Dover")


def test_an_account_that_no_ledger_knows_is_the_same_where_the_same_customers_are_live(two_keys: Online) -> None:
    two_keys.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example"}, {"name": "Unmanaged"})
    planned(two_keys, ONE)
    assert (applied(two_keys).code, two_keys.named("acme")["city"]) == (0, "Boston")


def test_a_customer_that_someone_created_since_the_first_plan_stops_it(two_keys: Online) -> None:
    planned(two_keys, ONE)
    two_keys.load({"name": "By hand"})
    assert refused(two_keys) == SINCE


def test_a_customer_that_someone_archived_since_the_first_plan_stops_it(two_keys: Online) -> None:
    (found, _) = two_keys.load({"name": "By hand"}, {"name": "Another"})
    planned(two_keys, ONE)
    archive(two_keys.emulator.account, two_keys.emulator.behaviour, found, EPOCH_S)
    assert refused(two_keys) == SINCE


def test_the_key_that_made_a_plan_applies_it_whoever_was_created_since(two_keys: Online) -> None:
    two_keys.write("customers.yaml", ONE)
    assert two_keys.run("plan", *FILES, "--out", "today.plan", **WRITER).code == 0
    two_keys.load({"name": "By hand"})
    assert applied(two_keys).code == 0


def test_a_first_plan_that_was_cut_off_is_applied_again(two_keys: Online) -> None:
    two_keys.load({"name": "Unmanaged"})
    planned(two_keys, THREE)
    assert applied(two_keys, "--max-requests", "5").code == 2
    assert 1 < len(two_keys.account()) < 4
    assert (applied(two_keys).code, len(two_keys.account())) == (0, 4)


def test_a_plan_is_refused_on_another_account_with_the_same_ledger(two_keys: Online) -> None:
    wrote(two_keys, THREE)
    planned(two_keys, THREE.replace("Boston", "Dover"))
    another_account(two_keys, *({"external_id": key, "name": key} for key in ("acme", "globex", "initech")))
    ran = applied(two_keys)
    assert (ran.code, "we cannot tell whether this key is for the same account" in ran.err) == (3, True), ran.err
    assert two_keys.writes()[4:] == []


def test_a_first_plan_is_refused_on_another_account_whoever_is_live_there(two_keys: Online) -> None:
    two_keys.load({"name": "Unmanaged"})
    planned(two_keys, ONE)
    another_account(two_keys, {"name": "Other"})
    assert refused(two_keys) == SINCE


def test_a_plan_that_was_made_without_the_ledger_is_not_proven_by_it(two_keys: Online) -> None:
    planned(two_keys, THREE + "  hooli: {name: Hooli, email: office@hooli.example}\n", "--target", "hooli")
    wrote(two_keys, THREE)
    two_keys.write("customers.yaml", THREE + "  hooli: {name: Hooli, email: office@hooli.example}\n")
    assert refused(two_keys) == SINCE


def test_while_one_key_writes_another_one_does_not_write_to_the_same_ledger(two_keys: Online) -> None:
    two_keys.write("customers.yaml", ONE)
    lock = take_lock(
        base_url=two_keys.variables["AP_BASE_URL"],
        client_id="another key",
        doing="apply",
        clock=RealClock(),
        who="ana@build 7",
        ledger=two_keys.folder / ".reconciler" / "default.db",
        folder=two_keys.folder / "state" / "reconciler",
    )
    with asyncio.run(lock):
        ran = two_keys.run("apply", *FILES, "--auto-approve", **WRITER)
    assert (ran.code, two_keys.writes()) == (3, [])
    assert "another run on this ledger holds the lock: apply by ana@build 7 since" in ran.err
    assert two_keys.run("apply", *FILES, "--auto-approve", **WRITER).code == 0
