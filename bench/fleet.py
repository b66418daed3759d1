"""
What many accounts cost in one process, and whether one that hangs, is slow, wrong or large holds up another.

python bench/fleet.py [drift|kill|lateness|status|gate|workers|emptied|rollout|stopped|steady ...]
                      [--accounts N] [--customers N] [--parallel N] [--rounds N] [--json]

The API is an emulator in a process of its own, with a key for each account, a limit of 5 requests per second for each
key, and answers that are 50 ms late. The accounts hold what their files declare.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fleet_rollout import rollout, stopped
from fleet_served import Project, Wanted, Watched, served
from fleet_steady import steady
from fleet_workers import Rows, emptied, workers
from workbench import table

from reconciler.fleet.table import FleetTable, open_table
from reconciler.model.fleet import AccountState, JobKind, JobResult
from reconciler.settings import Options, read_settings

LEAST_PER_S, MOST_CPU_MS, MOST_MIB = 6.0, 80.0, 150.0
MOST_LATE_S = 1.0
MOST_STATUS_S, MOST_STATUS_MIB = 1.0, 80.0
LARGE = 50_000
PAGE = 100
ROWS = 10_000
KILLS = 20
EMPTIED, CANARIES, CANARIES_FAILED = 30, 10, 2
BEGINS_S = 1.0
"""An account that has begun reads its files first: its first request comes later."""

# --- what is measured --------------------------------------------------------------------------------


def drift(folder: Path, accounts: int, customers: int, parallel: int) -> tuple[Rows, bool]:
    """Check all accounts once."""
    names = [f"a{number:03}" for number in range(accounts)]
    with served(Wanted(customers)) as (url, counted):
        project = Project(folder, url)
        project.write(names, customers, parallel=parallel)
        project.adopt(names)
        counted()
        out, took_s, cpu_s, mib = project.measured("fleet", "drift", "--format", "json", "-q")
        watched = counted()
    rows = json.loads(out)["accounts"]
    pages = -(-customers // PAGE)
    most = max(watched.requests.values())
    refused = sum(watched.throttled.values())
    found = [
        ("accounts per second", f"{accounts / took_s:.1f}", f"about {LEAST_PER_S:g} or more on an idle machine"),
        ("CPU of an account, ms", f"{cpu_s / accounts * 1000:.0f}", f"<= {MOST_CPU_MS:g}"),
        ("memory in all, MiB", f"{mib:.0f}", f"<= {MOST_MIB:g}"),
        ("requests of an account, with its token", f"{most + 1}", f"= {pages} pages + 1"),
        ("429", f"{refused}", "= 0"),
        ("seconds of an account, median", f"{statistics.median(row['seconds'] for row in rows):.2f}", ""),
        ("in sync", f"{sum(row['state'] == 'in_sync' for row in rows)} of {accounts}", "all"),
    ]
    holds = (
        all(row["state"] == "in_sync" for row in rows)
        and cpu_s / accounts * 1000 <= MOST_CPU_MS
        and mib <= MOST_MIB
        and most == pages
        and refused == 0
    )
    return found, holds


def kill(folder: Path, accounts: int, parallel: int) -> tuple[Rows, bool]:
    """Kill a run at random moments, and go on with --due."""
    names = [f"a{number:03}" for number in range(accounts)]
    seen: Counter[int] = Counter()
    unchecked = interrupted = 0
    with served(Wanted(20, rate=0)) as (url, counted):
        project = Project(folder, url)
        project.write(names, 20, parallel=parallel, rate=0)
        whole_s = project.measured("fleet", "drift", "-q")[1]
        chance = random.Random(0)  # noqa: S311 - moments
        for _ in range(KILLS):
            (folder / ".reconciler" / "fleet.db").unlink(missing_ok=True)
            counted()
            process = subprocess.Popen(  # noqa: S603 - our own command
                project.command("fleet", "drift", "-q"), cwd=folder, env=project.variables, stdout=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.2, whole_s))
            interrupted += process.poll() is None
            process.kill()
            process.wait()
            project.run("fleet", "drift", "--due", "-q")
            begun = counted().begun
            seen.update(begun[name] for name in names)
            states = json.loads(project.run("fleet", "status", "--format", "json"))["accounts"]
            unchecked += sum(row["state"] == "new" for row in states)
    twice = seen[2] / KILLS
    most = max(seen)
    found = [
        ("runs that were killed before their end", f"{interrupted} of {KILLS}", ""),
        ("accounts not checked after --due", f"{unchecked}", "= 0"),
        ("checks of an account at most", f"{most}", "<= 2"),
        ("accounts checked twice, a run", f"{twice:.1f}", f"<= {parallel} in flight"),
    ]
    return found, unchecked == 0 and most <= 2 and twice <= parallel


def lateness(folder: Path, accounts: int, customers: int) -> tuple[Rows, bool]:
    """Check the same accounts without and with four in trouble, each with room to begin at once."""
    names = [f"a{number:03}" for number in range(accounts)]
    trouble = ["hanging", "slow", "wrong", "large"]
    parallel = accounts + len(trouble)
    with served(Wanted(customers, large=LARGE)) as (url, _):
        project = Project(folder, url)
        project.write(names, customers, parallel=parallel)
        project.adopt(names)
        alone = _ends(project.run("fleet", "drift", "--format", "json", "-q"), names)
        for name in trouble:
            project.add(name, LARGE if name == "large" else customers)
        (folder / ".reconciler" / "fleet.db").unlink()
        out = project.run("fleet", "drift", "--format", "json", "-q", *trouble, *names)
    beside = _ends(out, names)
    rows = {row["account"]: row for row in json.loads(out)["accounts"]}
    # The order of the starts shifts by those in trouble, 0.03 s each: compared is how long each account took.
    later = sorted(beside[name] - alone[name] for name in names)
    median = statistics.median(later)
    found = [
        ("seconds of an account, median and most, alone", _spread(alone.values()), ""),
        ("the same beside four in trouble", _spread(beside.values()), ""),
        ("later than alone: median, most, s", f"{median:.2f}, {later[-1]:.2f}", f"<= {MOST_LATE_S:g}"),
        *(
            (name, f"{rows[name]['state']} after {rows[name]['seconds']:.1f} s {rows[name]['error']}".rstrip(), "")
            for name in trouble
        ),
    ]
    return found, later[-1] <= MOST_LATE_S


def _ends(out: str, names: Sequence[str]) -> Mapping[str, float]:
    """Return how many seconds each account took."""
    rows = {row["account"]: row["seconds"] for row in json.loads(out)["accounts"]}
    return {name: rows[name] for name in names}


def _spread(values: Any) -> str:  # noqa: ANN401 - a view of numbers
    found = sorted(values)
    return f"{statistics.median(found):.2f}, {found[-1]:.2f}"


def status(folder: Path) -> tuple[Rows, bool]:
    """Show the status of many accounts."""
    project = Project(folder, "http://127.0.0.1:9")
    project.write([], 0, parallel=20)
    for number in range(ROWS):
        (folder / "accounts" / f"a{number:05}").mkdir(parents=True)
    settings = read_settings(Options(), variables=project.variables, cwd=folder)
    fleet = settings.fleet()
    with open_table(settings, fleet.environment) as known:
        known.put_accounts(fleet.accounts)
        _record(known, fleet.accounts)
    found, holds = [], True
    for form in ("text", "json", "html"):
        out, took_s, cpu_s, mib = project.measured("fleet", "status", "--format", form)
        found.append((f"{form}: seconds, of CPU", f"{took_s:.2f}, {cpu_s:.2f}", f"<= {MOST_STATUS_S:g} of CPU"))
        found.append((f"{form}: memory, MiB", f"{mib:.0f}", f"<= {MOST_STATUS_MIB:g}"))
        found.append((f"{form}: size, MiB", f"{len(out.encode()) / 1024**2:.1f}", "<= 5" if form == "html" else ""))
        holds = holds and cpu_s <= MOST_STATUS_S and mib <= MOST_STATUS_MIB
    return found, holds


def gate(folder: Path, accounts: int) -> tuple[Rows, bool]:
    """Let files empty 30 accounts, let canaries fail, and abort a rollout; what the server was sent says the rest."""
    names = [f"a{number:03}" for number in range(accounts)]
    emptied, rest, canaries = names[:EMPTIED], names[EMPTIED:], names[-CANARIES:]
    refuses = frozenset(canaries[: CANARIES_FAILED + 1])
    with served(Wanted(20, rate=0, own="", refuses=refuses)) as (url, counted):
        project = Project(folder, url)
        policy = f"{{max_failed: {CANARIES_FAILED}, max_accounts_changed: 100%}}"
        waves = "[{labels: {wave: canary}}, {share: 100%}]"
        project.write(names, 20, parallel=8, rate=0, fleet={"waves": waves, "policy": policy})
        project.adopt(names)
        for name in canaries:
            (folder / "accounts" / name / "account.yaml").write_text("labels: {wave: canary}\n")
        counted()

        for name in emptied:
            project.add(name, 20, ", archived: true")
        refused = project.ran("fleet", "apply", "--auto-approve")
        written = counted().writes.total()
        named, others = (sum(name in refused.stdout + refused.stderr for name in some) for some in (emptied, rest))

        for name in names:
            project.add(name, 21)
        stopped = project.ran("fleet", "apply", "--auto-approve", "-q")
        writes = counted().writes
        in_canaries = sum(writes.pop(name, 0) for name in canaries)
        project.ran("fleet", "rollout", "abort")

        for name in canaries:
            project.add(name, 20)
        aborted = _aborted(project, counted)
    found = [
        ("files empty 30 accounts: writes, exit code", f"{written}, {refused.returncode}", "0, 3"),
        ("of them named; of the others", f"{named}; {others}", f"{EMPTIED}; 0"),
        ("too many canaries fail: writes in canaries", f"{in_canaries}", f"{CANARIES - len(refuses)}"),
        ("writes elsewhere, exit code", f"{writes.total()}, {stopped.returncode}", "0, 1"),
        ("abort: accounts written to before it", f"{aborted[0]} of {accounts - CANARIES}", ""),
        ("accounts that began after it", f"{aborted[1]}", "= 0"),
    ]
    holds = (
        (written, refused.returncode, named, others) == (0, 3, EMPTIED, 0)
        and (in_canaries, writes.total(), stopped.returncode) == (CANARIES - len(refuses), 0, 1)
        and 0 < aborted[0] < accounts - CANARIES
        and aborted[1] == 0
    )
    return found, holds


def _aborted(project: Project, counted: Callable[..., Watched]) -> tuple[int, int]:
    """Abort a rollout in mid-wave; return how many accounts were written to before, and how many began after."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        project.command("fleet", "apply", "--auto-approve", "-q"),
        cwd=project.folder,
        env=project.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    before = counted()
    while process.poll() is None and len(before.writes) < CANARIES:
        time.sleep(0.1)
        before.sent += counted().sent
    project.ran("fleet", "rollout", "abort")
    aborted_at = time.time() + BEGINS_S
    process.wait()
    before.sent += counted().sent
    began_after = [spans for spans in before.jobs().values() if spans[-1][0] > aborted_at]
    return len(before.writes), len(began_after)


