"""
How long and how much memory `load_desired` takes, beside a bare pass over the parser's events.

python bench/validate.py [--customers N] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.desired.load import load_desired
from reconciler.documents.events import open_events

GOAL_RATIO = 2.5
MOST_MIB = 700


def main() -> int:
    """Measure both passes, each in a process of its own; return 1 where a goal is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--measure", choices=["bare", "load"], help=argparse.SUPPRESS)
    arguments.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.file)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "customers.yaml")
        generate(file, given.customers)
        size = file.stat().st_size / 2**20
        bare, load = (in_child(what, file) for what in ("bare", "load"))
    ratio = load["seconds"] / bare["seconds"]
    ok = ratio <= GOAL_RATIO and load["mib"] <= MOST_MIB
    if given.json:
        result = {"ok": ok, "customers": given.customers, "file_mib": size, "bare": bare, "load": load, "ratio": ratio}
        print(json.dumps(result, indent=2))
        return 0 if ok else 1
    print(f"{given.customers:,} customers, {size:.1f} MiB\n")
    print(f"{'':<22}{'seconds':>9}{'peak MiB':>10}")
    for name, row in (("bare events", bare), ("parse, check, build", load)):
        print(f"{name:<22}{row['seconds']:>9.2f}{row['mib']:>10.0f}")
    print(f"\nratio {ratio:.2f} (goal {GOAL_RATIO}), memory limit {MOST_MIB} MiB")
    return 0 if ok else 1


def generate(file: Path, customers: int) -> None:
    """Write a file of `customers` customers, eight lines each."""
    with file.open("w", encoding="utf-8") as out:
        out.write("version: 1\ncustomers:\n")
        for number in range(customers):
            out.write(
                f"  customer-{number:06d}:\n"
                f"    name: Customer {number}\n"
                f"    email: billing@customer-{number}.example\n"
                f"    ein: {10 + number % 90}-{1_000_000 + number}\n"
                f"    street_address: {number} Main St\n"
                f"    city: New York\n"
                f"    state: NY\n"
                f"    postal_code: {10_000 + number % 9_000}\n"
            )


def in_child(what: str, file: Path) -> dict[str, float]:
    """Return the measure of one pass, taken in a fresh process; the quicker of two."""
    command = [sys.executable, __file__, "--measure", what, "--file", str(file)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]  # noqa: S603
    quickest: dict[str, float] = min(runs, key=lambda run: run["seconds"])
    return quickest


def measure(what: str, file: Path) -> dict[str, float]:
    """Return seconds and peak memory of one pass over `file`, in this process."""
    began = time.perf_counter()
    if what == "bare":
        get = open_events(file.read_bytes())
        while get() is not None:
            pass
    else:
        load_desired([file.name], root=file.parent)
    took = time.perf_counter() - began
    return {"seconds": took, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    sys.exit(main())
