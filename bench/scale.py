"""
What planning a big account takes where nothing changed, beside a bare pass over the same file's YAML events.

python bench/scale.py [--customers N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from validate import generate
from workbench import emulator, fill, measured, program, table, told

from reconciler.documents.events import open_events

MOST_TIMES = 8.0
MOST_MIB = 1024


def main() -> int:
    """Measure `reconciler plan` as a process; 1 where a goal is missed or it found anything to do."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--runs", type=int, default=2, help="how often each is measured; the quickest counts")
    arguments.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.bare:
        print(bare(given.bare))
        return 0
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        file, state = Path(folder, "customers.yaml"), Path(folder, "ledger.db")
        generate(file, given.customers)
        fill(server, file, state)
        server.wait(60)
        events = [float(measured([sys.executable, __file__, "--bare", str(file)]).stdout) for _ in range(given.runs)]
        command = program("plan", "-f", str(file), "--format", "json")
        plans = [measured(command, server.variables(state), file.parent) for _ in range(given.runs)]
        size = file.stat().st_size / 2**20
    plan, bare_s = min(plans, key=lambda one: one.cpu_s), min(events)
    summary = json.loads(plan.stdout)["summary"] if plan.code == 0 else {}
    times, mib = plan.cpu_s / bare_s, max(one.mib for one in plans)
    result = {
        "ok": summary.get("unchanged") == given.customers and times <= MOST_TIMES and mib < MOST_MIB,
        "customers": given.customers,
        "file_mib": size,
        "summary": summary,
        "bare_cpu_seconds": bare_s,
        "plan_cpu_seconds": plan.cpu_s,
        "plan_wall_seconds": plan.wall_s,
        "times": times,
        "peak_mib": mib,
    }
    rows = [
        ("bare events, CPU", f"{bare_s:.2f} s", ""),
        ("plan, CPU", f"{plan.cpu_s:.2f} s", ""),
        ("plan, CPU, times the bare pass", f"{times:.2f}", f"{MOST_TIMES:.0f}"),
        ("plan, wall", f"{plan.wall_s:.2f} s", ""),
        ("plan, peak memory", f"{mib:.0f} MiB", f"{MOST_MIB} MiB"),
        ("unchanged", f"{summary.get('unchanged', 0):,}", f"{given.customers:,}"),
    ]
    text = table((f"{given.customers:,} customers, {size:.1f} MiB", "measured", "goal"), rows)
    return told(result, text, as_json=given.json)


def bare(file: Path) -> float:
    """Return the CPU seconds, user and system, of a pass over the events of `file`."""
    began = time.process_time()
    get = open_events(file.read_bytes())
    while get() is not None:
        pass
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
