"""
A run killed at every one of its steps: the next run ends it, and nothing is lost or doubled.

python bench/crash.py [--ledger postgres|objects] [--every N] [--set NAME=VALUE] [--json]

A step is the moment before a request leaves, after its answer came, before a commit, or after it (`crash_points`).
For each, a process of its own applies and kills itself there (SIGKILL); then `reconciler apply` runs, and the account,
the journal and a further plan are looked at. `--ledger postgres` and `--ledger objects` start a server of their own
(`requirements/test.txt`); `--set` is a switch of the emulator's, as `reconciler emulator` takes it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from stored import STORED, Stored
from workbench import Server, emulator, measured, program, table, told

from reconciler.clock import RealClock
from reconciler.desired.load import load_desired
from reconciler.ledger.open import open_ledger
from reconciler.pipeline import apply, plan, resources
from reconciler.settings import Options, read_settings

LATER_S = 60
"""By then every create of a dead run is to be seen: 10 s of lag, 5 s until it leaves, 30 s until it is served."""

ALIVE = 5
"""So many runs in a row end before their step came: writes that meet share a commit, so runs differ in their steps."""

KEPT = "".join(f"  kept-{number}: {{name: Kept, email: kept@x.example}}\n" for number in range(20))
USERS = ("jane@x.example: {first_name: Jane}", "joe@x.example: {first_name: Joe}")
BOTH = f"users: {{{', '.join(USERS)}}}"
JANE = f"users: {{{USERS[0]}}}"


def _file(**customers: str) -> str:
    """Return a customers file: those that stay as they are, and these."""
    return "customers:\n" + KEPT + "".join(f"  {key}: {{{text}}}\n" for key, text in customers.items())


SAME = {"joined": f"name: Joined, {JANE}", "lone": "name: Lone", "back": "name: Back", "returned": "name: Returned"}
FIRST = _file(**SAME, patched="name: Patched", moved="name: Moved", closed="name: Closed", gone="name: Gone")
SECOND = FIRST.replace("name: Back", "name: Back, archived: true").replace(
    "name: Returned", "name: Returned, archived: true"
)
THIRD = _file(
    joined=f"name: Joined, {BOTH}",
    lone=f"name: Lone, {JANE}",
    back="name: Back",
    returned="name: Returned, city: Paris",
    patched="name: Patched, city: Boston",
    moved="name: Moved, city: Rome",
    closed="name: Closed, archived: true",
    new=f"name: New, {BOTH}",
    newer=f"name: Newer, {BOTH}",
    newest="name: Newest",
)
ARCHIVED = {"closed", "gone"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What every run begins with: the account, the ledger, the folder with the customers file."""

    server: Server
    folder: Path
    account: Sequence[Mapping[str, Any]]
    stored: Stored

    def variables(self) -> dict[str, str]:
        """Return the variables of our program."""
        return {**self.server.variables(self.stored.state), "XDG_STATE_HOME": str(self.folder / "state")}

    def lay(self) -> None:
        """Lay the account and the ledger anew."""
        self.server.post("reset", {})
        self.server.post("load", {"customers": self.account})
        self.stored.lay()


