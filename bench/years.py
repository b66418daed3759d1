"""
Two years of a repository that is planned and applied each day, on one account, in virtual time.

python bench/years.py [--days N] [--customers N] [--seed S] [--storages sqlite,postgres,objects] [--json]

The ledger begins in its oldest format and is migrated in three steps. Each day, entries come, change, leave and
return, someone edits by hand, and an integration rewrites, archives and restores customers of its own and some that the
files declare. On half of the days every fault that the emulator knows befalls requests. On its way the ledger gets a
key, then another one, moves to PostgreSQL, to a bucket and back to a file, and is once replaced by a backup that is a
week old.

Each day: nobody is active twice, who is declared is as declared, no plan archives anyone who did not leave the files,
nobody whom the files never declared is archived but by the integration or someone else, the price of a plan is what was
counted (on days without faults; that of an undo on all), a second plan is empty, and the undos of the day's runs, the
latest first, tried on a copy of account and ledger, bring back what the day's first run found.

What is blocked is fixed as the block's own words say. A value that someone changed back twice within 30 days is
declared as the account keeps it: two edits against ours in a month are someone's will, which a person is to look at. A
value that held for 30 days is no such fight, and is patched again. Who was archived, or restored, against ours twice
stays blocked until `state unblock`, as long as that may be ago.

Progress and what is wrong are printed to stderr as the days pass, with the seed and the day.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from stored import STORED, Stored
from virtual import Virtual, virtual
from workbench import Server, table, told

from reconciler.desired.load import load_desired
from reconciler.desired.write import Written, write_customers
from reconciler.emulator.faults import Fault
from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.errors import ApiFailed, Incomplete, Refused
from reconciler.ledger.base import Copy
from reconciler.ledger.open import open_ledger, write_sqlite
from reconciler.ledger.sqlite_file import shipped
from reconciler.model.core import Action, Desired, Live, Status
from reconciler.model.ledger import Intent, PutBinding, Records
from reconciler.model.plan import Plan
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason
from reconciler.pipeline import apply, plan, resources
from reconciler.plan.draft import Draft
from reconciler.plan.undo import make_undo
from reconciler.rules import Account, StoredCustomer
from reconciler.settings import Environment, Options, read_settings

DAY_S = 86_400.0
ATTEMPTS = 12
ODDS = {**dict.fromkeys(Fault, 0.002), Fault.CLOCK_JUMP: 0.0005}
"""
How likely each fault befalls a request: one of 25 has one.

