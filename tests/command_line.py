"""The command line for tests: run in this process or in one of its own, against an emulator on a free port."""

from __future__ import annotations

import copy
import http.server
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import jsonschema
import preloaded

from reconciler.cli.app import run
from reconciler.emulator.service import Emulator, load

OURS = (
    "AP_",
    "RECONCILER_",
    "XDG_",
    "CI",
    "COLUMNS",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "TERM",
    "LANG",
    "LC_",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
)
SCHEMAS = Path(__file__).parent.parent / "schema"
PATIENCE_S = 600
"""How long a test waits for what must come, on any machine; it takes so long only where that never comes."""

EPOCH_S = 1_767_225_600.0

ONE = """\
customers:
  acme: {name: Acme, email: billing@acme.example, city: Boston}
"""
THREE = """\
customers:
  acme:
    name: Acme
    email: billing@acme.example
    city: Boston
    users:
      jane@acme.example: {first_name: Jane, last_name: Doe}
  globex: {name: Globex, email: accounts@globex.example}
  initech: {name: Initech, email: office@initech.example}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document
        """Return the one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


class Typed(io.TextIOWrapper):
    """A standard input on which somebody types, where there is somebody."""

    def __init__(self, content: bytes, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Process(subprocess.Popen[bytes]):
    """A command in a process of its own, which ends with the test that gives it up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, at)


@dataclass(slots=True)
class Place:
    """A working folder, with the variables that commands see there."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, *words: str, stdin: bytes = b"", terminal: bool = False, **variables: str) -> Ran:
        """Run a command in this process."""
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with ExitStack() as stack:
            stack.enter_context(environment(self.given(variables)))
            stack.enter_context(working_folder(self.folder))
            stack.enter_context(standard_input(Typed(stdin, terminal=terminal)))
            stack.enter_context(redirect_stdout(out))
            stack.enter_context(redirect_stderr(err))
            stack.enter_context(own_log())
            code = run(words)
        return Ran(code, _written(out), _written(err))

    def command(self, *words: str, loaded: bool = False) -> list[str]:
        """Return a command as a process is started with it; `loaded` says that the program is there already."""
        return [*preloaded.client(), *words] if loaded else [sys.executable, "-m", "reconciler", *words]

    def start(self, *words: str, **how: Any) -> Process:  # noqa: ANN401 - Popen's
        """
        Start a command in a process of its own; `limits` are words of the shell's `ulimit`.

        With `loaded`, it is a fork of a process that has the program loaded: its streams, folder and variables are its
        own, but signals, limits, and what Python reads as it starts are not.
        """
        variables, limits = how.pop("variables", {}), how.pop("limits", "")
        command = self.command(*words, loaded=how.pop("loaded", False))
        if limits:
            # Compiled modules that a limit cuts short would be found by every later process.
            variables = {**variables, "PYTHONDONTWRITEBYTECODE": "1"}
            command = ["/bin/sh", "-c", f'ulimit {limits}; exec "$@"', "sh", *command]
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Process(command, cwd=self.folder, env=self.given(variables), **{**given, **how})

    def spawn(self, *words: str, **how: Any) -> Ran:  # noqa: ANN401 - Popen's
        """Run a command in a process of its own, to its end."""
        with self.start(*words, **how) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return Ran(process.returncode, (out or b"").decode(), (err or b"").decode())

    def given(self, variables: Mapping[str, str] = {}) -> dict[str, str]:
        """Return the whole environment of a command."""
        others = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
        return {**others, "XDG_STATE_HOME": str(self.folder / "state"), **self.variables, **variables}

    def ledger(self) -> str:
        """Return what the ledger holds, as the command says it; "" where there is none."""
        return self.run("state", "list", "--format", "json").out


@dataclass(slots=True)
class Online(Place):
    """A place whose variables point at an emulator."""

    emulator: Emulator = field(default_factory=Emulator)

    def account(self) -> dict[str, tuple[dict[str, str], bool, list[str]]]:
        """Return all that the account holds, by id: fields, whether it is archived, its users' e-mails."""
        account = self.emulator.account
        return {
            one.id: (
                dict(one.fields),
                one.archived,
                [user.fields["email"] for user in account.users.get(one.id, ())],
            )
            for one in account.customers.values()
        }

    def named(self, external_id: str) -> dict[str, str]:
        """Return the fields of the one active customer with an external_id."""
        (fields,) = (
            one[0] for one in self.account().values() if one[0].get("external_id") == external_id and not one[1]
        )
        return fields

    def load(self, *customers: Mapping[str, object]) -> list[str]:
        """Put customers into the account, or change them, past all rules; return their ids."""
        return load(self.emulator.account, customers, EPOCH_S)

    def later(self) -> None:
        """Let a minute pass on the server: what was written is old enough to be seen as it is."""
        self.emulator.offset_s += 60

    def id_of(self, external_id: str) -> str:
        """Return the id of the first customer with an external_id."""
        return next(key for key, one in self.account().items() if one[0].get("external_id") == external_id)

    def writes(self) -> list[str]:
        """Return the requests that change something, in their order."""
        return [
            f"{one.method} {one.path}"
            for one in self.emulator.requests
            if one.path != "/oauth/token" and one.method != "GET"
        ]

    def requests(self) -> int:
        """Return how many requests came."""
        return sum(self.emulator.counts.values())

    def applied(self, text: str, name: str = "customers.yaml") -> Ran:
        """Write a customers file and apply it."""
        self.write(name, text)
        return self.run("apply", "-f", name, "--auto-approve")


@dataclass(slots=True)
class Prepared:
    """Places as they were left after the same first commands, which so run once and not for each test."""

    folder: Path
    left: dict[Callable[[Online], object], tuple[Path, Emulator]] = field(default_factory=dict)

    def bring(self, shop: Online, prepare: Callable[[Online], object]) -> None:
        """Bring an empty place to where `prepare` brings it: by running it, or by copying what it left."""
        if prepare not in self.left:
            prepare(shop)
            folder = self.folder / str(len(self.left))
            shutil.copytree(shop.folder, folder, symlinks=True)
            self.left[prepare] = folder, _like(shop.emulator)
            return
        folder, emulator = self.left[prepare]
        shutil.copytree(folder, shop.folder, symlinks=True, dirs_exist_ok=True)
        kept = _like(emulator)
        shop.emulator.account, shop.emulator.behaviour = kept.account, kept.behaviour
        shop.emulator.offset_s = kept.offset_s


def _like(emulator: Emulator) -> Emulator:
    """Return an emulator with an account of its own, as that of another one is now."""
    return Emulator(
        rate=0, account=copy.deepcopy(emulator.account), behaviour=emulator.behaviour, offset_s=emulator.offset_s
    )


def renewed(emulator: Emulator) -> Emulator:
    """Return an emulator, empty again and with the usual ways: a server takes a fifth of a second to end."""
    fresh = Emulator(rate=0)
    emulator.account, emulator.behaviour, emulator.faults = fresh.account, fresh.behaviour, fresh.faults
    emulator.offset_s = 0.0
    emulator.connect(None)
    emulator.requests.clear()
    emulator.counts.clear()
    return emulator


@contextmanager
def own_log() -> Iterator[None]:
    """Let a command set up its log as the only one in the process, and forget it afterwards."""
    before, logging.root.handlers = logging.root.handlers, []
    level = logging.root.level
    try:
        yield
    finally:
        logging.root.handlers = before
        logging.root.setLevel(level)


Reply = tuple[int, str, bytes]
Page = Callable[[str, str], Reply]


@contextmanager
def web_server(page: Page, contents: list[bytes] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve what `page` makes of a method and a target; yield the URL and what was heard; `contents` gets bodies."""
    heard: list[str] = []
    received = [] if contents is None else contents

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            received.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
            heard.append(f"{self.command} {self.path}")
            status, kind, content = page(self.command, self.path)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that went."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


def answers(customers: Callable[[str], object]) -> Page:
    """Return an API that grants a token, and answers everything else with the JSON that `customers` makes of it."""

    def page(method: str, target: str) -> Reply:
        token = {"access_token": "tok", "token_type": "bearer", "expires_in": 3600}
        document = token if target == "/oauth/token" else customers(f"{method} {target}")
        return 200, "application/json", json.dumps(document).encode()

    return page


def variables_of(url: str) -> dict[str, str]:
    """Return what points at an API."""
    return {"AP_BASE_URL": url, "AP_CLIENT_ID": "local", "AP_CLIENT_SECRET": "local", "RECONCILER_RATE": "0"}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Let the process see these variables and no others."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """Work in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def standard_input(stream: io.TextIOWrapper) -> Iterator[None]:
    """Read standard input from `stream`."""
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def fits(document: object, name: str) -> bool:
    """Say that a document fits one of our schemas; raises where it does not."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return True


def raw(text: str) -> Sequence[str]:
    """Return the characters of an output that no output may hold: control, bidi and line-separator ones."""
    unsafe = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u200e\u200f\u2028\u2029"}
    unsafe |= {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    return sorted(unsafe.difference("\n").intersection(text))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    content = stream.buffer
    assert isinstance(content, io.BytesIO)
    return content.getvalue().decode()
