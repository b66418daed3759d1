"""
Adopt an account that is full, batch by batch: half of its customers have no external_id, and all have users.

python bench/adopt.py [--customers N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench import Server, emulator, measured, program, table, told

from reconciler.synthetic.people import generate_customers

BATCHES = ("north-*", "south-*", "east-*", "west-*", "")
"""By the external_id; the last takes the customers that have none."""
WRITES = ("POST", "PATCH", "PUT", "DELETE")


def main() -> int:
    """Import and bind each batch, and plan after it; 1 where a plan has something to do, or anything was written."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=5_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        _fill(server, given.customers)
        rows = [_adopted(server, Path(folder), pattern) for pattern in BATCHES]
        listed = measured(program("state", "list", "--format", "json"), server.variables(Path(folder, "ledger.db")))
    bound = len(json.loads(listed.stdout)["bindings"])
    wrong = [row for row in rows if row["code"] or row["changes"] or row["bindings"] or row["written"]]
    result = {"ok": not wrong and bound == given.customers, "customers": given.customers, "bound": bound, "rows": rows}
    head = ("batch", "customers", "requests", "seconds", "plan: changes", "to adopt", "written")
    names = ("batch", "customers", "requests", "seconds", "changes", "bindings", "written")
    text = table(head, [[row[name] for name in names] for row in rows])
    return told(result, f"{text}\n\n{bound:,} of {given.customers:,} bound", as_json=given.json)


def _fill(server: Server, number: int) -> None:
    """Put customers with two users each into the account, every second one without an external_id."""
    sides = [pattern.removesuffix("*") for pattern in BATCHES if pattern]
    customers = []
    for place, one in enumerate(generate_customers(number, 2, 1)):
        users = [{"email": email, **names} for email, names in one.users.items()]
        named = {} if place % 2 else {"external_id": f"{sides[place // 2 % len(sides)]}{one.key}"}
        customers.append({**one.fields, **named, "users": users})
    for begin in range(0, len(customers), 1_000):
        server.post("load", {"customers": customers[begin : begin + 1_000]})
    server.counted()


def _adopted(server: Server, folder: Path, pattern: str) -> dict[str, Any]:
    """Import and bind one batch into the folder, plan all of it, and return what was seen."""
    variables = server.variables(folder / "ledger.db")
    before = len(list(folder.glob("customers/*.yaml")))
    adopted = measured(program("import", pattern, "-o", "customers/", "--bind"), variables, folder)
    lines = server.lines()
    plan = measured(program("plan", "-f", "customers", "--format", "json"), variables, folder)
    lines = [*lines, *server.lines()]
    planned = json.loads(plan.stdout) if plan.code == 0 else {"changes": ["none"], "bindings": ["none"]}
    return {
        "batch": pattern or "(none)",
        "code": adopted.code or plan.code,
        "customers": len(list(folder.glob("customers/*.yaml"))) - before,
        "requests": len(lines),
        "seconds": round(adopted.wall_s + plan.wall_s, 1),
        "changes": len(planned["changes"]),
        "bindings": len(planned["bindings"]),
        "written": sum(line["method"] in WRITES and line["path"] != "/oauth/token" for line in lines),
    }


if __name__ == "__main__":
    sys.exit(main())
