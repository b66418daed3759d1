"""How long a run says that it takes yet, against how long it then takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from world import REF, Applied, World

from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredCustomer, DesiredUser, Reading, SourceFile
from reconciler.model.policy import Share, Terms

SOURCE = Source("customers.yaml", 1, 1)
READING = Reading((SourceFile("customers.yaml", "0" * 64),))
TERMS = Terms(REF, max_archives=Share(1000))


def declared(numbers: Iterable[int], *, users: int = 0, archived: bool = False) -> Desired:
    """Return customers by number."""
    people = tuple(DesiredUser(f"u{number}@x.example", {}, SOURCE) for number in range(users))
    made = (DesiredCustomer(f"c{number}", {"name": "A"}, SOURCE, people, archived=archived) for number in numbers)
    return Desired({one.external_id: one for one in made}, reading=READING)


def wrong_by(applied: Applied) -> float:
    """Return by what share of the truth the worst estimate after 20 requests was wrong."""
    worst = 0.0
    for at_s, left_s in applied.estimates[20:]:
        truth_s = applied.ended_s - at_s
        assert left_s is not None
        worst = max(worst, abs(left_s - truth_s) / max(truth_s, 0.001))
    return worst


@pytest.mark.parametrize("users", [0, 2])
def test_after_twenty_requests_the_time_left_is_right_to_a_tenth(tmp_path: Path, users: int) -> None:
    world = World(tmp_path, rate_per_s=5.0)
    applied = world.apply(declared(range(100), users=users), TERMS)
    assert len(applied.estimates) == 100 * (1 + users)
    assert wrong_by(applied) <= 0.1


def test_what_is_learned_at_the_end_is_in_it(tmp_path: Path) -> None:
    world = World(tmp_path, rate_per_s=5.0)
    everyone = declared(range(60))
    world.apply(everyone, TERMS)
    world.wait(60)
    gone = {"c0": replace(everyone.customers["c0"], archived=True)}
    applied = world.apply(replace(everyone, customers={**declared(range(60), users=1).customers, **gone}), TERMS)
    assert applied.plan.cost.overhead - applied.planning == 2
    assert wrong_by(applied) <= 0.1


def test_without_a_limit_no_time_is_claimed(tmp_path: Path) -> None:
    applied = World(tmp_path).apply(declared(range(30)), TERMS)
    assert {left_s for _, left_s in applied.estimates} == {None}
