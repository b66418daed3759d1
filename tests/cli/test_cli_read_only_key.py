"""A key that may only read: what looks works with it, and what writes stops at once and names the scope."""

from __future__ import annotations

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)

KEY = {"AP_CLIENT_ID": "read-only", "AP_CLIENT_SECRET": "read-only"}


def looked(shop: Online, *words: str) -> tuple[int, list[str]]:
    """Return how a command with the key ended, and what it sent that is no reading."""
    before = shop.writes()
    code = shop.run(*words, **KEY).code
    return code, shop.writes()[len(before) :]


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "-f", "customers.yaml", "--refresh", "full"),
        ("plan", "-f", "customers.yaml", "--out", "a.plan"),
        ("import", "-o", "imported.yaml"),
        ("show", "acme", "-f", "customers.yaml"),
        ("duplicates",),
        ("history",),
        ("validate", "-f", "customers.yaml"),
    ],
    ids=" ".join,
)
def test_what_only_looks_needs_to_read_only(shop: Online, words: tuple[str, ...]) -> None:
    shop.applied(THREE)
    assert looked(shop, *words) == (0, [])


def test_a_plan_with_it_is_the_plan_of_the_key_that_writes(shop: Online) -> None:
    shop.applied(THREE)
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    ours, theirs = (shop.run("plan", "-f", "customers.yaml", "--format", "json", **key) for key in ({}, KEY))
    assert theirs.json["changes"] == ours.json["changes"]
    assert [change["action"] for change in ours.json["changes"]] == ["patch"]


def test_the_first_plan_with_it_notes_that_the_ledger_does_not_know_it_yet(shop: Online) -> None:
    shop.applied(THREE)
    notes = shop.run("plan", "-f", "customers.yaml", "--format", "json", **KEY).json["notes"]
    new = (
        "The ledger does not know this API key yet, but 3 of 3 bound customers are as recorded, so the account is the "
        "same."
    )
    assert [note["text"] for note in notes] == [new]


def test_an_apply_with_it_stops_at_its_first_change_and_names_the_scope(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    before, account = len(shop.writes()), shop.account()
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve", **KEY)
    assert (ran.code, shop.account()) == (1, account)
    # Those in flight together are refused together, each with the reason; the end does not say it once more.
    assert "The API key lacks a scope, such as customers:write" in " ".join(ran.out.split())
    assert "The run was stopped by this error; " in ran.err
    assert "lacks a scope" not in ran.err
    # Those in flight together are refused together; nothing is begun after that.
    assert set(shop.writes()[before:]) <= {"PATCH /customers/" + shop.id_of("acme"), "POST /customers"}
    assert len(shop.writes()) - before <= 3


def test_the_key_that_writes_goes_on_where_it_stopped(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve", **KEY).code == 1
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, len(shop.account())) == (0, 3)


def test_validating_needs_no_key_at_all(shop: Online) -> None:
    shop.write("reconciler.yaml", "files: [customers.yaml]\nenvironments:\n  default: {client_id: '${NOT_SET}'}\n")
    shop.write("customers.yaml", ONE)
    assert (shop.run("validate").code, shop.requests()) == (0, 0)
