"""
What slow answers cost: nothing, as requests leave by the clock and not by the answers; and one key, many processes.

python bench/latency.py [--latency MS...] [--rate N] [--changes N] [--processes N [--ledger postgres]] [--json]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stored import STORED
from validate import generate
from workbench import Server, emulator, fill, measured, program, table, told

MOST_TIMES = 1.05
LEAST_SHARE = 0.95
HELD_TO_MS = 300
LATENCIES_MS = (0, 100, 300, 1000)


@dataclass(frozen=True, slots=True)
class Round:
    """One command at one latency: its requests, the 429s among them, and its seconds beside requests / rate."""

    command: str
    latency_ms: int
    requests: int
    throttled: int
    seconds: float
    times: float
    code: int


def main() -> int:
    """Measure; 1 where a run is slower than the rate demands, a request was refused, or a share not reached."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--latency", type=int, nargs="+", default=LATENCIES_MS, metavar="MS")
    arguments.add_argument("--rate", type=float, help="of the emulator and of the program; default 5", default=5.0)
    arguments.add_argument("--customers", type=int, default=6_000)
    arguments.add_argument("--changes", type=int, default=200, help="how many patches, and how many creates")
    arguments.add_argument("--processes", type=int, default=0, help="instead: so many plans of one key at once")
    arguments.add_argument("--ledger", choices=list(STORED), default="sqlite", help="postgres: as on many machines")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if given.processes:
        return together(given.processes, given.rate, given.customers, given.ledger, as_json=given.json)
    rounds = measured_rounds(given.latency, given.rate, given.customers, given.changes)
    ok = all(one.throttled == 0 and one.code == 0 for one in rounds)
    held = [one for one in rounds if one.latency_ms <= HELD_TO_MS]
    ok = ok and all(one.times <= MOST_TIMES for one in held)
    rows = [
        (one.command, one.latency_ms, one.requests, one.throttled, f"{one.seconds:.1f}", f"{one.times:.2f}")
        for one in rounds
    ]
    text = table(("command", "latency ms", "requests", "429s", "seconds", "times"), rows)
    text += f"\n\ngoal: no 429; up to {HELD_TO_MS} ms a run takes at most {MOST_TIMES:g} times requests / rate"
    return told({"ok": ok, "rounds": list(map(asdict, rounds))}, text, as_json=given.json)


def measured_rounds(latencies_ms: Sequence[int], rate_per_s: float, customers: int, changes: int) -> list[Round]:
    """Return all rounds; three at a time, each with an emulator of its own, as they do little but wait."""
    with ThreadPoolExecutor(3) as pool:
        rounds = [
            round_
            for latency_ms in latencies_ms
            for round_ in (
                pool.submit(planned, latency_ms, rate_per_s, customers),
                pool.submit(applied, "patches", latency_ms, rate_per_s, changes),
                pool.submit(applied, "creates", latency_ms, rate_per_s, changes),
            )
        ]
        return [one.result() for one in rounds]


def planned(latency_ms: int, rate_per_s: float, customers: int) -> Round:
    """Plan an account in which nothing is to be done."""
    with tempfile.TemporaryDirectory() as name, emulator(rate_per_s) as server:
        folder = Path(name)
        generate(folder / "customers.yaml", customers)
        filled(server, folder, rate_per_s)
        return measured_round("plan", latency_ms, rate_per_s, server, folder)


def applied(kind: str, latency_ms: int, rate_per_s: float, changes: int) -> Round:
    """Apply so many patches, or so many creates with a user each."""
    with tempfile.TemporaryDirectory() as name, emulator(rate_per_s) as server:
        folder = Path(name)
        if kind == "patches":
            (folder / "customers.yaml").write_text(declared(changes, city="Boston"), encoding="utf-8")
            filled(server, folder, rate_per_s)
        users = kind == "creates"
        (folder / "customers.yaml").write_text(declared(changes, city="Chicago", users=users), encoding="utf-8")
        return measured_round(kind, latency_ms, rate_per_s, server, folder)


