"""Many accounts where something beneath them fails: the disk, the database, the format, a credentials command."""

from __future__ import annotations

import base64
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import postgres_server
import pytest
from command_line import PATIENCE_S, Place, Process, Ran
from fleets import FleetPlace, fleet_in

from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.faults import Fault

pytest_plugins = ("command_fixtures",)

NAMES = ("acme", "globex", "initech")
KEY = base64.b64encode(bytes(32)).decode()
ALL = "policy: {max_accounts_changed: 100%}"


@pytest.fixture
def fleet(here: Place) -> Iterator[FleetPlace]:
    with fleet_in(here) as one:
        project = (one.folder / "reconciler.yaml").read_text("utf-8")
        one.write("reconciler.yaml", project.replace("environment: production}", f"environment: production, {ALL}}}"))
        for name in NAMES:
            one.add(name, "one", "two")
        yield one


def states(fleet: FleetPlace, **variables: str) -> dict[str, str]:
    """Return the state of each account, as the status has it."""
    ran = fleet.run("fleet", "status", "--format", "json", **variables)
    return {row["account"]: row["state"] for row in ran.json["accounts"]}


def created(fleet: FleetPlace) -> dict[str, int]:
    """Return how many customers each account has."""
    return {name: len(fleet.api.of(name).account.customers) for name in NAMES}


def ended(process: Process) -> Ran:
    with process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return Ran(process.returncode, out.decode(), err.decode())


# --- the table ---------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
@pytest.mark.parametrize("blocks", [72, 96, 128])
def test_a_disk_that_is_full_while_results_are_written_loses_none_that_was(fleet: FleetPlace, blocks: int) -> None:
    for number in range(30):
        fleet.add(f"a{number:02}", "one")
    assert fleet.run("fleet", "drift", "acme").code == 0
    ran = fleet.spawn("fleet", "drift", limits=f"-f {blocks}")
    assert (ran.code, "fleet.db" in ran.err, "Traceback" in ran.err) == (1, True, False), ran.all
    before = states(fleet)
    rest = fleet.run("fleet", "drift", "--due", "--format", "json")
    assert rest.code == 0, rest.err
    assert {row["account"] for row in rest.json["accounts"]} >= {name for name, one in before.items() if one == "new"}
    assert set(states(fleet).values()) == {"pending"}


def test_a_table_of_a_newer_version_is_refused_before_any_request_and_left_as_it_is(fleet: FleetPlace) -> None:
    assert fleet.run("fleet", "drift").code == 0
    path = fleet.folder / ".reconciler" / "fleet.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = sum(fleet.api.counts.values())
    for words in (("drift",), ("status",), ("apply", "--auto-approve"), ("rollout", "status")):
        ran = fleet.run("fleet", *words)
        assert (ran.code, ran.out, "format 99" in ran.err) == (1, "", True), words
        assert "update reconciler" in ran.err
    assert sum(fleet.api.counts.values()) == before
    listed = fleet.run("fleet", "list", "--format", "brief")
    assert (listed.code, listed.out.split()) == (0, list(NAMES))


def test_a_worker_that_is_older_than_the_tables_does_not_begin(fleet: FleetPlace) -> None:
    url = postgres_server.database("fleet_newer")
    fleet.variables["RECONCILER_STATE"] = url
    assert fleet.run("fleet", "submit", "drift").code == 0
    postgres_server.ask("UPDATE reconciler.fleet_format SET version = 99", url=url)
    for words in (("worker", "--listen", "127.0.0.1:0"), ("submit", "drift"), ("drain",)):
        ran = fleet.run("fleet", *words)
        assert (ran.code, "format 99" in ran.err, "update reconciler" in ran.err) == (1, True, True), words


# --- the database ------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", NAMES)
def test_a_database_that_is_gone_in_the_middle_of_a_rollout_loses_and_doubles_nothing(
    fleet: FleetPlace, account: str
) -> None:
    url = postgres_server.database("fleet_gone")
    with postgres_server.wire() as wire:
        state = wire.url.replace("/postgres?", "/fleet_gone?")
        fleet.variables |= {"RECONCILER_STATE": state, "RECONCILER_PLAN_KEY": KEY}

        def lose(call: Call, _: Answer | Dropped, __: Fault | None) -> None:
            if call.method == "POST" and call.path == "/customers" and not wire.cuts:
                wire.dead, wire.cuts = True, 1
                postgres_server.ask(TERMINATE)

        fleet.api.of(account).witness = lose
        ran = fleet.spawn("fleet", "apply", "--auto-approve")
        assert (ran.code, "fleet rollout resume" in ran.err, "Traceback" in ran.err) == (1, True, False), ran.all
        assert fleet.run("fleet", "rollout", "status").code == 1
        wire.dead = False
        postgres_server.ask("UPDATE reconciler.leases SET expires_at = now()", url=url)
        rest = fleet.run("fleet", "rollout", "resume", "--format", "json")
        assert rest.code == 0, (ran.all, rest.all)
        assert {row["state"] for row in rest.json["accounts"]} == {"done"}
    assert created(fleet) == dict.fromkeys(NAMES, 2)


TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fleet_gone'"


# --- a credentials command ---------------------------------------------------------------------------


