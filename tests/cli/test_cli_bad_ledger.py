"""Ledgers and disks that cannot be used: an error or a refusal, and an account that stays as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)


def apply_one(shop: Online, state: str) -> tuple[int, str, str]:
    """Apply one customer with a ledger at `state`."""
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", RECONCILER_STATE=state)
    return ran.code, ran.out, ran.err


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("file/ledger.db", "file/ledger.db: Not a directory"),
        ("/proc/ledger.db", "/proc/ledger.db: No such file or directory"),
        ("folder", "folder: the ledger is a file, and this is a folder"),
        ("text.db", "text.db: this file is not a ledger"),
        ("other.db", "other.db: this is a database of another program, not a ledger"),
        ("nothing://user:marked-secret@host/db", "nothing:// ledgers are not supported by this version"),
    ],
)
def test_a_ledger_that_cannot_be_used_stops_an_apply_before_it_sends(shop: Online, state: str, message: str) -> None:
    shop.write("file", "")
    shop.write("text.db", "no ledger\n" * 100)
    (shop.folder / "folder").mkdir()
    with closing(sqlite3.connect(shop.folder / "other.db")) as other:
        other.execute("CREATE TABLE theirs (one TEXT)")
    code, out, err = apply_one(shop, state)
    assert (code, out, shop.account()) == (1, "", {})
    assert message in err.splitlines()[0]
    assert len(err.splitlines()) == 2
    assert "marked-secret" not in err


def test_a_ledger_of_a_newer_version_is_an_error_to_plan_and_apply(shop: Online) -> None:
    shop.applied(ONE)
    ledger = shop.folder / ".reconciler" / "default.db"
    with closing(sqlite3.connect(ledger)) as newer:
        newer.execute("PRAGMA user_version = 99")
    before, held = shop.account(), ledger.read_bytes()
    shop.write("customers.yaml", THREE)
    for words in (["plan"], ["apply", "--auto-approve"]):
        ran = shop.run(*words, "-f", "customers.yaml")
        assert (ran.code, ran.out, shop.account(), ledger.read_bytes()) == (1, "", before, held)
        assert "the ledger has format 99" in ran.err
        assert ran.err.endswith("  update reconciler\n")


def test_a_damaged_ledger_is_an_error(shop: Online) -> None:
    shop.applied(ONE)
    ledger = shop.folder / ".reconciler" / "default.db"
    ledger.write_bytes(ledger.read_bytes()[:5000])
    ran = shop.run("plan", "-f", "customers.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: {ledger}: it is damaged\n")


def test_a_ledger_of_another_environment_is_refused(shop: Online) -> None:
    shop.applied(ONE)
    before = shop.account()
    theirs = {"AP_ENVIRONMENT": "demo", "RECONCILER_STATE": ".reconciler/default.db"}
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", **theirs)
    assert (ran.code, ran.out, shop.account()) == (3, "", before)
    assert "this is the ledger of environment 'default'" in ran.err


def test_a_ledger_of_another_account_is_refused(shop: Online) -> None:
    shop.applied(THREE)
    ledger = shop.ledger()
    for one in shop.account():
        shop.load({"id": one, "external_id": f"other-{one}"})
    shop.later()
    before = shop.account()
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, ran.out, shop.account(), shop.ledger()) == (3, "", before, ledger)
    assert "so it belongs to another account. Nothing was sent." in ran.err


def test_a_plan_needs_no_place_for_a_ledger(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", RECONCILER_STATE="/proc/none/ledger.db")
    assert (ran.code, "1 to create" in ran.out, ran.err) == (
        0,
        True,
        ("To apply it: reconciler apply -f customers.yaml\n"),
    )


@pytest.mark.parametrize("path", ["none/today.plan", "file/today.plan", "/proc/today.plan"])
def test_a_place_where_no_plan_can_be_saved_is_an_error(shop: Online, path: str) -> None:
    shop.write("file", "")
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml", "--out", path)
    assert ran.code == 1
    assert ran.err.startswith(f"error: {path}: it cannot be written: ")
    assert ran.err.endswith("\n  choose another path\n")


def test_a_full_disk_leaves_no_half_of_a_plan(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    shop.write("today.plan", "old")
    ran = shop.spawn("plan", "-f", "customers.yaml", "--out", "today.plan", limits="-f 1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: today.plan: it cannot be written: File too large")
    assert (shop.folder / "today.plan").read_text() == "old"
    assert sorted(one.name for one in shop.folder.iterdir()) == ["customers.yaml", "today.plan"]


def test_a_disk_that_is_full_before_the_first_intent_sends_nothing(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.spawn("apply", "-f", "customers.yaml", "--auto-approve", limits="-f 16")
    assert (ran.code, shop.account()) == (1, {})
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: ")


def test_a_disk_that_fills_up_in_the_middle_is_settled_by_the_next_run(shop: Online) -> None:
    shop.write(
        "customers.yaml", "customers:\n" + "".join(f"  k{n}: {{name: N{n}, email: n@x.example}}\n" for n in range(300))
    )
    ran = shop.spawn("apply", "-f", "customers.yaml", "--auto-approve", limits="-f 1500")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert 0 < len(shop.account()) < 300
    assert "of 300 changes had ended" in ran.err
    shop.later()
    again = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    keys = sorted(one[0]["external_id"] for one in shop.account().values())
    assert (again.code, keys) == (0, sorted(f"k{n}" for n in range(300)))
