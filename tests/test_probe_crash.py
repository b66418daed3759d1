"""A probe that dies at any step leaves nothing active behind once the next one has ended."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from clocks import Dead, Death, Killed
from probes import Probed

from reconciler.crash_points import no_hook
from reconciler.emulator.fault_settings import switched
from reconciler.model.ledger import BindingState
from reconciler.model.reports import PROBES
from reconciler.rules import Behaviour

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing


def killed(world: Probed, at: int) -> bool:
    """Probe, let the process die at its `at`-th step, and say whether it came so far."""
    death = Death(at)
    world.step = death
    try:
        world.probe()
    except (Killed, Dead):
        pass
    finally:
        world.step = no_hook
    return death.taken >= at


@pytest.mark.parametrize(
    ("ways", "first"),
    [
        ({}, 0),
        ({"unique": "none", "lists_archived": True, "repeated_archive": 400}, 1),
        ({"unique": "active", "gets_archived": False, "repeated_archive": 404, "lag_s": 3}, 2),
    ],
    ids=["usual", "listed and doubled", "hidden and late"],
)
def test_a_probe_that_died_at_any_step_is_cleaned_up_by_the_next(ways: dict[str, object], first: int) -> None:
    steps = first
    while True:
        with TemporaryDirectory(dir=MEMORY) as folder:
            world = Probed(Path(folder), switched(Behaviour(), ways), strangers=1)
            if not killed(world, steps + 1):
                break
            steps += 3
            what = world.probe()
            assert (what.stopped, what.left, world.active()) == ("", (), []), steps
            assert len(world.marked()) <= 4, steps
            with world.ledger() as ledger:
                assert ledger.records().intents == (), steps
                assert {run.outcome for run in ledger.runs()} <= {"cleaned", "done"}, steps
                rows = ledger.records().bindings.values()
                assert {(row.state, row.project) for row in rows} == {(BindingState.ARCHIVED, PROBES)}, steps
    assert steps > 60
