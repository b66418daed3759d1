"""What each kind of run costs: the formula, the plan's price and the emulator's count are one number."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest
from command_line import Place

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator

sys.path.append(str(Path(__file__).parents[1] / "bench"))  # benchmarks are no package

from kinds import Account, rows_of
from workbench import Measure, Server


def in_this_process(words: Sequence[str], variables: Mapping[str, str], folder: Path) -> Measure:
    """Run a command of a benchmark without a process of its own: what it sends is all that counts here."""
    ran = Place(folder, dict(variables)).run(*words)
    return Measure(ran.code, ran.out, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("page", "ranges"), [(100, 1), (10, 2)])
def test_each_kind_of_run_sends_what_its_formula_and_its_plan_say(tmp_path: Path, page: int, ranges: int) -> None:
    with running(Emulator(rate=0)) as url, httpx.Client(base_url=url) as control:
        file, state = tmp_path / "customers.yaml", tmp_path / "ledger.db"
        rows = rows_of(Account(Server(url, control), file, state, 200, 3, page, in_this_process))
    assert len(rows) == 14
    assert rows[0]["ranges"] == ranges
    assert [row for row in rows if not row["equal"]] == []
