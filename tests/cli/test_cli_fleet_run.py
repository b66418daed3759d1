"""`fleet plan`, `fleet drift`, `fleet status`: many accounts at once, each with its own failure, and what is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from command_line import SCHEMAS, Place, web_server
from fleets import FleetPlace, customers, fleet_in
from jsonschema import validate

from reconciler.emulator.faults import Fault, Odds, RandomFaults, Strike

pytest_plugins = ("command_fixtures",)


@pytest.fixture
def fleet(here: Place) -> Iterator[FleetPlace]:
    with fleet_in(here) as one:
        for name in ("acme", "globex", "initech"):
            one.add(name, "one", "two")
        yield one


def schema(name: str) -> object:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))


def git(fleet: FleetPlace, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=ana", "-c", "user.email=ana@example.com", *words],  # noqa: S607
        cwd=fleet.folder,
        check=True,
        capture_output=True,
    )


# --- plan --------------------------------------------------------------------------------------------


def test_a_plan_of_all_accounts_shows_those_with_changes_and_their_sum(fleet: FleetPlace) -> None:
    fleet.applied("acme", "globex", "initech")
    fleet.add("globex", "one")
    fleet.add("initech", "one", "two", "three", "four")
    ran = fleet.run("fleet", "plan")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "globex   1 to archive",
            "initech  2 to create",
            "",
            "Plan: 2 of 3 accounts would change: 2 to create, 1 to archive.",
        ],
    )
    assert fleet.run("fleet", "plan", "--detailed-exitcode").code == 2
    assert fleet.run("fleet", "plan", "acme", "--detailed-exitcode").code == 0


def test_the_plan_of_each_account_is_saved_as_apply_takes_it(fleet: FleetPlace) -> None:
    ran = fleet.run("fleet", "plan", "--out", "plans")
    assert ran.code == 0
    assert "To apply them: reconciler fleet apply plans" in ran.err
    assert sorted(path.name for path in (fleet.folder / "plans").iterdir()) == [
        "acme.plan",
        "globex.plan",
        "initech.plan",
    ]
    assert (fleet.folder / "plans" / "acme.plan").stat().st_mode & 0o077 == 0
    ran = fleet.run("-e", "acme/production", "apply", "plans/acme.plan", "--auto-approve")
    assert (ran.code, len(fleet.api.of("acme").account.customers)) == (0, 2)


def test_plans_of_an_earlier_run_are_not_mixed_with_new_ones(fleet: FleetPlace) -> None:
    fleet.write("plans/old.plan", "{}")
    ran = fleet.run("fleet", "plan", "--out", "plans")
    assert (ran.code, ran.out) == (1, "")
    assert "holds plans of an earlier run, such as old.plan" in ran.err


def test_a_saved_plan_is_sealed_where_there_is_a_key(fleet: FleetPlace) -> None:
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    assert fleet.run("fleet", "plan", "-o", "plans", RECONCILER_PLAN_KEY=key).code == 0
    assert b"billing@" not in (fleet.folder / "plans" / "acme.plan").read_bytes()


def test_what_fails_in_one_account_is_its_own(fleet: FleetPlace) -> None:
    fleet.write("accounts/globex/customers.yaml", "customers:\n  one: {nam: One}\n")
    (fleet.folder / "ids" / "initech").unlink()
    ran = fleet.run("fleet", "plan", "--detailed-exitcode")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("globex   failed: accounts/globex/customers.yaml:2:9: customers.one.nam: unknown key")
    assert lines[1].startswith("initech  failed: ")
    assert "client id cannot be read" in " ".join(ran.out.split())
    assert lines[-1] == "Plan: 1 of 3 accounts would change: 2 to create. 2 failed."
    assert "Traceback" not in ran.all


def test_a_folder_that_cannot_be_an_account_is_a_failure_of_its_own(
    fleet: FleetPlace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fleet.write("accounts/no name/customers.yaml", customers("one"))
    (fleet.folder / "accounts" / "out").symlink_to(tmp_path_factory.mktemp("elsewhere"))
    (fleet.folder / "accounts" / "gone").symlink_to("nowhere")
    reasons = {
        "accounts/gone": "accounts/gone: this link leads nowhere",
        "accounts/no name": "accounts/no name: this folder's name is not one that an account can have",
        "accounts/out": "accounts/out: it leads out of the repository",
    }
    for words in (("plan",), ("drift",)):
        ran = fleet.run("fleet", *words, "--format", "json")
        rows = {row["account"]: row for row in ran.json["accounts"]}
        assert (ran.code, ran.err) == (1, "")
        assert {name: rows.pop(name)["message"].partition(";")[0] for name in reasons} == reasons
        assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(rows, "pending")
        assert list(rows) == ["acme", "globex", "initech"]
    ran = fleet.run("fleet", "validate")
    assert (ran.code, [line.partition(";")[0] for line in ran.out.splitlines()[:3]]) == (1, list(reasons.values()))
    listed = fleet.run("fleet", "list", "--format", "json").json["accounts"]
    assert {row["account"]: row["state"] for row in listed if row["account"] in reasons} == dict.fromkeys(
        reasons, "failed"
    )
    ran = fleet.run("fleet", "apply", "--auto-approve", "--max-accounts-changed", "100%")
    assert (ran.code, sum("POST" in one for name in fleet.api.accounts for one in fleet.requests(name))) == (3, 0)
    ran = fleet.run("fleet", "apply", "--auto-approve", "--skip-failed", "--max-accounts-changed", "100%")
    assert (ran.code, [len(fleet.api.of(name).account.customers) for name in ("acme", "globex")]) == (1, [2, 2])


def test_two_folders_of_one_name_are_both_no_account(fleet: FleetPlace) -> None:
    project = (fleet.folder / "reconciler.yaml").read_text()
    fleet.write("reconciler.yaml", project.replace("accounts/*", "[accounts/*, more/*]"))
    fleet.write("more/acme/customers.yaml", customers("other"))
    ran = fleet.run("fleet", "plan", "--format", "brief")
    assert (ran.code, fleet.requests("acme")) == (1, [])
    assert ran.out.splitlines()[:2] == [
        "accounts/acme: failed: accounts/acme: another folder has the name acme: more/acme; rename one of the folders",
        "more/acme: failed: more/acme: another folder has the name acme: accounts/acme; rename one of the folders",
    ]
    ran = fleet.run("-e", "acme/production", "apply", "--auto-approve")
    assert (ran.code, fleet.requests("acme")) == (1, [])
    assert "another folder has the name acme" in ran.err
    ran = fleet.run("-e", "*/production", "plan", "--format", "json")
    assert (ran.code, sum("error" in one for one in ran.json.values()), len(ran.json)) == (1, 2, 4)


def test_a_plan_over_a_limit_is_named_and_ends_with_3(fleet: FleetPlace) -> None:
    fleet.add("acme", *(f"c{number}" for number in range(30)))
    fleet.applied("acme")
    fleet.add("acme", "c1")
    ran = fleet.run("fleet", "plan", "acme", "--detailed-exitcode")
    assert ran.code == 3
    assert "29 to archive; max_archives: 29 planned" in " ".join(ran.out.split())


def test_the_json_of_a_plan_fits_its_schema(fleet: FleetPlace) -> None:
    fleet.applied("acme")
    fleet.write("accounts/globex/customers.yaml", "customers: [\n")
    ran = fleet.run("fleet", "plan", "--format", "json", "--report", "markdown=plan.md", "--report", "json=plan.json")
    validate(ran.json, schema("fleet"))
    assert [(row["account"], row["state"], row["exit_code"]) for row in ran.json["accounts"]] == [
        ("globex", "failed", 1),
        ("initech", "pending", 2),
        ("acme", "in_sync", 0),
    ]
    assert ran.json["totals"]["changes"]["creates"] == 2
    assert json.loads((fleet.folder / "plan.json").read_text())["totals"] == ran.json["totals"]
    markdown = (fleet.folder / "plan.md").read_text()
    assert "### Plan: 1 of 3 accounts would change: 2 to create. 1 failed." in markdown
    assert "- `initech`: 2 to create" in markdown


def test_markdown_is_cut_to_fit_by_whole_entries(fleet: FleetPlace) -> None:
    for number in range(80):
        fleet.add(f"b{number:02}", text="customers: [\n")
    ran = fleet.run("fleet", "plan", "--format", "markdown", "--max-bytes", "5000")
    assert len(ran.out.encode()) <= 5000
    assert "Cut to fit" in ran.out


def test_accounts_whose_files_did_not_change_take_no_request(fleet: FleetPlace) -> None:
    fleet.applied("acme", "globex", "initech")
    git(fleet, "init", "-q", ".")
    fleet.write(".gitignore", ".reconciler/\nstate/\n")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-qm", "one")
    fleet.add("globex", "one", "two", "three")
    before = {name: len(fleet.requests(name)) for name in ("acme", "globex", "initech")}
    ran = fleet.run("fleet", "plan", "--changed-since", "HEAD", "--out", "plans")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "globex  1 to create")
    assert ran.out.splitlines()[-1] == (
        "Plan: 1 of 1 account would change: 1 to create. 2 accounts have the same files, and no plan."
    )
    assert [len(fleet.requests(name)) - before[name] for name in ("acme", "initech")] == [0, 0]
    assert [path.name for path in (fleet.folder / "plans").iterdir()] == ["globex.plan"]


@pytest.mark.parametrize(
    ("path", "text", "changed"),
    [
        ("accounts/acme/account.yaml", "labels: {wave: canary}\n", ["acme"]),
        ("accounts/acme/more.yaml", customers("three"), ["acme"]),
        ("README.md", "text", []),
        ("shared/overlay.yaml", "customers: {one: {city: Denver}}\n", ["acme", "globex", "initech"]),
        ("reconciler.yaml", "", ["acme", "globex", "initech"]),
    ],
)
def test_an_account_is_planned_where_its_files_or_what_all_share_changed(
    fleet: FleetPlace, path: str, text: str, changed: list[str]
) -> None:
    project = (fleet.folder / "reconciler.yaml").read_text()
    fleet.write("reconciler.yaml", project + "    overlays: [shared/overlay.yaml]\n")
    fleet.write("shared/overlay.yaml", "customers: {one: {city: Boston}}\n")
    git(fleet, "init", "-q", ".")
    fleet.write(".gitignore", ".reconciler/\nstate/\n")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-qm", "one")
    fleet.write(path, text or (fleet.folder / path).read_text() + "    prune: none\n")
    ran = fleet.run("fleet", "plan", "--changed-since", "HEAD", "--format", "json")
    assert ran.code == 0, ran.all
    assert sorted(row["account"] for row in ran.json["accounts"]) == changed


def test_a_commit_that_is_unknown_is_one_error(fleet: FleetPlace) -> None:
    git(fleet, "init", "-q", ".")
    git(fleet, "add", "-A")
    git(fleet, "commit", "-qm", "one")
    ran = fleet.run("fleet", "plan", "--changed-since", "nowhere")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("there is no commit 'nowhere' here") == 1


def test_annotations_name_each_account_that_wants_a_look(fleet: FleetPlace) -> None:
    fleet.applied("acme", "initech")
    fleet.add("acme", "one")
    fleet.write("accounts/globex/customers.yaml", "customers: [\n")
    ran = fleet.run("fleet", "plan", "--format", "github", "--report", "markdown=plan.md")
    failed, archive, last = ran.out.splitlines()
    assert (ran.code, failed.startswith("::error title=globex%3A failed::accounts/globex/customers.yaml:2:1:")) == (
        1,
        True,
    )
    assert archive == (
        "::warning title=acme%3A 1 to archive::An apply archives 1 customer. "
        "`reconciler -e acme/production plan` shows which."
    )
    assert last == "Plan: 1 of 3 accounts would change: 1 to archive. 1 failed."
    assert "- `acme`: 1 to archive" in (fleet.folder / "plan.md").read_text()
    fleet.edit("initech", "one", city="Denver")
    ran = fleet.run("fleet", "drift", "initech", "--format", "sarif")
    (result,) = ran.json["runs"][0]["results"]
    assert (ran.code, result["ruleId"], result["level"]) == (2, "account/drift", "warning")
    (row,) = fleet.run("fleet", "drift", "globex", "--format", "gitlab").json
    assert (row["check_name"], row["severity"]) == ("account/failed", "critical")


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize("command", ["plan", "drift"])
def test_files_of_accounts_that_others_can_read_are_one_warning(fleet: FleetPlace, command: str) -> None:
    fleet.applied("acme", "globex", "initech")
    paths = [fleet.folder / ".reconciler" / name / "production.db" for name in ("acme", "initech")]
    assert fleet.run("fleet", command).err == ""
    for path in paths:
        path.chmod(0o644)
    names = [str(path) for path in paths]
    ran = fleet.run("fleet", command)
    assert ran.err == f"warning: others on this machine can read {', '.join(names)}: chmod 600 {' '.join(names)}\n"


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_saved_plans_that_others_can_read_are_one_warning_of_the_apply(fleet: FleetPlace) -> None:
    assert fleet.run("fleet", "plan", "acme", "initech", "--out", "plans").code == 0
    for path in (fleet.folder / "plans").iterdir():
        path.chmod(0o644)
    fleet.write("accounts/no name/customers.yaml", customers("one"))
    allowed = ("--max-accounts-changed", "100%", "--skip-failed")
    ran = fleet.run("fleet", "apply", "plans", "--auto-approve", *allowed)
    names = "plans/acme.plan, plans/initech.plan"
    assert f"warning: others on this machine can read {names}: chmod 600 {names.replace(',', '')}\n" in ran.err
    assert (ran.code, "this folder's name is not one that an account can have" in " ".join(ran.out.split())) == (
        1,
        True,
    )
    assert len(fleet.api.of("acme").account.customers) == 2


# --- drift and status --------------------------------------------------------------------------------


def test_drift_is_found_recorded_and_shown_by_the_status_without_a_request(fleet: FleetPlace) -> None:
    fleet.applied("acme", "globex", "initech")
    fleet.edit("globex", "one", city="Denver")
    ran = fleet.run("fleet", "drift")
    assert (ran.code, ran.out.splitlines()) == (
        2,
        ["globex  1 customer drifted", "", "Drift in 1 of 3 accounts: 1 customer."],
    )
    before = sum(fleet.api.counts.values())
    document = fleet.run("fleet", "status", "--format", "json").json
    validate(document, schema("fleet-status"))
    assert [(row["state"], row["drifted"]) for row in document["accounts"]] == [
        ("drifted", 1),
        ("in_sync", 0),
        ("in_sync", 0),
    ]
    assert sum(fleet.api.counts.values()) == before


def test_only_what_is_due_is_checked_again(fleet: FleetPlace) -> None:
    assert fleet.run("fleet", "drift", "--due").code == 0
    ran = fleet.run("fleet", "drift", "--due")
    assert (ran.code, ran.out) == (0, "No account was checked. 3 not due yet.\n")


def test_a_suspended_account_is_left_out(fleet: FleetPlace) -> None:
    fleet.write("accounts/acme/account.yaml", "suspend: true\n")
    ran = fleet.run("fleet", "drift", "--format", "json")
    assert (ran.json["suspended"], len(ran.json["accounts"]), fleet.requests("acme")) == (["acme"], 2, [])
    validate(ran.json, schema("fleet"))


def test_the_parts_of_a_fleet_are_all_of_it(fleet: FleetPlace) -> None:
    found = [
        row["account"]
        for part in (1, 2, 3)
        for row in fleet.run("fleet", "drift", "--shard", f"{part}/3", "--format", "json").json["accounts"]
    ]
    assert sorted(found) == ["acme", "globex", "initech"]


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/", "1/1000000"])
def test_a_part_that_is_none_is_refused(fleet: FleetPlace, part: str) -> None:
    ran = fleet.run("fleet", "drift", "--shard", part)
    assert (ran.code, "K" in ran.err) == (1, True)


def test_labels_that_select_nobody_are_an_error(fleet: FleetPlace) -> None:
    for command in ("plan", "drift"):
        ran = fleet.run("fleet", command, "-l", "wave=canry")
        assert (ran.code, ran.out) == (1, "")
        assert "no account is chosen" in ran.err


def test_an_account_whose_api_answers_nonsense_does_not_keep_the_others(fleet: FleetPlace) -> None:
    fleet.api.of("globex").faults = RandomFaults(Odds((Strike(Fault.HTML_PAGE_200, chance=1.0),)))
    ran = fleet.run("fleet", "drift", "--format", "json")
    assert ran.code == 1
    by_name = {row["account"]: row for row in ran.json["accounts"]}
    assert [by_name[name]["exit_code"] for name in ("acme", "initech")] == [0, 0]
    assert by_name["globex"]["state"] == "failed"


def test_one_message_names_all_accounts_whose_state_changed(fleet: FleetPlace) -> None:
    fleet.applied("acme", "globex", "initech")
    fleet.edit("globex", "one", city="Denver")
    fleet.edit("acme", "one", city="Denver")
    bodies: list[bytes] = []
    with web_server(lambda *_: (200, "text/plain", b""), bodies) as (url, _):
        fleet.variables["RECONCILER_NOTIFY"] = url.replace("http://", "json://")
        fleet.run("fleet", "drift")
        fleet.run("fleet", "drift")
        fleet.edit("acme", "one", city="Boston")
        fleet.run("fleet", "drift", "acme")
    messages = [json.loads(body) for body in bodies]
    assert [one["title"] for one in messages] == [
        "2 accounts need attention in production",
        "1 recovered in production",
    ]
    assert messages[0]["message"] == "- acme: drifted: 1 customer\n- globex: drifted: 1 customer"
    assert messages[1]["message"] == "- acme: in sync, was drifted"


def test_ctrl_c_lets_begun_accounts_end_and_the_rest_are_still_due(fleet: FleetPlace) -> None:
    project = (fleet.folder / "reconciler.yaml").read_text()
    fleet.write("reconciler.yaml", project.replace("environment: production}", "environment: production, parallel: 1}"))
    started: list[int] = []

    def interrupt(*_: object) -> None:
        if not started:
            started.append(process.pid)
            os.kill(process.pid, signal.SIGINT)

    with fleet.start("fleet", "drift") as process:
        fleet.api.witness = interrupt
        out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert b"interrupted: 2 accounts were not begun" in err
    assert b"2 not checked." in out
    ran = fleet.run("fleet", "drift", "--due", "--format", "json")
    assert (ran.code, len(ran.json["accounts"])) == (0, 2)


def test_a_killed_run_goes_on_where_it_was(fleet: FleetPlace) -> None:
    for number in range(12):
        fleet.add(f"a{number:02}", "one")
    requests: list[str] = []

    def kill(call: object, *_: object) -> None:
        requests.append(str(call))
        if len(requests) == 14:
            process.kill()

    with fleet.start("fleet", "drift") as process:
        fleet.api.witness = kill
        process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL
    fleet.api.witness = None
    ran = fleet.run("fleet", "drift", "--due", "--format", "json")
    rows = fleet.run("fleet", "status", "--format", "json").json["accounts"]
    assert (ran.code, [row["state"] for row in rows]) == (0, ["pending"] * 15)
    listed = {name: fleet.requests(name).count("GET /customers") for name in fleet.api.accounts}
    assert all(1 <= number <= 2 for number in listed.values())
    assert sum(listed.values()) <= 15 + 20


def test_a_disk_without_room_for_the_table_is_an_error_before_any_request(fleet: FleetPlace) -> None:
    fleet.write(".reconciler/fleet.db", "not a database, but more than five hundred bytes. " * 20)
    ran = fleet.run("fleet", "drift")
    assert (ran.code, ran.out) == (1, "")
    assert "fleet.db" in ran.err
    assert sum(fleet.api.counts.values()) == 0
    assert fleet.run("fleet", "plan").code == 0
