"""What each kind of run costs: the formula, the plan's price and the emulator's count are one number."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PATIENCE_S

BENCH = Path(__file__).parents[1] / "bench" / "kinds.py"


@pytest.mark.parametrize(("page", "ranges"), [(100, 1), (10, 2)])
def test_each_kind_of_run_sends_what_its_formula_and_its_plan_say(page: int, ranges: int) -> None:
    command = [sys.executable, str(BENCH), "--customers", "200", "--changes", "3", "--page", str(page), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    rows = json.loads(ran.stdout)["rows"]
    assert len(rows) == 14
    assert rows[0]["ranges"] == ranges
    assert [row for row in rows if not row["equal"]] == []
