"""Ledgers, copies and saved plans of every earlier format: what their programs left, today's goes on with."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import ledgers
import pytest
from command_line import Online
from postgres_server import ask

pytest_plugins = ("command_fixtures",)

OLD_FILES, OLD_TABLES = (
    [f"{kind}-{number}" for number in range(1, ledgers.SHIPPED[kind])] for kind in ("sqlite", "postgres")
)
WITH_A_COPY = [name for name in ledgers.ALL if (ledgers.FOLDER / name / "copy.jsonl").exists()]


def changes_of(document: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(one["action"], one["address"], one["id"], one["reason"], one["fields"]) for one in document["changes"]]


def saved_then(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ledgers.kept(name, "next.plan", ledgers.ANY_URL))
    return document


def test_of_every_format_a_ledger_is_kept_or_one_is_to_be_written() -> None:
    missing = [name for name in ledgers.ALL if not (ledgers.FOLDER / name / "ledger.sql").exists()]
    assert missing == [], "run: python tests/ledger/write_old_ledger.py"


@pytest.mark.parametrize("name", [one for one in ledgers.ALL if one not in OLD_TABLES])
def test_an_old_ledger_plans_what_its_own_program_planned(shop: Online, name: str) -> None:
    ledgers.put_back(name, shop)
    planned = shop.run("plan", "-f", "customers.yaml", "--format", "json")
    assert planned.code == 0, planned.err
    then = saved_then(name)
    assert changes_of(planned.json) == changes_of(then)
    assert planned.json["summary"] == then["summary"]


@pytest.mark.parametrize("name", OLD_TABLES)
def test_old_tables_are_not_planned_with_and_the_refusal_says_what_brings_them_to_today(
    shop: Online, name: str
) -> None:
    url = ledgers.put_back(name, shop)
    assert isinstance(url, str)
    refused = shop.run("plan", "-f", "customers.yaml")
    assert (refused.code, "has the older format" in refused.err, "`reconciler state rm` or `apply`" in refused.err) == (
        1,
        True,
        True,
    )
    assert shop.run("state", "rm", "nobody").code == 1
    planned = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert changes_of(planned) == changes_of(saved_then(name))


@pytest.mark.parametrize("name", ledgers.ALL)
def test_an_old_ledger_is_applied_nobody_is_doubled_and_nothing_is_left(shop: Online, name: str) -> None:
    ledgers.put_back(name, shop)
    applied = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert applied.code == 0, applied.all
    keys = sorted(fields.get("external_id", "") for fields, archived, _ in shop.account().values() if not archived)
    assert keys == ["", "acme", "hooli", "not-ours", "soylent", "umbrella", "wonka", "Übrig/1"]
    shop.later()
    again = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert (again["changes"], again["bindings"], again["blocked"]) == ([], [], [])


@pytest.mark.parametrize("name", ledgers.ALL)
def test_the_history_of_an_old_ledger_stays(shop: Online, name: str) -> None:
    ledgers.put_back(name, shop)
    shop.run("state", "rm", "nobody")  # it opens the ledger to write
    runs = shop.run("history", "--format", "json").json["runs"]
    assert [(run["command"], run["outcome"], run["changes"], run["who"][:8]) for run in runs] == [
        ("apply", "done", 7, "ana@host"),
        ("apply", "done", 2, "ana@host"),
        ("apply", "unfinished", 0, "ana@host"),
    ]


@pytest.mark.parametrize("name", OLD_FILES)
def test_an_old_change_says_what_its_format_did_not_record(shop: Online, name: str) -> None:
    ledgers.put_back(name, shop)
    number = int(name.rpartition("-")[2])
    (change,) = [
        one
        for one in shop.run("history", "--key", "globex", "--format", "json").json["changes"]
        if one["action"] == "create"
    ]
    assert (change["who"][:8], change["code"], change["cause"]) == ("ana@host", None, None)
    text = shop.run("history", "--key", "globex").out
    if number < REASONED:
        assert (change["reason"], change["source"]) == (None, None)
        assert "      no reason recorded: an older version made the run\n" in text
    else:
        assert (change["reason"], "commit" in change["source"]) == ("declared", False)
        assert "no reason recorded" not in text


REASONED = 11
"""The first format that kept why a change was made."""


@pytest.mark.parametrize("name", OLD_FILES)
def test_the_first_run_that_writes_keeps_the_old_file_beside(shop: Online, name: str) -> None:
    path = ledgers.put_back(name, shop)
    assert isinstance(path, Path)
    before = rows(path)
    assert shop.run("plan", "-f", "customers.yaml").code == 0
    assert shop.run("state", "rm", "acme").code == 0
    copy = path.with_name(f"old.db.v{name.rpartition('-')[2]}.bak")
    assert (rows(copy), rows(path) == before) == (before, False)


@pytest.mark.parametrize("name", OLD_TABLES)
def test_the_first_run_that_writes_leaves_the_old_rows_as_they_are(shop: Online, name: str) -> None:
    url = ledgers.put_back(name, shop)
    assert isinstance(url, str)
    asked = "SELECT external_id, id, applied_json FROM reconciler.bindings ORDER BY 1"
    bindings = ask(asked, url=url)
    assert shop.run("state", "rm", "acme").code == 0
    assert (len(bindings), ask(asked, url=url)) == (6, [row for row in bindings if row[0] != "acme"])


@pytest.mark.parametrize("name", WITH_A_COPY)
def test_a_copy_that_an_old_program_pulled_can_be_pushed(shop: Online, name: str) -> None:
    ledgers.put_back(name, shop)
    shop.variables["RECONCILER_STATE"] = str(shop.folder / "new.db")
    shop.write("copy.jsonl", ledgers.copy_of(ledgers.kept(name, "copy.jsonl", shop.variables["AP_BASE_URL"])))
    pushed = shop.run("state", "push", "copy.jsonl")
    assert pushed.code == 0, pushed.err
    planned = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert changes_of(planned) == changes_of(saved_then(name))


@pytest.mark.parametrize("name", ledgers.ALL)
def test_a_plan_that_another_version_saved_is_refused_and_one_of_this_version_does_what_it_showed(
    shop: Online, name: str
) -> None:
    ledgers.put_back(name, shop)
    shop.write("next.plan", ledgers.plan_of(name, shop.variables["AP_BASE_URL"]))
    applied = shop.run("apply", "next.plan", "-f", "customers.yaml", "--auto-approve")
    if "saved" not in saved_then(name):
        refused = "error: Another version of Reconciler saved this plan.\n  Make a new plan: "
        assert (applied.code, applied.err.startswith(refused), shop.writes()) == (3, True, [])
        return
    assert applied.code == 0, applied.all
    shown = [(one["action"], one["address"]) for one in saved_then(name)["changes"]]
    assert sorted(shop.writes()) == sorted(request_of(shop, action, address) for action, address in shown)


def request_of(shop: Online, action: str, address: str) -> str:
    """Return the request that a change is."""
    key = address.partition("/")[0] if action == "create_user" else address
    ours = f"/customers/{shop.id_of(key)}"
    return {
        "create": "POST /customers",
        "patch": f"PATCH {ours}",
        "archive": f"DELETE {ours}",
        "restore": f"POST {ours}/restore",
        "create_user": f"POST {ours}/users",
    }[action]


def rows(path: Path) -> list[str]:
    """Return all rows of a file, as SQL."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())
