"""`history prune`: the values of old runs go, with consent, and what cannot be done without them is refused."""

from __future__ import annotations

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)

PRUNE = ("history", "prune", "--older-than", "0d")


def names(shop: Online) -> list[str]:
    return [run["id"] for run in shop.run("history", "--format", "json").json["runs"]]


def test_it_removes_the_values_of_old_runs_and_says_of_which(shop: Online) -> None:
    shop.applied(THREE)
    (name,) = names(shop)
    ran = shop.run(*PRUNE, "--auto-approve")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Removed the values of 1 run (4 changes).")
    assert ran.out.startswith(f"{name}  ")
    shown = shop.run("history", name, "--format", "json")
    assert ("jane@" in shown.out, "Boston" in shown.out) == (False, False)
    assert [row["address"] for row in shown.json["changes"]].count("acme/***") == 1
    assert "pruned_at" in shown.json["runs"][0]


def test_a_run_that_is_young_enough_keeps_its_values(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("history", "prune", "--older-than", "1d", "--auto-approve")
    assert (ran.code, ran.out.startswith("Nothing to remove: no run with values started before 20")) == (0, True)
    assert "Boston" in shop.run("history", names(shop)[0]).out


def test_without_a_terminal_and_without_consent_nothing_is_removed(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run(*PRUNE)
    assert (ran.code, "give --auto-approve" in ran.err) == (3, True)
    assert "Boston" in shop.run("history", names(shop)[0]).out


@pytest.mark.parametrize(("typed", "code", "kept"), [(b"n\n", 3, True), (b"y\n", 0, False), (b"", 130, True)])
def test_at_a_terminal_it_asks(shop: Online, typed: bytes, code: int, kept: bool) -> None:
    shop.applied(ONE)
    assert shop.run(*PRUNE, stdin=typed, terminal=True).code == code
    assert ("Boston" in shop.run("history", names(shop)[0]).out) is kept


def test_a_run_without_values_cannot_be_undone(shop: Online) -> None:
    shop.applied(ONE)
    shop.run(*PRUNE, "--auto-approve")
    before = shop.requests()
    ran = shop.run("undo", names(shop)[0], "--auto-approve")
    assert (ran.code, shop.requests()) == (3, before)
    assert "its values were removed from the history" in ran.err


def test_the_next_plan_is_empty_still(shop: Online) -> None:
    shop.applied(THREE)
    shop.run(*PRUNE, "--auto-approve")
    assert "No changes. 3 customers are as declared." in shop.run("plan", "-f", "customers.yaml").out


def test_a_saved_plan_of_a_run_without_values_is_refused_and_creates_no_user_twice(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    shop.run("plan", "-f", "customers.yaml", "--out", "a.plan")
    apply = ("apply", "a.plan", "-f", "customers.yaml", "--auto-approve")
    assert shop.run(*apply).code == 0
    shop.run(*PRUNE, "--auto-approve")
    sent = shop.writes()
    again = shop.run(*apply)
    assert (again.code, "which applied this plan, were removed" in again.err, shop.writes()) == (3, True, sent)


@pytest.mark.parametrize("days", ["400", "-1d", "1y", "d", "٣d"])
def test_what_is_no_number_of_days_is_refused(shop: Online, days: str) -> None:
    ran = shop.run("history", "prune", f"--older-than={days}", "--auto-approve")
    assert (ran.code, "is no number of days, such as 400d" in ran.err) == (1, True)


def test_a_run_is_shown_with_and_without_the_word_list(shop: Online) -> None:
    shop.applied(ONE)
    name = names(shop)[0]
    for words in ((), (name,), ("--format", "json"), (name, "--redact")):
        assert shop.run("history", *words).out == shop.run("history", "list", *words).out


def test_a_run_names_its_key_its_plan_and_who_ci_says_began_it(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    plan = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    shop.run("apply", "-f", "customers.yaml", "--auto-approve", GITHUB_ACTOR="ana")
    (run,) = shop.run("history", "--format", "json").json["runs"]
    account = plan["environment"]["account"]
    assert (run["key"], run["plan"], run["actor"]) == (f"default/{account[:8]}", plan["fingerprint"], "ana")
