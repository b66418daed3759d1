"""What `api` changes is done once, binds nothing, and keeps true what the ledger knows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from api_ways import Fault, UserEmails, Ways, scripted
from plan_values import customer, declared
from world import CallingWorld

from reconciler.apply import direct_request
from reconciler.apply.direct_request import DirectRequest
from reconciler.errors import NotFound, Refused, Source
from reconciler.model.core import Action, CustomerId, Desired, DesiredUser, Status
from reconciler.model.ledger import BindingState, Intent
from reconciler.model.policy import Terms
from reconciler.report.messages.failures import outcome_text

ACME = direct_request.create_customer({"external_id": "acme", "name": "Acme"})
NAMELESS = direct_request.create_customer({"name": "Acme", "email": "billing@acme.example"})
JANE = DesiredUser("jane@x.example", {"first_name": "Jane"}, Source("customers.yaml", 4, 5))
LOST: tuple[Fault, ...] = ("lost_after", "500_after", "lost_before", "503_before", "html_before")


def user(customer_id: CustomerId) -> DirectRequest:
    return direct_request.create_user(customer_id, {"email": "jane@x.example", "first_name": "Jane"})


def intents(world: CallingWorld) -> list[Intent]:
    """Return the intents of all runs, the oldest first."""
    with world.ledger() as ledger:
        return [intent for run in ledger.runs() for intent in ledger.intents(run.id)]


def bound(world: CallingWorld) -> dict[str, BindingState]:
    with world.ledger() as ledger:
        return {key: row.state for key, row in ledger.records().bindings.items()}


def names(world: CallingWorld) -> list[str]:
    return sorted(one.fields["name"] for one in world.api.account.customers())


def the_id(world: CallingWorld) -> CustomerId:
    """Return the id of the one customer that is there."""
    (one,) = world.api.account.customers()
    return CustomerId(one.id)


def test_a_create_gives_the_reply_binds_nothing_and_stands_in_the_history(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, Ways(extra_fields=True))
    called = world.call(ACME)
    body = called.body
    assert isinstance(body, dict)
    assert (called.outcome.status, body["id"], body["name"]) == (Status.DONE, the_id(world), "Acme")
    (intent,) = intents(world)
    assert (intent.status, intent.id, dict(intent.after)) == (
        Status.DONE,
        the_id(world),
        {"external_id": "acme", "name": "Acme"},
    )
    assert bound(world) == {}
    assert world.plan(Desired()).changes == ()


@pytest.mark.parametrize("call", [ACME, NAMELESS], ids=["with an external_id", "without"])
@pytest.mark.parametrize("fault", LOST)
def test_a_create_whose_answer_is_lost_is_done_once(tmp_path: Path, call: DirectRequest, fault: Fault) -> None:
    world = CallingWorld(tmp_path, Ways(lag_s=2.0), fault=scripted([fault]))
    called = world.call(call)
    assert (called.outcome.status, names(world)) == (Status.DONE, ["Acme"])
    assert isinstance(called.body, dict)
    assert called.body["id"] == called.outcome.id == the_id(world)
    assert [one.id for one in intents(world) if one.status is Status.DONE] == [the_id(world)]


def test_a_customer_like_it_that_is_older_or_that_a_run_made_is_not_taken_for_it(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    world.api.account.add({"external_id": "", "name": "Acme", "email": "billing@acme.example"}, age_s=3600.0)
    world.call(NAMELESS)
    world.api.fault = scripted(["lost_before"])
    called = world.call(NAMELESS)
    assert (called.outcome.status, names(world)) == (Status.DONE, ["Acme"] * 3)


def test_where_two_may_be_it_neither_is_taken_and_nothing_is_sent_again(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, fault=scripted(["lost_after"]))
    world.api.account.add({"external_id": "", "name": "Acme", "email": "billing@acme.example"}, age_s=0.0)
    called = world.call(NAMELESS)
    ids = sorted(one.id for one in world.api.account.customers())
    assert (called.outcome.status, len(world.api.writes())) == (Status.IN_DOUBT, 1)
    assert all(one in outcome_text(called.outcome) for one in ids)


@pytest.mark.parametrize("fault", LOST)
def test_a_user_whose_answer_is_lost_is_created_once(tmp_path: Path, fault: Fault) -> None:
    world = CallingWorld(tmp_path, Ways(user_emails=UserEmails.ANY, lag_s=2.0))
    made = world.call(ACME).outcome.id
    assert made is not None
    world.wait(60)
    world.api.fault = scripted([fault])
    called = world.call(user(made))
    assert (called.outcome.status, [one.email for one in world.api.account.users_of(made)]) == (
        Status.DONE,
        ["jane@x.example"],
    )
    assert isinstance(called.body, dict)
    assert called.body["email"] == "jane@x.example"


@pytest.mark.parametrize("call", [ACME, NAMELESS], ids=["with an external_id", "without"])
@pytest.mark.parametrize("wait_s", [0.0, 60.0])
def test_a_call_that_died_at_any_step_is_ended_by_the_same_one(call: DirectRequest, wait_s: float) -> None:
    steps = 0
    while True:
        with TemporaryDirectory() as folder:
            world = CallingWorld(Path(folder), Ways(lag_s=2.0))
            if not world.dies(call, steps + 1):
                break
            steps += 1
            world.wait(wait_s)
            before = {one.id for one in world.api.account.customers()}
            done = [one for one in intents(world) if one.status is Status.DONE]
            # One whose reply was heard and written is done; the same command is then another one.
            if done and call is ACME and wait_s:
                with pytest.raises(Refused, match="already has this external_id"):
                    world.call(call)
                continue
            called = world.call(call)
            assert (called.outcome.status, len(world.api.account.customers())) == (Status.DONE, 1 + len(done))
            assert before <= {one.id for one in world.api.account.customers()}
            assert [one.status for one in intents(world) if one.status is None] == []
    assert steps > 5


@pytest.mark.parametrize("call", [ACME, NAMELESS], ids=["with an external_id", "without"])
def test_a_create_that_died_is_settled_by_an_apply_too_which_binds_nothing(call: DirectRequest) -> None:
    steps = 0
    while True:
        with TemporaryDirectory() as folder:
            world = CallingWorld(Path(folder))
            if not world.dies(call, steps + 1):
                break
            steps += 1
            world.wait(60)
            there = [one.id for one in world.api.account.customers()]
            assert world.apply(Desired()).plan.changes == ()
            assert bound(world) == {}
            assert [one.id for one in intents(world) if one.status is not Status.FAILED] == there
    assert steps > 5


def test_a_declared_customer_is_not_created_while_a_create_by_api_is_in_doubt(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, Ways(lag_s=2.0))
    sent = next(step for step in range(1, 20) if world.dies(ACME, step) and len(world.api.account.customers()) == 1)
    plan = world.plan(declared(customer("acme")))
    assert (sent > 1, plan.changes) == (True, ())
    world.wait(60)
    assert world.plan(declared(customer("acme", fields={"name": "Acme"}))).changes == ()


def test_another_create_of_the_key_with_other_values_says_what_the_first_did(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    assert any(world.dies(ACME, step) and world.api.account.customers() for step in range(1, 20))
    called = world.call(direct_request.create_customer({"external_id": "acme", "name": "Other"}))
    assert (called.outcome.status, called.outcome.id, names(world)) == (Status.FAILED, the_id(world), ["Acme"])
    assert ", whose answer was lost, did it with other values. Patch" in outcome_text(called.outcome)


def died_with_a_user(world: CallingWorld) -> CustomerId:
    """Create a customer, and let a call die when its user was made; return the customer's id."""
    made = world.call(ACME).outcome.id
    assert made is not None
    assert any(world.dies(user(made), step) and world.api.account.users_of(made) for step in range(1, 20))
    world.wait(60)
    return made


