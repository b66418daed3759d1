"""`plan --out` and `apply PLAN` with RECONCILER_PLAN_KEY: a saved plan that nobody can read or change without it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ONE, Online, Place

pytest_plugins = ("command_fixtures",)

FILES = ("-f", "customers.yaml")
KEY, OTHER = (base64.b64encode(bytes([digit]) * 32).decode() for digit in (1, 2))
MAKE = "make a new plan: reconciler plan --out FILE"
GIVE = "RECONCILER_PLAN_KEY, or the file that RECONCILER_PLAN_KEY_FILE names"
ALTERED = "error: the sealed plan was altered or cut after it was saved; nothing was sent"


def saved(shop: Online, *words: str, **variables: str) -> Path:
    """Save the plan of one customer, and return where."""
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", *FILES, *words, "--out", "today.plan", **variables)
    assert ran.code == 0, ran.err
    return shop.folder / "today.plan"


def refused(shop: Online, *words: str, **variables: str) -> list[str]:
    """Apply the saved plan, which must be refused before anything is sent, and return what stderr says."""
    before = shop.requests()
    ran = shop.run("apply", "today.plan", *FILES, "--auto-approve", *words, **variables)
    assert (ran.code, ran.out, shop.requests()) == (3, "", before), ran.err
    return ran.err.splitlines()


def applied(shop: Online, **variables: str) -> int:
    return shop.run("apply", "today.plan", *FILES, "--auto-approve", **variables).code


def test_a_sealed_plan_shows_nothing_of_the_customers_and_is_applied_with_its_key(shop: Online) -> None:
    path = saved(shop, RECONCILER_PLAN_KEY=KEY)
    text = path.read_text("utf-8")
    assert [word for word in ("acme", "Acme", "billing", "Boston") if word in text] == []
    assert (path.stat().st_mode & 0o777, applied(shop, RECONCILER_PLAN_KEY=KEY)) == (0o600, 0)
    assert shop.named("acme")["city"] == "Boston"


def test_a_key_in_a_file_seals_and_opens_as_one_in_a_variable(shop: Online) -> None:
    shop.write("plan.key", f"{KEY}\n")
    saved(shop, RECONCILER_PLAN_KEY_FILE="plan.key")
    assert applied(shop, RECONCILER_PLAN_KEY=KEY) == 0


@pytest.mark.parametrize("between", [",", " ", "\n", ", "])
def test_of_several_keys_the_first_seals_and_any_opens(shop: Online, between: str) -> None:
    saved(shop, RECONCILER_PLAN_KEY=between.join((KEY, OTHER)))
    refused(shop, RECONCILER_PLAN_KEY=OTHER)
    assert applied(shop, RECONCILER_PLAN_KEY=between.join((OTHER, KEY))) == 0


def test_a_plan_that_is_not_sealed_is_refused_where_a_key_is_given(shop: Online) -> None:
    saved(shop)
    assert refused(shop, RECONCILER_PLAN_KEY=KEY) == [
        "error: the plan is not sealed, but a key for sealed plans is set; nothing was sent",
        f"  {MAKE}, with the same key; or unset {GIVE}",
    ]


def test_a_sealed_plan_is_refused_without_a_key(shop: Online) -> None:
    saved(shop, RECONCILER_PLAN_KEY=KEY)
    error, hint = refused(shop)
    assert error.startswith("error: the plan is sealed with the key ")
    assert (error.endswith(", and no key is set; nothing was sent"), hint) == (True, f"  set the key in {GIVE}")


def test_a_sealed_plan_is_refused_with_another_key(shop: Online) -> None:
    saved(shop, RECONCILER_PLAN_KEY=KEY)
    error, hint = refused(shop, RECONCILER_PLAN_KEY=OTHER)
    assert error.endswith(", which is not set; nothing was sent"), error
    assert hint == f"  add the key to {GIVE}, or {MAKE}"


def test_a_sealed_plan_in_which_any_bit_differs_is_refused(shop: Online) -> None:
    path = saved(shop, RECONCILER_PLAN_KEY=KEY)
    whole = path.read_bytes()
    # All of what is in the clear and of the end, and of the long text between them some.
    places = [*range(200), *range(200, len(whole) - 40, 97), *range(len(whole) - 40, len(whole))]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert refused(shop, RECONCILER_PLAN_KEY=KEY)[0].endswith("nothing was sent"), place
    assert shop.account() == {}


@pytest.mark.parametrize("bit", range(8))
def test_the_bits_that_base64_leaves_unused_count_too(shop: Online, bit: int) -> None:
    path = saved(shop, RECONCILER_PLAN_KEY=KEY)
    whole = path.read_bytes()
    place = whole.rstrip(b'"}\n=').__len__() - 1
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    assert refused(shop, RECONCILER_PLAN_KEY=KEY)[0] == ALTERED


def test_a_sealed_plan_that_was_cut_is_refused(shop: Online) -> None:
    path = saved(shop, RECONCILER_PLAN_KEY=KEY)
    path.write_bytes(path.read_bytes()[:-30])
    assert refused(shop, RECONCILER_PLAN_KEY=KEY) == [ALTERED, f"  {MAKE}"]


def test_a_sealed_plan_of_another_environment_is_refused(shop: Online) -> None:
    environments = ", ".join(f"{name}: {{base_url: '{shop.variables['AP_BASE_URL']}'}}" for name in ("one", "two"))
    shop.write("reconciler.yaml", f"version: 1\nfiles: [customers.yaml]\nenvironments: {{{environments}}}\n")
    saved(shop, "-e", "one", RECONCILER_PLAN_KEY=KEY)
    assert refused(shop, "-e", "two", RECONCILER_PLAN_KEY=KEY) == [
        "error: the sealed plan is for the environment one, and this is two; nothing was sent",
        f"  select it with -e, or {MAKE}",
    ]


@pytest.mark.parametrize(("name", "other"), [("environment", "other"), ("base_url", "http://localhost:1")])
def test_a_sealed_plan_that_is_relabeled_as_one_of_another_environment_is_refused(
    shop: Online, name: str, other: str
) -> None:
    path = saved(shop, RECONCILER_PLAN_KEY=KEY)
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, name: other}) + "\n", "utf-8")
    there = {"AP_ENVIRONMENT": other} if name == "environment" else {"AP_BASE_URL": other}
    assert refused(shop, **there, RECONCILER_PLAN_KEY=KEY)[0] == ALTERED


def test_a_sealed_plan_of_another_project_is_refused(shop: Online) -> None:
    saved(shop, RECONCILER_PLAN_KEY=KEY)
    shop.write("reconciler.yaml", "version: 1\nproject: other\nfiles: [customers.yaml]\n")
    assert refused(shop, RECONCILER_PLAN_KEY=KEY) == [
        "error: the sealed plan is for the project default, and this is other; nothing was sent",
        f"  apply it with the project file of that project, or {MAKE}",
    ]


@pytest.mark.parametrize("key", ["", " ", ",\n"])
@pytest.mark.parametrize("words", [("plan", "--out", "today.plan"), ("apply", "today.plan", "--auto-approve")])
def test_an_empty_key_is_an_error(shop: Online, key: str, words: tuple[str, ...]) -> None:
    saved(shop).rename(shop.folder / "kept.plan")
    shop.write("today.plan", (shop.folder / "kept.plan").read_bytes())
    before = shop.requests()
    ran = shop.run(*words, *FILES, RECONCILER_PLAN_KEY=key)
    assert (ran.code, shop.requests()) == (1, before)
    assert ran.err.startswith("RECONCILER_PLAN_KEY: the key of saved plans is empty"), ran.err
    assert (shop.folder / "today.plan").read_bytes() == (shop.folder / "kept.plan").read_bytes()


@pytest.mark.parametrize("text", ["", "\n", " \n"])
def test_an_empty_file_of_the_key_is_an_error(shop: Online, text: str) -> None:
    shop.write("customers.yaml", ONE)
    shop.write("plan.key", text)
    ran = shop.run("plan", *FILES, "--out", "today.plan", RECONCILER_PLAN_KEY_FILE="plan.key")
    assert (ran.code, "the key of saved plans is empty" in ran.err, shop.requests()) == (1, True, 0), ran.err


@pytest.mark.parametrize("key", ["AAAA", "none", f"none {KEY}", "pässword", KEY[:-1], f"{KEY},AAAA"])
def test_a_key_that_is_none_is_an_error_that_does_not_repeat_it(shop: Online, key: str) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", *FILES, "--out", "today.plan", RECONCILER_PLAN_KEY=key)
    assert (ran.code, "key of saved plans is not one" in ran.err, shop.requests()) == (1, True, 0), ran.err
    assert (key == "none" or key not in ran.err, (shop.folder / "today.plan").exists()) == (True, False)


def test_a_plan_that_is_printed_is_not_sealed(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", *FILES, "--format", "json", RECONCILER_PLAN_KEY=KEY)
    assert ran.json["changes"][0]["external_id"] == "acme"


def test_an_empty_key_of_the_ledger_is_an_error_too(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", *FILES, "--auto-approve", RECONCILER_STATE_KEY="")
    assert (ran.code, shop.writes()) == (1, [])
    assert ran.err.startswith("RECONCILER_STATE_KEY: the ledger's key is empty"), ran.err


def test_what_encrypts_is_loaded_only_where_a_key_is_given(here: Place) -> None:
    here.write("customers.yaml", ONE)
    code = "import sys; from reconciler.cli.app import run; run(['validate', '-f', 'customers.yaml']); "
    code += "import reconciler.cli.plan, reconciler.cli.apply; print('cryptography' in sys.modules)"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=here.folder, env=here.given(), capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "False"
