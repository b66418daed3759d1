"""
What a plan costs where nothing changed: one token, a list request for each hundred customers, little more in ranges.

With one customer more that is to be created, a plan costs the same, and an apply of it one request more, the create.

python bench/requests.py [--customers N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from math import ceil
from pathlib import Path

from validate import generate
from workbench import KINDS, PAGE, emulator, fill, measured, next_listing, program, table, told


def main() -> int:
    """Count the requests of a plan that finds nothing to do; 1 where one more was sent, or it found something."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=6_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        file, state = Path(folder, "customers.yaml"), Path(folder, "ledger.db")
        generate(file, given.customers)
        fill(server, file, state)
        server.wait(60)
        listing = next_listing(server, state)
        server.counted()
        plan = measured(program("plan", "-f", str(file), "--format", "json"), server.variables(state), file.parent)
        sent = server.counted()
        with file.open("a", encoding="utf-8") as text:
            text.write("  one-more: {name: One More, email: one@more.example}\n")
        saved = str(Path(folder, "saved.plan"))
        variables = server.variables(state)
        new = measured(program("plan", "-f", str(file), "--out", saved), variables, file.parent)
        planned = server.counted().total()
        done = measured(program("apply", saved, "-f", str(file), "--auto-approve"), variables, file.parent)
        applied = server.counted().total()
    allowed = Counter({"token": 1, "list": listing.requests})
    least = max(1, ceil(given.customers / PAGE))
    unchanged = json.loads(plan.stdout)["summary"]["unchanged"] if plan.code == 0 else 0
    result = {
        "ok": sent == allowed
        and (new.code, done.code, planned, applied) == (0, 0, allowed.total(), allowed.total() + 1)
        and listing.requests <= least + len(listing.sizes)
        and unchanged == given.customers,
        "customers": given.customers,
        "ranges": len(listing.sizes),
        "unchanged": unchanged,
        "allowed": dict(allowed),
        "sent": dict(sent),
        "plan_of_one_create": planned,
        "apply_of_that_plan": applied,
    }
    kinds = [kind for kind in (*KINDS, "other") if allowed[kind] or sent[kind]]
    rows = [(kind, allowed[kind], sent[kind]) for kind in kinds]
    text = table(("request", "allowed", "sent"), rows) + f"\n\n{unchanged:,} of {given.customers:,} unchanged"
    text += f"; {len(listing.sizes)} ranges, list requests more than in one: {listing.requests - least}"
    text += f"\na plan of one create: {planned} requests; an apply of it, saved: {applied}"
    return told(result, text, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
