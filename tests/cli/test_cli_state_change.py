"""`state rm`, `move`, `unprotect`: what follows is said at a terminal, and comes true; a script is not asked."""

from __future__ import annotations

import json

import pytest
from command_line import ONE, Online, Place

pytest_plugins = ("command_fixtures",)

FILES = ("-f", "customers.yaml")
RM, MOVE, UNPROTECT = ("state", "rm", "acme"), ("state", "move", "acme", "new"), ("state", "unprotect", "acme")


def dry(shop: Online, *words: str) -> list[str]:
    """Return what a correction says that follows, after it was seen to change nothing."""
    before = shop.ledger()
    ran = shop.run(*words, "--dry-run", *FILES, COLUMNS="400")
    assert (ran.code, shop.ledger()) == (0, before)
    return [line.strip() for line in ran.out.splitlines()[1:]]


def next_plan(shop: Online) -> list[tuple[str, str]]:
    """Return what the next plan does, in the ledger too."""
    plan = shop.run("plan", *FILES, "--format", "json", "--max-archives", "9").json
    return [(row["action"], row["address"]) for row in (*plan["changes"], *plan["bindings"])]


def test_a_customer_that_is_found_by_its_external_id_is_said_to_be_found_again(shop: Online) -> None:
    shop.applied(ONE)
    assert dry(shop, *RM) == ["declared at customers.yaml:2:3: the next plan finds it again by its external_id"]
    shop.run(*RM)
    assert next_plan(shop) == [("adopt", "acme")]


def test_a_customer_that_only_the_ledger_knows_is_said_to_be_created_a_second_time(shop: Online) -> None:
    (live,) = shop.load({"name": "Acme"})
    shop.applied(f"customers:\n  acme: {{id: {live}, name: Acme}}\n")
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme}\n")
    (said,) = dry(shop, *RM)
    assert said == (
        f"declared at customers.yaml:2:3, and it has no external_id: without `id: {live}` "
        "the next plan creates it a second time"
    )
    shop.run(*RM)
    assert next_plan(shop) == [("create", "acme")]


def test_a_customer_with_its_pin_is_said_to_be_bound_again(shop: Online) -> None:
    (live,) = shop.load({"name": "Acme"})
    shop.applied(f"customers:\n  acme: {{id: {live}, name: Acme}}\n")
    assert dry(shop, *RM) == [f"declared at customers.yaml:2:3 with `id: {live}`: the next plan binds it again"]


def test_one_that_this_tool_archived_is_said_to_be_created_anew(shop: Online) -> None:
    shop.applied(ONE)
    assert shop.applied(ONE.replace("city: Boston", "archived: true")).code == 0
    shop.write("customers.yaml", ONE)
    assert "it is created again instead of restored" in dry(shop, *RM)[0]
    shop.later()
    shop.run(*RM)
    assert next_plan(shop) == [("create", "acme")]


def test_a_move_to_a_key_that_is_not_declared_is_said_to_archive(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", "customers: {}\n")
    assert dry(shop, *MOVE) == ["no entry declares it: the next plan that reads customers.yaml archives it"]
    shop.run(*MOVE)
    assert next_plan(shop) == [("archive", "new")]


def test_a_move_to_the_key_that_is_declared_is_said_to_keep_it(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", ONE.replace("acme:", "new:"))
    assert dry(shop, *MOVE) == ["declared at customers.yaml:2:3: the next plan uses that entry"]
    shop.run(*MOVE)
    assert next_plan(shop) == []


def test_lifting_a_protection_is_said_to_archive_whose_entry_has_gone(shop: Online) -> None:
    shop.applied(ONE.replace("city: Boston", "protect: true"))
    shop.write("customers.yaml", "customers: {}\n")
    assert dry(shop, *UNPROTECT) == ["no entry declares it: the next plan that reads customers.yaml archives it"]
    shop.run(*UNPROTECT)
    assert next_plan(shop) == [("archive", "acme")]


def test_a_protection_that_still_holds_is_said_to_hold(shop: Online) -> None:
    shop.applied(ONE.replace("city: Boston", "protect: true"))
    assert dry(shop, *UNPROTECT) == [
        "declared at customers.yaml:2:3 with `protect: true`: the next apply protects it again"
    ]
    shop.write("reconciler.yaml", "version: 1\nenvironments:\n  default: {policy: {protect: [ac*]}}\n")
    assert dry(shop, *UNPROTECT) == ["`policy.protect` still protects it"]


def test_prune_none_is_said_to_keep_it(shop: Online) -> None:
    shop.write("reconciler.yaml", "version: 1\nenvironments:\n  default: {prune: none}\n")
    shop.applied(ONE)
    shop.write("customers.yaml", "customers: {}\n")
    assert dry(shop, *MOVE) == ["no entry declares it: with `prune: none`, it stays as it is"]
    shop.run(*MOVE)
    assert next_plan(shop) == []


@pytest.mark.parametrize("words", [RM, MOVE, UNPROTECT])
def test_at_a_terminal_what_follows_is_shown_and_asked(shop: Online, words: tuple[str, ...]) -> None:
    shop.applied(ONE.replace("city: Boston", "protect: true"))
    before = shop.ledger()
    refused = shop.run(*words, *FILES, stdin=b"\n", terminal=True)
    assert (refused.code, refused.out, shop.ledger()) == (3, "", before)
    assert "would be" in refused.err
    assert refused.err.endswith("error: not done, because you did not agree; nothing was changed\n")
    assert shop.run(*words, *FILES, stdin=b"y\n", terminal=True).code == 0
    assert shop.ledger() != before


@pytest.mark.parametrize(("words", "terminal"), [((), False), (("--auto-approve",), True)])
def test_a_script_is_not_asked(shop: Online, words: tuple[str, ...], terminal: bool) -> None:
    shop.applied(ONE)
    ran = shop.run(*RM, *words, terminal=terminal)
    assert (ran.code, ran.out, ran.err) == (0, f"acme ({shop.id_of('acme')}): forgotten\n", "")
    assert json.loads(shop.ledger()) == {"bindings": []}


def test_files_with_errors_keep_nobody_from_correcting_the_ledger(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", "customers: {acme: 1}\n")
    assert dry(shop, *RM) == [
        ("declared, the next plan finds it again by its external_id; otherwise no plan mentions it")
    ]
    assert shop.run(*RM, *FILES).code == 0


def test_a_dry_run_takes_no_lock_and_makes_no_ledger(here: Place) -> None:
    ran = here.run(*RM, "--dry-run", AP_ENVIRONMENT="demo", AP_CLIENT_ID="a", AP_CLIENT_SECRET="b")
    assert (ran.code, [one.name for one in here.folder.iterdir()]) == (1, [])
