"""
A run that another one takes over at any of its steps, and that wakes up when that has ended, undoes nothing of it.

At every step where a process may be suspended (`two_runners`), one after the other. Two things hold the late one back:
its commits fail, and a request whose intent is older than 5 s does not leave.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from test_crash import FIRST, MEMORY, THIRD, WAYS, Mortal, account, converged, ends, ready
from two_runners import Begun, TakenOverAt

from reconciler.crash_points import no_hook
from reconciler.errors import TakenOver
from reconciler.model.core import Desired


def taken_over(world: Mortal, at: int, second: Desired) -> bool:
    """
    Apply, let a run of `second` take over at the `at`-th step, and say whether it came so far.

    The late run may change nothing any more.
    """
    left = []

    def other() -> None:
        world.apply(second)
        left.append(account(world))

    takes_over = TakenOverAt(world, other, at)
    world.step = takes_over
    with suppress(TakenOver):
        world.apply(THIRD)
    world.step = no_hook
    world.wait(60)
    assert [account(world) for _ in left] == left
    return takes_over.taken >= at


@pytest.mark.parametrize("ways", WAYS)
def test_a_run_of_the_same_files_ends_what_the_late_one_began_and_nobody_is_doubled(ways: str) -> None:
    steps = 0
    with TemporaryDirectory(dir=MEMORY) as begun:
        start = ready(Path(begun), WAYS[ways], Begun)
        while True:
            with TemporaryDirectory(dir=MEMORY) as folder:
                world = start.copied(Path(folder))
                if not taken_over(world, steps + 1, THIRD):
                    break
                steps += 1
                ends(world)
                world.wait(60)
                converged(world)
    assert steps > 20


def test_a_run_of_other_files_is_not_undone_by_the_late_one() -> None:
    steps = 0
    with TemporaryDirectory(dir=MEMORY) as begun:
        start = ready(Path(begun), WAYS["usual"], Begun)
        while True:
            with TemporaryDirectory(dir=MEMORY) as folder:
                world = start.copied(Path(folder))
                if not taken_over(world, steps + 1, FIRST):
                    break
                steps += 1
                assert all(not account(world)[key][1] for key in FIRST.customers)
    assert steps > 20
