"""A probe that dies at any step leaves nothing active behind once the next one has ended."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from probes import Probed

from reconciler.emulator.fault_settings import switched
from reconciler.model.ledger import BindingState
from reconciler.model.reports import PROBES
from reconciler.rules import Behaviour

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing


def died(folder: Path, behaviour: Behaviour, steps: slice) -> list[Probed]:
    """Probe, and return what a process leaves that dies at these steps, counted from 0."""
    (folder / "begun").mkdir()
    running = Probed(folder / "begun", behaviour, strangers=1)
    count, left = itertools.count(), list[Probed]()

    def step(_: str) -> None:
        if (at := next(count)) >= steps.start and (at - steps.start) % steps.step == 0:
            left.append(running.died(folder / str(at)))

    running.step = step
    running.probe()
    return left


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
    with TemporaryDirectory(dir=MEMORY) as folder:
        left = died(Path(folder), switched(Behaviour(), ways), slice(first, None, 3))
        for number, world in enumerate(left):
            what = world.probe()
            assert (what.stopped, what.left, world.active()) == ("", (), []), number
            assert len(world.marked()) <= 4, number
            with world.ledger() as ledger:
                assert ledger.records().intents == (), number
                assert {run.outcome for run in ledger.runs()} <= {"cleaned", "done"}, number
                rows = ledger.records().bindings.values()
                assert {(row.state, row.project) for row in rows} == {(BindingState.ARCHIVED, PROBES)}, number
    assert len(left) > 20
