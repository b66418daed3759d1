"""
A run that dies at any of its steps loses nothing and doubles nobody: the next run ends what it began.

Every step before and after a request and a commit (`crash_points`), one after the other. `bench/crash.py` does
the same with a process of its own and SIGKILL.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from api_ways import Unique, Ways
from clocks import Dead, Death, Killed, VirtualClock
from plan_values import customer, declared
from world import REF, Applied, Stages, World, done

from reconciler.crash_points import no_hook
from reconciler.errors import Incomplete, Source
from reconciler.model.core import Desired, DesiredUser
from reconciler.model.policy import Share, Terms
from reconciler.pipeline import plan

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing

USUAL = Ways(gets_archived=True)
WAYS = {
    "usual": USUAL,
    "lists archived": Ways(lists_archived=True, gets_archived=True, unique=Unique.ALL),
    "hides archived": Ways(unique=Unique.ACTIVE, repeated_archive=404, repeated_restore=400),
    "reads lag": Ways(gets_archived=True, lag_s=2.0),
}


class Mortal(World):
    """A world whose runs may die, and archive whom they should: what limits keep back is tested elsewhere."""

    terms = Terms(REF, rate_per_s=0.0, max_archives=Share(100, percent=True), max_restores=Share(100, percent=True))

    async def _apply(self, desired: Desired, terms: Terms) -> Applied:
        try:
            return await super()._apply(desired, terms)
        except Killed:
            raise Dead from None


def user(email: str) -> DesiredUser:
    return DesiredUser(email, {"first_name": email[:3]}, Source("customers.yaml", 4, 5))


JANE, JOE = user("jane@x.example"), user("joe@x.example")
FIRST = declared(
    customer("kept"),
    *(customer(key) for key in ("patched", "archived", "gone")),
    customer("cleared", fields={"name": "cleared", "state": "NY"}),
    *(customer(key, JANE) for key in ("joined", "back", "returned")),
)
SECOND = declared(
    *(one for one in FIRST.customers.values() if one.external_id not in ("back", "returned")),
    *(customer(key, JANE, archived=True) for key in ("back", "returned")),
)
THIRD = declared(
    customer("kept"),
    customer("patched", fields={"name": "patched", "city": "Boston"}),
    customer("cleared", fields={"name": "cleared", "state": None}),
    customer("archived", archived=True),
    customer("joined", JANE, JOE),
    customer("back", JANE),
    customer("returned", JANE, JOE, fields={"name": "returned", "city": "Paris"}),
    customer("new", JANE, JOE),
    customer("newer", JOE, JANE),
    customer("newest"),
)
EXPECTED = {
    "kept": ({"name": "kept"}, False, []),
    "patched": ({"name": "patched", "city": "Boston"}, False, []),
    "cleared": ({"name": "cleared"}, False, []),
    "archived": ({"name": "archived"}, True, []),
    "gone": ({"name": "gone"}, True, []),
    "joined": ({"name": "joined"}, False, ["jane@x.example", "joe@x.example"]),
    "back": ({"name": "back"}, False, ["jane@x.example"]),
    "returned": ({"name": "returned", "city": "Paris"}, False, ["jane@x.example", "joe@x.example"]),
    "new": ({"name": "new"}, False, ["jane@x.example", "joe@x.example"]),
    "newer": ({"name": "newer"}, False, ["jane@x.example", "joe@x.example"]),
    "newest": ({"name": "newest"}, False, []),
}


async def patient(*args: Any, **how: Any) -> plan.Planned:  # noqa: ANN401 - those of `planning.make`
    """Plan as `apply` does: wait where a create of the dead run may still come to be seen."""
    return await plan.make(*args, **{"patience": VirtualClock(), **how})


def ready(folder: Path, ways: Ways, kind: type[Mortal] = Mortal) -> Mortal:
    """Return a world in which the third state is declared, and nothing of it done."""
    world = kind(folder, ways, stages=Stages(make=patient))
    for desired in (FIRST, SECOND):
        assert done(world.apply(desired).outcomes)
        world.wait(60)
    return world


def dies(world: Mortal, at: int) -> bool:
    """Apply, let the process die at its `at`-th step, and say whether it came so far."""
    death = Death(at)
    world.step = death
    try:
        world.apply(THIRD)
    except (Killed, Dead):
        pass
    finally:
        world.step = no_hook
    return death.taken >= at


def ends(world: Mortal) -> None:
    """Apply again; where the server does not show yet what was written, a minute later."""
    try:
        world.apply(THIRD)
    except Incomplete:
        world.wait(60)
        world.apply(THIRD)


def account(world: World) -> dict[str, tuple[dict[str, str], bool, list[str]]]:
    """Return what is there by external_id; nobody is there twice."""
    customers = world.api.account.customers()
    assert [key for key, count in Counter(one.external_id for one in customers).items() if count > 1] == []
    return {
        one.external_id: (dict(one.fields), one.archived, sorted(user.email for user in one.users)) for one in customers
    }


def converged(world: World) -> None:
    """Assert that everything is as declared, the journal empty, and nothing left to do."""
    assert account(world) == EXPECTED
    with world.ledger() as ledger:
        assert ledger.records().intents == ()
    left = world.plan(THIRD)
    assert (left.changes, left.blocked, left.bindings) == ((), (), ())


def test_the_run_without_a_death_does_what_is_declared(tmp_path: Path) -> None:
    world = ready(tmp_path, USUAL)
    assert not dies(world, 10_000)
    world.wait(60)
    converged(world)


@pytest.mark.parametrize(
    ("ways", "wait_s"),
    [("usual", 60.0), ("lists archived", 60.0), ("hides archived", 60.0), ("reads lag", 0.0)],
)
def test_a_run_that_died_at_any_step_is_ended_by_the_next(ways: str, wait_s: float) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        begun = Path(folder) / "begun"
        begun.mkdir()
        running = ready(begun, WAYS[ways])
        left: list[Mortal] = []
        running.step = lambda _: left.append(running.died(Path(folder) / str(len(left))))
        running.apply(THIRD)
        for world in left:
            world.wait(wait_s)
            ends(world)
            world.wait(60)
            converged(world)
    assert len(left) > 50
