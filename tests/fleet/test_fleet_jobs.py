"""A job of one account: what it finds, what goes wrong in it, and that this stays its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from command_line import Place
from fleets import FleetPlace, customers, fleet_in

from reconciler.emulator.faults import Fault, Odds, RandomFaults, Strike
from reconciler.fleet.job import Stopper, failed, is_big, run_job
from reconciler.model.fleet import AccountState, ChangeCounts, FleetAccount, JobKind, JobResult
from reconciler.settings import Options

pytest_plugins = ("command_fixtures",)


@pytest.fixture
def fleet(here: Place) -> Iterator[FleetPlace]:
    with fleet_in(here) as one:
        yield one


def test_a_check_tells_drift_from_edits_that_are_not_applied(fleet: FleetPlace) -> None:
    for name in ("acme", "globex", "initech"):
        fleet.add(name, "one", "two")
    fleet.applied("acme", "globex", "initech")
    fleet.edit("acme", "one", city="Denver")
    fleet.add("globex", "one", "two", "three")
    acme, globex, initech = map(run_job, fleet.jobs())
    assert (acme.state, acme.code, acme.drifted, acme.customers) == (AccountState.DRIFTED, 2, 1, 2)
    assert (globex.state, globex.code, globex.pending, globex.planned) == (
        AccountState.PENDING,
        0,
        1,
        ChangeCounts(creates=1),
    )
    assert (initech.state, initech.code, initech.requests) == (AccountState.IN_SYNC, 0, 2)


def test_a_plan_is_kept_as_the_text_of_a_saved_plan(fleet: FleetPlace) -> None:
    fleet.add("acme", "one", "two")
    (job,) = fleet.jobs(JobKind.PLAN, save=True)
    result = run_job(job)
    assert (result.state, result.code, result.planned.creates) == (AccountState.PENDING, 2, 2)
    fleet.write("acme.plan", result.plan)
    ran = fleet.run("-e", "acme/production", "apply", "acme.plan", "--plan-digest", result.digest, "--auto-approve")
    assert ran.code == 0, ran.all
    assert len(fleet.api.of("acme").account.customers) == 2
    assert "billing@" not in repr(result)


def test_a_plan_over_a_limit_names_it(fleet: FleetPlace) -> None:
    fleet.add("acme", *(f"c{number}" for number in range(30)))
    fleet.applied("acme")
    fleet.add("acme", "c1")
    result = run_job(fleet.jobs(JobKind.PLAN)[0])
    assert (result.state, result.code, result.planned.archives) == (AccountState.BLOCKED, 3, 29)
    assert result.exceeded[0].startswith("max_archives: 29 planned")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("customers:\n  one: {name: One, ein: '123'}\n", "Invalid", "accounts/acme/customers.yaml:2"),
        ("customers: [\n", "Invalid", "accounts/acme/customers.yaml"),
    ],
)
def test_what_is_wrong_with_files_is_the_result_of_their_account(
    fleet: FleetPlace, text: str, error: str, message: str
) -> None:
    fleet.add("acme", text=text)
    result = run_job(fleet.jobs()[0])
    assert (result.state, result.code, result.error, result.requests) == (AccountState.FAILED, 1, error, 0)
    assert message in result.message
    assert "123" not in result.message


def test_a_wrong_key_is_the_failure_of_its_account(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    fleet.variables["AP_CLIENT_SECRET"] = "hunter2"
    result = run_job(fleet.jobs()[0])
    assert (result.state, result.error, result.unanswered) == (AccountState.FAILED, "Forbidden", False)
    assert "hunter2" not in result.message


def test_an_api_that_cannot_be_reached_has_given_no_answer(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    fleet.variables["AP_BASE_URL"] = "http://127.0.0.1:9"
    result = run_job(fleet.jobs()[0])
    assert (result.state, result.error, result.unanswered) == (AccountState.FAILED, "Unreachable", True)


def test_an_account_that_takes_too_long_ends_by_its_time_limit(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    fleet.api.of("acme").faults = RandomFaults(Odds((Strike(Fault.SLOW, chance=1.0),)))
    (job,) = fleet.jobs(least_s=0.2)
    result = run_job(job)
    assert (result.error, result.unanswered) == ("TimedOut", True)
    assert "stopped after 0." in result.message


def test_an_unexpected_error_is_a_result_that_says_so(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    (job,) = fleet.jobs()
    result = run_job(replace(job, settings=None))  # type: ignore[arg-type]
    assert (result.state, result.error) == (AccountState.FAILED, "AttributeError")
    assert "bug in Reconciler" in result.message


def test_a_big_account_is_worked_on_in_a_process_of_its_own(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    fleet.applied("acme")
    (job,) = fleet.jobs(big=True)
    result = run_job(job)
    assert (result.state, result.customers, result.requests) == (AccountState.IN_SYNC, 1, 2)


def test_a_process_that_is_killed_is_its_account_s_failure(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    (job,) = fleet.jobs(big=True)
    killed: list[int] = []

    def kill(*_: object) -> None:
        """Kill the process once it has asked for its token."""
        for process in multiprocessing.active_children():
            if process.pid is not None and not killed:
                killed.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)

    fleet.api.witness = kill
    result = run_job(job)
    assert (len(killed), result.state, result.error) == (1, AccountState.FAILED, "ProcessEnded")


def test_an_account_is_big_by_what_it_had_or_by_its_files(fleet: FleetPlace) -> None:
    fleet.add("acme", "one")
    account = FleetAccount("acme", "production", "accounts/acme")
    assert not is_big(fleet.folder, account, 5000)
    assert is_big(fleet.folder, account, 5001)
    fleet.add("acme", text=customers("one") + "#" * 1_000_001)
    assert is_big(fleet.folder, account, 0)


def test_a_stop_reaches_whoever_works_and_whoever_begins() -> None:
    stopper, done = Stopper(), list[str]()
    with stopper.first(lambda: done.append("first")):
        stopper.stop()
        assert done == ["first"]
    with stopper.first(lambda: done.append("late")):
        assert done == ["first", "late"]


def test_options_hold_for_every_account(fleet: FleetPlace) -> None:
    fleet.add("acme", "one", "two")
    result = run_job(fleet.jobs(JobKind.PLAN, Options(excludes=("two",)))[0])
    assert result.planned.creates == 1


def test_many_problems_are_counted(fleet: FleetPlace) -> None:
    fleet.add("acme", text="customers:\n" + "".join(f"  c{number}: {{nam: x}}\n" for number in range(6)))
    assert "more problem" in run_job(fleet.jobs()[0]).message


def test_an_error_of_a_file_names_it() -> None:
    begun = JobResult("acme", JobKind.DRIFT, AccountState.FAILED, 1, 0.0, 0.0)
    result = failed(begun, OSError(28, "No space left on device", "ledger.db"))
    assert result.message == "ledger.db: No space left on device"