def _record(known: FleetTable, accounts: Sequence[Any]) -> None:
    """Write a result for each tenth account, with each state in turn."""
    states = [AccountState.IN_SYNC, AccountState.DRIFTED, AccountState.FAILED]
    for number, account in enumerate(accounts[::10]):
        now = time.time()
        result = JobResult(account.name, JobKind.DRIFT, states[number % 3], 0, now - 2.0, now, customers=9)
        known.record(result, account)


PARTS: Mapping[str, Callable[[Path, argparse.Namespace], tuple[Rows, bool]]] = {
    "drift": lambda folder, given: drift(folder, given.accounts, given.customers, given.parallel),
    "kill": lambda folder, given: kill(folder, min(given.accounts, 60), given.parallel),
    "lateness": lambda folder, given: lateness(folder, min(given.accounts, 30), given.customers),
    "status": lambda folder, _: status(folder),
    "gate": lambda folder, given: gate(folder, given.accounts),
    "workers": lambda folder, given: workers(folder, given.accounts, given.rounds),
    "emptied": lambda folder, given: emptied(folder, given.accounts, given.rounds),
    "rollout": lambda folder, given: rollout(folder, given.accounts, given.rounds),
    "stopped": lambda folder, given: stopped(folder, min(given.accounts, 80), min(given.rounds, 3)),
    "steady": lambda folder, given: steady(folder, given.customers),
}


def main() -> int:
    """Measure, print, and return 1 where a number does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], default=[])
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=20, help="of what is killed or emptied at random moments")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results: dict[str, Rows] = {}
    holds = True
    for part in given.parts or PARTS:
        with TemporaryDirectory(prefix="fleet-") as name:
            load = os.getloadavg()[0]
            rows, held = PARTS[part](Path(name), given)
        results[part] = [*rows, ("load of the machine, before and after", f"{load:.1f}, {os.getloadavg()[0]:.1f}", "")]
        holds = holds and held
        if not given.json:
            missed = "" if held else "A bound is missed.\n"
            print(f"{part}\n{table(('what', 'measured', 'must hold'), results[part])}\n{missed}", flush=True)
    if given.json:
        head = ("what", "measured", "must_hold")
        document = {part: [dict(zip(head, row, strict=True)) for row in rows] for part, rows in results.items()}
        print(json.dumps(document, indent=2))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
