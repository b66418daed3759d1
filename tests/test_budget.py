"""A run under a budget never sends more than that, goes on where the last one stopped, and doubles nobody."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from api_ways import healthy, scripted
from hypothesis import given
from hypothesis import strategies as st
from strategies import fault_scripts
from world import World

from reconciler.errors import OverBudget, Source
from reconciler.model.core import Desired, DesiredCustomer, DesiredUser, Reading, SourceFile, Status
from reconciler.model.policy import Allowance
from reconciler.report.messages.failures import outcome_text

SOURCE = Source("customers.yaml", 1, 1)
READING = Reading((SourceFile("customers.yaml", "0" * 64),))


def declared(customers: int, users: int = 0, city: str = "Boston") -> Desired:
    """Return customers with users."""
    people = tuple(DesiredUser(f"u{number}@x.example", {"first_name": "Jo"}, SOURCE) for number in range(users))
    made = {
        f"c{number}": DesiredCustomer(f"c{number}", {"name": "A", "city": city}, SOURCE, users=people)
        for number in range(customers)
    }
    return Desired(made, reading=READING)


def external_ids(world: World) -> list[str]:
    """Return the external_ids of the active customers."""
    return sorted(one.external_id for one in world.api.account.active())


def runs(world: World, desired: Desired, allowance: Allowance, most: int) -> int:
    """Apply under a budget until nothing is left, `most` times at most; return how many runs it took."""
    world.allowance = allowance
    for number in range(1, most + 1):
        sent = len(world.api.seen)
        applied = world.apply(desired)
        if allowance.max_requests is not None:
            assert len(world.api.seen) - sent <= allowance.max_requests
        if not applied.spent and not applied.halt:
            return number
        world.wait(60)
    raise AssertionError(f"{most} runs did not end")


@given(budget=st.integers(0, 40), customers=st.integers(0, 12), users=st.integers(0, 2), data=st.data())
def test_whatever_fails_no_run_sends_more_than_its_budget_and_nobody_is_doubled(
    budget: int, customers: int, users: int, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        desired = declared(customers, users)
        world.allowance = Allowance(budget)
        for _ in range(3):
            world.api.fault = scripted(data.draw(fault_scripts()))
            sent = len(world.api.seen)
            with suppress(OverBudget):
                world.apply(desired)
            assert len(world.api.seen) - sent <= budget
            world.api.fault = healthy
            world.wait(60)
        world.allowance = Allowance()
        world.apply(desired)
        world.wait(60)
        assert world.plan(desired).changes == ()
        assert external_ids(world) == sorted(desired.customers)
        assert world.api.complaints == []


@given(budget=st.integers(6, 30), customers=st.integers(0, 12), users=st.integers(0, 2))
def test_runs_under_a_budget_that_suffices_for_a_change_end_where_one_without_would(
    budget: int, customers: int, users: int
) -> None:
    with TemporaryDirectory() as folder:
        world, desired = World(Path(folder)), declared(customers, users)
        runs(world, desired, Allowance(budget + customers), most=60)
        world.wait(60)
        assert world.plan(desired).changes == ()


def test_a_budget_of_exactly_the_price_suffices_for_patches(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.apply(declared(6))
    world.wait(60)
    plan = world.plan(declared(6, city="Ulm"))
    assert runs(world, declared(6, city="Ulm"), Allowance(plan.cost.requests + plan.cost.overhead), most=1) == 1


def test_a_create_keeps_one_request_to_be_settled_with(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.allowance = Allowance(7)
    applied = world.apply(declared(10))
    assert [one.status for one in applied.outcomes] == [Status.DONE] * 4 + [Status.SKIPPED] * 6
    assert outcome_text(applied.outcomes[-1]) == "Not started: the run's budget is used up (--max-requests 7)."
    assert len(world.api.seen) == 6


def test_no_request_leaves_after_the_time_and_a_create_only_while_it_could_be_settled(tmp_path: Path) -> None:
    world = World(tmp_path, rate_per_s=5.0)
    world.allowance = Allowance(max_duration_s=20.0)
    applied = world.apply(declared(200))
    done = sum(one.status is Status.DONE for one in applied.outcomes)
    assert applied.spent
    # Ten seconds of the twenty are kept, the lag bound; token and listing went before.
    assert 44 <= done <= 50


def test_a_create_whose_answer_was_lost_is_settled_by_the_request_that_was_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.api.fault = scripted(["lost_after"])
    world.allowance = Allowance(4)
    applied = world.apply(declared(3))
    assert [one.status for one in applied.outcomes] == [Status.DONE, Status.SKIPPED, Status.SKIPPED]
    assert outcome_text(applied.outcomes[0]) == "Its answer was lost, but it was done."
    assert len(world.api.seen) == 4


def test_a_budget_too_small_to_plan_says_what_planning_takes(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.allowance = Allowance(1)
    with pytest.raises(OverBudget) as caught:
        world.apply(declared(1))
    assert str(caught.value) == (
        "the budget is used up: --max-requests 1, and another request is needed; the account was not read "
        "completely, and nothing was changed; planning takes 2 requests or more, plus one per change"
    )
    assert caught.value.exit_code == 2
    assert len(world.api.seen) == 1


def test_a_run_with_a_budget_lets_changes_of_one_customer_go_on_in_the_next(tmp_path: Path) -> None:
    world = World(tmp_path)
    desired = declared(1, users=6)
    assert runs(world, desired, Allowance(7), most=10) > 1
    assert [len(one.users) for one in world.api.account.active()] == [6]
