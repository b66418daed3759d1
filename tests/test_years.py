"""A week of daily runs under faults, with an integration and a ledger that moves, breaks no rule."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # benchmarks are no package

from years import events_of, lived


def test_a_week_of_daily_runs_breaks_no_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    counts, wrong = lived(7, 30, seed=1, storages=("sqlite",))
    assert wrong == []
    # What was not done breaks no rule either.
    assert {"migrations": 3, "keys": 2, "backups restored": 1}.items() <= counts.items()
    assert counts["undone on a copy"] > 0


def test_each_event_befalls_once() -> None:
    assert len([event for event in events_of(730) if event]) == len({*events_of(730)} - {""}) == 6
