"""`state forget` and encryption at the command line: a person's values go, and that somebody is managed stays."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from command_line import ONE, Online

pytest_plugins = ("command_fixtures",)

KEY, OTHER = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))
FILES = ("-f", "customers.yaml")
WITH_USER = ONE.replace("city: Boston", "city: Boston, users: {jane@acme.example: {first_name: Jane}}")


def content(shop: Online) -> bytes:
    """Return all bytes of the ledger and of what lies beside it."""
    return b"".join(path.read_bytes() for path in Path(shop.folder, ".reconciler").iterdir() if path.is_file())


def test_the_values_of_a_customer_are_erased_from_ledger_and_history_and_it_stays_managed(shop: Online) -> None:
    shop.applied(WITH_USER)
    shop.later()
    shop.applied(WITH_USER.replace("Boston", "Dover"))
    bound = shop.ledger()
    ran = shop.run("state", "forget", "acme")
    assert (ran.code, ran.out.partition(": ")[2]) == (0, "erased, and the values of 3 changes in the history\n")
    assert [one for one in (b"Boston", b"Dover", b"jane@acme", b"Jane") if one in content(shop)] == []
    assert shop.ledger() == bound
    shop.later()
    assert shop.run("plan", *FILES, "--format", "json").json["changes"] == []


def test_what_was_erased_cannot_be_undone(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    shop.applied(ONE.replace("Boston", "Dover"))
    runs = [row["id"] for row in shop.run("history", "--format", "json").json["runs"]]
    shop.run("state", "forget", "acme")
    for run in runs:
        undo = shop.run("undo", run, "--dry-run", "--format", "json").json
        assert [row["reason"].partition(",")[0] for row in undo["blocked"]] == ["The values of this change were erased"]
        assert undo["changes"] == []


def test_a_dry_run_erases_nothing_and_says_what_follows(shop: Online) -> None:
    shop.applied(ONE)
    before = content(shop)
    ran = shop.run("state", "forget", "acme", "--dry-run", *FILES)
    assert "declared at customers.yaml:2:3: the next apply records the values that are there again" in ran.out
    assert content(shop) == before


def test_a_key_that_is_not_bound_is_an_error(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("state", "forget", "nobody")
    assert (ran.code, "the ledger does not have it" in ran.err) == (1, True)


def test_an_encrypted_ledger_plans_and_undoes_like_any_other_and_shows_nothing(shop: Online) -> None:
    shop.run("apply", "-f", str(shop.write("customers.yaml", WITH_USER)), "--auto-approve", RECONCILER_STATE_KEY=KEY)
    assert [one for one in (b"Boston", b"jane@acme", b"Jane") if one in content(shop)] == []
    assert shop.run("plan", *FILES, "--format", "json", RECONCILER_STATE_KEY=KEY).json["changes"] == []
    run = shop.run("history", "--format", "json", RECONCILER_STATE_KEY=KEY).json["runs"][-1]["id"]
    undone = shop.run("undo", run, "--auto-approve", "--max-archives", "1", RECONCILER_STATE_KEY=KEY)
    assert (undone.code, [one[1] for one in shop.account().values()]) == (0, [True])


@pytest.mark.parametrize("keys", [{}, {"RECONCILER_STATE_KEY": OTHER}])
def test_without_its_key_a_ledger_is_refused_and_nothing_is_sent(shop: Online, keys: dict[str, str]) -> None:
    shop.run("apply", "-f", str(shop.write("customers.yaml", ONE)), "--auto-approve", RECONCILER_STATE_KEY=KEY)
    sent = len(shop.writes())
    ran = shop.run("apply", *FILES, "--auto-approve", **keys)
    assert (ran.code, "the ledger is encrypted with the key" in ran.err, len(shop.writes())) == (1, True, sent)


def test_rekey_writes_all_with_the_first_key(shop: Online) -> None:
    shop.applied(ONE)
    file = shop.write("ledger.key", f"{OTHER}\n{KEY}\n")
    assert shop.run("state", "rekey", RECONCILER_STATE_KEY=KEY).code == 0
    assert b"Boston" not in content(shop)
    assert shop.run("state", "rekey", RECONCILER_STATE_KEY_FILE=str(file)).code == 0
    assert shop.run("plan", *FILES, "--format", "json", RECONCILER_STATE_KEY=OTHER).json["changes"] == []
    assert "the key" in shop.run("plan", *FILES, RECONCILER_STATE_KEY=KEY).err


def test_rekey_without_a_key_says_what_to_set(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("state", "rekey")
    assert (ran.code, "set RECONCILER_STATE_KEY" in ran.err) == (1, True)
