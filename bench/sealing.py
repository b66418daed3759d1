"""
What encryption costs: 100,000 customers' rows written and read again, sealed and as they are, in turn.

python bench/sealing.py [--customers N] [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from workbench import table, told

from reconciler.ledger.encryption import Cipher, SealedLedger, read_keys
from reconciler.ledger.open import open_ledger
from reconciler.model.core import CustomerId
from reconciler.model.ledger import Binding, BindingState, PutBinding, Via

VALUES = '{"name":"Customer %d","city":"Springfield","email":"a@c%d.example","ein":"12-3456789","country":"USA"}'


@dataclass(frozen=True, slots=True)
class Took:
    """The CPU seconds of one round."""

    written_s: float
    read_s: float


def main() -> int:
    """Measure both ledgers in turn, the quickest of each counts; 1 where they do not hold the same."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    key = base64.b64encode(os.urandom(32)).decode()
    rows = list(bound(given.customers))
    best: dict[str, Took] = {}
    for _ in range(given.runs):
        for name, cipher in (("as they are", Cipher()), ("sealed", Cipher(read_keys(key)))):
            took = measured(cipher, rows)
            last = best.get(name, took)
            best[name] = Took(min(took.written_s, last.written_s), min(took.read_s, last.read_s))
    plain, sealed = best.values()
    result = {
        "customers": given.customers,
        "written_s": {name: one.written_s for name, one in best.items()},
        "read_s": {name: one.read_s for name, one in best.items()},
        "more_written_s": sealed.written_s - plain.written_s,
        "more_read_s": sealed.read_s - plain.read_s,
        "ok": True,
    }
    shown = [(name, f"{one.written_s:.2f} s", f"{one.read_s:.2f} s") for name, one in best.items()]
    shown.append(("times", f"{sealed.written_s / plain.written_s:.2f}", f"{sealed.read_s / plain.read_s:.2f}"))
    return told(result, table((f"{given.customers:,} rows", "written", "read"), shown), as_json=given.json)


def bound(count: int) -> Iterator[Binding]:
    """Yield rows as an apply writes them."""
    for number in range(count):
        yield Binding(
            f"key-{number}",
            CustomerId(f"cus_{number}"),
            f"key-{number}",
            "2026-01-01T00:00:00Z",
            BindingState.ACTIVE,
            "default",
            "customers.yaml",
            protected=False,
            via=Via.CREATED,
            applied_hash=bytes(16),
            applied_json=VALUES % (number, number),
        )


def measured(cipher: Cipher, rows: list[Binding]) -> Took:
    """Write and read `rows`; AssertionError where they come back as others."""
    with TemporaryDirectory() as folder:
        held = open_ledger(str(Path(folder, "ledger.db")), environment="demo", base_url="https://api.example")
        with SealedLedger(held, cipher) as ledger:
            written_s = timed(lambda: ledger.commit(map(PutBinding, rows)))
            read_s = timed(ledger.records)
            assert list(ledger.records().bindings.values()) == rows
    return Took(written_s, read_s)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU seconds of `work`."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


if __name__ == "__main__":
    sys.exit(main())