Some end a plan, which reads 40 pages: with more of them no plan would ever end. The server's clock does not go back, so
each jump puts it an hour ahead.
"""
CITIES = ("Boston", "Salem", "Dover", "Albany", "Trenton", "Concord")
EVENTS = ("key", "second key", "postgres", "objects", "sqlite", "restored backup")
"""What befalls the ledger, in this order, evenly over the days."""

SYNCED, ELSEWHERE = "synced-", "elsewhere-"
"""How the external_ids begin of declared customers that the integration has too, and of those that a fault creates."""

MOST_WRONG = 20
"""After so many broken rules the days end: the rest follows from the first."""

Progress = Callable[[str], None]


def _silent(_: object) -> None:
    """Hear nothing."""


class Years:
    """
    The account, the repository and the ledger, day after day; `wrong` is what broke a rule, `counts` what was.

    `progress` gets each broken rule as it is found, and a line every 10 days.
    """

    def __init__(
        self,
        server: Server,
        time_of: Virtual,
        folder: Path,
        customers: int,
        seed: int,
        storages: Mapping[str, Callable[[Path], Stored]],
        odds: Mapping[Fault, float],
        progress: Progress,
    ) -> None:
        self.server, self.time, self.folder = server, time_of, folder
        self.seed, self.chance = seed, random.Random(seed)  # noqa: S311 - it must repeat
        self.storages, self.odds, self.progress = storages, odds, progress
        self.variables = server.variables(folder / "ledger.db")
        self.numbers = iter(range(10**9))
        self.declared = {f"c-{n}": self._fields(n) for n in islice(self.numbers, customers)}
        self.left: dict[str, Mapping[str, str]] = {}
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.backup: Copy | None = None
        self.today = 0
        self._read: tuple[Mapping[str, Mapping[str, str]], Desired] | None = None
        records = [
            SyncedRecord(f"int-{n}", {"name": f"Synced {n}", "email": f"ap@s{n}.example", "city": "Boston"})
            for n in range(max(4, customers // 100))
        ]
        # A quarter of them are declared too: the files adopt them.
        for n, one in enumerate(records[::4]):
            records[4 * n] = replace(one, external_id=f"{SYNCED}{n}")
            self.declared[f"{SYNCED}{n}"] = dict(one.fields)
        time_of.served.connect(Integration(every_s=3600.0, records=tuple(records)))
        # Whom it had created later only, a run would have created before.
        time_of.served.sync()
        self._oldest_ledger()

    def _fields(self, number: int) -> dict[str, str]:
        return {
            "name": f"Customer {number}",
            "email": f"billing@c{number}.example",
            "city": self.chance.choice(CITIES),
        }

    def is_wrong(self, what: str) -> None:
        """Keep, and print, that a rule was broken."""
        self.wrong.append(f"seed {self.seed}, day {self.today}: {what}")
        self.progress(self.wrong[-1])

    # --- the ledger ------------------------------------------------------------------------------

    @property
    def environment(self) -> Environment:
        """Return the environment as the variables of today say."""
        options = Options(files=("customers.yaml",))
        return read_settings(options, variables=self.variables, cwd=self.folder).environment()

    def _oldest_ledger(self) -> None:
        """Make a ledger of the oldest format, and migrate it in three steps, the last by what opens it first."""
        known = shipped()
        where = {"environment": self.environment.name, "base_url": self.server.url}
        path = self.folder / "ledger.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as oldest:
            oldest.executescript(known[0])
            columns = [row[1] for row in oldest.execute("PRAGMA table_info(meta)")]
            oldest.execute(f"PRAGMA application_id = {0x5265636E}")
            oldest.execute("PRAGMA user_version = 1")
        self.counts["columns of the oldest format"] = len(columns)
        for last in (len(known) // 3, 2 * len(known) // 3):
            write_sqlite(path, migrations=known[:last], **where).__exit__(None, None, None)
            self.counts["migrations"] += 1
        write_sqlite(path, **where).__exit__(None, None, None)
        self.counts["migrations"] += 1

    def _moved(self, kind: str) -> None:
        """Move the ledger to another storage, as `state pull` and `state push` do."""
        if kind not in self.storages:
            return
        with resources.open_ledger(self.environment, writable=False) as ledger:
            copied = ledger.copy()
        place = self.folder / f"moved-{self.today}"
        place.mkdir()
        self.variables["RECONCILER_STATE"] = self.storages[kind](place).state
        self._overwrite(copied)
        self.counts[f"moved to {kind}"] += 1

    def _overwrite(self, copied: Copy) -> None:
        """Replace the ledger of today by a copy; the run afterwards takes it over."""
        with resources.locked_ledger(self.environment, doing="state push") as ledger:
            ledger.overwrite(copied)
        with resources.open_ledger(self.environment, writable=False) as ledger:
            if len(ledger.copy().writes) != len(copied.writes):
                self.is_wrong("rows of the ledger were lost on its way")

    def _befall(self, event: str) -> None:
        """Let something befall the ledger."""
        key = base64.b64encode(self.chance.randbytes(32)).decode()
        match event:
            case "key" | "second key":
                self.variables["RECONCILER_STATE_KEY"] = (
                    f"{key} {self.variables.get('RECONCILER_STATE_KEY', '')}".strip()
                )
                with resources.locked_ledger(self.environment, doing="state rekey") as ledger:
                    ledger.overwrite(ledger.copy())
                # From now on the earlier key is not there any more.
                self.variables["RECONCILER_STATE_KEY"] = key
                self.counts["keys"] += 1
            case "restored backup":
                if self.backup is not None:
                    self._overwrite(self.backup)
                    self.counts["backups restored"] += 1
            case _:
                self._moved(event)

    # --- a day -----------------------------------------------------------------------------------

    def day(self, number: int, event: str) -> None:
        """Let a day pass."""
        self.today = number
        if number:
            self._integration_works()
        if event == "restored backup" or number % 7 == 0:
            if event:
                self._befall(event)
            with resources.open_ledger(self.environment, writable=False) as ledger:
                self.backup = ledger.copy()
        elif event:
            self._befall(event)
        if number:
            # A ledger from before a customer was created does not know that it is ours to archive.
            self._repository_changes(leave=event != "restored backup")
            self._someone_edits()
        faulty = number > 0 and self.chance.random() < 0.5
        self.time.served.sync()
        before = _copied(self.time.served.account)
        befallen = self.time.served.befallen.copy()
        if faulty:
            self.server.post("faults", {**self.odds, "seed": number})
        names = self._applied(faulty=faulty)
        self.server.post("faults", {})
        befallen = self.time.served.befallen - befallen
        self.counts["faults"] += befallen.total()
        if befallen[Fault.ELSEWHERE_ARCHIVES]:
            # Whom someone archived once they were read is for the next run.
            names += self._applied(faulty=False)
        interfered = befallen[Fault.ELSEWHERE_ARCHIVES] > 0
        self._check(before, interfered=interfered)
        self._undone(names, before, interfered=interfered)
        self._wait(DAY_S)
        self.time.served.requests.clear()
        self.server.read = 0

    def _wait(self, seconds: float) -> None:
        """
        Let time pass for everyone.

        Were the server's clock put ahead instead, a stale read would show what was written over days ago: what a read
        does not see yet stays as old as it is then.
        """
        self.time.loop.pass_time(seconds)

    def _desired(self) -> Desired:
        """Write what is declared, and return it as the program reads it."""
        if self._read is not None and self._read[0] == self.declared:
            return self._read[1]
        entries = (Written(key, fields) for key, fields in self.declared.items())
        (self.folder / "customers.yaml").write_text(write_customers(entries), encoding="utf-8")
        desired = load_desired(["customers.yaml"], root=self.folder).desired
        self._read = dict(self.declared), desired
        return desired

    def _gave_in(self, planned: Plan) -> bool:
        """Do as the blocks of what changed back twice say, and say whether nothing else is blocked."""
        for one in planned.blocked:
            key = one.address.external_id
            match one.reason:
                case BlockedReason.VALUE_UNSTABLE:
                    live = self.time.served.account.customers[one.ids[0]]
                    self.declared[key] = {**self.declared[key], str(one.field): live.fields[str(one.field)]}
                    self.counts["fights given up"] += 1
                case BlockedReason.RESTORE_REVERSED:
                    self._unblock(key)
                    self.counts["unblocked"] += 1
                case _:
                    return False
        return bool(planned.blocked)

    def _unblock(self, key: str) -> None:
        """Reset what was reversed, as `state unblock` does."""
        with resources.locked_ledger(self.environment, doing="state unblock") as ledger:
            row = ledger.binding(key)
            assert row is not None
            ledger.commit([PutBinding(replace(row, trouble_json=None, reversals_json=None))])

    def _integration_works(self) -> None:
        """Let the integration edit or archive a customer that it has, or bring one back."""
        at_work = self.time.served.integration
        assert at_work is not None
        record = self.chance.choice(list(at_work.records.values()))
        at_work.edit(({"id": record.id, "city": self.chance.choice(CITIES), "deleted": self.chance.random() < 0.1},))

    def _repository_changes(self, *, leave: bool) -> None:
        """Let entries come, change, return, and `leave`."""
        keys = list(self.declared)
        for key in self.chance.sample(keys, min(4, len(keys))):
            self.declared[key] = {**self.declared[key], "city": self.chance.choice(CITIES)}
        for key in self.chance.sample(keys, self.chance.randrange(2)):
            if leave and not key.startswith(SYNCED):
                self.left[key] = self.declared.pop(key)
        if self.left and self.chance.random() < 0.3:
            key = self.chance.choice(list(self.left))
            self.declared[key] = self.left.pop(key)
        if self.chance.random() < 0.6:
            number = next(self.numbers)
            self.declared[f"c-{number}"] = self._fields(number)

    def _someone_edits(self) -> None:
        """Let someone edit a customer by hand."""
        account = self.time.served.account
        one = self.chance.choice([one for one in account.customers.values() if one.external_id and not one.archived])
        self.server.post("load", {"customers": [{"id": one.id, "city": self.chance.choice(CITIES)}]})

    def _kept(self) -> Copy:
        with resources.open_ledger(self.environment, writable=False) as ledger:
            return ledger.copy()

    def _terms(self) -> Terms:
        return replace(self.environment.terms(Options()), rate_per_s=0.0)

    def _applied(self, *, faulty: bool) -> list[str]:
        """Apply until nothing is left to do, and return the runs."""
        names: list[str] = []
        left = ""
        for _ in range(ATTEMPTS):
            self._wait(60)
            self.server.counted()
            try:
                done, planned, left = self.time.run(self._apply(self._desired(), names))
            except (ApiFailed, Incomplete) as error:
                if not faulty:
                    raise
                left = str(error)
                self.counts["applies that failed"] += 1
                continue
            self.counts["applies"] += 1
            if not faulty:
                self._counted(planned)
            if done:
                return names
            if not self._gave_in(planned) and not faulty:
                self.is_wrong(left)
                return names
        self.is_wrong(f"not done after {ATTEMPTS} applies: {left}")
        return names

    def _counted(self, planned: Plan) -> None:
        """Hold a plan's price against the requests that were counted."""
        price, counted = planned.cost.requests + planned.cost.overhead, self.server.counted().total()
        if price != counted:
            self.is_wrong(f"the price was {price}, {counted} requests were counted")
        self.counts["prices compared"] += 1

    async def _apply(self, desired: Desired, names: list[str]) -> tuple[bool, Plan, str]:
        """Plan and apply once; say whether all is done."""
        clock = self.time.clock
        terms = self._terms()
        async with self.time.client(self.environment) as client:
            beginning = await resources.begin(self.environment, clock, doing="apply")
            with beginning as ledger:
                planned = await plan.make(client, ledger, desired, terms, say=_silent, lacked={}, patience=clock)
                for change in planned.plan.changes:
                    if change.action is Action.ARCHIVE and change.address.external_id not in self.left:
                        self.is_wrong(f"{change.address} is archived, and it did not leave the files")
                # A limit is what a person would agree to.
                agreed = replace(planned, plan=replace(planned.plan, limits=()))
                run = apply.new_run(clock, "apply")
                names.append(run.id)
                carried = await apply.carry_out(
                    client, ledger, agreed, terms, run=run, clock=clock, stop=asyncio.Event(), tell=_silent
                )
                outcomes = carried.result.outcomes
                self.counts.update(str(one.change.action) for one in outcomes if one.status is Status.DONE)
                left = Counter(str(one.status) for one in outcomes if one.status is not Status.DONE)
                blocked = planned.plan.blocked
                return not (left or carried.result.halt or blocked), planned.plan, f"{dict(left)} {blocked[:2]}"

    def _check(self, before: Account, *, interfered: bool) -> None:
        """
        Hold the account, and a second plan, against the repository; `before` is what the day's runs found.

        `interfered`: someone archived customers while they were on.
        """
        active: dict[str, Mapping[str, str]] = {}
        for one in self.time.served.account.customers.values():
            if not one.external_id or one.archived or one.external_id.startswith(ELSEWHERE):
                continue
            if one.external_id in active:
                self.is_wrong(f"{one.external_id} is active twice")
            active[one.external_id] = _shown(one)
        if active != self.declared:
            keys = {key for key in active.keys() | self.declared.keys() if active.get(key) != self.declared.get(key)}
            self.is_wrong(f"{len(keys)} are not as declared: {sorted(keys)[:3]}")
        for one in before.customers.values():
            # Nobody has written to it since: the integration was at work before.
            if not interfered and not one.external_id and self.time.served.account.customers[one.id] != one:
                self.is_wrong(f"{one.id} was never declared, and was changed")
        self._wait(60)
        self.server.counted()
        again = self.time.run(self._plan_again(self._desired()))
        if again.changes or again.blocked:
            self.is_wrong(f"the second plan has {len(again.changes)} changes, {len(again.blocked)} blocked")
        self.counts["second plans"] += 1

    async def _plan_again(self, desired: Desired) -> Plan:
        async with self.time.client(self.environment) as client:
            with resources.open_ledger(self.environment, writable=False) as ledger:
                return (await plan.make(client, ledger, desired, self._terms(), say=_silent)).plan

    # --- the undo of a run -----------------------------------------------------------------------

    def _undone(self, names: list[str], before: Account, *, interfered: bool) -> None:
        """
        Undo the day's runs on a copy of account and ledger, the latest first, and hold the copy against `before`.

        `interfered`: someone archived customers while the runs were on. Who was restored for that was active `before`,
        and the undo of that restore archives them again.
        """
        served = self.time.served
        real, served.account = served.account, _copied(served.account)
        try:
            restored = self.time.run(self._undo(names, self._kept()))
            wanted, found = _seen(before), _seen(served.account)
            # Whom the run created there is no archived customer before; an undo archives them.
            keys = {key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)}
            keys -= restored & wanted.keys() if interfered else set()
            if keys:
                self.is_wrong(f"the undo of {len(names)} runs left {sorted(keys)[:3]} otherwise than they found")
            self.counts["undone on a copy"] += len(names)
        except (Refused, ApiFailed) as error:
            self.is_wrong(f"the undo failed: {error}")
        finally:
            served.account = real

    async def _undo(self, names: list[str], now: Copy) -> set[str]:
        """Undo runs, the latest first, with a ledger of its own; return the keys that they had restored."""
        clock, terms = self.time.clock, self._terms()
        restored: set[str] = set()
        with tempfile.TemporaryDirectory() as folder:
            place, where = str(Path(folder, "copy.db")), self.environment
            with open_ledger(place, environment=where.name, base_url=where.base_url()) as ledger:
                ledger.overwrite(now)
                for name in reversed(names):
                    intents = ledger.intents(name)
                    restored |= {one.address.external_id for one in intents if one.action is Action.RESTORE}
                    self.server.counted()
                    async with self.time.client(where) as client:
                        planned = await plan.make_of(
                            client, ledger, partial(_undo_of, intents, terms), terms, say=_silent
                        )  # fmt: skip
                        self.counts["blocked in an undo"] += len(planned.plan.blocked)
                        agreed = replace(planned, plan=replace(planned.plan, limits=()))
                        await apply.carry_out(
                            client, ledger, agreed, terms, run=apply.new_run(clock, "undo"), clock=clock,
                            stop=asyncio.Event(), tell=_silent,
                        )  # fmt: skip
                    self._counted(planned.plan)
        return restored