def test_a_user_that_died_is_settled_by_the_next_call_of_any_kind(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    made = died_with_a_user(world)
    assert [one.action for one in intents(world) if one.status is None] == [Action.CREATE_USER]
    world.call(direct_request.archive_customer(made))
    assert [(one.action, one.id) for one in intents(world) if one.status is Status.DONE] == [
        (Action.CREATE, made),
        (Action.CREATE_USER, made),
        (Action.ARCHIVE, made),
    ]


def test_a_user_that_died_is_closed_unread_by_an_apply_and_not_created_again_by_the_same_call(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, Ways(user_emails=UserEmails.ANY))
    made = died_with_a_user(world)
    world.apply(Desired())
    assert [one.status for one in intents(world)][-1] is Status.IN_DOUBT
    assert world.call(user(made)).outcome.status is Status.DONE
    assert [one.email for one in world.api.account.users_of(made)] == ["jane@x.example"]
    assert [one.status for one in intents(world)][-1] is Status.DONE


def test_who_has_looked_at_the_two_that_may_be_it_may_create_it_after_all(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, fault=scripted(["lost_after"]))
    world.api.account.add({"external_id": "", "name": "Acme", "email": "billing@acme.example"}, age_s=0.0)
    assert world.call(NAMELESS).outcome.status is Status.IN_DOUBT
    assert (world.call(NAMELESS).outcome.status, len(world.api.account.customers())) == (Status.DONE, 3)


def test_archive_and_restore_update_the_binding_that_is_there(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    world.apply(declared(customer("acme")))
    world.call(direct_request.archive_customer(the_id(world)))
    assert bound(world) == {"acme": BindingState.ARCHIVED}
    world.call(direct_request.restore_customer(the_id(world)))
    assert bound(world) == {"acme": BindingState.ACTIVE}


@pytest.mark.parametrize("status", [400, 404])
def test_a_repeated_archive_that_is_refused_is_settled_by_reading(tmp_path: Path, status: int) -> None:
    world = CallingWorld(tmp_path, Ways(repeated_archive=status))
    made = world.call(ACME).outcome.id
    assert made is not None
    world.api.fault = scripted(["lost_after"])
    called = world.call(direct_request.archive_customer(made))
    assert (called.outcome.status, called.body) == (Status.DONE, None)


def test_a_patch_of_a_managed_customer_is_drift_to_the_next_plan(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    wanted = declared(customer("acme", fields={"name": "Acme", "city": "Boston"}))
    world.apply(wanted)
    world.wait(60)
    world.call(direct_request.patch_customer(the_id(world), {"city": "Lima", "state": None}))
    world.wait(60)
    (change,) = world.plan(wanted).changes
    assert [(one.name, one.before, one.after, one.cause) for one in change.fields] == [
        ("city", "Lima", "Boston", "drift")
    ]
    last = intents(world)[-1]
    assert (dict(last.before), dict(last.after)) == ({"city": "Boston", "state": ""}, {"city": "Lima", "state": None})


def test_a_user_of_a_customer_whose_users_are_known_is_known_before_it_is_listed(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path, Ways(lag_s=2.0))
    other = DesiredUser("joe@x.example", {}, Source("customers.yaml", 4, 5))
    world.apply(declared(customer("acme", other)))
    world.wait(60)
    world.call(user(the_id(world)))
    assert world.plan(declared(customer("acme", other, JANE))).changes == ()


def test_a_second_customer_of_a_bound_key_is_refused(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    world.apply(declared(customer("acme")))
    with pytest.raises(Refused, match=f"acme: the ledger binds it to {the_id(world)}"):
        world.call(ACME)
    assert len(world.api.writes()) == 1


@pytest.mark.parametrize("is_bound", [True, False])
def test_what_the_policy_protects_is_not_archived(tmp_path: Path, *, is_bound: bool) -> None:
    world = CallingWorld(tmp_path)
    terms = Terms(world.plan(Desired()).environment, protect=("ac*",), rate_per_s=0.0)
    if is_bound:
        world.apply(declared(customer("acme")))
    else:
        world.call(ACME)
    with pytest.raises(Refused, match="acme: it is protected"):
        world.call(direct_request.archive_customer(the_id(world)), terms)
    assert bound(world) == ({"acme": BindingState.ACTIVE} if is_bound else {})


def test_what_is_bound_as_protected_is_not_archived(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    world.apply(declared(customer("acme", protect=True)))
    with pytest.raises(Refused, match="acme: it is protected"):
        world.call(direct_request.archive_customer(the_id(world)))


def test_a_patch_of_nobody_sends_no_patch(tmp_path: Path) -> None:
    world = CallingWorld(tmp_path)
    with pytest.raises(NotFound):
        world.call(direct_request.patch_customer(CustomerId("cus_none"), {"city": "Lima"}))
    assert (world.api.writes(), intents(world)) == ([], [])
