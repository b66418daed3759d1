"""`show --why`: what it says of a customer and of a user, and that it hides and changes nothing it should not."""

from __future__ import annotations

import re

from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)

ACME = """\
acme

Is it declared?
  It is declared at customers.yaml:2:3.

Who is it?
  It is not in the ledger.
  No listed customer has this external_id.
  So no live customer is it.
"""

SOURCE = {"file": "customers.yaml", "line": 2, "column": 3}


def test_show_why_tells_a_create_from_its_evidence(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("show", "acme", "--why", "-f", "customers.yaml")
    assert (ran.code, ran.out.startswith(ACME), shop.writes()) == (0, True, [])
    assert "Create (1)\n  + acme  declared  customers.yaml:2:3" in ran.out


def test_show_why_as_json_names_the_changes_of_the_plan(shop: Online) -> None:
    shop.applied(THREE)
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    shop.later()
    told = shop.run("show", "acme", "--why", "-f", "customers.yaml", "--format", "json").json
    plan = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert (told["changes"], told["blocked"]) == (plan["changes"], [])
    (city,) = [row for row in told["fields"] if row["name"] == "city"]
    assert (city["cause"], city["then"], city["outcome"], city["code"]) == (
        "drift",
        "patch (drift)",
        "patch",
        "compared",
    )
    assert city["parts"] == {"applied": True, "live": False, "observed": False}
    assert [len(told[name]) for name in told["evidence"]] == list(map(len, told["evidence"].values()))
    assert told["evidence"]["declared"] == [{"code": "declared_at", "parts": {"source": SOURCE}}]


def test_show_why_redacts_personal_values(shop: Online) -> None:
    shop.applied(THREE)
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    shop.later()
    for form in ("text", "json"):
        out = shop.run("show", "acme", "--why", "-f", "customers.yaml", "--redact", "--format", form).out
        assert [word for word in ("Lima", "Boston", "jane@", "billing@") if word in out] == []


def test_show_why_fits_forty_columns(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("show", "acme", "--why", "-f", "customers.yaml", COLUMNS="40")
    assert [row for row in ran.out.splitlines() if len(row) > 40] == []


def test_show_why_asks_whether_a_declared_key_was_meant(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    ran = shop.run("show", "acne", "--why", "-f", "customers.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert "error: acne: no such customer is declared, live or recorded\n  did you mean acme?\n" in ran.err


def test_show_why_of_an_archived_customer_says_when_in_which_run_why_and_from_where(shop: Online) -> None:
    shop.applied(THREE)
    run = shop.applied("customers: {}\n")
    assert run.code == 3
    shop.run("apply", "-f", "customers.yaml", "--auto-approve", "--max-archives", "3", GITHUB_SHA="5d1c2f0c7b")
    shop.later()
    name = shop.run("history", "--format", "json").json["runs"][-1]["id"]
    ran = shop.run("show", "globex", "--why", "-f", "customers.yaml")
    assert re.search(
        r"Why is it archived\?\n  archived \S+ \S+Z: its entry was removed from customers.yaml; last\s+applied from "
        rf"customers.yaml:8\n  in run {name[:8]} \(apply\), \S+ \d+,\s+commit 5d1c2f0c7b\n",
        ran.out,
    )
    assert "May it be archived?" not in ran.out
    told = shop.run("show", "globex", "--why", "-f", "customers.yaml", "--format", "json").json
    assert (told["archived"]["run"], told["archived"]["reason"], told["archiving"]) == (name, "entry_gone", [])
    assert told["archived"]["entry"] == {"file": "customers.yaml", "line": 8}


def test_show_why_of_an_active_customer_says_who_created_or_restored_it_and_why(shop: Online) -> None:
    shop.write("customers.yaml", ONE)
    words = ("apply", "-f", "customers.yaml", "--auto-approve")
    assert shop.run(*words, GITHUB_ACTOR="ana").code == 0
    created = shop.run("show", "acme", "--why", "-f", "customers.yaml")
    assert re.search(
        r"Why is it active\?\n  created \S+ \S+Z: declared at customers.yaml:2\n  in run \w{8} \(apply\), ana\n",
        created.out,
    )
    shop.applied(ONE.replace("city: Boston", "archived: true"))
    shop.later()
    shop.write("customers.yaml", ONE)
    assert shop.run(*words, GITHUB_ACTOR="joe").code == 0
    told = shop.run("show", "acme", "--why", "-f", "customers.yaml", "--format", "json").json
    assert (told["activated"]["action"], told["activated"]["who"], told["archived"]) == ("restore", "joe", None)
    assert told["activated"]["source"] == {"file": "customers.yaml", "line": 2}


def test_show_why_of_a_customer_that_was_only_adopted_has_no_change_to_tell(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Boston"})
    shop.applied(ONE)
    told = shop.run("show", "acme", "--why", "-f", "customers.yaml", "--format", "json").json
    assert (told["activated"], told["archived"]) == (None, None)


def test_show_why_of_a_customer_that_only_the_history_has_leads_there(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("customers.yaml", "customers: {}\n")
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    shop.run("state", "rm", "acme")
    ran = shop.run("show", "acme", "--why", "-f", "customers.yaml")
    assert (ran.code, "its history is in the ledger: `reconciler history --key acme`" in ran.err) == (1, True)
