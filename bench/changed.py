"""
What a plan of what a pull request changes costs, whatever the account's size: requests, and CPU beside validate's.

Three customers of one file are changed, one of them is archived, and one more commit is on main.

python bench/changed.py [--customers N]... [--files F] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from validate import generate
from workbench import Server, emulator, fill, measured, program, table, told

MOST = 5
"""So many requests three changed customers may take."""


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, as nobody in particular."""
    person = ("-c", "user.name=A", "-c", "user.email=a@x.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, *words], cwd=folder, check=True)  # noqa: S603, S607 - git as the user finds it


def row_of(server: Server, folder: Path, customers: int, files: int) -> dict[str, object]:
    """Fill an account, change three customers, and return what a plan of that takes."""
    whole, state = folder / "all.yaml", folder / "ledger.db"
    generate(whole, customers)
    head, *entries = whole.read_text("utf-8").split("\n  customer-")
    (folder / "customers").mkdir()
    for number in range(files):
        text = "".join(f"\n  customer-{one}".rstrip("\n") for one in entries[number::files])
        (folder / "customers" / f"{number}.yaml").write_text(f"{head}{text}\n", "utf-8")
    fill(server, whole, state)
    whole.unlink()
    (folder / ".gitignore").write_text("ledger.db*\nstate/\n")
    variables = server.variables(state)
    paths = ("-f", "customers")
    adopted = measured(program("apply", *paths, "--auto-approve"), variables, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    first = folder / "customers" / "0.yaml"
    lines = first.read_text("utf-8").split("\n  customer-")
    for number in (1, 2, 3):
        key, _, rest = lines[number].partition("\n")
        new = "\n    archived: true\n" if number == 3 else "\n    city: Salem\n"
        lines[number] = key + new + "\n".join(row for row in rest.split("\n") if not row.startswith("    city:"))
    first.write_text("\n  customer-".join(lines), "utf-8")
    server.wait(60)
    server.counted()
    checked = measured(program("validate", *paths), variables, folder)
    plan = measured(
        program("plan", *paths, "--changed-since", "HEAD^1", "--format", "json"),
        variables,
        folder,
    )
    sent = server.counted()
    changes = json.loads(plan.stdout)["changes"] if plan.code == 0 else []
    return {
        "ok": adopted.code == 0 and len(changes) == 3 and sent.total() <= MOST,
        "customers": customers,
        "files": files,
        "changes": len(changes),
        "requests": sent.total(),
        "by_kind": dict(sent),
        "validate_cpu_s": round(checked.cpu_s, 2),
        "plan_cpu_s": round(plan.cpu_s, 2),
    }


def main() -> int:
    """Measure each size; 1 where a plan took more requests than it may, or planned something else."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, action="append")
    arguments.add_argument("--files", type=int, default=1)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    rows = []
    for customers in given.customers or (1_000, 12_000, 100_000):
        with tempfile.TemporaryDirectory() as folder, emulator() as server:
            rows.append(row_of(server, Path(folder), customers, given.files))
    names = ("customers", "files", "changes", "requests", "validate_cpu_s", "plan_cpu_s")
    heads = ("customers", "files", "changes", "requests", "validate CPU s", "plan CPU s")
    text = table(heads, [[row[name] for name in names] for row in rows])
    return told({"ok": all(row["ok"] for row in rows), "rows": rows}, text, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
