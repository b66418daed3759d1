"""
What the trial of a plan adds to planning: nothing where there is nothing to do, and a share of it where there is.

python bench/trial.py [--json]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from itertools import cycle

from workbench import table, told

from reconciler.errors import Source
from reconciler.gc_pause import without_collector
from reconciler.kinds.kind import fingerprint
from reconciler.kinds.wire import with_record
from reconciler.model.core import (
    CustomerId,
    Desired,
    DesiredCustomer,
    EnvironmentRef,
    Live,
    LiveCustomer,
    Reading,
    SourceFile,
)
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.policy import Terms
from reconciler.plan.make import make_plan
from reconciler.plan.trial import try_plan

TERMS = Terms(EnvironmentRef("bench", "http://127.0.0.1", "0" * 64))
MOST_IDLE_S = 0.01
FILE = "customers.yaml"
CREATED_AT = "2025-01-01T00:00:00Z"


def main() -> int:
    """Measure planning and its trial; 1 where a trial finds a fault, or costs something where nothing is to be done."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    sizes = ((100_000, 0), (10_000, 10_000), (50_000, 50_000), (100_000, 1_000))
    rows = [measured(customers, changes) for customers, changes in sizes]
    ok = all(row["faults"] == 0 and (row["changes"] or row["trial_s"] < MOST_IDLE_S) for row in rows)
    head = ("customers", "changes", "planning s", "trial s", "share", "faults")
    text = table(
        head,
        [
            (f"{row['customers']:,}", f"{row['changes']:,}", f"{row['plan_s']:.2f}", f"{row['trial_s']:.2f}",
             f"{row['trial_s'] / row['plan_s']:.0%}", f"{row['faults']:.0f}")
            for row in rows
        ],
    )  # fmt: skip
    return told({"ok": ok, "rows": rows}, text, as_json=given.json)


def measured(customers: int, changes: int) -> dict[str, float]:
    """Return the seconds of a plan and of its trial; creates, patches, archives and restores in turn."""
    desired, live, records = world(customers, changes)
    with without_collector():
        began = time.perf_counter()
        draft = make_plan(desired, live, records, TERMS)
        planned = time.perf_counter()
        faults = try_plan(draft.plan, desired, live, records, TERMS, draft.learned)
        ended = time.perf_counter()
    assert len(draft.plan.changes) == changes
    return {
        "customers": customers,
        "changes": changes,
        "plan_s": planned - began,
        "trial_s": ended - planned,
        "faults": len(faults),
    }


def world(customers: int, changes: int) -> tuple[Desired, Live, Records]:
    """Return the planner's inputs for so many customers, of which `changes` need one change each."""
    declared: dict[str, DesiredCustomer] = {}
    listed: dict[CustomerId, LiveCustomer] = {}
    rows: dict[str, Binding] = {}
    for number, what in zip(range(customers), cycle(("create", "patch", "archive", "restore")), strict=False):
        key, one = f"customer-{number:06d}", CustomerId(f"cus_{number:06d}")
        fields = {"name": f"Customer {number}", "city": "New York", "state": "NY", "email": f"b@{number}.example"}
        wanted = what if number < changes else "nothing"
        declared[key] = DesiredCustomer(key, fields, Source(FILE, number), archived=wanted == "archive")
        held = fields | ({"city": "Boston"} if wanted == "patch" else {})
        if wanted == "create":
            continue
        state = BindingState.ARCHIVED if wanted == "restore" else BindingState.ACTIVE
        row = Binding(key, one, key, CREATED_AT, state, "default", FILE, protected=False, via=Via.MATCHED)
        rows[key] = with_record(replace(row, applied_hash=fingerprint({})), held, held, {})
        if wanted != "restore":
            listed[one] = LiveCustomer(one, key, CREATED_AT, held)
    reading = Reading((SourceFile(FILE, "0" * 64),))
    live = Live(listed, payment_methods=dict.fromkeys(listed, 0), read_at=1_767_225_600.0)
    return Desired(declared, reading=reading), live, Records(rows, known=True)


if __name__ == "__main__":
    sys.exit(main())
