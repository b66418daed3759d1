"""
Hostile input: YAML, project files, saved plans, replies, ledgers and objects, changed at random from a seed.

Whatever is read, the program ends by itself: no traceback, never "this is a bug in reconciler", at most 2 s of CPU
and 256 MiB. Whatever a saved plan says, it sends nothing that the plan did not send before it was changed. Each case
runs in a process of its own, which is forked, so that its memory and its time are its own.

python bench/fuzz.py [--seconds S] [--seed N] [--only KIND] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import base64
import copy
import hashlib
import http.server
import importlib
import json
import os
import pkgutil
import random
import resource
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import table

from reconciler import cli
from reconciler.cli.app import run
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator
from reconciler.errors import ReconcilerError
from reconciler.ledger.objects.replica import made, opened
from reconciler.ledger.objects.segments import read_head, read_segment, read_snapshot, write_snapshot
from reconciler.ledger.sqlite_file import shipped
from reconciler.pipeline.sealed_plan import sealed
from reconciler.rules import Account
from reconciler.settings import Options, read_settings

MOST_S = 2.0
MOST_MIB = 256
_HUNG_S = 20
_WHOSE = ("default", "https://api.example")

YAML = b"""\
version: 1
customers:
  acme: {name: Acme, email: billing@acme.example, city: Boston, ein: 12-3456789}
  "globex":
    name: 'Globex & Co'   # a comment
    email: accounts@globex.example
    street_address: |-
      1 Main St
      Apt 2
    users: {jane@globex.example: {first_name: Jane, last_name: Doe}}
  initech: {archived: true, name: Initech}
moved: [{from: old, to: acme}]
"""
PLANNED = b"""\
version: 1
customers:
  acme: {name: Acme, email: billing@acme.example, city: Dover, users: {joe@acme.example: {first_name: Joe}}}
  hooli: {name: Hooli, email: ap@hooli.example, users: {ann@hooli.example: {last_name: Lee}}}
  old: {name: Old, protect: true}
"""
"""What the saved plan is made of, where `YAML` was applied: it archives globex, patches, and creates."""
PROJECT = b"""\
version: 1
project: fuzz
files: [customers.yaml]
environments:
  default:
    client_id: ${AP_CLIENT_ID}
    client_secret: ${AP_CLIENT_SECRET}
    state: .reconciler/default.db
    owns: ["west-*"]
    server: {lists_archived: false, lag: 0s}
    equal: {country: [[US, USA]]}
    policy: {max_archives: 5%, protect: ["vip-*"], windows: [{days: [mon-fri], from: 09:00, zone: Europe/Berlin}]}
"""
TOKENS = (
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b",",
    b"\n",
    b"\r",
    b"\t",
    b"  ",
    b"-",
    b"#",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!int ",
    b"|",
    b">",
    b"null",
    b"true",
    b"~",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"NaN",
    b"\\ud800",
    b"\\u0000",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    "\u202e".encode(),
    b"${",
    b"${HOME}",
    b"$$",
    b"%ZZ",
    b"../",
    b"/dev/null",
    b"::debug::",
    b"##vso[x]",
    b"x" * 5000,
    b"[" * 3000,
    b"{a: " * 500,
    b"- " * 2000,
    b"\xf0\x9f\x98\x80",
    b"<<<<<<< HEAD\n",
    b"0x1F",
    b"2026-01-01",
    b"---\n",
    b"...\n",
)
VALUES: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**400,
    2**63,
    1.5,
    1e308,
    "",
    " ",
    "x",
    "\ud800",
    "\x00",
    "\u202e",
    "##vso[task.x]",
    "a" * 10_000,
    [],
    {},
    [[]],
    [None],
    {"a": None},
    ["x"] * 50,
    "2026-01-01T00:00:00Z",
    "cus_1",
    "acme",
    "../..",
    "9" * 5000,
    "-inf",
)


JSON_VALUES = ('{"name": 7}', '{"name": {"patched": 1}}', '{"fields": {"name": [1, 2]}}', '{"made": "x"}', '["a"]', "{")
"""What a column of a ledger may hold that wants JSON of another shape."""
READERS = (
    ["plan", "-f", "customers.yaml"],
    ["drift", "-f", "customers.yaml"],
    ["show", "acme", "--why", "-f", "customers.yaml"],
    ["state", "show", "acme"],
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a case ended: what it said, its exit code (negative: a signal), its CPU time and its memory."""

    said: str
    code: int
    cpu_s: float
    mib: float

    def fault(self) -> str:
        """Return what is wrong with it, "" for nothing."""
        if "Traceback (most recent call last)" in self.said:
            return "a traceback"
        if "this is a bug in reconciler" in self.said:
            return "calls itself a bug"
        if self.code < 0:
            return f"ended by signal {-self.code}"
        if self.cpu_s > MOST_S:
            return f"{self.cpu_s:.1f} s of CPU"
        return f"{self.mib:.0f} MiB" if self.mib > MOST_MIB else ""


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return bytes, changed at some places."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.choice((1, 1, 2, 5, 20, 200)))
        match chance.randrange(6):
            case 0:
                content = content[:at] + content[end:]
            case 1:
                content = content[:at] + bytes(chance.randrange(256) for _ in range(end - at)) + content[end:]
            case 2:
                content = content[:at] + content[at:end] * chance.choice((2, 3, 50)) + content[end:]
            case 3:
                content = content[:at]
            case _:
                content = content[:at] + chance.choice(TOKENS) + content[at if chance.random() < 0.5 else end :]
    return content


