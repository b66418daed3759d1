"""What workers of a fleet do when they are killed, stopped or lose their queue, and how late they begin."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fleet_served import Project, Wanted, Watched, served
from procrastinate.jobs import Job
from stored import servers

from reconciler.fleet.engine import ProcrastinateEngine, Pulse
from reconciler.fleet.table import open_table
from reconciler.fleet.worker import TICK_S
from reconciler.model.fleet import AccountState, FleetAccount, JobKind, JobResult
from reconciler.settings import Options, read_settings

FLEET = "bench/production"
WORKERS = 3
STALLED_S, AGAIN_S = 30.0, 15.0
LONGEST_S = 300.0
EMPTY = "TRUNCATE procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers, procrastinate_events"

Rows = Sequence[tuple[str, ...]]


def ask(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Return the rows of a statement."""
    servers()
    from postgres_server import ask as asked  # noqa: PLC0415 - tests are no package

    return asked(statement, *values, url=url)


@dataclass(slots=True)
class Place:
    """A database with the ledgers of all accounts, which is laid anew from its template for each round."""

    project: Project
    template: str = ""

    def fill(self, names: Sequence[str]) -> None:
        """Adopt the first account, copy its ledger for each of the others, and keep that as the template."""
        from postgres_server import database  # noqa: PLC0415 - tests are no package

        url = self.project.state
        ran = self.project.ran("-e", f"{names[0]}/production", "apply", "--auto-approve", "-q")
        if ran.returncode:
            raise SystemExit(f"the first account cannot be adopted: {ran.stderr}")
        columns = ask(
            url,
            "SELECT string_agg('b.' || column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns "
            "WHERE table_schema = 'reconciler' AND table_name = 'bindings' AND column_name <> 'ledger'",
        )[0][0]
        ask(
            url,
            "INSERT INTO reconciler.ledgers (environment, base_url, lineage, created_at, account) "
            "SELECT name || '/production', base_url, lineage || name, created_at, account FROM reconciler.ledgers, "
            "unnest(%s::text[]) AS name",
            list(names[1:]),
        )
        ask(
            url,
            f"INSERT INTO reconciler.bindings SELECT n.id, {columns} "  # noqa: S608 - columns of the database's own
            "FROM reconciler.bindings AS b, reconciler.ledgers AS n WHERE b.ledger = 1 AND n.id > 1",
        )
        self.template = "fleet_bench_begun"
        database(self.template, url.partition("?")[0].rpartition("/")[2])

    def lay(self) -> None:
        """Begin with the template."""
        from postgres_server import database  # noqa: PLC0415 - tests are no package

        database(self.project.state.partition("?")[0].rpartition("/")[2], self.template)

    def checked(self, since: float) -> set[str]:
        """Return the accounts of which a job has ended since then."""
        rows = ask(self.project.state, "SELECT account FROM reconciler.fleet_accounts WHERE checked_at > %s", since)
        return {str(name) for (name,) in rows}

    def connections(self) -> int:
        """Return how many connections the database has."""
        ((number,),) = ask(
            self.project.state, "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        )
        return int(str(number))


@contextmanager
def placed(folder: Path, names: Sequence[str], url: str, customers: int, **fleet: str) -> Iterator[Place]:
    """Yield a database with the ledgers of accounts that a server has, and their project."""
    servers()
    from postgres_server import database  # noqa: PLC0415 - tests are no package

    project = Project(folder, url, database("fleet_bench"))
    project.write(names, customers, parallel=20, fleet=fleet)
    place = Place(project)
    place.fill(names)
    yield place


def seed(project: Project) -> tuple[FleetAccount, ...]:
    """Let no account be due before its moment in its period, as if all had been checked just now; return them."""
    settings = read_settings(Options(), variables=project.variables, cwd=project.folder)
    fleet, now = settings.fleet(), time.time()
    with open_table(settings, fleet.environment) as known:
        known.put_accounts(fleet.accounts)
        for one in fleet.accounts:
            known.record(JobResult(one.name, JobKind.DRIFT, AccountState.IN_SYNC, 0, now, now, customers=9), one)
    return fleet.accounts


@dataclass(slots=True)
class OneWorker:
    """A process of `reconciler fleet worker`, and what it printed."""

    process: subprocess.Popen[str]
    url: str = ""
    printed: list[str] = field(default_factory=list)

    def read(self, began: threading.Event) -> None:
        """Read what it prints, its address first."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.printed.append(line)
            if " answers at " in line:
                self.url = line.split(" answers at ")[1].split(";")[0].strip()
                began.set()
        began.set()

    def get(self, path: str) -> str:
        """Return what it answers."""
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(self.url + path, timeout=10) as reply:  # noqa: S310 - our own worker
            return str(reply.read().decode())
        return ""

    def running(self) -> int:
        """Return how many jobs it runs."""
        text = self.get("/healthz")
        return int(json.loads(text)["running"]) if text else 0

    def cpu_s(self) -> float:
        """Return the CPU that it has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def mib(self) -> float:
        """Return how much memory it had at most."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def kill(self) -> None:
        """End it as the kernel does that has no memory left."""
        self.process.kill()
        self.process.wait()


@contextmanager
def working(project: Project, count: int = WORKERS, state: str = "") -> Iterator[list[OneWorker]]:
    """Yield workers that serve; those that are left are killed at the end."""
    variables = project.variables | ({"RECONCILER_STATE": state} if state else {})
    command = project.command("fleet", "worker", "--listen", "127.0.0.1:0", "--log-level", "warning")
    with ExitStack() as stack:
        workers = []
        for _ in range(count):
            process = subprocess.Popen(  # noqa: S603 - our own command
                command, cwd=project.folder, env=variables, stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            workers.append(OneWorker(process))
        for one in workers:
            began = threading.Event()
            threading.Thread(target=one.read, args=(began,), daemon=True).start()
            if not began.wait(60) or not one.url:
                raise SystemExit(f"a worker does not begin: {''.join(one.printed)}")
        yield workers


def until(true: Callable[[], bool], longest_s: float = LONGEST_S, pause_s: float = 0.25) -> bool:
    """Wait until something is true, and say whether it came to be."""
    end_s = time.monotonic() + longest_s
    while time.monotonic() < end_s:
        if true():
            return True
        time.sleep(pause_s)
    return False


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of them does not exceed."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


# --- killed -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Kills:
    """What the rounds showed, in which workers were killed."""

    ended: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)
    overlaps: int = 0
    doubled: int = 0
    missing: int = 0
    throttled: int = 0
    connections: int = 0


def workers(folder: Path, accounts: int, rounds: int) -> tuple[Rows, bool]:
    """
    Kill two of three workers in mid-job, each at a random moment, without starting them again; once force two reapers.

    A job is told from another by its token, of which each job asks for one of its own, so the server sees two jobs of
    an account that overlap: one sends its first request before the other has sent its last.
    """
    names = [f"a{number:03}" for number in range(accounts)]
    chance = random.Random(0)  # noqa: S311 - moments
    kills = Kills()
    with served(Wanted(300, latency_s=0.3)) as (url, counted), placed(folder, names, url, 300) as place:
        for _ in range(rounds):
            place.lay()
            counted("anew")
            _killed(place, names, counted, chance, kills)
        place.lay()
        counted("anew")
        forced = _forced(place, names, counted)
    every = len(kills.ended) * accounts
    found = [
        ("jobs that ended", f"{sum(kills.ended)} of {every}", "all"),
        ("lost", f"{every - sum(kills.ended)}", "= 0"),
        ("jobs in the killed workers, a round", f"{statistics.mean(kills.cut):.0f}", ""),
        ("overlapping jobs of one account", f"{kills.overlaps}", "= 0"),
        ("begun again after the kill, s: most", f"{max(kills.again_s, default=0):.0f}", f"<= {STALLED_S + AGAIN_S:g}"),
        ("429", f"{kills.throttled}", ""),
        ("connections to the database at most", f"{kills.connections}", ""),
        *forced[0],
    ]
    return found, sum(kills.ended) == every and not kills.overlaps and forced[1]


def _killed(
    place: Place, names: Sequence[str], counted: Callable[..., Watched], chance: random.Random, kills: Kills
) -> None:
    """Do a round."""
    began = time.time()
    with working(place.project) as found:
        until(lambda: any(one.running() for one in found), 90)
        cut, killed_at = 0, 0.0
        for one in found[:2]:
            time.sleep(chance.uniform(0.2, 4.0))
            cut += one.running()
            one.kill()
            killed_at = time.time()
        kills.connections = max(kills.connections, place.connections())
        until(lambda: len(place.checked(began)) == len(names))
        kills.ended.append(len(place.checked(began)))
        until(lambda: found[2].running() == 0, 30)
    watched = counted()
    kills.cut.append(cut)
    kills.overlaps += watched.overlaps()
    kills.throttled += sum(watched.throttled.values())
    again = [spans[1][0] - killed_at for spans in watched.jobs().values() if len(spans) > 1]
    kills.again_s += again
    say(
        f"{kills.ended[-1]} of {len(names)} ended in {time.time() - began:.0f} s, {cut} running when killed, "
        f"{len(again)} begun again, {watched.overlaps()} overlapping"
    )


class Reaper(ProcrastinateEngine):
    """A reaper that ends the lost jobs that it has seen once it may."""

    may: asyncio.Event
    saw: asyncio.Event
    lost: int = 0

    async def _replaced(self, job: Job) -> bool:
        """Wait, then do what the engine does."""
        self.saw.set()
        await self.may.wait()
        self.lost += 1
        return await super()._replaced(job)


async def _reaped(state: str) -> tuple[int, int, int]:
    """
    Let two reapers see the same lost jobs, and the second go on only once new ones run that the first has queued.

    Return how many jobs the first had seen, how many the second, and how many of them the second queued again.
    """
    early, late = (Reaper(state, FLEET, Pulse(stalled_s=12.0)) for _ in range(2))
    for one in (early, late):
        one.may, one.saw = asyncio.Event(), asyncio.Event()
    early.may.set()
    async with early.opened(), late.opened():
        ((last,),) = await asyncio.to_thread(ask, state, "SELECT max(id) FROM procrastinate_jobs")
        second = asyncio.create_task(late.reap())
        await asyncio.wait_for(late.saw.wait(), 30)
        await early.reap()
        runs = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND id > %s"
        await asyncio.to_thread(until, lambda: ask(state, runs, last) != [(0,)], 30)
        late.may.set()
        queued = await second
    return early.lost, late.lost, queued


def _forced(
    place: Place, names: Sequence[str], counted: Callable[..., Watched]
) -> tuple[list[tuple[str, str, str]], bool]:
    """Kill two workers, and let two reapers end the same of their jobs."""
    logging.getLogger("reconciler").setLevel(logging.ERROR)
    # Soon after a full minute: a tick would queue what the dead workers' jobs were for.
    until(lambda: time.time() % TICK_S < TICK_S / 4, 2 * TICK_S)
    began = time.time()
    with working(place.project) as found:
        until(lambda: all(one.running() > 3 for one in found), 90)
        for one in found[:2]:
            one.kill()
        time.sleep(13)
        first, second, queued = asyncio.run(_reaped(place.project.state))
        until(lambda: len(place.checked(began)) == len(names))
        ended = len(place.checked(began))
        until(lambda: found[2].running() == 0, 30)
    overlaps = counted().overlaps()
    rows = [
        ("two reapers: jobs seen by the first and the second", f"{first}, {second}", ""),
        ("of them queued again by the second, after the first", f"{queued}", "= 0"),
        ("jobs that ended; overlapping", f"{ended} of {len(names)}; {overlaps}", "all; 0"),
    ]
    return rows, min(first, second) > 0 and not queued and ended == len(names) and not overlaps


# --- the queue is emptied ------------------------------------------------------------------------------


def emptied(folder: Path, accounts: int, rounds: int) -> tuple[Rows, bool]:
    """Truncate the queue's tables at a random moment while all accounts are due and workers run."""
    names = [f"a{number:03}" for number in range(accounts)]
    chance = random.Random(0)  # noqa: S311 - moments
    took_s: list[float] = []
    left: list[int] = []
    ended = overlaps = 0
    with served(Wanted(300, latency_s=0.3)) as (url, counted), placed(folder, names, url, 300) as place:
        for _ in range(rounds):
            place.lay()
            counted("anew")
            began = time.time()
            with working(place.project) as found:
                until(lambda: any(one.running() for one in found), 90)
                time.sleep(chance.uniform(0.2, 4.0))
                ask(place.project.state, EMPTY + " CASCADE")
                at_s = time.time()
                left.append(accounts - len(place.checked(began)))
                until(lambda since=began: len(place.checked(since)) == accounts)  # type: ignore[misc]
                took_s.append(time.time() - at_s)
                ended += len(place.checked(began))
                until(lambda: not any(one.running() for one in found), 30)
            overlaps += counted().overlaps()
            say(f"{left[-1]} were due when the queue was emptied, all checked {took_s[-1]:.0f} s later")
    found = [
        ("due when the queue was emptied, a round", f"{statistics.mean(left):.0f} of {accounts}", ""),
        ("jobs that ended", f"{ended} of {rounds * accounts}", "all"),
        ("seconds until all were checked: most", f"{max(took_s):.0f}", f"<= {2 * TICK_S:g}, two ticks"),
        ("overlapping jobs of one account", f"{overlaps}", ""),
    ]
    return found, ended == rounds * accounts and max(took_s) <= 2 * TICK_S


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
