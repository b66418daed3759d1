"""`fleet apply` and `fleet rollout` at the command line: gate, waves, pause, resume, abort, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from command_line import Place, Ran
from fleets import PROJECT, FleetPlace, customers, fleet_in

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