def replaced(document: Any, chance: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Return a JSON document with one value, or key, somewhere in it replaced, dropped or doubled."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        key = chance.choice(list(document))
        match chance.randrange(8):
            case 0:
                return {name: value for name, value in document.items() if name != key}
            case 1:
                return document | {str(chance.choice(VALUES)): document[key]}
            case _:
                return document | {key: replaced(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.85:
        at = chance.randrange(len(document))
        match chance.randrange(8):
            case 0:
                return document[:at] + document[at + 1 :]
            case 1:
                return document[: at + 1] + document[at:]
            case _:
                return [*document[:at], replaced(document[at], chance), *document[at + 1 :]]
    return chance.choice(VALUES)


def changed_json(document: object, chance: random.Random) -> bytes:
    """Return a JSON document, changed in its values, and now and then in its bytes."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        document = replaced(document, chance)
    content = json.dumps(document).encode()
    return changed(content, chance) if chance.random() < 0.2 else content


class Replies:
    """A server whose replies to requests of customers are changed; `seed` is the case's."""

    def __init__(self) -> None:
        self.seed = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        replies = self
        heard = Counter[int]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                heard[replies.seed] += 1
                chance = random.Random(f"{replies.seed} {heard[replies.seed]}")  # noqa: S311 - no secret
                status, content = replies.reply(self.path, self.command, chance)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                with suppress(OSError):  # the case ended before
                    self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    @staticmethod
    def reply(path: str, method: str, chance: random.Random) -> tuple[int, bytes]:
        """Return the status and the body of a reply."""
        if path.startswith("/oauth"):
            return 200, b'{"access_token": "fuzz", "token_type": "bearer", "expires_in": 3600}'
        names = ("name", "email", "external_id", "city", "country", "ein", "street_address")
        rows = [
            {"id": f"cus_{n}", **{name: f"{name}-{n}" for name in names}, "created_at": "2026-01-01T00:00:00Z"}
            for n in range(3)
        ]
        page = {
            "data": rows,
            "has_next_page": False,
            "end_cursor": "c",
            "start_cursor": "a",
            "has_previous_page": False,
        }
        whole: object = page if method == "GET" and path.partition("?")[0].count("/") == 1 else rows[0]
        if chance.random() < 0.1:
            error = {"code": "bad_request", "message": "no", "validation_errors": {"ein": "no"}}
            return chance.choice((400, 404, 409, 422)), changed_json(error, chance)
        return 200, changed_json(whole, chance)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with an applied project, what it holds, and the servers; `writes` are those of the saved plan."""

    folder: Path
    url: str
    replies: Replies
    emulator: Emulator
    writes: Counter[str]
    plan: dict[str, Any]
    ledger: bytes
    copy: list[Any]
    snapshot: bytes
    segment: dict[str, Any]


def case_of(kind: str, place: Place, folder: Path, chance: random.Random) -> Callable[[], int]:
    """Write the input of a case into `folder`, and return what reads it."""
    (folder / "customers.yaml").write_bytes(YAML)
    (folder / ".reconciler").mkdir()
    ledger = folder / ".reconciler" / "default.db"
    os.environ.pop("RECONCILER_PLAN_KEY", None)
    os.environ.update(AP_BASE_URL=place.url, AP_CLIENT_ID="local", AP_CLIENT_SECRET="local", RECONCILER_RATE="0")  # noqa: S106 - the emulator's
    match kind:
        case "yaml":
            (folder / "customers.yaml").write_bytes(changed(YAML, chance))
            words = chance.choice((["validate", "-f", "customers.yaml"], ["fmt", "--diff", "customers.yaml"]))
        case "project":
            (folder / "reconciler.yaml").write_bytes(changed(PROJECT, chance))
            words = chance.choice((["validate"], ["state", "list"]))
        case "saved plan":
            ledger.write_bytes(place.ledger)
            (folder / "customers.yaml").write_bytes(PLANNED)
            (folder / "saved.plan").write_bytes(changed_plan(place.plan, chance, folder))
            words = ["apply", "saved.plan", "-f", "customers.yaml", "--auto-approve"]
        case "replies":
            os.environ["AP_BASE_URL"] = place.replies.url
            words = chance.choice(
                (["plan", "-f", "customers.yaml"], ["import"], ["api", "customers", "list", "--redact"])
            )
        case "ledger":
            if chance.random() < 0.5:
                ledger.write_bytes(changed(place.ledger, chance))
            else:
                ledger.write_bytes(place.ledger)
                change_values(ledger, chance)
            words = chance.choice((["state", "list"], ["history"], *READERS))
        case "copy":
            rows = [*place.copy[:-1]]
            for _ in range(chance.choice((1, 2))):
                at = chance.randrange(len(rows))
                rows[at] = replaced(rows[at], chance)
            (folder / "copy").write_bytes(sealed_copy(rows, chance))
            push, then = ["state", "push", "copy", "--force"], chance.choice(READERS)
            return lambda: run(push) or run(then)
        case _:
            return objects_case(place, chance)
    return lambda: run(words)


def change_values(path: Path, chance: random.Random) -> None:
    """Change values in the rows of a ledger, as SQLite lets anybody do."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = 1")
        columns = database.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
        for table, column in chance.choices(columns, k=chance.choice((1, 1, 2))):
            value = chance.choice((*VALUES, *JSON_VALUES))
            if isinstance(value, (list, dict)) or (isinstance(value, int) and abs(value) >= 2**63):
                value = json.dumps(value)
            with suppress(sqlite3.Error, UnicodeError):  # a value that cannot be there
                database.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (value,))  # noqa: S608 - its own names


def changed_plan(document: dict[str, Any], chance: random.Random, folder: Path) -> bytes:
    """Return a saved plan that was changed: mostly with a digest that is right, and half of those sealed."""
    if chance.random() < 0.2:
        return changed_json(document, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        document = replaced(document, chance)
    if not isinstance(document, dict):
        return json.dumps(document).encode()
    document.pop("digest", None)
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    text = json.dumps(document | {"digest": hashlib.sha256(content.encode()).hexdigest()})
    if chance.random() < 0.5:
        return text.encode()
    os.environ["RECONCILER_PLAN_KEY"] = base64.b64encode(b"k" * 32).decode()
    envelope = sealed(text, read_settings(Options(), variables=os.environ, cwd=folder).environment()).encode()
    return changed(envelope, chance) if chance.random() < 0.3 else envelope


def sealed_copy(rows: list[Any], chance: random.Random) -> bytes:
    """Return the lines of a copy with a checksum that is right, so that what is in the lines is read."""
    lines = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
    last = {"rows": len(rows) - 1, "sha256": hashlib.sha256(lines).hexdigest()}
    content = lines + json.dumps(last, separators=(",", ":")).encode() + b"\n"
    return changed(content, chance) if chance.random() < 0.1 else content


def objects_case(place: Place, chance: random.Random) -> Callable[[], int]:
    """Return what reads an object of a bucket."""
    if chance.random() < 0.5:
        content = changed_json(place.segment, chance)
        packed = zlib.compress(content) if chance.random() < 0.8 else changed(zlib.compress(content), chance)

        def read() -> None:
            read_segment(packed, len(shipped()), "s3://bucket")
            read_head(content, "s3://bucket")
    else:
        database = changed(place.snapshot, chance)

        def read() -> None:
            ledger, _ = opened(read_snapshot(write_snapshot(database), "s3://bucket"), "s3://bucket", _WHOSE, shipped())
            ledger.records()

    def code() -> int:
        try:
            read()
        except ReconcilerError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return 0

    return code


def saved_plan_writes(emulator: Emulator, folder: Path) -> Counter[str]:
    """Return what the saved plan sends as it is, in an account that is left as it was."""
    account = copy.deepcopy(emulator.account)
    emulator.requests.clear()
    ended = forked(lambda: run(["apply", "saved.plan", "-f", "customers.yaml", "--auto-approve"]), folder)
    planned, emulator.account = writes(emulator, account), account
    if ended.code or not planned:
        raise RuntimeError(ended.said)
    return planned


def writes(emulator: Emulator, before: Account) -> Counter[str]:
    """Return the requests that change something; the ids of new customers, which differ with the order, left out."""
    sent = (one for one in emulator.requests if one.method != "GET" and one.path != "/oauth/token")
    paths = ((one.method, one.path.split("/")) for one in sent)
    known = {"customers", "users", *before.customers}
    return Counter(f"{method} {'/'.join(part if part in known else '' for part in path)}" for method, path in paths)


def unplanned(sent: Counter[str]) -> str:
    """Return what is wrong with requests that the plan as it was saved does not make, "" for none."""
    return f"sent {', '.join(sent.elements())}" if sent else ""


KINDS = ("yaml", "project", "saved plan", "replies", "ledger", "copy", "objects")


def forked(work: Callable[[], int], folder: Path) -> Ended:
    """Run `work` in a process of its own, in `folder`."""
    said = folder / "said"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (_HUNG_S, _HUNG_S))
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
            os.chdir(folder)
            code = work()
        except BaseException:  # noqa: BLE001 - what a case must not end in is printed and found
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code & 0xFF)
    _, status, used = os.wait4(child, 0)
    text = said.read_text("utf-8", "replace") if said.exists() else ""
    return Ended(text, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextmanager
def prepared() -> Iterator[Place]:
    """Yield a place whose project was applied to an emulator."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        emulator = Emulator(rate=0)
        with running(emulator) as url:
            os.environ.update(AP_BASE_URL=url, AP_CLIENT_ID="local", AP_CLIENT_SECRET="local", RECONCILER_RATE="0")  # noqa: S106
            files = ["-f", "customers.yaml"]
            for customers, words in (
                (YAML, ["apply", *files, "--auto-approve"]),
                (PLANNED, ["plan", *files, "--out", "saved.plan"]),
                (PLANNED, ["state", "pull", "-o", "copy"]),
            ):
                (folder / "customers.yaml").write_bytes(customers)
                ended = forked(lambda words=words: run(words), folder)  # type: ignore[misc]
                if ended.code not in (0, 2):
                    raise RuntimeError(ended.said)
            ledger = (folder / ".reconciler" / "default.db").read_bytes()
            planned = saved_plan_writes(emulator, folder)
            database = made("s3://bucket", _WHOSE, shipped(), "lineage")
            holder = {"who": "ana", "since": "", "doing": ""}
            segment = {
                "format": len(shipped()),
                "kind": "commit",
                "id": "1",
                "writer": {"run": "r", "account": "a", "holder": holder},
                "rows": [["put taken", "acme", "taken"]],
                "by": holder,
                "lineage": "",
                "serial": 0,
            }
            yield Place(
                folder=folder,
                url=url,
                replies=Replies(),
                emulator=emulator,
                writes=planned,
                plan=json.loads((folder / "saved.plan").read_bytes()),
                ledger=ledger,
                copy=[json.loads(line) for line in (folder / "copy").read_bytes().splitlines()],
                snapshot=database,
                segment=segment,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run cases until the time is over, and return 1 where one ended as none may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--keep", type=Path, help="where the input of each case that failed is kept")
    asked = parser.parse_args()
    kinds = (asked.only,) if asked.only else KINDS
    # So that a case costs what it reads, and not the imports.
    for module in pkgutil.iter_modules(cli.__path__, "reconciler.cli."):
        importlib.import_module(module.name)
    ran, wrong, slowest, largest = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    with prepared() as place:
        until, number = time.monotonic() + asked.seconds, asked.seed * 1_000_000
        while time.monotonic() < until:
            number += 1
            kind = kinds[number % len(kinds)]
            place.replies.seed = number
            folder = Path(tempfile.mkdtemp(prefix="case-", dir=place.folder))
            account = copy.deepcopy(place.emulator.account)
            place.emulator.requests.clear()
            ended = forked(case_of(kind, place, folder, random.Random(number)), folder)  # noqa: S311 - no secret
            sent = writes(place.emulator, account)
            place.emulator.account = account
            ran[kind] += 1
            slowest[kind] = max(slowest[kind], round(ended.cpu_s * 1000))
            largest[kind] = max(largest[kind], round(ended.mib))
            if fault := ended.fault() or unplanned(sent - place.writes):
                wrong[kind] += 1
                sys.stderr.write(f"{kind} {number}: {fault}\n{ended.said[-1500:]}\n")
                if asked.keep:
                    shutil.copytree(folder, asked.keep / f"{kind.replace(' ', '-')}-{number}", dirs_exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
    rows = [(kind, ran[kind], wrong[kind], f"{slowest[kind] / 1000:.2f}", largest[kind]) for kind in kinds]
    sys.stdout.write(table(("input", "cases", "wrong", "slowest (s)", "largest (MiB)"), rows) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