def test_a_credentials_command_that_fails_is_its_accounts_failure_and_shows_no_secret(fleet: FleetPlace) -> None:
    script = fleet.write(
        "vault",
        "#!/bin/sh\ncase $1 in\n"
        "acme) echo client_secret=s3cret-of-acme >&2; exit 3;;\n"
        "globex) echo '[\"s3cret-of-globex\"]';;\n"
        '*) echo "{\\"client_id\\": \\"$1\\", \\"client_secret\\": \\"local\\"}";;\nesac\n',
    )
    script.chmod(0o700)
    project = (fleet.folder / "reconciler.yaml").read_text("utf-8")
    keys = "    client_id_file: ids/{account}\n    client_secret: ${AP_CLIENT_SECRET}\n"
    fleet.write("reconciler.yaml", project.replace(keys, ""))
    fleet.variables["RECONCILER_CREDENTIALS_COMMAND"] = f"{script} {{account}}"
    ran = fleet.run("fleet", "drift", "--format", "json")
    assert (ran.code, states(fleet)) == (1, {"acme": "failed", "globex": "failed", "initech": "pending"})
    messages = {row["account"]: row["message"] for row in ran.json["accounts"]}
    assert "ended with exit code 3: client_secret=***" in messages["acme"]
    assert "did not print a JSON object" in messages["globex"]
    kept = (fleet.folder / ".reconciler" / "fleet.db").read_bytes()
    assert ("s3cret" in ran.all, b"s3cret" in kept) == (False, False)


# --- who is chosen -----------------------------------------------------------------------------------


def test_an_apply_of_nobody_is_an_error_and_sends_nothing(fleet: FleetPlace) -> None:
    ran = fleet.run("fleet", "apply", "--auto-approve", "-l", "wave=canry")
    assert (ran.code, "no account is chosen" in ran.err, sum(fleet.api.counts.values())) == (1, True, 0)


def test_an_account_with_another_ones_key_waits_for_it_and_is_an_error_of_validate(fleet: FleetPlace) -> None:
    fleet.write("ids/globex", "acme")
    ran = fleet.run("fleet", "apply", "--auto-approve", "--format", "json")
    assert ran.code in (1, 3), ran.all
    names = sorted(one.fields["external_id"] for one in fleet.api.of("acme").account.customers.values())
    assert names == ["one", "two"]
    validated = fleet.run("fleet", "validate")
    assert (validated.code, "it has the same client id as the account acme" in validated.out) == (1, True)


# --- what changed, and soak --------------------------------------------------------------------------


def test_an_apply_of_what_changed_since_a_commit_reads_and_changes_no_other_account(fleet: FleetPlace) -> None:
    fleet.applied(*NAMES)
    for words in (("init", "-q", "."), ("add", "-A"), ("commit", "-qm", "one")):
        who = ("-c", "user.name=ana", "-c", "user.email=ana@example.com")
        git(fleet.folder, *who, *words)
    fleet.add("globex", "one", "two", "three")
    fleet.edit("globex", "one", city="Denver")
    before = {name: len(fleet.requests(name)) for name in NAMES}
    words = ("fleet", "apply", "--auto-approve", "--changed-since", "HEAD", "--format", "json")
    ran = fleet.run(*words)
    assert ran.code == 0, ran.all
    assert [(row["account"], row["done"]["creates"]) for row in ran.json["accounts"]] == [("globex", 1)]
    assert ran.json["gate"]["planned"]["patches"] == 0
    assert [len(fleet.requests(name)) - before[name] for name in ("acme", "initech")] == [0, 0]
    with_plans = fleet.run(*words, "plans")
    assert (with_plans.code, "--changed-since cannot be used with DIR" in with_plans.err) == (1, True)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)  # noqa: S607


def soaking(fleet: FleetPlace) -> Process:
    """Return an apply whose canary is applied, and soaks."""
    project = (fleet.folder / "reconciler.yaml").read_text("utf-8")
    waves = "waves: [{labels: {wave: canary}, soak: 3s}, {share: 100%}]"
    fleet.write(
        "reconciler.yaml", project.replace(ALL, f"{waves}, policy: {{max_accounts_changed: 100%, max_failed: 0}}")
    )
    fleet.write("accounts/acme/account.yaml", "labels: {wave: canary}\n")
    process = fleet.start("fleet", "apply", "--auto-approve", "--format", "json")
    assert process.stderr is not None
    for line in iter(process.stderr.readline, b""):
        if b"is applied; its accounts are checked again in 3 s" in line:
            return process
    raise AssertionError(ended(process).all)


@pytest.mark.real_time
def test_a_canary_that_drifts_while_it_soaks_stops_the_rollout(fleet: FleetPlace) -> None:
    process = soaking(fleet)
    fleet.api.of("acme").offset_s += 60
    fleet.edit("acme", "one", city="Denver")
    ran = ended(process)
    assert (ran.code, ran.json["rollout"]["state"]) == (1, "stopped"), ran.all
    assert created(fleet) == {"acme": 2, "globex": 0, "initech": 0}
    (row,) = (row for row in ran.json["accounts"] if row["account"] == "acme")
    assert (row["state"], "1 customer changed after the apply" in row["message"]) == ("failed", True)


@pytest.mark.real_time
def test_after_the_soak_of_a_canary_that_stays_as_it_is_the_others_follow(fleet: FleetPlace) -> None:
    process = soaking(fleet)
    assert created(fleet) == {"acme": 2, "globex": 0, "initech": 0}
    ran = ended(process)
    assert (ran.code, created(fleet)) == (0, dict.fromkeys(NAMES, 2)), ran.all