def _undo_of(intents: Sequence[Intent], terms: Terms, live: Live, records: Records) -> Draft:
    return make_undo(intents, live, records, terms)


def _copied(account: Account) -> Account:
    """Return a copy of an account: what it holds is frozen, its tables and the lists in them are not."""
    copied = replace(account)
    for field in fields(account):
        match getattr(account, field.name):
            case dict() as table_:
                held = {key: value[:] if isinstance(value, list) else value for key, value in table_.items()}
                setattr(copied, field.name, held)
            case list() as rows:
                setattr(copied, field.name, rows[:])
    return copied


def _shown(one: StoredCustomer) -> dict[str, str]:
    """Return the fields of a customer that the files declare."""
    return {name: one.fields.get(name, "") for name in ("name", "email", "city")}


def _seen(account: Account) -> dict[str, Mapping[str, str]]:
    """Return what an account shows of each active customer that the repository may own."""
    return {
        one.external_id: _shown(one)
        for one in account.customers.values()
        if one.external_id and not one.archived and not one.external_id.startswith(ELSEWHERE)
    }


def events_of(days: int) -> Iterator[str]:
    """Yield what befalls the ledger on each day, "" for nothing."""
    on = {(number + 1) * days // (len(EVENTS) + 1): event for number, event in enumerate(EVENTS)}
    return (on.get(day, "") for day in range(days))


@contextmanager
def _locks_in(folder: str) -> Iterator[None]:
    """Have locks of its own: every account of an emulator in this process has one address."""
    former = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = folder
    try:
        yield
    finally:
        del os.environ["XDG_STATE_HOME"]
        if former is not None:
            os.environ["XDG_STATE_HOME"] = former


def lived(
    days: int,
    customers: int,
    seed: int,
    storages: Mapping[str, Callable[[Path], Stored]],
    progress: Progress = _silent,
    odds: Mapping[Fault, float] = MappingProxyType(ODDS),
) -> tuple[Counter[str], list[str]]:
    """Return what was counted in these days, and what broke a rule; after `MOST_WRONG` and after an error they end."""
    with tempfile.TemporaryDirectory() as folder, virtual() as (server, time_of), _locks_in(folder):
        years = Years(server, time_of, Path(folder), customers, seed, storages, odds, progress)
        for day, event in enumerate(events_of(days)):
            try:
                years.day(day, event)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
                years.is_wrong(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
                break
            if len(years.wrong) >= MOST_WRONG:
                break
            if day % 10 == 9:
                progress(f"{day + 1} of {days} days, {len(years.wrong)} wrong")
        return years.counts, years.wrong


def main() -> int:
    """Live the days; 1 where a rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--storages", default=",".join(STORED), help="which storages the ledger moves to")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    storages = given.storages.split(",")
    if unknown := [name for name in storages if name not in STORED]:
        parser.error(f"--storages: {unknown[0]!r} is none of {', '.join(STORED)}")
    began, worked = time.perf_counter(), time.process_time()

    def progress(line: str) -> None:
        seconds, of_cpu = time.perf_counter() - began, time.process_time() - worked
        print(f"{line} ({seconds:.0f} s, {of_cpu:.0f} s of CPU)", file=sys.stderr, flush=True)

    counts, wrong = lived(given.days, given.customers, given.seed, {name: STORED[name] for name in storages}, progress)
    seconds, of_cpu = round(time.perf_counter() - began, 1), round(time.process_time() - worked, 1)
    result = {"ok": not wrong, "days": given.days, "counts": dict(counts), "wrong": wrong, "seconds": seconds}
    rows = [(name, f"{number:,}") for name, number in sorted(counts.items())]
    foot = f"{given.days} days, {given.customers} customers, seed {given.seed}, {seconds} s"
    foot = f"{foot}, {of_cpu} s of CPU; {len(wrong)} wrong"
    return told(result, "\n".join((table(("what", "how often"), rows), "", foot, *wrong)), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
