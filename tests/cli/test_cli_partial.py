"""`apply PLAN --partial` and `--plan-digest`: what is still planned as approved is made, all else is named."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from command_line import EPOCH_S, ONE, THREE, Online, Ran, fits

from reconciler.emulator.fault_settings import switched
from reconciler.rules import archive

pytest_plugins = ("command_fixtures",)

FILES = ("-f", "customers.yaml")
KEY = base64.b64encode(bytes([1]) * 32).decode()
TWO = ONE + "  globex: {name: Globex, email: accounts@globex.example}\n"
NO_NAME = "It has no name, and a customer cannot be created without one. Add `name:`."
DOVER = ONE.replace("Boston", "Dover")
BOTH_CHANGED = TWO.replace("Boston", "Dover").replace("name: Globex,", "name: Globex Inc,")


def saved(shop: Online, text: str, *words: str) -> Path:
    """Save the plan for a customers file, and return where."""
    shop.write("customers.yaml", text)
    ran = shop.run("plan", *FILES, "--out", "today.plan", *words)
    assert ran.code == 0, ran.err
    return shop.folder / "today.plan"


def partly(shop: Online, *words: str) -> Ran:
    """Apply the saved plan in part."""
    return shop.run("apply", "today.plan", *FILES, "--auto-approve", "--partial", *words)


def approved_two_of_which_one_is_stale(shop: Online) -> None:
    """Save a plan of two patches; then someone sets a field that one of them would change."""
    shop.applied(TWO)
    shop.later()
    saved(shop, BOTH_CHANGED)
    shop.load({"id": shop.id_of("globex"), "name": "Glob"})


def test_what_is_still_planned_as_approved_is_made_and_the_rest_is_named(shop: Online) -> None:
    approved_two_of_which_one_is_stale(shop)
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (2, [f"PATCH /customers/{shop.id_of('acme')}"])
    assert "stale: patch globex: changed since the plan was saved: name\n" in ran.err
    assert "1 change is not planned again as saved, and not made\n" in ran.err
    assert "Needed since the plan was saved, not approved, and not made (1)\n  ~ globex" in ran.out


def test_without_the_option_nothing_is_made(shop: Online) -> None:
    approved_two_of_which_one_is_stale(shop)
    before = len(shop.writes())
    ran = shop.run("apply", "today.plan", *FILES, "--auto-approve")
    assert (ran.code, shop.writes()[before:]) == (3, [])
    assert "the plan is stale: 1 of 2 changes is not planned again as saved; nothing was sent" in ran.err
    assert "to make what still holds, add --partial; or make a new plan" in ran.err


def test_the_document_holds_what_is_stale_beside_what_is_needed(shop: Online) -> None:
    approved_two_of_which_one_is_stale(shop)
    ran = partly(shop, "--format", "json")
    named = {"action": "patch", "address": "globex", "external_id": "globex", "id": shop.id_of("globex")}
    assert (ran.code, fits(ran.json, "result")) == (2, True)
    assert ran.json["stale"] == [{**named, "reason": "fields", "message": "changed since the plan was saved: name"}]
    assert ran.json["needed_since"] == [{**named, "reason": "declared"}]
    assert [row["address"] for row in ran.json["outcomes"]] == ["acme"]


def test_a_stale_user_is_masked_where_that_is_asked_for(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    saved(shop, THREE)
    shop.write("customers.yaml", TWO)
    ran = partly(shop, "--format", "json", "--redact")
    assert [row["address"] for row in ran.json["stale"]] == ["acme/***", "initech"]
    assert "jane@" not in ran.all


def test_a_plan_that_another_merge_has_made_already_exits_with_0(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    saved(shop, DOVER)
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (0, [])
    assert "stale: patch acme: it is no longer needed\n" in ran.err
    assert "no change of the plan was left to make: 1 change is not planned again as saved, and not made" in ran.err


def test_a_plan_of_which_nothing_holds_any_more_makes_nothing_and_exits_by_what_remains(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    saved(shop, DOVER)
    shop.write("customers.yaml", ONE.replace("Boston", "Lima"))
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (2, [])
    assert "stale: patch acme: changed since the plan was saved: city" in ran.err


def test_what_is_blocked_by_now_makes_the_exit_code_3(shop: Online) -> None:
    shop.applied(TWO)
    shop.later()
    saved(shop, BOTH_CHANGED)
    shop.write("customers.yaml", BOTH_CHANGED.replace("accounts@", "ap@"))
    ran = partly(shop)
    assert (ran.code, shop.named("acme")["city"], shop.named("globex")["name"]) == (3, "Dover", "Globex Inc")


def test_a_patch_waits_for_a_restore_that_nobody_approved(shop: Online) -> None:
    shop.applied(TWO)
    shop.later()
    saved(shop, BOTH_CHANGED)
    archive(shop.emulator.account, shop.emulator.behaviour, shop.id_of("acme"), EPOCH_S)
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (2, [f"PATCH /customers/{shop.id_of('globex')}"])
    assert "stale: patch acme: it needs restore first, which is not in the plan" in ran.err
    assert "Needed since the plan was saved, not approved, and not made (2)" in ran.out


def test_the_users_of_a_customer_whose_create_differs_wait(shop: Online) -> None:
    saved(shop, THREE)
    shop.write("customers.yaml", THREE.replace("Boston", "Dover"))
    ran = partly(shop)
    assert (ran.code, sorted(shop.writes())) == (2, ["POST /customers", "POST /customers"])
    assert {one[0]["external_id"] for one in shop.account().values()} == {"globex", "initech"}
    assert "stale: create user acme/jane@acme.example: it needs create first, which is not in the plan" in ran.err


def test_the_same_plan_again_makes_nothing_twice(shop: Online) -> None:
    approved_two_of_which_one_is_stale(shop)
    assert partly(shop).code == 2
    shop.later()
    before = len(shop.writes())
    again = partly(shop)
    assert (again.code, shop.writes()[before:]) == (2, [])
    assert "patch acme" not in again.err
    shop.load({"id": shop.id_of("globex"), "name": "Globex"})
    shop.later()
    last = partly(shop)
    assert (last.code, shop.writes()[before:]) == (0, [f"PATCH /customers/{shop.id_of('globex')}"])


def test_a_change_that_was_made_and_then_reverted_is_not_made_again(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    saved(shop, DOVER)
    assert partly(shop).code == 0
    shop.load({"id": shop.id_of("acme"), "city": "Boston"})
    shop.later()
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (2, [])


def test_limits_hold_for_what_is_left_of_a_plan(shop: Online) -> None:
    shop.applied(THREE)
    shop.later()
    saved(shop, "customers: {}\n", "--max-archives", "3")
    before = len(shop.writes())
    ran = partly(shop)
    assert (ran.code, shop.writes()[before:]) == (3, [])
    assert "over a limit: max_archives: 3 planned, 1 allowed" in ran.err


def test_files_that_were_not_read_this_time_are_refused(shop: Online) -> None:
    shop.write("other.yaml", ONE)
    assert shop.run("plan", "-f", "other.yaml", "--out", "today.plan").code == 0
    shop.write("customers.yaml", "customers: {}\n")
    ran = partly(shop)
    assert (ran.code, shop.writes()) == (3, [])
    assert "the plan was made from files that were not read this time: reconciler apply today.plan -f other" in ran.err


@pytest.mark.parametrize("words", [("--partial",), ("--plan-digest", "a" * 64)])
def test_what_is_about_a_saved_plan_needs_one(shop: Online, words: tuple[str, ...]) -> None:
    ran = shop.run("apply", *FILES, "--auto-approve", *words)
    assert (ran.code, shop.requests()) == (1, 0)
    assert f"{words[0]} needs a saved plan: apply PLAN" in ran.err


# --- the digest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [{}, {"RECONCILER_PLAN_KEY": KEY}])
def test_a_saved_plan_names_its_digest_in_the_file_and_when_it_is_saved(
    shop: Online, variables: dict[str, str]
) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", *FILES, "--out", "today.plan", **variables)
    digest = json.loads((shop.folder / "today.plan").read_text("utf-8"))["digest"]
    assert f"Saved the plan as today.plan; its digest is {digest}.\n" in ran.err
    again = shop.run("plan", *FILES, "--out", "again.plan", **variables)
    assert digest not in again.err
    applied = shop.run("apply", "today.plan", *FILES, "--auto-approve", "--plan-digest", digest.upper(), **variables)
    assert (applied.code, shop.writes()) == (0, ["POST /customers"])
    assert f"apply of plan {digest[:16]}" in shop.run("history", "--format", "json").out


@pytest.mark.parametrize("variables", [{}, {"RECONCILER_PLAN_KEY": KEY}])
def test_a_plan_with_another_digest_than_the_one_that_was_approved_is_refused(
    shop: Online, variables: dict[str, str]
) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run("plan", *FILES, "--out", "today.plan", **variables).code == 0
    digest = json.loads((shop.folder / "today.plan").read_text("utf-8"))["digest"]
    before = shop.requests()
    other = "0" * 64
    ran = shop.run("apply", "today.plan", *FILES, "--auto-approve", "--plan-digest", other, **variables)
    assert (ran.code, shop.requests()) == (3, before)
    assert ran.err == (
        f"error: the plan's digest is {digest}, and --plan-digest names {other}; nothing was sent\n"
        "  apply the file that was approved\n"
    )


def test_a_sealed_plan_whose_digest_was_changed_is_refused(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert shop.run("plan", *FILES, "--out", "today.plan", RECONCILER_PLAN_KEY=KEY).code == 0
    path = shop.folder / "today.plan"
    digest = json.loads(path.read_text("utf-8"))["digest"]
    other = "0" * 64
    path.write_text(path.read_text("utf-8").replace(digest, other), "utf-8")
    words = ("apply", "today.plan", *FILES, "--auto-approve", "--plan-digest", other)
    ran = shop.run(*words, RECONCILER_PLAN_KEY=KEY)
    assert (ran.code, shop.writes()) == (3, [])
    assert "the sealed plan was altered or cut after it was saved; nothing was sent" in ran.err


@pytest.mark.parametrize("digest", ["", "today", "a" * 63, "g" * 64, "a" * 16])
def test_what_is_no_digest_is_an_error_before_anything_is_read(shop: Online, digest: str) -> None:
    ran = shop.run("apply", "today.plan", *FILES, "--auto-approve", "--plan-digest", digest)
    assert (ran.code, shop.requests()) == (1, 0)
    assert "a digest has 64 hexadecimal digits; `plan --out FILE` prints it" in " ".join(ran.err.split())


# --- in one line each -----------------------------------------------------------------------------------


def test_brief_has_one_line_a_change_as_it_ended_then_what_was_not_made_and_the_summary(shop: Online) -> None:
    approved_two_of_which_one_is_stale(shop)
    more = "  hooli: {name: Hooli, email: h@hooli.example}\n  new: {email: n@n.example}\n"
    shop.write("customers.yaml", BOTH_CHANGED + more)
    ran = partly(shop, "--format", "brief")
    assert ran.code == 3
    *lines, last = ran.out.splitlines()
    assert lines == [
        "done patch acme: city Boston -> Dover (customers.yaml:2:3)",
        "stale patch globex: changed since the plan was saved: name",
        "needed patch globex: name Glob -> Globex Inc (customers.yaml:3:3)",
        "needed create hooli: declared (customers.yaml:4:3)",
        f"blocked new name: {NO_NAME} (customers.yaml:5:3)",
    ]
    assert last.startswith("Apply: 1 done; ")


def test_brief_names_what_was_created_and_why_something_failed(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", *FILES, "--auto-approve", "--format", "brief")
    created, last = ran.out.splitlines()
    assert (ran.code, created) == (0, f"done create acme: declared (customers.yaml:2:3) ({shop.id_of('acme')})")
    assert last.startswith("Apply: 1 done; ")
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"required": ["postal_code"]})
    shop.write("customers.yaml", TWO)
    failed = shop.run("apply", *FILES, "--auto-approve", "--format", "brief")
    assert failed.code == 1
    assert failed.out.startswith("failed create globex: declared (customers.yaml:3:3): POST /customers: 422 ")


@pytest.mark.parametrize("text", [ONE, "customers: {}\n"])
def test_brief_is_silent_with_quiet_where_all_is_well(shop: Online, text: str) -> None:
    shop.write("customers.yaml", text)
    ran = shop.run("apply", *FILES, "--auto-approve", "--format", "brief", "-q")
    assert (ran.code, ran.out) == (0, "")


def test_brief_of_nothing_to_do_is_the_summary(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("apply", *FILES, "--auto-approve", "--format", "brief")
    assert (ran.code, ran.out.startswith("Apply: nothing done; ")) == (0, True)


def test_brief_masks_what_the_text_masks(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    saved(shop, THREE.replace("Boston", "Dover"))
    shop.write("customers.yaml", ONE.replace("Boston", "Dover"))
    ran = partly(shop, "--format", "brief", "--redact")
    assert [word for word in ("Boston", "Dover", "jane@", "Globex") if word in ran.out] == []
    assert "done patch acme: city *** -> *** (customers.yaml:2:3)\nstale create user acme/***: no longer" in (
        ran.out.replace("it is no longer", "no longer")
    )


def test_brief_and_events_do_not_share_standard_output(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", *FILES, "--auto-approve", "--format", "brief", "--json-events", "-")
    assert (ran.code, shop.writes()) == (1, [])
    assert "--json-events - and --format brief would both write to stdout" in " ".join(ran.err.split())


def test_who_is_asked_sees_the_plan_on_stderr_and_stdout_holds_the_lines(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", *FILES, "--format", "brief", stdin=b"y\n", terminal=True)
    assert (ran.code, ran.out.count("\n"), "+ acme" in ran.err) == (0, 2, True)
