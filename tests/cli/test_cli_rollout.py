"""`fleet apply` and `fleet rollout` at the command line: gate, waves, pause, resume, abort, and what goes wrong."""

from __future__ import annotations

import base64
import json
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import postgres_server
import pytest
from command_line import PATIENCE_S, SCHEMAS, Place, Process, Ran
from fleets import EPOCH_S, PROJECT, FleetPlace, customers, fleet_in
from jsonschema import validate

from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.faults import Fault
from reconciler.emulator.service import Emulator, load

SCHEMA = json.loads((SCHEMAS / "rollout.schema.json").read_text("utf-8"))
WAVES = "{accounts: accounts/*, environment: production, waves: [{labels: {wave: canary}}, {share: 50%%}], policy: %s}"
ALL = "{max_accounts_changed: 100%, max_accounts_archiving: 100%, max_failed: 0}"


pytest_plugins = ("command_fixtures",)


@pytest.fixture
def fleet(here: Place) -> Iterator[FleetPlace]:
    with fleet_in(here) as place:
        policy(place, ALL)
        yield place


def policy(fleet: FleetPlace, text: str) -> None:
    fleet.write("reconciler.yaml", PROJECT.replace("{accounts: accounts/*, environment: production}", WAVES % text))


def fill(fleet: FleetPlace, number: int = 4) -> list[str]:
    names = [f"a{one}" for one in range(number)]
    for name in names:
        fleet.add(name, f"{name}-one", f"{name}-two")
    fleet.write("accounts/a0/account.yaml", "labels: {wave: canary}\n")
    return names


def written(fleet: FleetPlace, names: Iterable[str]) -> int:
    """Return how many requests that change something accounts got."""
    return sum(not one.startswith("GET ") for name in names for one in fleet.requests(name))


def writes(fleet: FleetPlace, *names: str) -> int:
    """Return how many customers the accounts have."""
    return sum(len(fleet.api.of(name).account.customers) for name in names)


def states(ran: Ran) -> dict[str, str]:
    validate(ran.json, SCHEMA)
    return {row["account"]: row["state"] for row in ran.json["accounts"]}


def test_all_accounts_are_applied_wave_by_wave_and_nothing_is_left(fleet: FleetPlace) -> None:
    names = fill(fleet)
    ran = fleet.run("fleet", "apply", "--auto-approve", "--format", "json")
    assert ran.code == 0, ran.err
    assert states(ran) == dict.fromkeys(names, "done")
    assert {row["account"]: row["wave"] for row in ran.json["accounts"]} == {"a0": 1, "a1": 2, "a2": 2, "a3": 3}
    assert ran.json["gate"]["planned"]["creates"] == 8
    assert writes(fleet, *names) == 8
    again = fleet.run("fleet", "apply", "--auto-approve", "--format", "json")
    validate(again.json, SCHEMA)
    assert (again.code, again.json["rollout"], writes(fleet, *names)) == (0, None, 8)


def test_a_gate_that_is_shut_names_the_accounts_and_nothing_is_written(fleet: FleetPlace) -> None:
    names = fill(fleet, 8)
    assert fleet.run("fleet", "apply", "--auto-approve").code == 0
    policy(fleet, "{max_accounts_changed: 100%, max_accounts_archiving: 25%}")
    for name in names[:3]:
        fleet.write(f"accounts/{name}/customers.yaml", customers(f"{name}-one"))
    before = written(fleet, names)
    ran = fleet.run("fleet", "apply", "--auto-approve")
    assert ran.code == 3
    assert "max_accounts_archiving (25%): 3 of 8 accounts planned, 2 allowed" in ran.out
    assert all(f"  {name}: 1 to archive" in ran.out for name in names[:3])
    assert "--max-accounts-archiving 3" in ran.err
    assert written(fleet, names) == before
    once = fleet.run("fleet", "apply", "--auto-approve", "--max-accounts-archiving", "3")
    assert once.code == 0, once.err


def test_an_account_with_a_wrong_key_shuts_the_gate_and_can_be_left_out(fleet: FleetPlace) -> None:
    names = fill(fleet)
    fleet.write("ids/a2", "///")
    ran = fleet.run("fleet", "apply", "--auto-approve")
    assert (ran.code, writes(fleet, "a0", "a1", "a3")) == (3, 0)
    assert "a2: cannot be planned" in ran.out
    left = fleet.run("fleet", "apply", "--auto-approve", "--skip-failed", "--format", "json")
    assert left.code == 1
    assert states(left) == {name: "done" for name in names if name != "a2"}


def test_a_canary_that_fails_stops_the_rollout_before_any_other_account(fleet: FleetPlace) -> None:
    fill(fleet)
    assert fleet.run("fleet", "apply", "--auto-approve", "-l", "wave=canary").code == 0
    fleet.write("accounts/a0/customers.yaml", customers("a0-one"))
    fleet.write("accounts/a0/account.yaml", "labels: {wave: canary}\npolicy: {require_approval_for: [archive]}\n")
    ran = fleet.run("fleet", "apply", "--auto-approve")
    assert (ran.code, "its own policy is against the plan" in ran.out) == (3, True)
    ran = fleet.run("fleet", "apply", "--auto-approve", "--approve", "archive", "--format", "json")
    assert ran.code == 0, ran.err


