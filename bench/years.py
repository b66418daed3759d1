"""
Two years of a repository that is planned and applied each day, on one account, in virtual time.

python bench/years.py [--days N] [--customers N] [--seed S] [--storages sqlite,postgres,objects] [--json]

The ledger begins in its oldest format and is migrated in three steps. Each day, entries come, change, leave and
return, someone edits by hand, and an integration works on customers of its own. On half of the days requests are lost
or refused, before or after they took effect. On its way the ledger gets a key, then another one, moves to PostgreSQL,
to a bucket and back to a file, and is once replaced by a backup that is a week old.

Each day: nobody is active twice, who is declared is as declared, nobody is archived but who left the files, the price
of a plan is what was counted (on days without faults), a second plan is empty, and the undo of the run, tried on a copy
of account and ledger, brings back what the run found.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import copy
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from stored import STORED
from virtual import Virtual, virtual
from workbench import Server, table, told

from reconciler.desired.load import load_desired
from reconciler.desired.write import Written, write_customers
from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.errors import ApiFailed, Refused
from reconciler.ledger.base import Copy
from reconciler.ledger.open import open_ledger, write_sqlite
from reconciler.ledger.sqlite_file import shipped
from reconciler.model.core import Action, Desired, Status
from reconciler.model.plan import Plan
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason
from reconciler.pipeline import apply, plan, resources
from reconciler.plan.undo import make_undo
from reconciler.settings import Environment, Options, read_settings

DAY_S = 86_400.0
ATTEMPTS = 12
FAULTS = ("lost_before", "lost_after", "status_500_after", "status_503_before", "storm_429", "html_page")
CITIES = ("Boston", "Salem", "Dover", "Albany", "Trenton", "Concord")
EVENTS = ("key", "second key", "postgres", "objects", "sqlite", "restored backup")
"""What befalls the ledger, in this order, evenly over the days."""


def _silent(_: object) -> None:
    """Hear nothing."""


class Years:
    """The account, the repository and the ledger, day after day; `wrong` is what broke a rule, `counts` what was."""

    def __init__(
        self, server: Server, time_of: Virtual, folder: Path, customers: int, seed: int, storages: tuple[str, ...]
    ) -> None:
        self.server, self.time, self.folder = server, time_of, folder
        self.chance = random.Random(seed)  # noqa: S311 - it must repeat
        self.storages = storages
        self.variables = server.variables(folder / "ledger.db")
        self.numbers = iter(range(10**9))
        self.declared = {f"c-{n}": self._fields(n) for n in islice(self.numbers, customers)}
        self.left: dict[str, Mapping[str, str]] = {}
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.backup: Copy | None = None
        self.today = 0
        records = tuple(
            SyncedRecord(f"int-{n}", {"name": f"Synced {n}", "email": f"ap@s{n}.example", "city": "Boston"})
            for n in range(max(2, customers // 100))
        )
        time_of.served.connect(Integration(every_s=3600.0, records=records))
        self._oldest_ledger()

    def _fields(self, number: int) -> dict[str, str]:
        return {
            "name": f"Customer {number}",
            "email": f"billing@c{number}.example",
            "city": self.chance.choice(CITIES),
        }

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
        self.variables["RECONCILER_STATE"] = STORED[kind](place).state
        self._overwrite(copied)
        self.counts[f"moved to {kind}"] += 1

    def _overwrite(self, copied: Copy) -> None:
        """Replace the ledger of today by a copy; the run afterwards takes it over."""
        with resources.locked_ledger(self.environment, doing="state push") as ledger:
            ledger.overwrite(copied)
        with resources.open_ledger(self.environment, writable=False) as ledger:
            if len(ledger.copy().writes) != len(copied.writes):
                self.wrong.append(f"day {self.today}: rows of the ledger were lost on its way")

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
        self._integration_works()
        if event == "restored backup" or number % 7 == 0:
            if event:
                self._befall(event)
            with resources.open_ledger(self.environment, writable=False) as ledger:
                self.backup = ledger.copy()
        elif event:
            self._befall(event)
        if number:
            self._repository_changes()
            self._someone_edits()
        faulty = number > 0 and self.chance.random() < 0.5
        before = copy.deepcopy(self.time.served.account)
        if faulty:
            self.server.post("faults", {**dict.fromkeys(FAULTS, 0.01), "seed": number})
        name = self._applied(faulty=faulty)
        self.server.post("faults", {})
        self._check()
        if name and event != "restored backup":
            self._undone(name, before)
        self.server.wait(DAY_S)
        self.time.served.requests.clear()
        self.server.read = 0

    def _desired(self) -> Desired:
        """Write what is declared, and return it as the program reads it."""
        entries = (Written(key, fields) for key, fields in self.declared.items())
        (self.folder / "customers.yaml").write_text(write_customers(entries), encoding="utf-8")
        return load_desired(["customers.yaml"], root=self.folder).desired

    def _gave_in(self, planned: Plan) -> bool:
        """Declare what the account keeps, as the block of a value that changed back twice says; say whether it did."""
        blocked = [one for one in planned.blocked if one.reason is BlockedReason.VALUE_UNSTABLE]
        for one in blocked:
            key, live = one.address.external_id, self.time.served.account.customers[one.ids[0]]
            self.declared[key] = {**self.declared[key], str(one.field): live.fields[str(one.field)]}
        self.counts["fights given up"] += len(blocked)
        return bool(blocked) and len(blocked) == len(planned.blocked)

    def _integration_works(self) -> None:
        """Let the integration rename or archive a customer of its own, or bring one back."""
        at_work = self.time.served.integration
        assert at_work is not None
        record = self.chance.choice(list(at_work.records.values()))
        at_work.edit(({"id": record.id, "city": self.chance.choice(CITIES), "deleted": self.chance.random() < 0.1},))

    def _repository_changes(self) -> None:
        """Let entries come, change, leave and return."""
        keys = list(self.declared)
        for key in self.chance.sample(keys, min(4, len(keys))):
            self.declared[key] = {**self.declared[key], "city": self.chance.choice(CITIES)}
        for key in self.chance.sample(keys, self.chance.randrange(2)):
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

    def _applied(self, *, faulty: bool) -> str:
        """Apply until nothing is left to do, and return the run where it was a single one, "" else."""
        names: list[str] = []
        for _ in range(ATTEMPTS):
            self.server.wait(60)
            self.server.counted()
            try:
                done, planned, left = self.time.run(self._apply(self._desired(), names))
            except ApiFailed:
                if not faulty:
                    raise
                continue
            self.counts["applies"] += 1
            counted = self.server.counted().total()
            price = planned.cost.requests + planned.cost.overhead
            if not faulty and price != counted:
                self.wrong.append(f"day {self.today}: the price was {price}, {counted} requests were counted")
            self.counts["prices compared"] += not faulty
            if done:
                return names[0] if len(names) == 1 else ""
            if self._gave_in(planned):
                continue
            if not faulty:
                self.wrong.append(f"day {self.today}: {left}")
                return ""
        self.wrong.append(f"day {self.today}: not done after {ATTEMPTS} applies")
        return ""

    async def _apply(self, desired: Desired, names: list[str]) -> tuple[bool, Plan, str]:
        """Plan and apply once; say whether all is done."""
        clock = self.time.clock
        terms = self._terms()
        async with self.time.client(self.environment) as client:
            beginning = await resources.begin(self.environment, clock, doing="apply")
            with beginning as ledger:
                planned = await plan.make(client, ledger, desired, terms, say=_silent, lacked={}, patience=clock)
                for change in planned.plan.changes:
                    if change.action is Action.ARCHIVE and change.address.external_id in self.declared:
                        self.wrong.append(f"day {self.today}: {change.address} is archived, and it is declared")
                # A limit is what a person would agree to.
                agreed = replace(planned, plan=replace(planned.plan, limits=()))
                run = apply.new_run(clock, "apply")
                carried = await apply.carry_out(
                    client, ledger, agreed, terms, run=run, clock=clock, stop=asyncio.Event(), tell=_silent
                )
                names.append(run.id)
                outcomes = carried.result.outcomes
                self.counts.update(str(one.change.action) for one in outcomes if one.status is Status.DONE)
                left = Counter(str(one.status) for one in outcomes if one.status is not Status.DONE)
                blocked = planned.plan.blocked
                return not (left or carried.result.halt or blocked), planned.plan, f"{dict(left)} {blocked[:2]}"

    def _check(self) -> None:
        """Hold the account, and a second plan, against the repository."""
        active: dict[str, Mapping[str, str]] = {}
        for one in self.time.served.account.customers.values():
            if not one.external_id or one.archived:
                continue
            if one.external_id in active:
                self.wrong.append(f"day {self.today}: {one.external_id} is active twice")
            active[one.external_id] = {name: one.fields.get(name, "") for name in ("name", "email", "city")}
        if active != self.declared:
            keys = {key for key in active.keys() | self.declared.keys() if active.get(key) != self.declared.get(key)}
            self.wrong.append(f"day {self.today}: {len(keys)} are not as declared: {sorted(keys)[:3]}")
        self.server.wait(60)
        again = self.time.run(self._plan_again(self._desired()))
        if again.changes or again.blocked:
            self.wrong.append(f"day {self.today}: the second plan has {len(again.changes)} changes")
        self.counts["second plans"] += 1

    async def _plan_again(self, desired: Desired) -> Plan:
        async with self.time.client(self.environment) as client:
            with resources.open_ledger(self.environment, writable=False) as ledger:
                return (await plan.make(client, ledger, desired, self._terms(), say=_silent)).plan

    # --- the undo of a run -----------------------------------------------------------------------

    def _undone(self, name: str, before: Any) -> None:  # noqa: ANN401 - the emulator's account
        """Undo a run on a copy of account and ledger, and hold the copy against what was there before the run."""
        served = self.time.served
        real, served.account = served.account, copy.deepcopy(served.account)
        try:
            self.time.run(self._undo(name, self._kept()))
            wanted, found = _seen(before), _seen(served.account)
            # Whom the run created there is no archived customer before; an undo archives them.
            keys = [key for key in wanted.keys() | found.keys() if wanted.get(key, ()) != found.get(key, ())]
            if keys:
                self.wrong.append(f"day {self.today}: the undo left {sorted(keys)[:3]} otherwise than the run found")
            self.counts["undone on a copy"] += 1
        except (Refused, ApiFailed) as error:
            self.wrong.append(f"day {self.today}: the undo failed: {error}")
        finally:
            served.account = real

    async def _undo(self, name: str, now: Copy) -> None:
        """Undo a run, with a ledger of its own."""
        clock, terms = self.time.clock, self._terms()
        with tempfile.TemporaryDirectory() as folder:
            place, where = str(Path(folder, "copy.db")), self.environment
            with open_ledger(place, environment=where.name, base_url=where.base_url()) as ledger:
                ledger.overwrite(now)
                intents = ledger.intents(name)
                async with self.time.client(where) as client:
                    planned = await plan.make_of(
                        client, ledger, lambda live, records: make_undo(intents, live, records, terms), terms,
                        say=_silent,
                    )  # fmt: skip
                    if planned.plan.blocked:
                        self.counts["blocked in an undo"] += len(planned.plan.blocked)
                    agreed = replace(planned, plan=replace(planned.plan, limits=()))
                    await apply.carry_out(
                        client, ledger, agreed, terms, run=apply.new_run(clock, "undo"), clock=clock,
                        stop=asyncio.Event(), tell=_silent,
                    )  # fmt: skip


def _seen(account: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401 - the emulator's account
    """Return what an account shows of each active customer that the repository may own."""
    return {
        one.external_id: tuple(one.fields.get(name, "") for name in ("name", "email", "city"))
        for one in account.customers.values()
        if one.external_id and not one.archived
    }


def events_of(days: int) -> Iterator[str]:
    """Yield what befalls the ledger on each day, "" for nothing."""
    on = {(number + 1) * days // (len(EVENTS) + 1): event for number, event in enumerate(EVENTS)}
    return (on.get(day, "") for day in range(days))


def lived(days: int, customers: int, seed: int, storages: tuple[str, ...]) -> tuple[Counter[str], list[str]]:
    """Return what was counted in these days, and what broke a rule."""
    with tempfile.TemporaryDirectory() as folder, virtual() as (server, time_of):
        # Its locks are its own: every account of an emulator in this process has one address.
        os.environ["XDG_STATE_HOME"] = folder
        years = Years(server, time_of, Path(folder), customers, seed, storages)
        for day, event in enumerate(events_of(days)):
            years.day(day, event)
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
    began = time.perf_counter()
    counts, wrong = lived(given.days, given.customers, given.seed, tuple(given.storages.split(",")))
    seconds = round(time.perf_counter() - began, 1)
    result = {"ok": not wrong, "days": given.days, "counts": dict(counts), "wrong": wrong, "seconds": seconds}
    rows = [(name, f"{number:,}") for name, number in sorted(counts.items())]
    foot = f"{given.days} days, {given.customers} customers, {seconds} s; {len(wrong)} wrong"
    return told(result, "\n".join((table(("what", "how often"), rows), "", foot, *wrong)), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
