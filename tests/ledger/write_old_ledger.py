"""
Keep a ledger of today's format, of each kind, for the tests of later versions.

`python tests/ledger/write_old_ledger.py` plays a story against the emulator: adopted, created, patched, archived,
edited by hand, and a run that was killed. `--program FOLDER` lets the program of another checkout play it, so that
its format is kept.
"""

from __future__ import annotations

import getpass
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[1]))

import ledgers
import postgres_server
from command_line import Online, Ran, variables_of

from reconciler.emulator.fault_settings import read_flags
from reconciler.emulator.faults import RandomFaults
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator

ROOT = Path(__file__).parents[2]
MIGRATIONS = {"sqlite": "reconciler/ledger/migrations", "postgres": "reconciler/ledger/postgres/migrations"}
BEFORE = [
    {"id": "cus_initech", "name": "Initech LLC", "created_at": "2026-01-05T08:00:00Z"},
    {"id": "cus_hooli", "external_id": "hooli", "name": "Hooli", "created_at": "2026-01-06T08:00:00Z"},
    {"id": "cus_other", "external_id": "not-ours", "name": "Other", "created_at": "2026-01-07T08:00:00Z"},
]


def main(words: list[str]) -> None:
    """Write the fixtures of one program."""
    program = Path(words[1]).resolve() if words[:1] == ["--program"] else ROOT
    for kind, folder in MIGRATIONS.items():
        number = len(list((program / folder).glob("*.sql")))
        if number:
            target = ledgers.FOLDER / f"{kind}-{number}"
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            with TemporaryDirectory() as place, running(emulator := Emulator(rate=0)) as url:
                shop = Online(Path(place), variables_of(url) | {"PYTHONPATH": str(program)}, emulator)
                _keep(kind, shop, target)


def _keep(kind: str, shop: Online, target: Path) -> None:
    """Play the story with one kind of ledger, and keep what there is at its end."""
    state = postgres_server.database("story") if kind == "postgres" else str(shop.folder / "ledger.db")
    shop.variables["RECONCILER_STATE"] = state
    _play(shop)
    texts = {
        "ledger.sql": _database(state) if kind == "postgres" else _file(state),
        "account.json": json.dumps(ledgers.account_of(shop.emulator.account), indent=1) + "\n",
    }
    pulled = shop.spawn("state", "pull")
    if pulled.code == 0:  # the first format's program had no such command
        texts["copy.jsonl"] = pulled.out
    for name, text in texts.items():
        ours = _of_nobody(text).replace(shop.variables["AP_BASE_URL"], ledgers.ANY_URL)
        (target / name).write_text(ledgers.copy_of(ours) if name == "copy.jsonl" else ours, encoding="utf-8")
    time.sleep(11)  # the intent of the run that was killed is older than the lag bound then
    _done(shop.spawn("plan", "-f", "customers.yaml", "--out", "next.plan"))
    plan = (shop.folder / "next.plan").read_text(encoding="utf-8")
    (target / "next.plan").write_text(plan.replace(shop.variables["AP_BASE_URL"], ledgers.ANY_URL), encoding="utf-8")


def _play(shop: Online) -> None:
    """Apply twice, let somebody edit, and be killed in a create."""
    shop.load(*BEFORE)
    for number in (1, 2):
        shop.write("customers.yaml", (ledgers.FOLDER / f"{number}.yaml").read_bytes())
        _done(shop.spawn("apply", "-f", "customers.yaml", "--auto-approve", "--max-archives", "1"))
        shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Salem"})
    shop.write("customers.yaml", (ledgers.FOLDER / "3.yaml").read_bytes())
    _killed(shop)
    shop.later()


def _killed(shop: Online) -> None:
    """Kill a run whose create was done, and not answered."""
    shop.emulator.faults = RandomFaults(read_flags(("slow=next:99,writes", "slow_s=60")))
    with shop.start("apply", "-f", "customers.yaml", "--auto-approve", "--target", "wonka") as run:
        while not shop.emulator.account.holders.get("wonka"):
            time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    shop.emulator.faults = RandomFaults()


def _done(ran: Ran) -> None:
    """End where a command of the story failed."""
    if ran.code:
        raise SystemExit(f"the story stopped: {ran.code}\n{ran.all}")


def _file(path: str) -> str:
    """Return a file of SQLite as SQL, its header's marks included."""
    with closing(sqlite3.connect(path)) as connection:
        marks = [
            f"PRAGMA {name} = {connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*marks, *connection.iterdump(), ""])


def _database(url: str) -> str:
    """Return the ledgers of a database as SQL."""
    programs = postgres_server.programs()
    command = [programs / "pg_dump", "--inserts", "--no-owner", "--no-privileges", "--schema=reconciler", url]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "".join(line for line in dump.splitlines(keepends=True) if not line.startswith(("--", "\\", "\n")))


def _of_nobody(text: str) -> str:
    """Return a text without the names of this machine and of who works at it, in a ledger that names them."""
    host = socket.gethostname()
    text = text.replace(f"{getpass.getuser()}@{host}", "ana@host")
    return re.sub(rf"'{re.escape(host)} [0-9a-f-]{{36}} ", f"'host {UUID(int=0)} ", text)


if __name__ == "__main__":
    main(sys.argv[1:])
