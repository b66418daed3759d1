"""
Runners without a disk: every job on a machine of its own, thrown away after it; the ledger in object storage alone.

The workflows of `examples/ci/github` on a fresh clone each, with nothing but the secrets.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter
from pathlib import Path

import object_server
import pytest
from billing_repository import FILE, Clone, host_of
from command_line import Online, Ran
from github_host import GitHub

pytest_plugins = ("command_fixtures",)

BOTH = """\
customers:
  acme: {name: Acme, email: billing@acme.example, city: Boston}
  globex: {name: Globex, email: accounts@globex.example}
"""
ACME = BOTH.rpartition("  globex")[0]
MANY = ACME + "".join(f"  key-{n}: {{name: N{n}, email: n{n}@x.example}}\n" for n in range(30))


@pytest.fixture
def host(shop: Online) -> GitHub:
    made = host_of(shop)
    made.secrets["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    return made


def thrown_away(host: GitHub) -> None:
    """Throw away the machine on which jobs ran: their folders, and what a program keeps for its user."""
    for folder in host.runner.folder.glob("run-*"):
        shutil.rmtree(folder)
    shutil.rmtree(host.runner.folder / "state", ignore_errors=True)


def changed(shop: Online, host: GitHub, ana: Clone, branch: str, text: str) -> str:
    """Plan a pull request, merge it and apply it, each on a new machine; return its first comment."""
    number, planned = ana.request(branch, {FILE: text})
    assert planned.outcome == "success", planned.said
    thrown_away(host)
    merged = host.merge(number)
    assert merged.outcome == "success", merged.said
    thrown_away(host)
    shop.later()
    return host.comments(number)[0]


def test_runners_that_are_thrown_away_after_each_job_prune_and_tell_drift_from_our_own_change(
    shop: Online, host: GitHub
) -> None:
    ana = Clone(host, "ana")
    ana.start({FILE: "customers: {}\n"})
    first = changed(shop, host, ana, "one", BOTH)
    second = changed(shop, host, ana, "two", ACME)
    quiet = host.night()
    thrown_away(host)
    before = list(host.store["issues"])
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    loud = host.night()
    archived = [(one[0]["external_id"], one[1]) for one in shop.account().values()]
    assert ("no ledger" in first, "no ledger" in second, "1 to archive" in second) == (True, False, True), second
    assert archived == [("acme", False), ("globex", True)]
    assert (quiet.outcome, before, len(host.store["issues"])) == ("success", [], 1), loud.said


def test_a_new_machine_plans_exactly_as_the_last_one_would(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    assert shop.applied(BOTH).code == 0
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Dover"})
    plans = []
    for name in ("one", "two"):
        place = Online(shop.folder / name, dict(shop.variables), shop.emulator)
        place.write("customers.yaml", ACME)
        plans.append(place.run("plan", "-f", "customers.yaml", "--format", "json"))
    shop.write("customers.yaml", ACME)
    plans.append(shop.run("plan", "-f", "customers.yaml", "--format", "json"))
    assert [(one.code, one.json) for one in plans] == [(0, plans[0].json)] * 3
    assert plans[0].json["summary"] == {**plans[0].json["summary"], "archive": 1, "patch": 1}


def test_a_machine_that_dies_in_an_apply_is_followed_by_another_and_nobody_is_there_twice(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    dying = Online(shop.folder / "one", {**shop.variables, "RECONCILER_RATE": "50"}, shop.emulator)
    dying.write("customers.yaml", MANY)
    with dying.start("apply", "-f", "customers.yaml", "--auto-approve", "--json-events", "-") as process:
        assert process.stdout is not None
        while b'"done"' not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGKILL)
    shutil.rmtree(dying.folder)
    shop.later()
    next_one = Online(shop.folder / "two", dict(shop.variables), shop.emulator)
    next_one.write("customers.yaml", MANY)
    ended = next_one.run("apply", "-f", "customers.yaml", "--auto-approve")
    keys = Counter(one[0]["external_id"] for one in shop.account().values())
    assert (ended.code, len(keys), set(keys.values())) == (0, 31, {1}), ended.all
    shop.later()
    assert next_one.run("plan", "-f", "customers.yaml", "--detailed-exitcode").code == 0


def test_nothing_of_the_ledger_is_left_on_the_machine(shop: Online, tmp_path: Path) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    shop.variables["TMPDIR"] = str(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    assert shop.applied(BOTH).code == 0
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "customers.yaml"]
    assert [path for path in left if b"acme" in path.read_bytes()] == []


def test_credentials_of_the_store_are_in_no_output(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of("not-there")
    keys = {"AWS_ACCESS_KEY_ID": "AKIASECRETNAME", "AWS_SECRET_ACCESS_KEY": "secret-word", "AWS_SESSION_TOKEN": "tok-1"}
    shop.variables |= keys
    shop.write("customers.yaml", BOTH)
    said: list[Ran] = [
        shop.run("--log-level", "debug", *words, "-f", "customers.yaml")
        for words in (("plan",), ("apply", "--auto-approve"), ("drift",))
    ]
    assert [one.code for one in said] == [1, 1, 1]
    assert [word for word in keys.values() if any(word in one.all for one in said)] == []


def test_the_history_of_several_machines_is_one(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    for name, text in (("one", BOTH), ("two", ACME)):
        assert Online(shop.folder / name, dict(shop.variables), shop.emulator).applied(text).code == 0
        shop.later()
    runs = json.loads(shop.run("history", "--format", "json").out)["runs"]
    assert [(run["command"], run["changes"]) for run in runs] == [("apply", 2), ("apply", 1)]
