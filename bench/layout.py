"""
How long `fmt --check` takes, as a process, beside a bare pass over the parser's events, for files of growing size.

python bench/layout.py [--customers N...] [--json]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scale import bare
from validate import generate
from workbench import measured, program, table, told

MOST_TIMES = 12.0
GOALS_ARE_OF = 200_000


def main() -> int:
    """Measure each size; 1 where the largest takes more than it may, or a file is not read."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, nargs="+", default=[2_500, 20_000, 200_000], metavar="N")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.bare:
        print(bare(given.bare))
        return 0
    sizes = [checked(customers) for customers in given.customers]
    rows = [
        (
            f"{one['customers']:,}",
            f"{one['bare_cpu_seconds']:.2f}",
            f"{one['cpu_seconds']:.2f}",
            f"{one['times']:.1f}",
            f"{one['peak_mib']:.0f}",
        )
        for one in sizes
    ]
    text = table(("customers", "bare CPU s", "fmt CPU s", "times", "peak MiB"), rows)
    text += f"\n\ngoal, from {GOALS_ARE_OF:,} customers: at most {MOST_TIMES:.0f} times; below, starting takes the time"
    ok = all(one["code"] == 1 and (one["times"] <= MOST_TIMES or one["customers"] < GOALS_ARE_OF) for one in sizes)
    return told({"ok": ok, "sizes": sizes}, text, as_json=given.json)


def checked(customers: int) -> dict[str, float]:
    """Return what checking a file takes whose layout is not canonical: the quicker of two runs."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "customers.yaml")
        generate(file, customers)
        bare_s = min(float(measured([sys.executable, __file__, "--bare", str(file)]).stdout) for _ in range(2))
        runs = [measured(program("fmt", "--check", str(file))) for _ in range(2)]
    quickest = min(runs, key=lambda one: one.cpu_s)
    return {
        "customers": customers,
        "bare_cpu_seconds": bare_s,
        "cpu_seconds": quickest.cpu_s,
        "times": quickest.cpu_s / bare_s,
        "peak_mib": max(one.mib for one in runs),
        "code": quickest.code,
    }


if __name__ == "__main__":
    sys.exit(main())