def test_consent_at_a_terminal_wants_the_number_of_archives_typed(fleet: FleetPlace) -> None:
    fill(fleet)
    assert fleet.run("fleet", "apply", stdin=b"n\n", terminal=True).code == 3
    assert fleet.run("fleet", "apply", stdin=b"y\n", terminal=True).code == 0
    fleet.write("accounts/a1/customers.yaml", customers("a1-one"))
    assert fleet.run("fleet", "apply", stdin=b"y\n", terminal=True).code == 3
    assert fleet.run("fleet", "apply", stdin=b"archive 1\n", terminal=True).code == 0
    assert fleet.run("fleet", "apply").code == 3


def test_status_without_a_rollout_says_how_to_begin_one(fleet: FleetPlace) -> None:
    fill(fleet)
    ran = fleet.run("fleet", "rollout", "status")
    assert (ran.code, "this fleet has had no rollout" in ran.err) == (3, True)
    fleet.run("fleet", "apply", "--auto-approve")
    ran = fleet.run("fleet", "rollout", "status", "--format", "json")
    assert (ran.code, ran.json["rollout"]["state"]) == (0, "done")
    assert fleet.run("fleet", "rollout", "resume").code == 3
    assert json.loads(ran.out)["accounts"]


# --- while it runs -----------------------------------------------------------------------------------


class Hold:
    """Holds an emulator at a write of an account until it is let go."""

    def __init__(self, emulator: Emulator, number: int = 1) -> None:
        self.came, self.go = threading.Event(), threading.Event()
        self._left = number
        emulator.witness = self._see

    def _see(self, call: Call, _: Answer | Dropped, __: Fault | None) -> None:
        self._left -= call.method == "POST" and call.path == "/customers"
        if not self._left:
            self.came.set()
            assert self.go.wait(PATIENCE_S)


@contextmanager
def held(fleet: FleetPlace, account: str, number: int = 1) -> Iterator[Process]:
    """Yield an apply that is held at a write of an account; after the block it goes on, unless it was killed."""
    hold = Hold(fleet.api.of(account), number)
    process = fleet.start("fleet", "apply", "--auto-approve", "--format", "json")
    try:
        assert hold.came.wait(PATIENCE_S)
        yield process
    finally:
        hold.go.set()


def ended(process: Process) -> Ran:
    with process:
        out, err = process.communicate(timeout=PATIENCE_S)
    return Ran(process.returncode, out.decode(), err.decode())


def one_by_one(fleet: FleetPlace, text: str = ALL) -> list[str]:
    policy(fleet, text)
    project = (fleet.folder / "reconciler.yaml").read_text("utf-8")
    fleet.write("reconciler.yaml", project.replace("waves:", "parallel: 1, waves:"))
    return fill(fleet)


def test_a_pause_lets_the_account_that_has_begun_finish_and_a_resume_does_the_rest(fleet: FleetPlace) -> None:
    names = one_by_one(fleet)
    with held(fleet, "a1") as process:
        assert fleet.run("fleet", "rollout", "pause").code == 0
    ran = ended(process)
    assert (ran.code, ran.json["rollout"]["state"]) == (2, "paused")
    assert states(ran) == {"a0": "done", "a1": "done", "a2": "waiting", "a3": "waiting"}
    assert written(fleet, ("a2", "a3")) == 0
    another = fleet.run("fleet", "apply", "--auto-approve")
    assert (another.code, f"the rollout {ran.json['rollout']['id'][:12]} is paused" in another.err) == (3, True)
    rest = fleet.run("fleet", "rollout", "resume", "--format", "json")
    assert (rest.code, states(rest)) == (0, dict.fromkeys(names, "done")), rest.err
    assert writes(fleet, *names) == 2 * len(names)


def test_after_an_abort_no_account_begins(fleet: FleetPlace) -> None:
    one_by_one(fleet)
    with held(fleet, "a1") as process:
        assert fleet.run("fleet", "rollout", "abort").code == 0
    ran = ended(process)
    assert (ran.code, ran.json["rollout"]["state"]) == (3, "aborted")
    assert states(ran) == {"a0": "done", "a1": "done", "a2": "waiting", "a3": "waiting"}
    assert written(fleet, ("a2", "a3")) == 0
    assert fleet.run("fleet", "rollout", "resume").code == 3


def test_ctrl_c_lets_what_has_begun_finish_and_says_how_to_continue(fleet: FleetPlace) -> None:
    names = one_by_one(fleet)
    with held(fleet, "a1") as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while b"stopping" not in process.stderr.readline():
            pass
    ran = ended(process)
    assert (ran.code, ran.json["rollout"]["state"]) == (130, "paused")
    assert written(fleet, ("a2", "a3")) == 0
    assert "reconciler fleet rollout resume" in fleet.run("fleet", "rollout", "status").err
    rest = fleet.run("fleet", "rollout", "resume", "--format", "json")
    assert (rest.code, states(rest)) == (0, dict.fromkeys(names, "done")), rest.err
    assert writes(fleet, *names) == 2 * len(names)


