"""
Write `plan.json` of cases anew: `python tests/plan/write_cases.py NAME…`, each NAME a folder of tests/cases.

What it writes is what the planner says now: read the difference, and keep it only where the planner is right.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import plan_cases


def main(names: list[str]) -> None:
    """Write the plans of the named cases."""
    for name in names:
        folder = plan_cases.CASES / name
        (folder / "plan.json").write_text(plan_cases.layout(plan_cases.planned(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
