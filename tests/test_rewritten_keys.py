"""A server that keeps another external_id than it was sent: nobody is doubled, whatever else goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_values import customer, declared
from story import TERMS
from world import CallingWorld, SwitchedWorld

from reconciler.apply import direct_request
from reconciler.emulator.faults import Fault, On, Scripted
from reconciler.model.core import Status
from reconciler.report.messages.failures import outcome_text
from reconciler.report.messages.plan import blocked_wording
from reconciler.rules import Behaviour, ExternalIds, Unique

LOWERS = Behaviour(external_ids=ExternalIds.LOWERED, unique=Unique.NONE)
DESIRED = declared(customer("New One"), customer("Other"))


class Calls(SwitchedWorld, CallingWorld):
    """A world behind the emulator in which single requests are made too."""


def keys(world: SwitchedWorld) -> list[str]:
    return sorted(one.external_id for one in world.api.customers())


def test_a_customer_stays_bound_under_what_the_server_keeps(tmp_path: Path) -> None:
    world = SwitchedWorld(tmp_path, LOWERS)
    first = world.apply(DESIRED, TERMS)
    assert [outcome_text(one) for one in first.outcomes] == [
        "The reply has the external_id 'new one', which is not the key.",
        "The reply has the external_id 'other', which is not the key.",
    ]
    world.wait(60)
    assert world.plan(DESIRED, TERMS).changes == ()


def test_a_create_whose_answer_is_lost_is_found_under_what_the_server_keeps(tmp_path: Path) -> None:
    world = SwitchedWorld(tmp_path, LOWERS)
    world.api.served.faults = Scripted({1: Fault.LOST_AFTER}, of=On.WRITES.takes)
    assert [one.status for one in world.apply(DESIRED, TERMS).outcomes] == [Status.DONE, Status.DONE]
    world.wait(60)
    assert (world.plan(DESIRED, TERMS).changes, keys(world)) == ((), ["new one", "other"])


def test_a_create_that_stayed_in_doubt_is_found_by_the_next_run(tmp_path: Path) -> None:
    world = SwitchedWorld(tmp_path, LOWERS)
    # The create's answer, and every later one of that run.
    world.api.served.faults = Scripted(dict.fromkeys(range(3, 40), Fault.LOST_AFTER))
    statuses = [one.status for one in world.apply(declared(customer("New One")), TERMS).outcomes]
    world.api.served.faults = Scripted({})
    world.wait(60)
    world.apply(declared(customer("New One")), TERMS)
    assert (statuses, keys(world)) == ([Status.IN_DOUBT], ["new one"])


def test_a_create_in_doubt_that_any_of_several_may_be_is_neither_bound_nor_sent_again(tmp_path: Path) -> None:
    world = SwitchedWorld(tmp_path, LOWERS)
    # The create's answer, and every later one of that run.
    world.api.served.faults = Scripted(dict.fromkeys(range(3, 40), Fault.LOST_AFTER))
    world.apply(declared(customer("New One")), TERMS)
    world.api.served.faults = Scripted({})
    world.api.edit({"external_id": "new one", "name": "Theirs"})
    world.wait(60)
    applied = world.apply(declared(customer("New One")), TERMS)
    assert (applied.outcomes, len(applied.plan.blocked), keys(world)) == ((), 1, ["new one", "new one"])


def test_who_was_there_before_is_not_taken_for_a_create_in_doubt(tmp_path: Path) -> None:
    world = SwitchedWorld(tmp_path, Behaviour(unique=Unique.NONE))
    world.api.edit({"external_id": "new one", "name": "Another", "created_at": "2025-01-01T00:00:00Z"})
    desired = declared(customer("New One", distinct_from=("new one",)))
    # The list's end is asked for once more before a create.
    world.api.served.faults = Scripted(dict.fromkeys(range(4, 40), Fault.LOST_BEFORE))
    world.apply(desired, TERMS)
    world.api.served.faults = Scripted({})
    world.wait(60)
    world.apply(desired, TERMS)
    assert keys(world) == ["New One", "new one"]


def test_a_direct_create_whose_answer_is_lost_is_not_sent_again_where_the_server_changes_its_external_id(
    tmp_path: Path,
) -> None:
    world = Calls(tmp_path, LOWERS)
    world.api.served.faults = Scripted({1: Fault.LOST_AFTER}, of=On.WRITES.takes)
    outcome = world.call(direct_request.create_customer({"external_id": "New One", "name": "New"})).outcome
    assert (outcome.status, outcome_text(outcome), keys(world)) == (
        Status.DONE,
        "Its answer was lost, but it was done.",
        ["new one"],
    )


@pytest.mark.parametrize("kept", [ExternalIds.LOWERED, ExternalIds.TRIMMED])
def test_without_a_ledger_nobody_is_created_beside_who_carries_nearly_the_key(
    tmp_path: Path, kept: ExternalIds
) -> None:
    world = SwitchedWorld(tmp_path, Behaviour(external_ids=kept, unique=Unique.NONE))
    desired = declared(customer("New One "))
    for _ in range(3):
        world.apply(desired, TERMS)
        world.wait(60)
        world.lose_ledger()
    (one,) = world.api.customers()
    (blocked,) = world.plan(desired, TERMS).blocked
    assert (blocked.ids, f"`id: {one.id}`" in blocked_wording(blocked).fix) == ((one.id,), True)


@pytest.mark.parametrize("kept", [ExternalIds.TRIMMED, ExternalIds.LOWERED])
def test_another_run_after_a_lost_answer_creates_nobody_anew(tmp_path: Path, kept: ExternalIds) -> None:
    world = SwitchedWorld(tmp_path, Behaviour(external_ids=kept, unique=Unique.NONE, lag_s=3.0))
    desired = declared(customer("New One "))
    world.api.served.faults = Scripted({1: Fault.LOST_AFTER}, of=On.WRITES.takes)
    for _ in range(3):
        world.apply(desired, TERMS)
        world.wait(60)
    assert len(world.api.customers()) == 1