@pytest.mark.parametrize(("account", "number"), [("a0", 1), ("a1", 2), ("a3", 1)])
def test_a_rollout_whose_process_was_killed_is_resumed_and_nothing_is_done_twice(
    fleet: FleetPlace, account: str, number: int
) -> None:
    policy(fleet, ALL)
    names = fill(fleet, 8)
    with held(fleet, account, number) as process:
        process.kill()
        assert ended(process).code == -signal.SIGKILL
    assert fleet.run("fleet", "apply", "--auto-approve").code == 3
    rest = fleet.run("fleet", "rollout", "resume", "--format", "json")
    assert (rest.code, states(rest)) == (0, dict.fromkeys(names, "done")), rest.err
    assert all(writes(fleet, name) == 2 for name in names)


def test_a_second_driver_is_refused_while_the_first_lives(fleet: FleetPlace) -> None:
    one_by_one(fleet)
    with held(fleet, "a1") as process:
        ran = fleet.run("fleet", "rollout", "resume")
        assert (ran.code, "another process drives the rollout" in ran.err) == (3, True)
    assert ended(process).code == 0


def test_a_plan_that_is_stale_by_then_is_refused_named_and_counted_as_failed(fleet: FleetPlace) -> None:
    one_by_one(fleet)
    with held(fleet, "a0") as process:
        row = {"name": "A1-One", "email": "x@a1.example", "external_id": "a1-one"}
        load(fleet.api.of("a1").account, [row], EPOCH_S)
    ran = ended(process)
    assert (ran.code, ran.json["rollout"]["state"]) == (3, "stopped")
    assert states(ran) == {"a0": "done", "a1": "refused", "a2": "done", "a3": "waiting"}
    (row,) = (row for row in ran.json["accounts"] if row["account"] == "a1")
    assert "the plan is stale" in row["message"]
    assert (written(fleet, ["a1"]), written(fleet, ["a3"])) == (0, 0)


def test_an_account_that_is_suspended_meanwhile_is_left_as_it_is(fleet: FleetPlace) -> None:
    one_by_one(fleet, ALL.replace("max_failed: 0", "max_failed: 1"))
    with held(fleet, "a0") as process:
        fleet.write("accounts/a2/account.yaml", "suspend: true\n")
    ran = ended(process)
    assert (ran.code, states(ran)) == (3, {"a0": "done", "a1": "done", "a2": "refused", "a3": "done"})
    assert written(fleet, ["a2"]) == 0


def test_a_canary_over_max_failed_stops_before_any_other_account_and_is_tried_again(fleet: FleetPlace) -> None:
    names = one_by_one(fleet)
    canary = fleet.api.of("a0")
    with held(fleet, "a0") as process:
        load(canary.account, [{"name": "New", "email": "x@new.example", "external_id": "a0-two"}], EPOCH_S)
    ran = ended(process)
    assert ran.json["rollout"]["state"] == "stopped", ran.err
    assert written(fleet, names[1:]) == 0


def test_the_saved_plans_of_a_folder_are_applied_as_they_are(fleet: FleetPlace) -> None:
    names = fill(fleet)
    assert fleet.run("fleet", "plan", "--out", "plans").code == 0
    fleet.add("a1", "a1-one", "a1-two", "a1-three")
    ran = fleet.run("fleet", "apply", "plans", "--auto-approve", "--format", "json")
    assert states(ran)["a1"] == "failed"
    assert "1 change needed after the apply" in ran.all
    assert sum(state == "done" for state in states(ran).values()) >= 1
    assert fleet.run("fleet", "apply", "nothing", "--auto-approve").code in (1, 3)
    assert names


def test_a_rollout_in_a_database_needs_sealed_plans_and_keeps_none(fleet: FleetPlace) -> None:
    url = postgres_server.database("rollouts")
    names = fill(fleet)
    apply = ("fleet", "apply", "--auto-approve", "--format", "json")
    ran = fleet.run(*apply, RECONCILER_STATE=url)
    assert (ran.code, "set RECONCILER_PLAN_KEY, which seals them" in ran.err) == (3, True)
    assert not any(fleet.requests(name) for name in names)
    sealing = {"RECONCILER_STATE": url, "RECONCILER_PLAN_KEY": base64.b64encode(bytes(32)).decode()}
    ran = fleet.run(*apply, **sealing)
    assert (ran.code, states(ran), writes(fleet, *names)) == (0, dict.fromkeys(names, "done"), 8), ran.err
    assert postgres_server.ask("SELECT count(*) FROM reconciler.fleet_plans", url=url) == [(0,)]
    shown = fleet.run("fleet", "rollout", "status", "--format", "json", **sealing)
    assert states(shown) == states(ran)
