"""`fleet worker`, `fleet submit` and `fleet drain`: a fleet on several machines, as processes."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx
import postgres_server
import pytest
from command_line import PATIENCE_S, SCHEMAS, Place, web_server
from jsonschema import validate

from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany

pytest_plugins = ("command_fixtures",)

PROJECT = """\
project: msp
fleet: {accounts: accounts/*, environment: production}
environments:
  production:
    base_url: ${AP_BASE_URL}
    client_id: "{account}"
    client_secret: ${AP_CLIENT_SECRET}
    state: ${RECONCILER_STATE}
    rate: 0
"""
CUSTOMERS = "customers:\n  one: {name: One, email: billing@one.example}\n"
SECRET = "0123456789abcdef0123456789abcdef"
NAMES = ("acme", "globex")


@pytest.fixture
def fleet(here: Place) -> Iterator[Place]:
    """Two accounts on an emulator, with their ledgers in one database."""
    here.write("reconciler.yaml", PROJECT)
    for name in NAMES:
        here.write(f"accounts/{name}/customers.yaml", CUSTOMERS)
    emulator = EmulatorOfMany(lambda name: Emulator(rate=0, keys=(ApiKey(name, LOCAL.secret),)))
    with running(emulator) as url:
        state = postgres_server.database("fleet_command")
        here.variables.update(AP_BASE_URL=url, AP_CLIENT_SECRET=LOCAL.secret, RECONCILER_STATE=state)
        yield here


def _address(worker: subprocess.Popen[bytes]) -> str:
    """Return where a worker answers, which it prints first."""
    assert worker.stderr is not None
    line = worker.stderr.readline().decode()
    assert " answers at " in line, line + worker.stderr.read().decode()
    return line.partition(" answers at ")[2].partition(";")[0].strip()


def _until(true: Callable[[], bool]) -> None:
    """Return once a condition holds, which takes a worker some seconds."""
    ends = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
@pytest.mark.real_time
def test_a_worker_checks_what_is_due_takes_webhooks_and_ends_by_sigterm(fleet: Place) -> None:
    fleet.variables["RECONCILER_EVENTS_SECRET"] = SECRET
    with fleet.start("fleet", "worker", "--listen", "127.0.0.1:0") as worker:
        try:
            url = _address(worker)
            with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
                _until(lambda: client.get("/healthz").status_code == HTTPStatus.OK)
                taken = client.post("/events/acme", headers={"authorization": f"Bearer {SECRET}"}, content=b"{}")
                assert taken.status_code == HTTPStatus.ACCEPTED
            worker.send_signal(signal.SIGTERM)
            err = worker.communicate(timeout=PATIENCE_S)[1].decode()
        finally:
            worker.kill()
    assert (worker.returncode, err.splitlines()[-1]) == (0, "the worker has ended")
    assert "Traceback" not in err


@pytest.mark.real_time
def test_a_worker_prints_what_it_found_and_ends_when_it_is_drained(fleet: Place) -> None:
    with fleet.start("fleet", "worker", "--listen", "127.0.0.1:0") as worker:
        try:
            url = _address(worker)
            with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
                counted = 'reconciler_fleet_accounts{environment="production",state="pending"} 2.0'
                _until(lambda: counted in client.get("/metrics").text)
            drained = fleet.run("fleet", "drain", "--wait", str(PATIENCE_S))
            err = worker.communicate(timeout=PATIENCE_S)[1].decode()
        finally:
            worker.kill()
    assert (drained.code, drained.err.splitlines()[-1]) == (0, "no worker is left")
    assert sorted(line for line in err.splitlines() if "edits" in line) == [
        "acme: edits not applied (1 not applied)",
        "globex: edits not applied (1 not applied)",
    ]
    assert worker.returncode == 0


@pytest.mark.real_time
def test_two_workers_notify_of_all_changes_in_one_message(fleet: Place) -> None:
    fleet.write("accounts/acme/customers.yaml", "customers: [\n")
    fleet.write("accounts/globex/customers.yaml", "customers: [\n")
    assert fleet.run("fleet", "drift").code == 1
    bodies: list[bytes] = []
    with web_server(lambda *_: (200, "text/plain", b""), bodies) as (url, _):
        fleet.variables["RECONCILER_NOTIFY"] = url.replace("http://", "json://")
        words = ("fleet", "worker", "--listen", "127.0.0.1:0")
        with fleet.start(*words) as one, fleet.start(*words) as other:
            try:
                _address(one), _address(other)
                _until(lambda: bool(bodies))
                assert fleet.run("fleet", "drain", "--wait", str(PATIENCE_S)).code == 0
                errors = [worker.communicate(timeout=PATIENCE_S)[1] for worker in (one, other)]
            finally:
                one.kill()
                other.kill()
        fleet.run("fleet", "drift")
    assert [json.loads(body)["title"] for body in bodies] == ["2 accounts need attention in production"]
    assert not any(b"Traceback" in err for err in errors)


def test_checks_are_queued_once(fleet: Place) -> None:
    assert fleet.run("fleet", "submit", "drift").out == "2 checks queued.\n"
    assert fleet.run("fleet", "submit", "drift", "acme").out == "1 check queued (1 waited already).\n"


def test_draining_without_a_worker_is_no_error(fleet: Place) -> None:
    ran = fleet.run("fleet", "drain")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "no worker is left")


@pytest.mark.parametrize("words", [("worker",), ("submit", "drift"), ("submit", "apply", "--auto-approve"), ("drain",)])
def test_ledgers_in_files_are_refused_with_what_to_do(fleet: Place, words: tuple[str, ...]) -> None:
    fleet.variables["RECONCILER_STATE"] = "ledgers/"
    ran = fleet.run("fleet", *words)
    assert ran.code == 1
    assert "workers need the ledgers of all accounts in one PostgreSQL database" in ran.err
    assert "fleet drift --due" in ran.err


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RECONCILER_EVENTS_SECRET": "short"}, "RECONCILER_EVENTS_SECRET: the secret has under 16 characters"),
        (
            {"RECONCILER_EVENTS_SECRET_FILE": "nowhere"},
            "RECONCILER_EVENTS_SECRET_FILE: the file cannot be read: No such",
        ),
    ],
)
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(
    fleet: Place, variables: dict[str, str], message: str
) -> None:
    fleet.variables.update(variables)
    ran = fleet.run("fleet", "worker", "--listen", "127.0.0.1:0")
    assert (ran.code, message in ran.err, "'short'" in ran.err) == (1, True, False)


@pytest.mark.parametrize("listen", ["8087", "127.0.0.1:99999", "a b:1", ":1"])
def test_an_address_that_is_none_is_refused(fleet: Place, listen: str) -> None:
    ran = fleet.run("fleet", "worker", "--listen", listen)
    assert (ran.code, "is no HOST:PORT" in ran.err) == (1, True)


def test_a_database_that_is_away_is_named_without_its_password(fleet: Place) -> None:
    fleet.variables["RECONCILER_STATE"] = "postgresql://ana:hunter2@127.0.0.1:1/state"
    ran = fleet.run("fleet", "worker", "--listen", "127.0.0.1:0")
    assert (ran.code, "postgresql://127.0.0.1:1/state" in ran.err, "hunter2" in ran.all) == (1, True, False)


# --- a rollout on workers -----------------------------------------------------------------------------


@pytest.fixture
def sealed(fleet: Place) -> Place:
    """The fleet, with a key that seals plans and a policy that lets all accounts change."""
    project = PROJECT.replace("production}", "production, policy: {max_accounts_changed: 100%}}", 1)
    fleet.write("reconciler.yaml", project)
    fleet.variables["RECONCILER_PLAN_KEY"] = base64.b64encode(bytes(32)).decode()
    return fleet


def _written(fleet: Place) -> dict[str, str]:
    """Return the state of each account in the latest rollout."""
    ran = fleet.run("fleet", "rollout", "status", "--format", "json")
    validate(ran.json, json.loads((SCHEMAS / "rollout.schema.json").read_text("utf-8")))
    return {row["account"]: row["state"] for row in ran.json["accounts"]}


@pytest.mark.real_time
def test_a_rollout_that_is_submitted_is_carried_out_by_a_worker(sealed: Place) -> None:
    submitted = sealed.run("fleet", "submit", "apply", "--auto-approve")
    assert submitted.code == 0
    assert "no worker is running: it goes on when one does" in submitted.err
    assert "--wait" in submitted.all
    assert _written(sealed) == dict.fromkeys(NAMES, "waiting")
    with sealed.start("fleet", "worker", "--listen", "127.0.0.1:0") as worker:
        try:
            _address(worker)
            ended = sealed.run("fleet", "rollout", "status", "--wait")
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=PATIENCE_S)
        finally:
            worker.kill()
    assert (ended.code, ended.out.splitlines()[0].partition(": ")[2]) == (0, "done. 2 accounts: 2 done.")
    assert "acme: done: 1 change made" in ended.err
    assert sealed.run("fleet", "plan", "--detailed-exitcode").code == 0


def test_a_submitted_rollout_that_was_paused_is_left_to_the_workers(sealed: Place) -> None:
    assert sealed.run("fleet", "submit", "apply", "--auto-approve", "-q").code == 0
    assert sealed.run("fleet", "rollout", "pause").code == 0
    resumed = sealed.run("fleet", "rollout", "resume")
    assert (resumed.code, "2 accounts left" in resumed.err) == (0, True)
    assert "running" in resumed.out
    assert _written(sealed) == dict.fromkeys(NAMES, "waiting")


def test_a_submission_needs_the_key_that_seals_plans(fleet: Place) -> None:
    ran = fleet.run("fleet", "submit", "apply", "--auto-approve")
    assert (ran.code, "set RECONCILER_PLAN_KEY" in ran.err) == (3, True)


def test_a_submission_from_files_that_workers_will_not_have_is_refused(sealed: Place) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=sealed.folder, check=True, capture_output=True)  # noqa: S607 - any git

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "All")
    ran = sealed.run("fleet", "submit", "apply", "--auto-approve", "--commit", "0123abc")
    assert (ran.code, "and not of 0123abc; nothing was sent" in ran.err) == (3, True)
    sealed.write("accounts/acme/customers.yaml", CUSTOMERS.replace("One", "Two"))
    ran = sealed.run("fleet", "submit", "apply", "--auto-approve")
    assert (ran.code, "the files here differ from the commit" in ran.err) == (3, True)
