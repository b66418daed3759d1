"""
What printing a big plan takes, as text and as JSON, beside a bare json.dumps of the same document. No server.

python bench/printing.py [--changes N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable

from workbench import table, told

from reconciler.errors import Source
from reconciler.model.core import Action, Address, CustomerId, EnvironmentRef, Reason
from reconciler.model.plan import Change, FieldChange, Plan
from reconciler.plan.saved_plan import as_pieces
from reconciler.report.plan_json import plan_to_json
from reconciler.report.plan_text import plan_text

MOST_TEXT = 0.5
MOST_JSON = 4.0


def main() -> int:
    """Measure it; 1 where a goal is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--changes", type=int, default=50_000)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--runs", type=int, default=3, help="how often each is measured; the quickest counts")
    given = arguments.parse_args()
    plan = patches(given.changes)
    document = plan_to_json(plan)
    bare_s = quickest(lambda: len(json.dumps(document)), given.runs)
    text_s = quickest(lambda: len(plan_text(plan, width=100, color=True)), given.runs)
    json_s = quickest(lambda: sum(map(len, as_pieces(plan_to_json(plan)))), given.runs)
    tracemalloc.start()
    lines = plan_text(plan, width=100, color=True).count("\n")
    text_mib = tracemalloc.get_traced_memory()[1] / 2**20
    result = {
        "ok": text_s <= MOST_TEXT * bare_s and json_s <= MOST_JSON * bare_s,
        "changes": given.changes,
        "bare_seconds": bare_s,
        "text_seconds": text_s,
        "json_seconds": json_s,
        "text_times": text_s / bare_s,
        "json_times": json_s / bare_s,
        "text_lines": lines,
        "text_peak_mib": text_mib,
    }
    rows = [
        ("bare json.dumps of the document", f"{bare_s:.3f} s", ""),
        ("as text", f"{text_s:.3f} s", ""),
        ("as text, times the bare one", f"{text_s / bare_s:.2f}", f"{MOST_TEXT}"),
        ("as text, lines", f"{lines:,}", ""),
        ("as text, peak memory", f"{text_mib:.1f} MiB", ""),
        ("as JSON, piece by piece", f"{json_s:.3f} s", ""),
        ("as JSON, times the bare one", f"{json_s / bare_s:.2f}", f"{MOST_JSON}"),
    ]
    return told(result, table((f"{given.changes:,} changes", "measured", "goal"), rows), as_json=given.json)


def patches(number: int) -> Plan:
    """Return a plan of so many patches."""
    fields = (FieldChange("city", "Boston", "New York"), FieldChange("state", "MA", "NY"))
    changes = (
        Change(
            Action.PATCH,
            Address(f"customer-{one}"),
            CustomerId(f"cus_{one}"),
            Reason.DECLARED,
            fields=fields,
            source=Source("customers.yaml", one, 3),
        )
        for one in range(1, number + 1)
    )
    return Plan(EnvironmentRef("bench", "https://api.example.com", "0" * 64), "default", changes=tuple(changes))


def quickest(work: Callable[[], object], runs: int) -> float:
    """Return the CPU seconds of the quickest of some runs."""
    took = []
    for _ in range(runs):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


if __name__ == "__main__":
    sys.exit(main())
