"""
The register of Vermont's exempt organizations, month after month, as the whole of what is declared.

python bench/register.py --data FOLDER [--months N] [--faults P] [--lose-ledger] [--json]

With `--lose-ledger` the ledger is deleted after every third month. What it had archived is unknown then: who comes
back is created anew, and who leaves in that very month stays active, as nothing says that this project had the entry.
Still nobody is active twice, every declared customer is as declared, and nobody is archived without a record of ours.
What the second listing costs, which proves who does not exist, is printed for each month.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import resource
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from virtual import Virtual, virtual
from workbench import KINDS, Listing, Server, emulator, next_listing, table, told

from reconciler.api.client import ApiClient
from reconciler.clock import RealClock
from reconciler.desired.load import load_desired
from reconciler.desired.write import Written, write_customers
from reconciler.errors import ApiFailed
from reconciler.model.core import Action, Desired, Status
from reconciler.model.plan import Outcome, Plan
from reconciler.pipeline import apply, plan, resources
from reconciler.report.messages.failures import outcome_text
from reconciler.settings import Environment, Options, read_settings

WANTED = {"create": 1210, "archive": 1360, "restore": 353, "patch": 9051, "patch after restore": 74, "ever": 7542}
"""The 41 transitions between all 42 snapshots, and how many customers there ever were."""

PAGE = 100
BETWEEN_S = 60.0
"""How far the server's clock goes ahead between two runs: past the lag bound (10 s) and a doubt (45 s)."""

ATTEMPTS = 10
"""With faults, so many applies may be needed until the plan is empty; without, one is."""

LOST_AFTER = 3
"""After so many months the ledger is deleted."""

FAULTS = ("lost_before", "lost_after", "status_500_after", "status_503_before", "storm_429", "html_page")

Rows = dict[str, Mapping[str, str]]


@dataclass(slots=True)
class Register:
    """
    What the snapshots say, by their own arithmetic: who is there now, who was and what it was then.

    `strays` are active and left while there was no ledger, `forgotten` the keys of archived ones that no ledger knows.
    """

    now: Rows = field(default_factory=dict)
    gone: Rows = field(default_factory=dict)
    strays: Rows = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Lose the ledger."""
        self.forgotten += self.gone
        self.gone = {}

    def step(self, rows: Rows, *, lost: bool) -> Counter[str]:
        """Take the next snapshot, and return how many changes lead to it; `lost` says that there is no ledger."""
        steps: Counter[str] = Counter()
        live = {**self.now, **self.strays}
        self.strays = {key: row for key, row in self.strays.items() if key not in rows}
        for key, row in rows.items():
            if key in live:
                steps["patch"] += row != live[key]
            elif key in self.gone:
                steps["restore"] += 1
                steps["patch after restore"] += row != self.gone[key]
            else:
                steps["create"] += 1
        left = {key: row for key, row in self.now.items() if key not in rows}
        if lost:
            self.strays, left = {**self.strays, **left}, {}
        steps["archive"] = len(left)
        self.gone = {key: row for key, row in {**self.gone, **left}.items() if key not in rows}
        self.now = rows
        return +steps

    @property
    def ever(self) -> int:
        """Return how many organizations there ever were."""
        return len(self.now) + len(self.gone) + len(self.strays) + len(self.forgotten)


@dataclass(frozen=True, slots=True)
class Month:
    """One snapshot: what was planned, the requests that were allowed and counted, and what is wrong, if anything."""

    name: str
    customers: int
    steps: Mapping[str, int]
    expected: Mapping[str, int]
    counted: Mapping[str, int]
    expected_again: Mapping[str, int]
    counted_again: Mapping[str, int]
    proof: int
    lost: bool
    attempts: int
    seconds: float
    wrong: tuple[str, ...]


def main() -> int:
    """Run the months and print what they took; 1 where any number is not the wanted one."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="the folder of the snapshots")
    arguments.add_argument("--months", type=int, default=0, help="only the first N snapshots; 0: all")
    arguments.add_argument("--faults", type=float, default=0.0, help="how many of the requests go wrong, from 0 to 1")
    arguments.add_argument("--lose-ledger", action="store_true", help="delete the ledger after every third month")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    snapshots = sorted(given.data.glob("*.csv.gz"))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, served(in_virtual_time=given.faults > 0) as (server, time_of):
        if given.lose_ledger:
            # Else the server itself would refuse a double, and whoever comes back.
            server.post("behaviour", {"unique": "none"})
        bench = Bench(server, Path(folder), faults=given.faults, virtual=time_of)
        months = []
        for number, snapshot in enumerate(snapshots[: given.months or None]):
            if given.lose_ledger and number and number % LOST_AFTER == 0:
                bench.lose_ledger()
            months.append(bench.month(snapshot))
            if not given.json:
                print(line_of(months[-1]), flush=True)
    totals = totals_of(months, bench.register)
    wrong = [f"{month.name}: {text}" for month in months for text in month.wrong]
    if len(months) == len(snapshots) and not given.lose_ledger:
        wrong += [f"{name}: {totals[name]}, wanted {WANTED[name]}" for name in WANTED if totals[name] != WANTED[name]]
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "ok": bool(months) and not wrong,
        "wrong": wrong,
        "transitions": len(months) - 1,
        "totals": totals,
        "requests": dict(sum((Counter(month.counted) + Counter(month.counted_again) for month in months), Counter())),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "virtual_hours": time_of.clock.monotonic() / 3600 if time_of else 0.0,
        "applies": sum(month.attempts for month in months),
        "proof": sum(month.proof for month in months),
        "ledgers_lost": sum(month.lost for month in months),
        "stages": bench.stages,
        "peak_mib": usage.ru_maxrss / 1024,
        "months": [asdict(month) for month in months],
    }
    return told(result, text_of(result), as_json=given.json)


