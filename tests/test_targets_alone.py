"""Targets that are read alone: the plan is that of the whole account, or the whole account is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from api_account import nth_id
from api_ways import Ways
from hypothesis import given
from hypothesis import strategies as st
from story import Created, LiveEdit
from strategies import desired_customers, live_edits, ways
from world import REF, Stages, World, done

from reconciler.errors import Incomplete, Refused, Source
from reconciler.model.core import Action, CustomerId, Desired, DesiredCustomer, Move, Reading, SourceFile
from reconciler.model.policy import Prune, Share, Terms
from reconciler.model.reasons import NoteKind
from reconciler.pipeline import plan
from reconciler.plan.server_behavior import LEARNING

FILE = "customers.yaml"
KEYS = ("acme", "globex", "initech", "hooli", "umbrella")
ALONE, WHOLE = Stages(make=partial(plan.make, alone=True)), Stages()
READING = Reading(files=(SourceFile(FILE, "0" * 64),))


def declared(city: str = "Boston", **others: DesiredCustomer) -> Desired:
    customers = {key: DesiredCustomer(key, {"name": key, "city": city}, Source(FILE, 2)) for key in KEYS}
    return Desired({**customers, **others}, reading=READING)


def terms(*targets: str) -> Terms:
    return Terms(REF, targets=targets, rate_per_s=0.0, max_archives=Share(100, percent=True))


def adopted(folder: Path, server: Ways | None = None) -> World:
    """Return an account whose customers were created a minute apart, and are bound."""
    world = World(folder, server or Ways(page_max=1))
    for number, key in enumerate(KEYS, start=1):
        Created(key, {"name": key, "city": "Boston"}, age_s=1000.0 + 60.0 * number).do(world.api.account)
    world.wait(60.0)
    assert done(world.apply(declared()).outcomes)
    world.wait(60.0)
    world.stages = ALONE
    return world


def requests(world: World, desired: Desired, *targets: str) -> tuple[int, int]:
    """Return how many requests a plan takes, and how many it says that it took; what its apply will learn apart."""
    before = len(world.api.seen)
    plan = world.plan(desired, terms(*targets))
    return len(world.api.seen) - before, plan.cost.overhead - (LEARNING if plan.count(Action.ARCHIVE) else 0)


@pytest.mark.parametrize(
    ("targets", "sent"),
    [(("acme",), 1 + 1), (("acme", "hooli"), 1 + 2), (("acme", "acme"), 1 + 1), (KEYS, 1 + 5), (("acme*",), 1 + 5)],
    ids=["one", "two", "one twice", "all", "a pattern"],
)
def test_the_targets_are_read_alone_where_that_takes_fewer_requests(
    tmp_path: Path, targets: Sequence[str], sent: int
) -> None:
    assert requests(adopted(tmp_path), declared(), *targets) == (sent, sent)


def test_a_plan_of_targets_that_were_read_alone_says_so_and_does_as_much(tmp_path: Path) -> None:
    world = adopted(tmp_path)
    applied = world.apply(declared(city="Chicago"), terms("acme", "hooli"))
    assert [str(change.address) for change in applied.plan.changes] == ["acme", "hooli"]
    assert [note.kind for note in applied.plan.notes] == [NoteKind.ONLY_TARGETS_READ]
    assert done(applied.outcomes)
    assert world.plan(declared(city="Chicago"), terms("acme", "hooli")).changes == ()


NEEDING_ALL: Mapping[str, tuple[Desired, str]] = {
    "one that is not bound": (declared(new=DesiredCustomer("new", {"name": "New"}, Source(FILE, 9))), "new"),
    "one that another entry pins": (
        declared(twin=DesiredCustomer("twin", {}, Source(FILE, 9), id=CustomerId(nth_id(1)))),
        "acme",
    ),
    "one that is moved": (replace(declared(), moved=(Move("old", "acme", Source(FILE, 9)),)), "acme"),
}


@pytest.mark.parametrize(("desired", "target"), NEEDING_ALL.values(), ids=NEEDING_ALL)
def test_the_account_is_read_where_a_target_needs_it(tmp_path: Path, desired: Desired, target: str) -> None:
    sent, said = requests(adopted(tmp_path), desired, target)
    assert (sent >= 1 + 5, said) == (True, sent)


def without(*keys: str) -> Desired:
    return replace(declared(), customers={key: one for key, one in declared().customers.items() if key not in keys})


def test_a_target_whose_entry_was_removed_is_read_alone_with_its_payment_methods(tmp_path: Path) -> None:
    assert requests(adopted(tmp_path), without("acme"), "acme") == (1 + 1 + 1,) * 2


def test_an_archived_target_whose_entry_was_removed_is_read_alone(tmp_path: Path) -> None:
    world = adopted(tmp_path)
    archived = declared(acme=replace(declared().customers["acme"], archived=True))
    assert done(world.apply(archived, terms("acme")).outcomes)
    world.wait(60.0)
    assert requests(world, without("acme"), "acme") == (1 + 1,) * 2


def test_a_target_whose_key_is_forgotten_is_read_alone(tmp_path: Path) -> None:
    forgetting = replace(without("acme"), forget={"acme": Source(FILE, 2)})
    assert requests(adopted(tmp_path), forgetting, "acme") == (1 + 1,) * 2


def test_targets_that_were_created_among_many_others_are_no_reason_to_read_less(tmp_path: Path) -> None:
    world = World(tmp_path, Ways(page_max=1))
    for number, key in enumerate(KEYS):
        Created(key, {"name": key, "city": "Boston"}, age_s=1000.0 + 0.9 * number).do(world.api.account)
    world.wait(60.0)
    assert done(world.apply(declared()).outcomes)
    world.wait(60.0)
    world.stages = ALONE
    # The list narrowed to the third one's creation would hold all five.
    assert NoteKind.ONLY_TARGETS_READ not in [note.kind for note in world.plan(declared(), terms("initech")).notes]


def test_a_moved_line_of_others_is_no_reason_to_read_the_account(tmp_path: Path) -> None:
    moving = replace(declared(), moved=(Move("old", "globex", Source(FILE, 9)),))
    assert requests(adopted(tmp_path), moving, "acme") == (1 + 1,) * 2


def test_targets_are_read_alone_under_a_limit_in_percent_of_the_account(tmp_path: Path) -> None:
    world, limited = adopted(tmp_path), replace(terms("acme"), max_changes=Share(20, percent=True))
    before = len(world.api.seen)
    assert world.plan(declared(city="Chicago"), limited).limits == ()
    assert len(world.api.seen) - before == 1 + 1


def test_where_a_target_is_not_found_alone_the_account_is_read_and_what_that_took_is_said(tmp_path: Path) -> None:
    world = adopted(tmp_path)
    account = world.api.account
    account.archive(next(one.id for one in account.customers() if one.external_id == "acme"))
    world.wait(60.0)
    # A token, the narrow list, five customers less one on a page each, the narrow list again, and a get. The restore
    # may turn out to be a create, so that what follows the last page, which is full, is asked for too.
    assert requests(world, declared(), "acme") == (1 + 1 + 4 + 1 + 1 + 1,) * 2


@given(
    ways(page_max=1),
    st.lists(live_edits(), max_size=3),
    st.sets(st.sampled_from(KEYS), min_size=1, max_size=3),
    st.data(),
)
def test_a_plan_of_targets_read_alone_is_that_of_the_whole_account(
    server: Ways, edits: Sequence[LiveEdit], targets: set[str], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        world = adopted(Path(folder), server)
        if shelved := data.draw(st.sets(st.sampled_from(KEYS), max_size=2)):
            archived = {key: replace(declared().customers[key], archived=True) for key in shelved}
            world.stages = WHOLE
            world.apply(declared(**archived), terms())
            world.wait(60.0)
        for edit in edits:
            edit.do(world.api.account)
        world.wait(60.0)
        changed = {key: data.draw(desired_customers(key, Source(FILE, 2))) for key in sorted(targets)}
        removed = data.draw(st.sets(st.sampled_from(KEYS), max_size=2))
        customers = {key: one for key, one in declared(**changed).customers.items() if key not in removed}
        forgotten = data.draw(st.sets(st.sampled_from(sorted(removed)))) if removed else set()
        desired = Desired(customers, forget=dict.fromkeys(forgotten, Source(FILE, 9)), reading=READING)
        under = replace(
            terms(*sorted(targets)),
            prune=data.draw(st.sampled_from(Prune)),
            owns=data.draw(st.sampled_from([(), ("*",)])),
            max_changes=data.draw(st.sampled_from([None, Share(20, percent=True)])),
        )
        one, other = (_planned(world, stages, desired, under) for stages in (ALONE, WHOLE))
        assert one == other


def _planned(world: World, stages: Stages, desired: Desired, under: Terms) -> object:
    """Return what is planned, or why nothing is; what the customers are called in a refusal may differ."""
    world.stages = stages
    try:
        plan = world.plan(desired, under)
    except (Incomplete, Refused) as refusal:
        return type(refusal)
    return plan.changes, plan.bindings, plan.blocked, plan.entries, plan.limits, plan.unchanged
