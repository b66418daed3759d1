"""`--quiet`: what was asked for, warnings and errors, and no word more."""

from __future__ import annotations

import pytest
from command_line import ONE, THREE, Online, Place

from reconciler.emulator.fault_settings import switched

pytest_plugins = ("command_fixtures",)

FILES = ("-f", "customers.yaml")


@pytest.mark.parametrize("words", [("-q", "apply"), ("apply", "-q"), ("apply", "--quiet")], ids=" ".join)
def test_an_apply_that_goes_well_prints_nothing(shop: Online, words: tuple[str, ...]) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run(*words, *FILES, "--auto-approve")
    assert (ran.code, ran.all, shop.writes()) == (0, "", ["POST /customers"])


def test_an_apply_that_fails_prints_what_failed(shop: Online) -> None:
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"required": ["postal_code"]})
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-q", *FILES, "--auto-approve")
    assert (ran.code, "postal_code" in ran.out) == (1, True)


def test_an_apply_that_is_blocked_prints_why(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", "customers:\n  acme: {name: Acme, email: other@acme.example}\n")
    ran = shop.run("apply", "-q", *FILES, "--auto-approve")
    assert (ran.code, "email" in ran.out) == (3, True)


def test_an_apply_that_is_over_a_limit_prints_the_plan_and_the_error(shop: Online) -> None:
    shop.applied(THREE)
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-q", *FILES, "--auto-approve")
    assert (ran.code, "- globex" in ran.out) == (3, True)
    assert ran.err.startswith("error: over a limit: ")


def test_who_is_asked_sees_the_plan(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("apply", "-q", *FILES, stdin=b"y\n", terminal=True)
    assert (ran.code, "+ acme" in ran.out, "Apply this plan? [y/N]: " in ran.err) == (0, True, True)


def test_a_plan_is_printed_where_there_is_something_to_do_and_not_where_there_is_nothing(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    assert "+ acme" in shop.run("plan", "-q", *FILES).out
    shop.applied(ONE)
    ran = shop.run("plan", "-q", *FILES, "--detailed-exitcode")
    assert (ran.code, ran.all) == (0, "")


def test_documents_and_exit_codes_are_the_same(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    loud, quiet = (
        shop.run("plan", *words, *FILES, "--format", "json", "--detailed-exitcode") for words in ((), ("-q",))
    )
    assert (loud.code, loud.json) == (quiet.code, quiet.json)
    assert shop.run("apply", "-q", *FILES, "--auto-approve", "--format", "json").json["outcome"] == "done"


def test_a_drift_is_printed_where_there_is_one(shop: Online) -> None:
    shop.applied(ONE)
    assert (shop.run("drift", "-q", *FILES).all) == ""
    shop.later()
    shop.emulator.account.customers[shop.id_of("acme")].fields["name"] = "Boston"
    ran = shop.run("drift", "-q", *FILES)
    assert (ran.code, "Boston" in ran.out) == (2, True)


def test_an_export_prints_the_yaml_alone(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("import", "-q")
    assert (ran.code, ran.err, "acme:" in ran.out) == (0, "", True)


@pytest.mark.parametrize(
    "words",
    [
        "state unprotect acme",
        "state pull -o ledger.jsonl",
        "state unlock",
        "history prune --older-than 1d --auto-approve",
        "import --match -f customers.yaml",
        "duplicates",
        "doctor",
        "validate -f customers.yaml",
        "fmt customers.yaml",
        "import -o live.yaml --bind",
        "seed --print -o made.yaml",
    ],
)
def test_a_command_that_has_nothing_to_show_prints_nothing(shop: Online, words: str) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", ONE)
    ran = shop.run(*words.split(), "--quiet")
    assert (ran.code, ran.all) == (0, "")


def test_files_are_written_and_not_listed(here: Place) -> None:
    ran = here.run("init", "-q")
    assert (ran.code, ran.all, (here.folder / "reconciler.yaml").exists()) == (0, "", True)


def test_errors_and_warnings_stay(here: Place) -> None:
    here.write("customers.yaml", "customers:\n  acme: {name: Acme, email: ana@}\n")
    ran = here.run("validate", "-q", "-f", "customers.yaml")
    assert (ran.code, ran.out.startswith("customers.yaml:2:")) == (1, True)
    assert here.run("plam", "-q").err.endswith("did you mean 'plan'?\n")


def test_a_selector_that_matches_nobody_is_still_a_warning(shop: Online) -> None:
    shop.applied(ONE)
    assert (
        shop.run("state", "list", "acmee", "-q").err == "warning: 'acmee' matches no customer; did you mean 'acme'?\n"
    )


def test_the_demo_plays_in_silence(here: Place) -> None:
    ran = here.run("demo", "-q")
    assert (ran.code, ran.all) == (0, "")
