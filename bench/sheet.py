"""
What it costs to import a spreadsheet: a register in semicolons and Windows-1252, and a file of very many rows.

python bench/sheet.py [--rows N] [--data FOLDER] [--json]

The big file is made here: N rows whose postal codes and EINs have lost their zeros, as a spreadsheet leaves them. It
is imported, again, and once more with one row in fifty changed. With `--data`, every organization that was ever in a
register is written as a spreadsheet writes it, and imported twice: every zero is restored, and the second time changes
nothing.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from workbench import Measure, measured, program, table, told

from reconciler.desired.load import load_desired

ROWS = 200_000
MOST_MIB = {"first import": 300.0, "the same again": 600.0, "one row in 50 changed": 600.0}
MOST_OF_REGISTER = (5.0, 150.0)
"""Seconds and MiB, for each of the two imports of the register."""
MAP = """\
version: 1
key: "x-{Id}"
columns:
  name: Company
  email: {column: Email, clean: [first_email]}
  street_address: Street
  sub_premise: Suite
  city: City
  state: {column: State, clean: [state]}
  postal_code: {column: ZIP, clean: [postal_code]}
  ein: {column: Tax ID, clean: [ein]}
  country: {constant: USA}
"""
REGISTER_MAP = """\
version: 1
key: "irs-{EIN}"
columns:
  name: Name
  ein: {column: EIN, clean: [ein]}
  street_address: Street
  city: City
  state: {column: State, clean: [state]}
  postal_code: {column: ZIP, clean: [postal_code]}
  country: {constant: USA}
"""


def main() -> int:
    """Print what each import took; 1 where one takes more than its goal, or changes what it must not."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=ROWS, help="of the big file; 0: leave it out")
    arguments.add_argument("--data", type=Path, help="the folder of the register's snapshots")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        if given.data is not None:
            rows += register(Path(name), organizations(given.data), wrong)
        if given.rows:
            rows += big(Path(name), given.rows, wrong)
    shown = [
        (one["what"], f"{one['rows']:,}", f"{one['cpu_s']:.1f}", f"{one['wall_s']:.1f}", f"{one['mib']:.0f}")
        for one in rows
    ]
    text = table(("import", "rows", "CPU s", "s", "MiB"), shown)
    text += "\n\n" + ("\n".join(wrong) or "every figure is within its goal")
    return told({"ok": bool(rows) and not wrong, "wrong": wrong, "imports": rows}, text, as_json=given.json)


def big(folder: Path, number: int, wrong: list[str]) -> list[dict[str, Any]]:
    """Import a file of many rows, the same again, and a newer one."""
    (folder / "map.yaml").write_text(MAP, encoding="utf-8")
    rows = []
    for what, most in MOST_MIB.items():
        write(folder / "big.csv", many(number, changed="changed" in what), delimiter=",", encoding="utf-8")
        done, lines = imported(folder, "big.csv", "big.yaml")
        rows.append(row_of(what, number, done))
        if done.mib > most and number == ROWS:
            wrong.append(f"{what}: {done.mib:.0f} MiB, at most {most:.0f}")
        wanted = {"the same again": 0, "one row in 50 changed": -(-number // 50)}.get(what)
        if wanted is not None and lines != wanted:
            wrong.append(f"{what}: {lines} lines changed, wanted {wanted}")
    return rows


def organizations(folder: Path) -> dict[str, Mapping[str, str]]:
    """Return every organization of the register as its last snapshot has it, by EIN."""
    found: dict[str, Mapping[str, str]] = {}
    for snapshot in sorted(folder.glob("*.csv.gz")):
        with gzip.open(snapshot, "rt", encoding="utf-8", newline="") as file:
            found |= {row["ein"]: row for row in csv.DictReader(file)}
    return found


def register(folder: Path, found: Mapping[str, Mapping[str, str]], wrong: list[str]) -> list[dict[str, Any]]:
    """Import the register twice."""
    (folder / "map.yaml").write_text(REGISTER_MAP, encoding="utf-8")
    head = ["EIN", "Name", "Street", "City", "State", "ZIP"]
    sheet = [head, *(damaged(list(row.values())) for row in found.values())]
    write(folder / "register.csv", sheet, delimiter=";", encoding="cp1252")
    rows = []
    for what in ("register", "register again"):
        done, lines = imported(folder, "register.csv", "register.yaml")
        rows.append(row_of(what, len(found), done))
        seconds, mib = MOST_OF_REGISTER
        if done.wall_s > seconds or done.mib > mib:
            wrong.append(f"{what}: {done.wall_s:.1f} s and {done.mib:.0f} MiB, at most {seconds:g} s and {mib:.0f} MiB")
        if lines and what != "register":
            wrong.append(f"{what}: {lines} lines changed")
    written = {
        (one.fields["ein"], one.fields["postal_code"])
        for one in load_desired(["register.yaml"], root=folder).desired.customers.values()
    }
    lost = [row["ein"] for row in found.values() if (row["ein"], row["postal_code"]) not in written]
    if lost or len(written) != len(found):
        wrong.append(f"register: {len(lost)} lost a zero, {len(written)} of {len(found)} were written")
    return rows


def damaged(row: Sequence[str]) -> list[str]:
    """Return a row of the register as a spreadsheet saves it: without the zeros that numbers begin with."""
    ein, *middle, code = row
    return [ein.lstrip("0"), *middle, code.lstrip("0")]


def many(number: int, *, changed: bool) -> Iterator[list[str]]:
    """Yield the rows of the big file; `changed` is a newer export, in which one name in fifty differs."""
    yield ["Id", "Company", "Email", "Street", "Suite", "City", "State", "ZIP", "Tax ID", "Notes"]
    for at in range(number):
        name = f"Company {at} & Sons Trading" + (" Ltd" if changed and at % 50 == 0 else "")
        email, street = f"billing@company-{at}.example", f"{at % 9000 + 1} Long Meadow Road"
        place = f"Suite {at % 40}", "Springfield", "Massachusetts", f"{1000 + at % 1700}"
        yield [f"{100_000 + at}", name, email, street, *place, f"{10_000_000 + at}", "kept for some years"]


def write(path: Path, rows: Iterable[Sequence[str]], *, delimiter: str, encoding: str) -> None:
    """Write a sheet."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def imported(folder: Path, sheet: str, out: str) -> tuple[Measure, int]:
    """Run one import, and return what it took and how many lines of the customers file changed."""
    path, before = folder / out, folder / "before"
    before.write_bytes(b"")
    if path.exists():
        shutil.copyfile(path, before)
    done = measured(program("import", "--from", sheet, "--map", "map.yaml", "-o", out), cwd=folder)
    if done.code:
        raise RuntimeError(f"the import of {sheet} ended with {done.code}")
    # Line by line: what this process holds counts as its child's memory.
    with before.open(encoding="utf-8") as old, path.open(encoding="utf-8") as new:
        return done, sum(one != other for one, other in zip_longest(old, new))


def row_of(what: str, number: int, done: Measure) -> dict[str, Any]:
    """Return one import as it is printed."""
    return {"what": what, "rows": number, "cpu_s": done.cpu_s, "wall_s": done.wall_s, "mib": done.mib}


if __name__ == "__main__":
    sys.exit(main())
