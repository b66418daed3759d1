"""Accounts that the benchmarks of a fleet serve, watched request by request, and the project that works on them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from multiprocessing.connection import Connection
from pathlib import Path

from reconciler.emulator.calls import TOKEN, Answer, Call, Dropped
from reconciler.emulator.server import running
from reconciler.emulator.service import LOCAL, ApiKey, Emulator, EmulatorOfMany, load
from reconciler.rules import Account, Behaviour
from reconciler.rules.behaviour import Unique

LATENCY_S = 0.05
RATE = 5
SLOW_S, NEVER_S = 3.0, 3600.0
PLAN_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""Of the saved plans: no secret, as the customers are made up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What must be served: `accounts` with `customers` each at a rate, and the accounts that are in trouble.

    Accounts whose names begin with `own` have customers of their own, which may be written to; all others share theirs.
    An API that is `lax` takes an external_id a second time, so that whoever creates twice leaves a duplicate.
    `refuses` names accounts that take no write.
    """

    customers: int
    rate: float = RATE
    latency_s: float = LATENCY_S
    large: int = 0
    own: str | None = None
    lax: bool = False
    refuses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: when it was answered, in seconds since 1970, of which account, and in which job, by its token."""

    at_s: float
    account: str
    job: str
    call: str
    writes: bool
    status: int


@dataclass(slots=True)
class Watched:
    """What the server has counted: requests, refusals, begun listings and creates of a customer, and every request."""

    requests: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)
    created: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: list[Sent] = field(default_factory=list)

    @property
    def writes(self) -> Counter[str]:
        """Return how many writes each account took."""
        return Counter(one.account for one in self.sent if one.writes and one.status < 300)

    @property
    def doubled(self) -> int:
        """Return how many customers were created once too often."""
        return sum(number - 1 for number in self.created.values())

    def jobs(self) -> dict[str, list[tuple[float, float]]]:
        """Return when the jobs of each account sent their first and their last request, by the first."""
        by_job = sorted(self.sent, key=lambda one: (one.account, one.job, one.at_s))
        found: dict[str, list[tuple[float, float]]] = {}
        for (account, _), group in groupby(by_job, key=lambda one: (one.account, one.job)):
            times = [one.at_s for one in group]
            found.setdefault(account, []).append((times[0], times[-1]))
        return {account: sorted(spans) for account, spans in found.items()}

    def overlaps(self) -> int:
        """Return how many jobs sent their first request before another job of the account had sent its last."""
        return sum(later[0] <= former[1] for spans in self.jobs().values() for former, later in pairwise(spans))


class Late(Emulator):
    """An account whose answers are late, and counted."""

    watched: Watched
    delay_s: float
    name: str
    refuses: bool

    def answer(self, call: Call) -> Answer | Dropped:
        """Return the answer."""
        answer = Answer(422, b"{}") if call.writes and self.refuses else super().answer(call)
        status = answer.status if isinstance(answer, Answer) else 0
        job = call.authorization.partition(" ")[2]
        if call.path == TOKEN and isinstance(answer, Answer) and status == 200:
            job = str(json.loads(answer.body)["access_token"])
        self.watched.sent.append(Sent(time.time(), self.name, job, f"{call.method} {call.path}", call.writes, status))
        self.watched.requests[self.name] += call.path != TOKEN
        self.watched.throttled[self.name] += status == 429
        self.watched.begun[self.name] += call.path == "/customers" and "after=" not in call.query
        if call.method == "POST" and call.path == "/customers" and 200 <= status < 300:
            self.watched.created[self.name, str(call.json_object().get("external_id"))] += 1
        return replace(answer, delay_s=answer.delay_s + self.delay_s)


def serve(connection: Connection, wanted: Wanted) -> None:
    """
    Serve the accounts in this process; its URL goes to `connection`.

    For each word from there goes what was counted since the last one, and after "anew" the accounts are as at first.
    """
    watched = Watched()
    usual, large = _account(wanted.customers), _account(wanted.large)

    def owned(name: str) -> bool:
        return wanted.own is not None and name.startswith(wanted.own)

    def make(name: str) -> Emulator:
        keys = () if name == "wrong" else (ApiKey(name, LOCAL.secret),)
        account = large if name == "large" else _account(wanted.customers) if owned(name) else usual
        ways = Behaviour(unique=Unique.NONE) if wanted.lax else None
        one = Late(rate=wanted.rate, keys=keys, account=account, behaviour=ways)
        one.watched, one.name, one.refuses = watched, name, name in wanted.refuses
        one.delay_s = {"hanging": NEVER_S, "slow": SLOW_S}.get(name, wanted.latency_s)
        return one

    many = EmulatorOfMany(make)
    with running(many) as url:
        connection.send(url)
        while word := connection.recv():
            connection.send(watched)
            if word == "anew":
                many.accounts.clear()
            for counts in (watched.requests, watched.throttled, watched.begun, watched.created, watched.sent):
                counts.clear()


def _account(customers: int) -> Account:
    """Return an account with customers."""
    account = Account()
    load(account, map(customer, range(customers)), 1_700_000_000.0)
    return account


def customer(number: int) -> dict[str, object]:
    """Return a customer."""
    key = f"c{number:05}"
    return {"external_id": key, "name": f"Customer {number}", "email": f"billing@{key}.example", "city": "Boston"}


@contextmanager
def served(wanted: Wanted) -> Iterator[tuple[str, Callable[..., Watched]]]:
    """
    Yield the URL of a server in a process of its own, and what returns what it counted since it was last asked.

    It takes the word "anew", after which the accounts are as at first.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, wanted), daemon=True)
    process.start()

    def counted(word: str = "counts") -> Watched:
        ours.send(word)
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
fleet: {{accounts: accounts/*, environment: production, parallel: {parallel}{fleet}}}
environments:
  production:
    base_url: ${{AP_BASE_URL}}
    client_id_file: ids/{{account}}
    client_secret: ${{AP_CLIENT_SECRET}}
    rate: {rate}
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A fleet in a folder; its ledgers are in the database `state`, or in files where there is none."""

    folder: Path
    url: str
    state: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of its commands."""
        own = {"AP_BASE_URL": self.url, "AP_CLIENT_SECRET": LOCAL.secret, "XDG_STATE_HOME": str(self.folder / "state")}
        if self.state:
            own |= {"RECONCILER_STATE": self.state, "RECONCILER_PLAN_KEY": PLAN_KEY}
        others = {name: text for name, text in os.environ.items() if not name.startswith(("AP_", "RECONCILER_"))}
        return {**others, **own}

    def write(
        self, names: Sequence[str], customers: int, *, parallel: int, rate: float = RATE, fleet: Mapping[str, str] = {}
    ) -> None:
        """Write the accounts, all with the same customers; `fleet` is what else the fleet's settings say."""
        more = "".join(f", {key}: {text}" for key, text in fleet.items())
        text = PROJECT.format(parallel=parallel, rate=f"{rate:g}", fleet=more)
        (self.folder / "reconciler.yaml").write_text(text)
        (self.folder / "ids").mkdir(exist_ok=True)
        for name in names:
            self.add(name, customers)

    def add(self, name: str, customers: int, more: str = "") -> None:
        """Write an account, or write it anew; `more` is what each of its customers has besides."""
        folder = self.folder / "accounts" / name
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(
            f"  {one['external_id']}: {{name: {one['name']}, email: {one['email']}, city: {one['city']}{more}}}\n"
            for one in map(customer, range(customers))
        )
        (folder / "customers.yaml").write_text(f"customers:\n{rows}")
        (self.folder / "ids" / name).write_text(name)

    def adopt(self, names: Sequence[str]) -> None:
        """Give each account a ledger file that holds its customers: that of the first, which is adopted."""
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

    def ran(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command, and return how it ended."""
        return subprocess.run(  # noqa: S603 - our own command
            self.command(*words), cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False
        )

    def run(self, *words: str) -> str:
        """Run a command, and return what it printed."""
        ran = self.ran(*words)
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
