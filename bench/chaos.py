"""
Creates under lost answers: how many requests and rounds they take, and that nobody is doubled or missing.

python bench/chaos.py [--customers N] [--faults P] [--seed S] [--ledger KIND] [--json]

A share P of the writes is lost before or after it was done, or answers 500 after or 503 before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from stored import STORED
from validate import generate
from workbench import Server, emulator, measured, program, table, told

MOST_APPLIES = 10
KINDS = ("lost_before", "lost_after", "status_500_after", "status_503_before")


def main() -> int:
    """Apply until nothing is left, and compare the account; 1 where somebody is doubled or missing."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=10_000)
    arguments.add_argument("--faults", type=float, default=0.3)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--ledger", choices=sorted(STORED), default="sqlite", help="where the ledger lies")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        file, state = Path(folder, "customers.yaml"), STORED[given.ledger](Path(folder)).state
        generate(file, given.customers)
        odds: dict[str, Any] = {kind: {"chance": given.faults / len(KINDS), "on": "writes"} for kind in KINDS}
        server.post("faults", {**odds, "seed": given.seed})
        began = time.perf_counter()
        applies = _applied(server, file, state)
        seconds = time.perf_counter() - began
        server.post("faults", {})
        server.wait(60)
        after = measured(program("plan", "-f", str(file), "--detailed-exitcode"), server.variables(state), file.parent)
        keys = Counter(str(customer["external_id"]) for customer in server.customers())
    doubled = sum(count > 1 for count in keys.values())
    missing = given.customers - len(keys)
    result: dict[str, Any] = {
        "ok": not doubled and not missing and after.code == 0,
        "customers": given.customers,
        "ledger": given.ledger,
        "applies": [dict(sent) for sent in applies],
        "creates_sent": sum(sent["create"] for sent in applies),
        "requests": sum(sum(sent.values()) for sent in applies),
        "doubled": doubled,
        "missing": missing,
        "left_to_plan": after.code != 0,
        "seconds": round(seconds, 1),
    }
    rows = [(name.replace("_", " "), result[name]) for name in ("customers", "creates_sent", "requests")]
    rows += [("applies", len(applies)), *((name, result[name]) for name in ("doubled", "missing", "seconds"))]
    text = table(("", "counted"), rows) + f"\n\nthe plan after it: {'empty' if after.code == 0 else 'NOT empty'}"
    return told(result, text, as_json=given.json)


def _applied(server: Server, file: Path, state: str) -> list[Counter[str]]:
    """Apply until an apply says that all is done, and return the requests of each."""
    sent: list[Counter[str]] = []
    server.counted()
    while len(sent) < MOST_APPLIES:
        command = program("apply", "-f", str(file), "--auto-approve", "--format", "json")
        code = measured(command, server.variables(state), file.parent).code
        sent.append(server.counted())
        if code == 0:
            break
        server.wait(60)
    return sent


if __name__ == "__main__":
    sys.exit(main())
