"""
What planning a big account takes where nothing changed, beside a bare pass over the same file's YAML events.

python bench/scale.py [--customers N...] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from validate import generate
from workbench import emulator, fill, measured, program, table, told

from reconciler.documents.events import open_events

MOST_TIMES = 4.0
MOST_MIB = {100_000: 300, 250_000: 512}
"""By how many customers there are."""


@dataclass(frozen=True, slots=True)
class Measured:
    """
    One size: the file, CPU of the bare pass and of the plan, the plan's wall time and peak memory.

    `adopts`: the ledger is empty, so that the plan is to adopt everyone; there is no goal for that.
    """

    customers: int
    adopts: bool
    file_mib: float
    unchanged: int
    bare_cpu_seconds: float
    plan_cpu_seconds: float
    plan_wall_seconds: float
    times: float
    peak_mib: float

    def ok(self) -> bool:
        """Say whether the goals are reached; in fewer customers than they are for, starting takes the time."""
        if self.adopts:
            return True
        quick = self.times <= MOST_TIMES or self.customers < min(MOST_MIB)
        small = self.peak_mib <= MOST_MIB.get(self.customers, inf)
        return self.unchanged == self.customers and quick and small


def main() -> int:
    """Measure `reconciler plan` as a process; 1 where a goal is missed or it found anything to do."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, nargs="+", default=list(MOST_MIB), metavar="N")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--runs", type=int, default=1, help="how often each is measured; the quickest counts")
    arguments.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.bare:
        print(bare(given.bare))
        return 0
    sizes = [
        planned(customers, given.runs, adopts=adopts)
        for customers in given.customers
        for adopts in ((False, True) if customers == min(MOST_MIB) else (False,))
    ]
    rows = [
        (
            f"{one.customers:,}",
            f"{one.file_mib:.1f}",
            "all" if one.adopts else "",
            f"{one.unchanged:,}",
            f"{one.bare_cpu_seconds:.2f}",
            f"{one.plan_cpu_seconds:.2f}",
            f"{one.times:.2f}",
            f"{one.plan_wall_seconds:.1f}",
            f"{one.peak_mib:.0f}",
        )
        for one in sizes
    ]
    text = table(
        ("customers", "MiB", "to adopt", "unchanged", "bare CPU s", "plan CPU s", "times", "wall s", "peak MiB"), rows
    )
    memory = ", ".join(f"{most} MiB for {customers:,}" for customers, most in MOST_MIB.items())
    text += f"\n\ngoals: at most {MOST_TIMES:.0f} times, at most {memory}"
    ok = all(one.ok() for one in sizes)
    return told({"ok": ok, "sizes": list(map(asdict, sizes))}, text, as_json=given.json)


def planned(customers: int, runs: int, *, adopts: bool) -> Measured:
    """Fill an account, let the ledger bind all of it, and measure a plan by that ledger, or by an empty one."""
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        file, state = Path(folder, "customers.yaml"), Path(folder, "ledger.db")
        generate(file, customers)
        fill(server, file, state)
        server.wait(60)
        bare_s = min(float(measured([sys.executable, __file__, "--bare", str(file)]).stdout) for _ in range(runs))
        command = program("plan", "-f", str(file), "--format", "json")
        variables = server.variables(Path(folder, "none.db") if adopts else state)
        plans = [measured(command, variables, file.parent) for _ in range(runs)]
        size = file.stat().st_size / 2**20
    plan = min(plans, key=lambda one: one.cpu_s)
    unchanged = json.loads(plan.stdout)["summary"]["unchanged"] if plan.code == 0 else 0
    peak_mib = max(one.mib for one in plans)
    return Measured(customers, adopts, size, unchanged, bare_s, plan.cpu_s, plan.wall_s, plan.cpu_s / bare_s, peak_mib)


def bare(file: Path) -> float:
    """Return the CPU seconds, user and system, of a pass over the events of `file`."""
    began = time.process_time()
    get = open_events(file.read_bytes())
    while get() is not None:
        pass
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
