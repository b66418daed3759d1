"""
What many accounts cost in one process, and whether one that hangs, is slow, wrong or large holds up another.

python bench/fleet.py [drift|kill|lateness|status ...] [--accounts N] [--customers N] [--parallel N] [--json]

The API is an emulator in a process of its own, with a key for each account, a limit of 5 requests per second for each
key, and answers that are 50 ms late. The accounts hold what their files declare.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench import table

from reconciler.emulator.calls import TOKEN, Answer, Call, Dropped
from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany, load
from reconciler.fleet.table import FleetTable, open_table
from reconciler.model.fleet import AccountState, JobKind, JobResult
from reconciler.rules import Account
from reconciler.settings import Options, read_settings

LEAST_PER_S, MOST_CPU_MS, MOST_MIB = 6.0, 80.0, 150.0
MOST_LATE_S = 1.0
MOST_STATUS_S, MOST_STATUS_MIB = 1.0, 80.0
LATENCY_S = 0.05
RATE = 5
SLOW_S, NEVER_S = 3.0, 3600.0
LARGE = 50_000
PAGE = 100
ROWS = 10_000
KILLS = 20

Rows = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be served: `accounts` with `customers` each at a rate, and the accounts that are in trouble."""

    customers: int
    rate: float = RATE
    latency_s: float = LATENCY_S
    large: int = 0


@dataclass(slots=True)
class Watched:
    """What the server has counted: requests, refusals and begun listings, by key."""

    requests: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)


class Late(Emulator):
    """An account whose answers are late, and counted."""

    watched: Watched
    delay_s: float
    name: str

    def answer(self, call: Call) -> Answer | Dropped:
        """Return the answer."""
        answer = super().answer(call)
        self.watched.requests[self.name] += call.path != TOKEN
        self.watched.throttled[self.name] += isinstance(answer, Answer) and answer.status == 429
        self.watched.begun[self.name] += call.path == "/customers" and "after=" not in call.query
        return replace(answer, delay_s=answer.delay_s + self.delay_s)


def serve(connection: Connection, wanted: Wanted) -> None:
    """Serve the accounts in this process; its URL goes to `connection`, and what it counted for each word from it."""
    usual, large = Account(), Account()
    load(usual, map(_customer, range(wanted.customers)), 1_700_000_000.0)
    load(large, map(_customer, range(wanted.large)), 1_700_000_000.0)
    watched = Watched()

    def make(name: str) -> Emulator:
        keys = () if name == "wrong" else (ApiKey(name, LOCAL.secret),)
        one = Late(rate=wanted.rate, keys=keys, account=large if name == "large" else usual)
        one.watched, one.name = watched, name
        one.delay_s = {"hanging": NEVER_S, "slow": SLOW_S}.get(name, wanted.latency_s)
        return one

    with running(EmulatorOfMany(make)) as url:
        connection.send(url)
        while connection.recv():
            connection.send(watched)
            watched.requests.clear()
            watched.throttled.clear()
            watched.begun.clear()


def _customer(number: int) -> dict[str, object]:
    key = f"c{number:05}"
    return {"external_id": key, "name": f"Customer {number}", "email": f"billing@{key}.example", "city": "Boston"}