def declared(count: int, *, city: str, users: bool = False) -> str:
    """Return a customers file."""
    user = "\n    users: {jane@c%d.example: {first_name: Jane, last_name: Doe}}"
    return "customers:\n" + "".join(
        f"  c{number}:\n    name: Customer {number}\n    email: a@c{number}.example\n    city: {city}"
        + (user % number if users else "")
        + "\n"
        for number in range(count)
    )


def filled(server: Server, folder: Path, rate_per_s: float) -> None:
    """Load what the file declares, let the ledger bind it, and let the second of that pass."""
    fill(server, folder / "customers.yaml", folder / "ledger.db", variables(server, folder, rate_per_s))
    server.wait(60)


def measured_round(command: str, latency_ms: int, rate_per_s: float, server: Server, folder: Path) -> Round:
    """Run a command while each answer takes `latency_ms`; its seconds are from the first request to the last answer."""
    server.post("faults", {"slow": [{"chance": 1}], "slow_s": latency_ms / 1000} if latency_ms else {})
    server.lines()
    words = ("plan",) if command == "plan" else ("apply", "--auto-approve", "--max-changes", "1000000")
    ran = measured(program(*words, "-f", "customers.yaml"), variables(server, folder, rate_per_s), folder)
    lines = server.lines()
    # The last answer comes `latency_ms` after its request: that wait is no matter of pace.
    seconds = span_s(lines) + 1 / rate_per_s
    times = seconds / (len(lines) / rate_per_s)
    return Round(command, latency_ms, len(lines), refused(lines), seconds, times, ran.code)


def together(processes: int, rate_per_s: float, customers: int, ledger: str, *, as_json: bool) -> int:
    """Let so many processes plan with one key and one ledger; one in a database is all that they share."""
    with tempfile.TemporaryDirectory() as name, emulator(rate_per_s) as server:
        folder = Path(name)
        generate(folder / "customers.yaml", customers)
        given = {**variables(server, folder, rate_per_s), "RECONCILER_STATE": STORED[ledger](folder).state}
        fill(server, folder / "customers.yaml", given["RECONCILER_STATE"], given)
        server.wait(120)
        server.lines()
        command = program("plan", "-f", "customers.yaml", "--format", "json")
        running = [
            subprocess.Popen(  # noqa: S603 - our own program
                command,
                cwd=folder,
                env={**os.environ, **given, **_machine(folder, number if ledger != "sqlite" else 0)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for number in range(processes)
        ]
        codes = [process.wait() for process in running]
        lines = server.lines()
    share = (len(lines) - 1) / (span_s(lines) * rate_per_s)
    result: dict[str, Any] = {
        "ok": not any(codes) and refused(lines) == 0 and share >= LEAST_SHARE,
        "processes": processes,
        "rate_per_s": rate_per_s,
        "requests": len(lines),
        "throttled": refused(lines),
        "seconds": span_s(lines),
        "share": share,
    }
    rows = [(processes, f"{rate_per_s:g}", len(lines), refused(lines), f"{span_s(lines):.1f}", f"{share:.3f}")]
    text = table(("processes", "rate", "requests", "429s", "seconds", "share"), rows)
    return told(result, f"{text}\n\ngoal: no 429, {LEAST_SHARE:g} of the rate", as_json=as_json)


def variables(server: Server, folder: Path, rate_per_s: float) -> Mapping[str, str]:
    """Return what points the program at the server, at the server's rate."""
    return {
        **server.variables(folder / "ledger.db"),
        "RECONCILER_RATE": f"{rate_per_s:g}",
        "XDG_STATE_HOME": str(folder / "state"),
    }


def _machine(folder: Path, number: int) -> Mapping[str, str]:
    """Return what gives a process the state folder of a machine of its own."""
    return {"XDG_STATE_HOME": str(folder / f"state-{number}")}


def span_s(lines: Sequence[Mapping[str, Any]]) -> float:
    """Return the seconds from the first request to the last, as they came to the server."""
    times = [line["time"] for line in lines]
    return max(times) - min(times)


def refused(lines: Iterable[Mapping[str, Any]]) -> int:
    """Return how many were answered with 429."""
    return sum(line["status"] == 429 for line in lines)


if __name__ == "__main__":
    sys.exit(main())