@contextmanager
def served(*, in_virtual_time: bool) -> Iterator[tuple[Server, Virtual | None]]:
    """Yield an emulator: over HTTP in a process of its own, or where waits cost nothing."""
    if in_virtual_time:
        with virtual() as (server, time_of):
            yield server, time_of
    else:
        with emulator() as server:
            yield server, None


class Bench:
    """One account and one ledger, through all months; `stages` says how many seconds went where."""

    def __init__(self, server: Server, folder: Path, *, faults: float, virtual: Virtual | None = None) -> None:
        self.server = server
        self.virtual = virtual
        self.clock = virtual.clock if virtual else RealClock()
        self.folder = folder
        self.faults = faults
        self.register = Register()
        self.stages: dict[str, float] = dict.fromkeys(("write", "load", "plan", "apply", "plan again", "check"), 0.0)
        self._tried_longer = False
        self._lost = False
        variables = server.variables(folder / "ledger.db")
        settings = read_settings(Options(files=("register.yaml",)), variables=variables, cwd=folder)
        self.environment: Environment = settings.environment()
        if faults:
            server.post("faults", {name: faults / len(FAULTS) for name in FAULTS})

    def lose_ledger(self) -> None:
        """Delete the ledger: what it had archived, and what the server is like, nobody knows any more."""
        for path in self.folder.glob("ledger.db*"):
            path.unlink()
        self._lost = True
        self._tried_longer = False
        self.register.forget()

    def month(self, snapshot: Path) -> Month:
        """Declare one snapshot, apply it, plan again, and hold the account against it."""
        began = time.perf_counter()
        lost, self._lost = self._lost, False
        rows = self._timed("write", lambda: self._written(snapshot))
        desired = self._timed("load", lambda: load_desired(["register.yaml"], root=self.folder).desired)
        live, archived = len(self.register.now) + len(self.register.strays), len(self.register.gone)
        listing = next_listing(self.server, self.folder / "ledger.db", PAGE)
        steps = self.register.step(rows, lost=lost)
        proof = proof_of(live, listing, steps)
        expected = self._expected(listing, archived, steps)
        expected["list"] += proof
        self.server.counted()
        plans, attempts, wrong = self._applied(desired)
        counted = self.server.counted()
        listed = next_listing(self.server, self.folder / "ledger.db", PAGE)
        again = self._timed("plan again", lambda: self._planned(desired))
        counted_again = self.server.counted()
        # What a plan without a ledger to write into finds out of longer pages, the next apply asks again.
        expected_again = Counter({"token": 1, "list": listed.requests})
        expected_again["list"] += listed.requests > 1 and not self._tried_longer
        if not self.faults:
            wrong += different("changes", steps, steps_of(plans[0]))
            wrong += different("requests of apply", expected, counted)
            wrong += different("requests of the second plan", expected_again, counted_again)
            price = plans[0].cost.requests + plans[0].cost.overhead
            wrong += different("price", {"requests": price}, {"requests": counted.total()})
        if not again.empty or again.blocked:
            wrong.append(f"the second plan holds {len(again.changes)} changes, {len(again.blocked)} blocked")
        wrong += self._timed("check", self._account)
        return Month(
            snapshot.name.removesuffix(".csv.gz"),
            len(rows),
            dict(steps),
            dict(expected),
            dict(counted),
            dict(expected_again),
            dict(counted_again),
            proof,
            lost,
            attempts,
            time.perf_counter() - began,
            tuple(wrong),
        )

    def _timed(self, stage: str, do: Callable[[], Any]) -> Any:  # noqa: ANN401 - what `do` returns
        """Return what `do` returns, its time counted."""
        began = time.perf_counter()
        try:
            return do()
        finally:
            self.stages[stage] += time.perf_counter() - began

    def _written(self, snapshot: Path) -> Rows:
        """Write a snapshot as the customers file, and return it by external_id."""
        with gzip.open(snapshot, "rt", encoding="utf-8", newline="") as text:
            rows: Rows = {f"irs-{row['ein']}": fields_of(row) for row in csv.DictReader(text)}
        entries = (Written(key, fields) for key, fields in rows.items())
        (self.folder / "register.yaml").write_text(write_customers(entries), encoding="utf-8")
        return rows

    def _expected(self, listing: Listing, archived: int, steps: Counter[str]) -> Counter[str]:
        """Return the requests that the formulae of docs/explanation/what-it-costs.md allow an apply without faults."""
        expected = Counter({"token": 1, "list": listing.requests, "payment methods": steps["archive"]})
        if steps["create"]:
            expected["list"] += listing.full  # the successor of each full last page
        if listing.requests > 1 and not self._tried_longer:
            self._tried_longer = True
            expected["list"] += 1  # longer pages, which the emulator cuts
        for name in ("create", "patch", "restore", "archive"):
            expected[name] = steps[name]
        expected["patch"] += steps["patch after restore"]
        if (archived or steps["archive"]) and self._to_learn():
            expected.update({"narrow list": 1, "get": 1})
        return +expected

    def _to_learn(self) -> bool:
        """
        Say whether the ledger does not know yet what becomes of archived customers.

        That is asked about in each run until it is learned: among many that were created at once, not the first time.
        """
        with closing(sqlite3.connect(self.folder / "ledger.db")) as ledger:
            row = ledger.execute("SELECT lists_archived, gets_archived FROM learned").fetchone()
        return row is None or None in row

    def _applied(self, desired: Desired) -> tuple[list[Plan], int, list[str]]:
        """Apply until nothing is left to do, and return the plans, how many applies it took, what was wrong."""
        plans: list[Plan] = []
        wrong: list[str] = []
        for attempt in range(1, ATTEMPTS + 1):
            try:
                plan, outcomes, halt = self._run(self._apply(desired))
            except ApiFailed:
                if not self.faults or attempt == ATTEMPTS:
                    raise
                continue
            plans.append(plan)
            if plan.limits:
                wrong.append(f"over {plan.limits[0].name}")
            left = Counter(outcome.status.value for outcome in outcomes if outcome.status is not Status.DONE)
            if not (left or halt or plan.blocked):
                return plans, attempt, wrong
            if not self.faults:
                break
        messages = sorted({said for outcome in outcomes if (said := outcome_text(outcome))})[:3]
        wrong.append(f"not done: {dict(left)}, {len(plan.blocked)} blocked, {halt or 'no halt'} {messages}")
        return plans, attempt, wrong

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what the coroutine returns
        """Run `coroutine` in the time that this bench lives in."""
        return self.virtual.run(coroutine) if self.virtual else asyncio.run(coroutine)

    def _client(self) -> ApiClient:
        """Return a client, not entered yet."""
        if self.virtual:
            return self.virtual.client(self.environment)
        return resources.open_client(self.environment, self.clock)

    def _planned(self, desired: Desired) -> Plan:
        """Return a plan; with faults, one that the account was not read for is made again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                plan: Plan = self._run(self._plan(desired))
            except ApiFailed:
                if not self.faults or attempt == ATTEMPTS:
                    raise
            else:
                return plan
        raise AssertionError("the last attempt returns or raises")

    async def _plan(self, desired: Desired) -> Plan:
        """Return a plan, made when the server's clock has passed the lag bound, so that it is from what is live."""
        self.server.wait(BETWEEN_S)
        async with self._client() as client:
            with resources.open_ledger(self.environment, writable=False) as ledger:
                terms = self.environment.terms(Options())
                return (await plan.make(client, ledger, desired, terms, say=silent)).plan

    async def _apply(self, desired: Desired) -> tuple[Plan, tuple[Outcome, ...], str]:
        """Plan and apply once, and return the plan, the outcomes, and why it stopped early, if it did."""
        self.server.wait(BETWEEN_S)
        terms = self.environment.terms(Options())
        async with self._client() as client:
            with resources.open_ledger(self.environment, writable=True) as ledger:
                began = time.perf_counter()
                planned = await plan.make(client, ledger, desired, terms, say=silent, lacked={})
                made = time.perf_counter()
                self.stages["plan"] += made - began
                if planned.plan.limits:
                    return planned.plan, (), ""
                carried = await apply.carry_out(
                    client,
                    ledger,
                    planned,
                    terms,
                    run=apply.new_run(self.clock, "apply"),
                    clock=self.clock,
                    stop=asyncio.Event(),
                    tell=silent,
                )
                self.stages["apply"] += time.perf_counter() - made
        return planned.plan, carried.result.outcomes, carried.result.halt

    def _account(self) -> list[str]:
        """Return where the account is not what the register says: who is active, who is archived, every field."""
        active: Rows = {}
        archived: list[str] = []
        customers = self.server.customers()
        for one in customers:
            if one["archived"]:
                archived.append(one["external_id"])
            else:
                active[one["external_id"]] = {name: one.get(name) or "" for name in FIELD_NAMES}
        wrong = different("customers ever", {"": self.register.ever}, {"": len(customers)})
        if len(active) + len(archived) < len(customers):
            wrong.append(f"{len(customers) - len(archived) - len(active)} are active twice")
        wanted = {**self.register.strays, **self.register.now}
        if active != wanted:
            keys = active.keys() | wanted.keys()
            wrong.append(f"{sum(active.get(key) != wanted.get(key) for key in keys)} live ones differ")
        if sorted(archived) != sorted([*self.register.gone, *self.register.forgotten]):
            wrong.append("other customers are archived than those that left")
        return wrong


