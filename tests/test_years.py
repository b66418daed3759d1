"""A week of daily runs under faults, with an integration and a ledger that moves, breaks no rule."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # benchmarks are no package

from stored import Stored, in_file
from years import ODDS, events_of, lived


def test_a_week_of_daily_runs_breaks_no_rule() -> None:
    counts, wrong = lived(7, 30, seed=1, storages={"sqlite": in_file}, odds=dict.fromkeys(ODDS, 0.02))
    assert wrong == []
    # What was not done breaks no rule either.
    assert {"migrations": 3, "keys": 2, "backups restored": 1}.items() <= counts.items()
    assert counts["undone on a copy"] > 0
    assert counts["faults"] > 0


def test_what_is_wrong_names_the_seed_and_the_day() -> None:
    printed: list[str] = []

    def unreachable(_: Path) -> Stored:
        raise OSError("no bucket")

    _, wrong = lived(7, 10, seed=3, storages={"objects": unreachable}, progress=printed.append)
    assert [one.splitlines()[0] for one in wrong] == ["seed 3, day 4: OSError: no bucket"]
    assert printed == wrong


def test_each_event_befalls_once() -> None:
    assert len([event for event in events_of(730) if event]) == len({*events_of(730)} - {""}) == 6