@contextmanager
def served(wanted: Wanted) -> Iterator[tuple[str, Callable[[], Watched]]]:
    """Yield the URL of a server in a process of its own, and what returns what it counted since it was last asked."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, wanted), daemon=True)
    process.start()

    def counted() -> Watched:
        ours.send("counts")
        found: Watched = ours.recv()
        return found

    try:
        yield str(ours.recv()), counted
    finally:
        process.kill()
        process.join()


PROJECT = """\
version: 1
project: bench
fleet: {{accounts: accounts/*, environment: production, parallel: {parallel}}}
environments:
  production:
    base_url: ${{AP_BASE_URL}}
    client_id_file: ids/{{account}}
    client_secret: ${{AP_CLIENT_SECRET}}
    rate: {rate}
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A fleet in a folder."""

    folder: Path
    url: str

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of its commands."""
        own = {"AP_BASE_URL": self.url, "AP_CLIENT_SECRET": LOCAL.secret, "XDG_STATE_HOME": str(self.folder / "state")}
        return {**{name: text for name, text in os.environ.items() if not name.startswith("AP_")}, **own}

    def write(self, names: Sequence[str], customers: int, *, parallel: int, rate: float = RATE) -> None:
        """Write the accounts, all with the same customers."""
        (self.folder / "reconciler.yaml").write_text(PROJECT.format(parallel=parallel, rate=f"{rate:g}"))
        (self.folder / "ids").mkdir(exist_ok=True)
        for name in names:
            self.add(name, customers)

    def add(self, name: str, customers: int) -> None:
        """Write an account."""
        folder = self.folder / "accounts" / name
        folder.mkdir(parents=True)
        rows = "".join(
            f"  {one['external_id']}: {{name: {one['name']}, email: {one['email']}, city: {one['city']}}}\n"
            for one in map(_customer, range(customers))
        )
        (folder / "customers.yaml").write_text(f"customers:\n{rows}")
        (self.folder / "ids" / name).write_text(name)

    def adopt(self, names: Sequence[str]) -> None:
        """Give each account a ledger that holds its customers: that of the first, which is adopted."""
        self.run("-e", f"{names[0]}/production", "apply", "--auto-approve", "-q")
        first = self.folder / ".reconciler" / names[0] / "production.db"
        for name in names[1:]:
            path = self.folder / ".reconciler" / name / "production.db"
            path.parent.mkdir(mode=0o700, parents=True)
            shutil.copyfile(first, path)
            path.chmod(0o600)
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE meta SET environment = ?", (f"{name}/production",))

    def command(self, *words: str) -> list[str]:
        """Return a command line."""
        return [sys.executable, "-m", "reconciler", *words]

    def run(self, *words: str) -> str:
        """Run a command, and return what it printed."""
        ran = subprocess.run(  # noqa: S603 - our own command
            self.command(*words), cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )
        if ran.returncode == 1 and not ran.stdout:
            raise SystemExit(f"{' '.join(words)}: {ran.stderr}")
        return ran.stdout

    def measured(self, *words: str) -> tuple[str, float, float, float]:
        """Run a command; return what it printed, its seconds, its seconds of CPU, and its memory in MiB."""
        began_s = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own command
            self.command(*words), cwd=self.folder, env=self.variables, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        out = process.stdout.read()
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
        return out, time.monotonic() - began_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


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


def _record(known: FleetTable, accounts: Sequence[Any]) -> None:
    """Write a result for each tenth account, with each state in turn."""
    states = [AccountState.IN_SYNC, AccountState.DRIFTED, AccountState.FAILED]
    for number, account in enumerate(accounts[::10]):
        now = time.time()
        result = JobResult(account.name, JobKind.DRIFT, states[number % 3], 0, now - 2.0, now, customers=9)
        known.record(result, account)


def main() -> int:
    """Measure, print, and return 1 where a number does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("drift", "kill", "lateness", "status")
    parser.add_argument("parts", nargs="*", metavar="|".join(parts), default=[])
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=24)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    chosen = given.parts or parts
    results: dict[str, Rows] = {}
    holds = True
    for part in chosen:
        with TemporaryDirectory(prefix="fleet-") as name:
            folder = Path(name)
            match part:
                case "drift":
                    rows, held = drift(folder, given.accounts, given.customers, given.parallel)
                case "kill":
                    rows, held = kill(folder, min(given.accounts, 60), given.parallel)
                case "lateness":
                    rows, held = lateness(folder, min(given.accounts, 30), given.customers)
                case "status":
                    rows, held = status(folder)
                case _:
                    parser.error(f"{part}: unknown; there are {', '.join(parts)}")
        results[part] = rows
        holds = holds and held
        if not given.json:
            print(f"{part}\n{table(('what', 'measured', 'must hold'), rows)}\n", flush=True)
    if given.json:
        head = ("what", "measured", "must_hold")
        document = {part: [dict(zip(head, row, strict=True)) for row in rows] for part, rows in results.items()}
        print(json.dumps(document, indent=2))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