FIELD_NAMES = ("name", "ein", "street_address", "city", "state", "postal_code")


def fields_of(row: Mapping[str, str]) -> dict[str, str]:
    """Return a row of the register as a customer's fields."""
    return {name: row["street" if name == "street_address" else name] for name in FIELD_NAMES}


def pages(customers: int) -> int:
    """Return how many list requests read so many customers: one at least."""
    return max(1, ceil(customers / PAGE))


def proof_of(live: int, listing: Listing, steps: Mapping[str, int]) -> int:
    """Return how many requests the second listing takes, in one, with what follows a full last page."""
    return pages(live) + (live % PAGE == 0) if steps.get("create") and listing.requests > 1 else 0


def steps_of(plan: Plan) -> Counter[str]:
    """Return the changes of a plan by kind, a patch of a customer that it restores apart."""
    restored = {change.address for change in plan.changes if change.action is Action.RESTORE}
    return Counter(
        "patch after restore" if change.action is Action.PATCH and change.address in restored else change.action.value
        for change in plan.changes
    )


def different(what: str, wanted: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Return in words where two counts differ, nothing where they do not."""
    names = [name for name in (*wanted, *found) if wanted.get(name, 0) != found.get(name, 0)]
    return [
        f"{what}: {name} {found.get(name, 0)}, wanted {wanted.get(name, 0)}".replace(":  ", ": ")
        for name in dict.fromkeys(names)
    ]


def totals_of(months: list[Month], register: Register) -> dict[str, int]:
    """Return the changes of all transitions together (the first snapshot fills the account), and who ever was."""
    total: Counter[str] = sum((Counter(month.steps) for month in months[1:]), Counter())
    return {**{name: total[name] for name in WANTED if name != "ever"}, "ever": register.ever}


def line_of(month: Month) -> str:
    """Return one month as a line, as it ends."""
    steps = " ".join(f"{name} {count}" for name, count in month.steps.items())
    sent = (
        f"{sum(month.counted.values())} of {sum(month.expected.values())}"
        f" + {sum(month.counted_again.values())} of {sum(month.expected_again.values())}"
    )
    ends = "".join(f"\n    WRONG {text}" for text in month.wrong)
    lost = ", without a ledger" if month.lost else ""
    return (
        f"{month.name} {month.customers:,} customers{lost}, requests {sent}, {month.proof} of them the proof, "
        f"{month.seconds:.1f} s: {steps}{ends}"
    )


def text_of(result: Mapping[str, Any]) -> str:
    """Return the result as tables."""
    totals = table(("over the transitions", "counted"), [(k, f"{v:,}") for k, v in result["totals"].items()])
    sent = result["requests"]
    kinds = [(kind, f"{sent[kind]:,}") for kind in (*KINDS, "other") if sent.get(kind)]
    stages = [(stage, f"{seconds:.1f}") for stage, seconds in result["stages"].items()]
    end = f"{result['seconds']:.0f} s, own CPU {result['cpu_seconds']:.0f} s, peak {result['peak_mib']:.0f} MiB"
    if result["virtual_hours"]:
        end = f"{result['applies']} applies, {result['virtual_hours']:.1f} hours in virtual time; {end}"
    proof = f"{result['proof']:,} list requests proved who did not exist"
    proof += f"; the ledger was lost {result['ledgers_lost']} times"
    wrong = "\n".join(result["wrong"]) or "every number is the wanted one"
    parts = (totals, table(("requests", "sent"), kinds), table(("stage", "seconds"), stages), proof, end, wrong)
    return "\n" + "\n\n".join(parts)


def silent(_: object) -> None:
    """Hear nothing."""


if __name__ == "__main__":
    sys.exit(main())