def main() -> int:
    """Kill a run at every step; 1 where anything was lost or doubled, or a run did not end what it should."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th step only")
    arguments.add_argument("--ledger", choices=sorted(STORED), default="sqlite", help="where the ledger lies")
    arguments.add_argument("--set", dest="switches", action="append", default=[], metavar="NAME=VALUE")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    switches = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given.switches)}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, emulator() as server:
        server.post("behaviour", switches)
        ground = _prepared(server, Path(name), STORED[given.ledger](Path(name)))
        found: Counter[str] = Counter()
        wrong: list[str] = []
        at, alive = 1, 0
        while alive < ALIVE:
            ground.lay()
            if _killed(ground, at):
                alive = 0
                server.wait(LATER_S)
                more = _ended(ground, found)
                wrong += [f"step {at}: {one}" for one in more]
                found["kills"] += 1
                found["converged"] += not more
            else:
                alive += 1
            at += given.every
    result: dict[str, Any] = {
        "ok": found["kills"] > 0 and not wrong and found["converged"] == found["kills"],
        "server": switches,
        "ledger": given.ledger,
        **{key: found[key] for key in ("kills", "converged", "second_runs", "duplicates", "lost", "open_intents")},
        "wrong": wrong,
        "seconds": round(time.perf_counter() - began, 1),
    }
    rows = [(key.replace("_", " "), result[key]) for key in list(result)[3:-2]]
    text = table(("killed at every step", "count"), [*rows, ("seconds", result["seconds"])])
    return told(result, "\n".join([text, *wrong]), as_json=given.json)


def _prepared(server: Server, folder: Path, stored: Stored) -> Ground:
    """Return the ground of every run: two states applied, and a third declared."""
    ground = Ground(server, folder, (), stored)
    for text in (FIRST, SECOND):
        (folder / "customers.yaml").write_text(text)
        if measured(_apply(), ground.variables(), folder).code:
            raise RuntimeError("the ground could not be laid")
        server.wait(LATER_S)
    (folder / "customers.yaml").write_text(THIRD)
    stored.keep()
    return Ground(server, folder, server.customers(), stored)


def _apply() -> list[str]:
    """Return the command."""
    return program("apply", "-f", "customers.yaml", "--auto-approve", "--format", "json")


def _killed(ground: Ground, at: int) -> bool:
    """Apply in a process that kills itself at its `at`-th step, and say whether it came so far."""
    # A new process, not a fork of this one: what this one has used of a store's client would hang there.
    child = get_context("spawn").Process(target=_die, args=(ground.variables(), ground.folder, at))
    child.start()
    child.join()
    if child.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"step {at}: the run ended with {child.exitcode}")
    return child.exitcode != 0


def _die(variables: Mapping[str, str], folder: Path, at: int) -> None:
    """Be the process that kills itself."""
    os.environ.update(variables)
    os.chdir(folder)
    asyncio.run(_dying(variables, folder, at))


async def _dying(variables: Mapping[str, str], folder: Path, at: int) -> None:
    """Plan and apply as the command does, up to the `at`-th step."""
    left = at

    def step(_: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    options = Options(files=("customers.yaml",))
    settings = read_settings(options, variables=variables, cwd=folder)
    environment, clock = settings.environment(), RealClock()
    desired = load_desired(["customers.yaml"], root=folder).desired
    terms = environment.terms(options)
    async with resources.open_client(environment, clock, step=step) as client:
        with await resources.begin(environment, clock, doing="apply", step=step) as ledger:
            planned = await plan.make(client, ledger, desired, terms, say=_silent, patience=clock)
            if planned.plan.blocked or planned.plan.limits:
                raise RuntimeError(f"not all can be done: {planned.plan.blocked} {planned.plan.limits}")
            run = apply.new_run(clock, "apply")
            await apply.carry_out(
                client, ledger, planned, terms, run=run, clock=clock, stop=asyncio.Event(), tell=_silent
            )


def _silent(_: object) -> None:
    """Say nothing."""


def _ended(ground: Ground, found: Counter[str]) -> list[str]:
    """Run again, and return what is wrong after it; `found` counts it."""
    run = measured(_apply(), ground.variables(), ground.folder)
    if run.code == 1 and run.stdout and json.loads(run.stdout)["summary"].get("in_doubt"):
        found["second_runs"] += 1
        ground.server.wait(LATER_S)
        run = measured(_apply(), ground.variables(), ground.folder)
    wrong = [f"apply ended with {run.code}: {run.stdout[-500:]}"] if run.code else []
    wrong += _account_faults(ground.server.customers(), found)
    with open_ledger(ground.stored.state, environment="default", base_url=ground.server.url, writable=False) as ledger:
        still_open = len(ledger.records().intents)
    found["open_intents"] += still_open
    wrong += [f"{still_open} intents are open"] if still_open else []
    ground.server.wait(LATER_S)
    plan = measured(program("plan", "-f", "customers.yaml", "--detailed-exitcode"), ground.variables(), ground.folder)
    return [*wrong, *([f"a further plan: {plan.stdout[-500:]}"] if plan.code else [])]


def _account_faults(customers: Sequence[Mapping[str, Any]], found: Counter[str]) -> list[str]:
    """Return where the account is not as declared."""
    desired = {**_declared(THIRD), "gone": ({"name": "Gone"}, [])}
    keys = Counter(one["external_id"] for one in customers)
    doubled = [key for key, count in keys.items() if count > 1]
    wrong = [f"{key} is there twice" for key in doubled]
    lost = sorted(desired.keys() - keys.keys())
    wrong += [f"{key} is not there" for key in lost]
    found["duplicates"] += len(doubled)
    found["lost"] += len(lost)
    for one in customers:
        fields, users = desired[one["external_id"]]
        emails = sorted(user["email"] for user in one["users"])
        if len(set(emails)) < len(emails):
            found["duplicates"] += 1
        held = {name: one[name] for name in fields}
        if (held, emails, one["archived"]) != (fields, users, one["external_id"] in ARCHIVED):
            wrong.append(f"{one['external_id']} is not as declared: {held} {emails} {one['archived']}")
    return wrong


def _declared(text: str) -> dict[str, tuple[dict[str, str | None], list[str]]]:
    """Return fields and e-mails of users by external_id, as a customers file declares them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "customers.yaml").write_text(text)
        customers = load_desired(["customers.yaml"], root=Path(folder)).desired.customers
    return {key: (dict(one.fields), sorted(user.email for user in one.users)) for key, one in customers.items()}


if __name__ == "__main__":
    sys.exit(main())
