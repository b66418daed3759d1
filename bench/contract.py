"""
Schemathesis at length: does the emulator keep the contract, in each of a few ways.

python bench/contract.py [--examples N] [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from workbench import table, told

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tests are no package

from api_contract import WAYS, asked

COLUMNS = ("ways", "cases", "seconds", "found")


def main() -> int:
    """Ask, print a row for each way, and what was found; 1 where something was."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--examples", type=int, default=30, help="how many for each operation and phase")
    arguments.add_argument("--seed", type=int, default=random.randrange(10**6), help="another each time")  # noqa: S311
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    rows = [_row(name, given.examples, given.seed) for name in WAYS]
    result = {
        "ok": not any(found for *_, found in rows),
        "seed": given.seed,
        "ways": [dict(zip(COLUMNS, row, strict=True)) for row in rows],
    }
    return told(result, f"seed {given.seed}\n{table(COLUMNS, rows)}", as_json=given.json)


def _row(name: str, examples: int, seed: int) -> tuple[str, int, float, bool]:
    """Return the row of one way, and print what was found in it."""
    switches, options = WAYS[name]
    began_s = time.monotonic()
    ran = asked(switches, *options, "--max-examples", str(examples), "--seed", str(seed))
    if ran.code:
        sys.stderr.write(f"{name}: {ran.text}\n")
    return name, ran.cases, round(time.monotonic() - began_s, 1), ran.code != 0


if __name__ == "__main__":
    sys.exit(main())
