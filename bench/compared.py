"""
The cases in which Reconciler was compared with other tools: requests, time and duplicates at 5 requests per second.

python bench/compared.py [--customers N] [--json]

Prints Reconciler's column of docs/explanation/reconciler-and-terraform.md. The token request is not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from latency import refused, span_s
from validate import generate
from workbench import Server, emulator, measured, program, table, told

RATE_PER_S = 5
LOST = 0.3
LOST_CUSTOMERS = 30
MOST_APPLIES = 3
SLOWEST = 1.1
"""How many times requests / rate the creates may take."""


def main() -> int:
    """Play the cases; 1 where a request too many, a 429 or a duplicate is counted."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=60)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    result: dict[str, Any] = {"customers": given.customers, **created(given.customers), **lost_answers()}
    least = given.customers + 1
    result["ok"] = (
        (result["create_requests"], result["create_429s"]) == (least, 0)
        and result["create_times"] <= SLOWEST
        and (result["plan_requests"], result["plan_429s"]) == (1, 0)
        and (result["doubled"], result["made"], result["exit_code"]) == (0, LOST_CUSTOMERS, 0)
    )
    rows = [
        (f"create {given.customers}: requests, 429s", f"{result['create_requests']}, {result['create_429s']}"),
        ("create: time / (requests / rate)", f"{result['create_times']:.2f}"),
        ("plan of nothing: requests, 429s", f"{result['plan_requests']}, {result['plan_429s']}"),
        (
            f"{LOST_CUSTOMERS} creates, {LOST:.0%} answered 500: doubled / made",
            f"{result['doubled']} / {result['made']}",
        ),
        ("applies, exit code of the last", f"{result['applies']}, {result['exit_code']}"),
    ]
    return told(result, table(("case", "counted"), rows), as_json=given.json)


def created(customers: int) -> dict[str, Any]:
    """Create customers at the API's rate after a saved plan, and plan again."""
    with tempfile.TemporaryDirectory() as folder, emulator(RATE_PER_S) as server:
        file = Path(folder, "customers.yaml")
        generate(file, customers)
        variables = {**server.variables(Path(folder, "ledger.db")), "RECONCILER_RATE": f"{RATE_PER_S}"}
        server.counted()
        measured(program("apply", "-f", str(file), "--auto-approve"), variables, file.parent)
        lines = [line for line in server.lines() if line["path"] != "/oauth/token"]
        server.wait(60)
        server.counted()
        measured(program("plan", "-f", str(file)), variables, file.parent)
        after = [line for line in server.lines() if line["path"] != "/oauth/token"]
    seconds = span_s(lines) + 1 / RATE_PER_S
    return {
        "create_requests": len(lines),
        "create_429s": refused(lines),
        "create_times": seconds * RATE_PER_S / len(lines),
        "plan_requests": len(after),
        "plan_429s": refused(after),
    }


def lost_answers() -> dict[str, Any]:
    """Apply up to three times where a share of the writes is done and answered 500."""
    with tempfile.TemporaryDirectory() as folder, emulator(RATE_PER_S) as server:
        file = Path(folder, "customers.yaml")
        generate(file, LOST_CUSTOMERS)
        server.post("faults", {"status_500_after": {"chance": LOST, "on": "writes"}, "seed": 1})
        applies, code = applied(server, file)
        keys = Counter(str(customer["external_id"]) for customer in server.customers())
    return {
        "doubled": sum(count - 1 for count in keys.values()),
        "made": len(keys),
        "applies": applies,
        "exit_code": code,
    }


def applied(server: Server, file: Path) -> tuple[int, int]:
    """Apply until all is done, three times at most; return how often, and the last exit code."""
    variables = {**server.variables(file.parent / "ledger.db"), "RECONCILER_RATE": f"{RATE_PER_S}"}
    code = 1
    for number in range(1, MOST_APPLIES + 1):
        code = measured(program("apply", "-f", str(file), "--auto-approve"), variables, file.parent).code
        if code == 0:
            return number, code
    return MOST_APPLIES, code


if __name__ == "__main__":
    sys.exit(main())
