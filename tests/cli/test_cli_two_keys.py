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


UNKNOWN = "The ledger does not know this API key yet"


def test_a_key_is_unknown_to_the_ledger_once(two_keys: Online) -> None:
    wrote(two_keys, THREE)
    first, second = (two_keys.run("plan", *FILES, **READER).out for _ in range(2))
    wrote(two_keys, THREE)
    third = two_keys.run("plan", *FILES, **READER).out
    assert [UNKNOWN in out for out in (first, second, third)] == [True, False, False]


def test_a_plan_that_could_not_write_to_the_ledger_is_what_makes_its_key_known_when_it_is_applied(
    two_keys: Online,
) -> None:
    planned(two_keys, THREE)
    assert applied(two_keys).code == 0
    two_keys.later()
    ran = two_keys.run("plan", *FILES, **READER)
    assert (ran.code, UNKNOWN in ran.out) == (0, False)


def test_targets_are_read_alone_by_both_keys_once_the_ledger_knows_them(two_keys: Online) -> None:
    two_keys.load(*({"external_id": f"other-{number}", "name": f"Other {number}"} for number in range(900)))
    wrote(two_keys, THREE)
    counts = []
    for city in ("Dover", "Salem"):
        before = two_keys.requests()
        planned(two_keys, THREE.replace("Boston", city), "--target", "acme")
        between = two_keys.requests()
        assert applied(two_keys).code == 0
        two_keys.later()
        counts.append((between - before, two_keys.requests() - between))
    # A token and a listing of ten pages, which proves the key; then a token and a customer, and the patch.
    assert counts == [(11, 3), (2, 3)]


def test_a_plan_of_targets_is_not_applied_where_the_ledger_knows_only_the_key_that_made_it(two_keys: Online) -> None:
    wrote(two_keys, ONE)
    planned(two_keys, ONE, "--target", "acme")
    two_keys.run("state", "forget", "acme")
    planned(two_keys, ONE, "--target", "acme")
    another_account(two_keys, {"name": "Other"})
    two_keys.emulator.tokens.keys["third"] = ApiKey("third", "third", WRITES)
    ran = two_keys.run("apply", "today.plan", *FILES, "--auto-approve", AP_CLIENT_ID="third", AP_CLIENT_SECRET="third")
    assert (ran.code, len(two_keys.account())) == (3, 1), ran.err


def test_a_key_that_the_customers_do_not_prove_is_accepted_on_request_and_proves_no_earlier_one(
    two_keys: Online,
) -> None:
    wrote(two_keys, ONE)
    another_account(two_keys, {"external_id": "acme", "name": "Acme", "email": "billing@acme.example"})
    two_keys.write("customers.yaml", f"customers:\n  acme: {{id: {two_keys.id_of('acme')}, name: Acme}}\n")
    ran = two_keys.run("plan", *FILES, **READER)
    assert (ran.code, "add `--accept-new-key`" in " ".join(ran.err.split())) == (3, True), ran.err
    third = {"AP_CLIENT_ID": "third", "AP_CLIENT_SECRET": "third"}
    two_keys.emulator.tokens.keys["third"] = ApiKey("third", "third", WRITES)
    ran = two_keys.run("apply", *FILES, "--auto-approve", "--accept-new-key", **third)
    assert (ran.code, "You accepted the key" in ran.out) == (0, True), ran.err
    another_account(two_keys)
    assert two_keys.run("plan", *FILES, **WRITER).code == 3
