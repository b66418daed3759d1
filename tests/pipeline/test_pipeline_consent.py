"""What the policy forbids is sent by no caller of the pipeline: plans, single requests, whoever approves what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date
from pathlib import Path

import pytest
from plan_values import customer, declared
from world import EPOCH_S, REF, CallingWorld, World

from reconciler.apply import direct_request
from reconciler.errors import Refused, Source
from reconciler.model.core import Action
from reconciler.model.policy import Share, Terms, Waiver, Window
from reconciler.pipeline.consent import check, check_limits

TERMS = Terms(REF, rate_per_s=0.0)
RULE = Source("reconciler.yaml", 6, 29)
FOUR = declared(*(customer(f"c{one}") for one in range(4)))
NONE = declared()
ALL = Share(100, percent=True)
SHUT = Window(frozenset(Action), frozenset({6}), 0, 60, UTC, "sun 00:00-01:00 UTC", RULE)
"""The world's first day is a Thursday."""


def applied(folder: Path) -> World:
    """Return a world in which four customers were created a minute ago."""
    world = World(folder)
    world.agrees = False
    world.apply(FOUR, TERMS)
    world.wait(60)
    return world


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (TERMS, "over a limit: max_archives: 4 planned, 1 allowed"),
        (replace(TERMS, max_archives=ALL, windows=(SHUT,)), "outside a window: windows"),
        (
            replace(TERMS, max_archives=ALL, approval=(Action.ARCHIVE,), places={"require_approval_for": RULE}),
            "the policy \\(reconciler.yaml:6:29\\) wants archive approved; nothing was sent",
        ),
    ],
)
def test_a_plan_that_the_policy_is_against_is_carried_out_by_nobody(tmp_path: Path, terms: Terms, said: str) -> None:
    world = applied(tmp_path)
    before, runs = len(world.api.writes()), _runs(world)
    with pytest.raises(Refused, match=said):
        world.apply(NONE, terms)
    assert (len(world.api.writes()), _runs(world)) == (before, runs)


def test_an_approval_by_an_option_and_one_by_the_policy_let_it_through(tmp_path: Path) -> None:
    world = applied(tmp_path)
    terms = replace(TERMS, max_archives=ALL, approval=(Action.ARCHIVE,))
    world.apply(
        declared(*(customer(f"c{one}") for one in range(3))), replace(terms, approved=frozenset({Action.ARCHIVE}))
    )
    waiver = Waiver(date(2026, 1, 1), "Offboarding", approve=frozenset({Action.ARCHIVE}))
    world.apply(NONE, replace(terms, allow=(waiver,)))
    assert len(world.api.writes()) == 8


def _runs(world: World) -> int:
    with world.ledger() as ledger:
        return len(ledger.runs())


DAY_S = 86_400.0
"""The world begins at the first minute of 2026."""


def test_what_was_allowed_when_a_plan_was_made_and_ended_before_the_answer_is_refused(tmp_path: Path) -> None:
    world = applied(tmp_path)
    waiver = Waiver(date(2026, 1, 1), "Offboarding", {"max_archives": Share(4)}, source=RULE)
    terms = replace(TERMS, allow=(waiver,))
    plan = world.plan(NONE, terms)
    check_limits(plan, terms, EPOCH_S + DAY_S - 1)
    with pytest.raises(Refused, match="what allowed this plan has ended: max_archives: 4 planned and 1 allowed"):
        check_limits(plan, terms, EPOCH_S + DAY_S)


def test_an_approval_that_ended_before_the_answer_is_missing(tmp_path: Path) -> None:
    world = applied(tmp_path)
    waiver = Waiver(date(2026, 1, 1), "Offboarding", approve=frozenset({Action.ARCHIVE}))
    terms = replace(TERMS, max_archives=ALL, approval=(Action.ARCHIVE,), allow=(waiver,))
    plan = world.plan(NONE, terms)
    check(plan, terms, EPOCH_S + DAY_S - 1)
    with pytest.raises(Refused, match="has ended"):
        check(plan, terms, EPOCH_S + DAY_S)
    check(replace(plan, notes=()), terms, EPOCH_S + DAY_S, {Action.ARCHIVE})


def test_a_window_that_closed_before_the_answer_is_closed(tmp_path: Path) -> None:
    thursday = replace(SHUT, days=frozenset({3}), closes=24 * 60, said="thu")
    world = applied(tmp_path)
    terms = replace(TERMS, max_archives=ALL, windows=(thursday,))
    plan = world.plan(NONE, terms)
    check(plan, terms, EPOCH_S + 100)
    with pytest.raises(Refused, match="outside a window"):
        check(plan, terms, EPOCH_S + DAY_S)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (replace(TERMS, windows=(SHUT,)), "outside a window: windows"),
        (replace(TERMS, approval=(Action.CREATE,)), "the policy wants create approved; nothing was sent"),
    ],
)
def test_a_single_request_that_the_policy_is_against_is_sent_by_nobody(tmp_path: Path, terms: Terms, said: str) -> None:
    world = CallingWorld(tmp_path)
    with pytest.raises(Refused, match=said):
        world.call(direct_request.create_customer({"name": "Acme"}), terms)
    assert (world.api.writes(), _runs(world)) == ([], 0)
    world.call(
        direct_request.create_customer({"name": "Acme"}),
        replace(terms, windows=(), approved=frozenset({Action.CREATE})),
    )
    assert len(world.api.writes()) == 1
