"""`fleet list` and `fleet validate`, a fleet's starter, keys from a command, and one account under other commands."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from command_line import SCHEMAS, Place
from jsonschema import validate

from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany

pytest_plugins = ("command_fixtures",)

PROJECT = """\
fleet: {accounts: accounts/*, environment: production}
environments:
  production:
    base_url: ${AP_BASE_URL}
    client_id_file: ids/{account}
    client_secret: ${AP_SECRET_{ACCOUNT}}
    rate: 0
"""
CUSTOMERS = "customers:\n  one: {name: One, email: billing@one.example}\n"


@pytest.fixture
def fleet(here: Place) -> Place:
    here.write("reconciler.yaml", PROJECT)
    for name in ("acme", "globex"):
        here.write(f"accounts/{name}/customers.yaml", CUSTOMERS)
        here.write(f"ids/{name}", f"{name}-id\n")
    here.write("accounts/acme/account.yaml", "labels: {wave: canary}\n")
    here.variables.update(AP_SECRET_ACME="local", AP_SECRET_GLOBEX="local", AP_BASE_URL="http://127.0.0.1:1")
    return here


def of_many() -> EmulatorOfMany:
    return EmulatorOfMany(lambda name: Emulator(rate=0, keys=(ApiKey(name, LOCAL.secret),)))


def test_the_list_shows_labels_and_is_narrowed_by_them(fleet: Place) -> None:
    assert fleet.run("fleet", "list").out.splitlines()[1:] == [
        "acme     not checked yet  -           accounts/acme    wave=canary  1 h",
        "globex   not checked yet  -           accounts/globex  -            1 h",
    ]
    assert fleet.run("fleet", "list", "-l", "wave!=canary", "--format", "brief").out == "globex\n"
    (row,) = fleet.run("fleet", "list", "acme", "--format", "json").json["accounts"]
    assert (row["account"], row["environment"], row["labels"]) == ("acme", "acme/production", {"wave": "canary"})


def test_the_list_shows_what_the_last_check_found_and_when(fleet: Place) -> None:
    fleet.write("accounts/initech/account.yaml", "suspend: true\n")
    fleet.write("accounts/initech/customers.yaml", CUSTOMERS)
    fleet.write("ids/acme", "")
    with running(of_many()) as url:
        assert fleet.run("fleet", "drift", AP_BASE_URL=url).code == 1
    before = (fleet.folder / ".reconciler" / "fleet.db").read_bytes()
    rows = [line.split("  ") for line in fleet.run("fleet", "list").out.splitlines()[1:]]
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    assert [(row[0], row[1], "ago" in row[2]) for row in cells] == [
        ("acme", "failed", True),
        ("globex", "edits not applied", True),
        ("initech", "suspended", False),
    ]
    document = fleet.run("fleet", "list", "--format", "json").json
    validate(document, json.loads((SCHEMAS / "fleet-list.schema.json").read_text("utf-8")))
    assert [(row["state"], bool(row["checked_at"])) for row in document["accounts"]] == [
        ("failed", True),
        ("pending", True),
        ("suspended", False),
    ]
    assert (fleet.folder / ".reconciler" / "fleet.db").read_bytes() == before


def test_the_list_needs_no_table_and_makes_none(fleet: Place) -> None:
    assert fleet.run("fleet", "list", "--format", "json").json["accounts"][0]["state"] == "new"
    assert not (fleet.folder / ".reconciler").exists()
    fleet.write(".reconciler/fleet.db", "not a database, but more than five hundred bytes. " * 20)
    ran = fleet.run("fleet", "list", "--format", "json")
    assert (ran.code, ran.json["accounts"][0]["state"]) == (0, None)
    assert ran.err.startswith("warning: the states of the accounts cannot be read: ")
    fleet.write("reconciler.yaml", PROJECT + "    state: ${RECONCILER_STATE}\n")
    ran = fleet.run("fleet", "list")
    assert (ran.code, "RECONCILER_STATE is not set" in ran.err) == (0, True)
    assert ran.out.splitlines()[1].split()[:2] == ["acme", "unknown"]


def test_e_is_not_for_fleet(fleet: Place) -> None:
    ran = fleet.run("-e", "acme/production", "fleet", "list")
    assert (ran.code, "without -e" in ran.err) == (1, True)


def test_validate_checks_every_account_and_its_key(fleet: Place) -> None:
    ran = fleet.run("fleet", "validate")
    assert (ran.code, ran.out) == (0, "Valid: 2 accounts, 2 customers declared.\n")
    fleet.write("accounts/globex/customers.yaml", "customers:\n  two: {name: Two, emial: x@two.example}\n")
    fleet.write("ids/acme", "globex-id")
    del fleet.variables["AP_SECRET_GLOBEX"]
    (fleet.folder / "accounts" / "empty").mkdir()
    ran = fleet.run("fleet", "validate")
    assert ran.code == 1
    assert (
        "accounts/globex/customers.yaml:2:20: customers.two.emial: unknown key 'emial'; did you mean 'email'?"
        in ran.out
    )
    assert "account globex: the variable AP_SECRET_GLOBEX is not set" in ran.out
    assert "accounts/empty: this folder has no *.yaml or *.yml file; name the folder" in ran.out


def test_two_accounts_with_one_client_id_are_an_error(fleet: Place) -> None:
    fleet.write("ids/globex", "acme-id")
    ran = fleet.run("fleet", "validate", "--format", "json")
    (problem,) = ran.json["problems"]
    assert (ran.code, problem["message"]) == (1, "it has the same client id as the account acme")


def test_two_accounts_whose_names_give_one_variable_are_an_error(fleet: Place) -> None:
    fleet.write("accounts/a-b/customers.yaml", CUSTOMERS)
    fleet.write("accounts/a.b/customers.yaml", CUSTOMERS)
    fleet.write("ids/a-b", "1")
    fleet.write("ids/a.b", "2")
    ran = fleet.run("fleet", "validate", AP_SECRET_A_B="local")
    assert (ran.code, ran.out.splitlines()[0]) == (
        1,
        (
            "accounts/a.b: a.b and a-b both become A_B where {ACCOUNT} is in a variable's name; "
            "rename one of the folders, or use files with {account}"
        ),
    )
    fleet.write("reconciler.yaml", PROJECT.replace("${AP_SECRET_{ACCOUNT}}", "${AP_CLIENT_SECRET}"))
    assert fleet.run("fleet", "validate", AP_CLIENT_SECRET="local").code == 0


def test_hidden_folders_are_no_accounts_however_deep(fleet: Place) -> None:
    fleet.write("accounts/.git/info/x.yaml", "")
    fleet.write("reconciler.yaml", PROJECT.replace("accounts/*", "'accounts/*/**'"))
    assert fleet.run("fleet", "list", "--format", "brief").out == "acme\nglobex\n"


def test_a_secret_that_is_written_out_is_to_be_named_by_account(fleet: Place) -> None:
    fleet.write("reconciler.yaml", PROJECT.replace("${AP_SECRET_{ACCOUNT}}", "s3cret"))
    ran = fleet.run("fleet", "validate")
    assert (ran.code, "name it: ${AP_SECRET_{ACCOUNT}}, or use client_secret_file" in ran.err) == (1, True)
    assert "s3cret" not in ran.all


def test_a_fleet_s_starter_is_valid_and_kept_where_it_is(here: Place) -> None:
    assert here.run("init", "--fleet", "f").code == 0
    project = Place(here.folder / "f")
    assert project.run("fleet", "validate", "--strict").out == "Valid: 3 accounts, 6 customers declared.\n"
    again = project.run("init", "--fleet")
    assert {line.split()[0] for line in again.out.splitlines() if not line.startswith("Next")} == {"kept"}


def test_one_account_is_an_environment_of_every_command(fleet: Place) -> None:
    emulator = of_many()
    with running(emulator) as url:
        fleet.variables["AP_BASE_URL"] = url
        assert fleet.run("-e", "acme/production", "apply", "--auto-approve").code == 0
        assert [one.fields["name"] for one in emulator.of("acme-id").account.customers.values()] == ["One"]
        assert not emulator.of("globex-id").account.customers
        assert (fleet.folder / ".reconciler" / "acme" / "production.db").exists()
        assert "acme/production" in fleet.run("-e", "acme/production", "history", "--format", "json").out
        several = fleet.run("-e", "*/production", "plan", "--format", "json", "--detailed-exitcode")
        assert several.code == 2
        changes = {name: len(plan["changes"]) for name, plan in several.json.items()}
        assert changes == {"acme/production": 0, "globex/production": 1}


def test_the_variables_of_one_key_are_no_account_s(fleet: Place) -> None:
    fleet.write("reconciler.yaml", PROJECT.replace("    client_id_file: ids/{account}\n", ""))
    ran = fleet.run("-e", "acme/production", "plan", AP_CLIENT_ID="one", AP_CLIENT_SECRET="x")
    assert ran.code == 1
    assert "it has no client_id for the account acme; write `client_id_file: secrets/{account}/client_id`" in ran.err


def _command(folder: Path, text: str) -> str:
    script = folder / "vault"
    script.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    script.chmod(0o700)
    return str(script)


PLAIN = "fleet: {accounts: accounts/*, environment: production}\nenvironments:\n  production: {rate: 0}\n"
PRINTING = 'echo "{\\"client_id\\": \\"$1-$2\\", \\"client_secret\\": \\"local\\"}"; echo ran >> calls'


def test_a_command_gives_the_key_and_is_run_once_without_a_shell(fleet: Place) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    command = f"{_command(fleet.folder, PRINTING)} '{{account}}' {{environment}};touch"
    emulator = of_many()
    with running(emulator) as url:
        ran = fleet.run("-e", "acme/production", "plan", RECONCILER_CREDENTIALS_COMMAND=command, AP_BASE_URL=url)
    # The semicolon is a letter of the second word, which makes this no client id of the emulator's.
    assert (ran.code, "the credentials are wrong" in ran.err) == (1, True)
    with running(emulator) as url:
        command = command.removesuffix(";touch")
        ran = fleet.run("-e", "acme/production", "plan", RECONCILER_CREDENTIALS_COMMAND=command, AP_BASE_URL=url)
    assert (ran.code, list(emulator.accounts)) == (0, ["acme-production"])
    assert (fleet.folder / "calls").read_text("utf-8") == "ran\nran\n"


def test_a_user_s_own_configuration_names_the_command_too(fleet: Place) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    fleet.write("config.yaml", f"credentials_command: {_command(fleet.folder, PRINTING)} {{account}} x\n")
    emulator = of_many()
    with running(emulator) as url:
        ran = fleet.run("-e", "acme/production", "plan", RECONCILER_CONFIG="config.yaml", AP_BASE_URL=url)
    assert (ran.code, list(emulator.accounts)) == (0, ["acme-x"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo s3cret-in-no-message; exit 0", "did not print a JSON object; it prints"),
        ("echo '{\"client_id\": 7}'", "printed no client_id and no client_secret; it prints"),
        ("echo no such path >&2; exit 3", "for acme/production ended with exit code 3: no such path; it prints"),
        ("exit 3", "ended with exit code 3: it printed no reason; it prints"),
        ("echo '\"s3cret-of-acme\"'; echo no s3cret-of-acme >&2; exit 3", "ended with exit code 3: no ***; it prints"),
        ("echo client_secret=s3cret >&2; exit 3", "ended with exit code 3: client_secret=***; it prints"),
        ("yes s3cret", "printed more than 64 kB; it prints"),
        ("yes s3cret >&2", "printed more than 64 kB; it prints"),
        ("head -c 60000 /dev/zero | tr '\\0' '['", "did not print a JSON object; it prints"),
    ],
)
def test_a_command_that_gives_no_key_is_named_and_its_output_is_not(fleet: Place, text: str, said: str) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    ran = fleet.run(
        "-e",
        "acme/production",
        "plan",
        RECONCILER_CREDENTIALS_COMMAND=_command(fleet.folder, text),
        AP_BASE_URL="http://127.0.0.1:1",
    )
    assert ran.code == 1
    assert said in ran.err
    assert "s3cret" not in ran.all


def test_what_a_command_leaves_running_is_not_waited_for(fleet: Place) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    left = f"sleep 60 & echo $! > left\n{PRINTING}"
    emulator = of_many()
    with running(emulator) as url:
        command = f"{_command(fleet.folder, left)} {{account}} x"
        ran = fleet.run("-e", "acme/production", "plan", RECONCILER_CREDENTIALS_COMMAND=command, AP_BASE_URL=url)
    os.kill(int((fleet.folder / "left").read_text("utf-8")), signal.SIGKILL)
    assert (ran.code, list(emulator.accounts)) == (0, ["acme-x"])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "/no/such/file {account}",
            "`/no/such/file acme` for acme/production cannot be run: No such file or directory",
        ),
        ("vault 'x", "RECONCILER_CREDENTIALS_COMMAND: this is not a command: No closing quotation"),
    ],
)
def test_a_command_that_cannot_be_run_is_an_error(fleet: Place, command: str, said: str) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    ran = fleet.run(
        "-e", "acme/production", "plan", RECONCILER_CREDENTIALS_COMMAND=command, AP_BASE_URL="http://127.0.0.1:1"
    )
    assert (ran.code, said in ran.err) == (1, True)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("reconciler.yaml", PLAIN.replace("{rate: 0}", "{rate: 0, credentials_command: touch ran}")),
        ("reconciler.yaml", f"credentials_command: touch ran\n{PLAIN}"),
        ("accounts/acme/account.yaml", "credentials_command: touch ran\n"),
    ],
)
def test_a_repository_never_says_which_command_is_run(fleet: Place, file: str, text: str) -> None:
    fleet.write("reconciler.yaml", PLAIN)
    fleet.write(file, text)
    ran = fleet.run("-e", "acme/production", "plan")
    assert ran.code == 1
    assert "a repository must not say which command is run; set RECONCILER_CREDENTIALS_COMMAND to it" in ran.err
    assert not (fleet.folder / "ran").exists()


def test_the_emulator_of_many_keeps_accounts_pace_and_tokens_apart(fleet: Place) -> None:
    emulator = of_many()
    with running(emulator) as url:
        fleet.variables["AP_BASE_URL"] = url
        for name in ("acme", "globex"):
            assert fleet.run("-e", f"{name}/production", "apply", "--auto-approve").code == 0
        fleet.variables["AP_SECRET_ACME"] = "wrong"
        wrong = fleet.run("-e", "acme/production", "plan")
    assert (wrong.code, "the credentials are wrong" in wrong.err) == (1, True)
    assert sum(emulator.counts.values()) == len(emulator.requests)
    assert {name: len(one.account.customers) for name, one in emulator.accounts.items()} == {
        "acme-id": 1,
        "globex-id": 1,
    }


def test_an_account_whose_labels_cannot_be_read_is_named_where_labels_choose(fleet: Place) -> None:
    fleet.write("accounts/globex/account.yaml", "lables: {}\n")
    ran = fleet.run("fleet", "list", "-l", "wave=canary", "--format", "brief")
    assert (ran.code, ran.out) == (0, "acme\n")
    assert ran.err.startswith("warning: accounts/globex/account.yaml:1:1: lables: unknown key 'lables'")
