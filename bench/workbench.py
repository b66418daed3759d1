"""What the benchmarks share: an emulator in a process of its own, the measure of a process, and a table."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from reconciler.desired.load import load_desired

KINDS = (
    "token",
    "list",
    "narrow list",
    "get",
    "users",
    "payment methods",
    "restore",
    "patch",
    "create",
    "create user",
    "archive",
)
"""Every request that the API has, in words; what is none of them is counted as `other`."""

PAGE = 100

_LOADED_AT_ONCE = 5000
"""So that a body stays below a few MiB."""

_SEEK_S = 4.0
"""How wide a list is that looks for one customer; a range of a listing is wider."""

_OVERLAP_S = 2
"""How far a range of a listing reaches beyond each of its cuts."""


@dataclass(slots=True)
class Server:
    """An emulator that runs, and what it is told past the API; `read` is how much of its log was counted."""

    url: str
    control: httpx.Client
    read: int = 0
    ahead_s: float = 0.0

    def variables(self, state: Path | str) -> dict[str, str]:
        """Return the environment variables under which our program works with this server."""
        return {
            "AP_BASE_URL": self.url,
            "AP_CLIENT_ID": "local",
            "AP_CLIENT_SECRET": "local",
            "RECONCILER_STATE": str(state),
            "RECONCILER_RATE": "0",
        }

    def counted(self) -> Counter[str]:
        """Return the requests since the last count, by kind."""
        return Counter(map(kind_of, self.lines()))

    def lines(self) -> list[Mapping[str, Any]]:
        """Return the requests since the last count, as the emulator logs them."""
        lines: list[Mapping[str, Any]] = self._get(f"requests?since={self.read}")["requests"]
        self.read += len(lines)
        return lines

    def customers(self) -> list[Mapping[str, Any]]:
        """Return every customer of the account, archived ones too."""
        found: list[Mapping[str, Any]] = self._get("state?customers=1")["all"]
        return found

    def wait(self, seconds: float) -> None:
        """Let time pass at the server."""
        self.ahead_s += seconds
        self.post("clock", {"offset_s": self.ahead_s})

    def post(self, name: str, body: object) -> None:
        """Tell the emulator something."""
        self.control.post(f"/_emulator/{name}", json=body).raise_for_status()

    def _get(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Ask the emulator something."""
        return self.control.get(f"/_emulator/{name}").raise_for_status().json()


@contextmanager
def emulator(rate_per_s: float = 0) -> Iterator[Server]:
    """Yield an emulator, by default without a limit, in a process of its own, its account empty and in memory."""
    command = [sys.executable, "-m", "reconciler", "emulator", "--port", "0", "--rate", f"{rate_per_s:g}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            url = next((word.rstrip(";") for word in line.split() if word.startswith("http://")), None)
            if url is None:
                raise RuntimeError(f"the emulator does not run: {line}")
            with httpx.Client(base_url=url, timeout=600) as control:
                yield Server(url, control)
        finally:
            process.terminate()


def kind_of(line: Mapping[str, Any]) -> str:
    """
    Return which of `KINDS` a line of the emulator's log is.

    >>> kind_of({"method": "GET", "path": "/customers/cus_1/payment-methods", "query": ""})
    'payment methods'
    """
    if line["path"] == "/oauth/token":
        return "token"
    parts = line["path"].strip("/").split("/")
    last = parts[2] if len(parts) == 3 else ""
    match line["method"], len(parts), last:
        case "GET", 1, _:
            return "narrow list" if _is_narrow(line["query"]) else "list"
        case "GET", 3, "users" | "payment-methods":
            return last.replace("-", " ")
        case "POST", 3, "restore":
            return "restore"
        case "POST", 3, "users":
            return "create user"
        case method, _, "":
            names = {("GET", 2): "get", ("PATCH", 2): "patch", ("DELETE", 2): "archive", ("POST", 1): "create"}
            return names.get((method, len(parts)), "other")
        case _:
            return "other"


def _is_narrow(query: str) -> bool:
    """Say whether a list looks for one customer around the moment of its creation."""
    given = parse_qs(query)
    moments = [
        datetime.fromisoformat(given[name][0]) for name in ("created_at_start", "created_at_end") if name in given
    ]
    return len(moments) > 1 and (moments[1] - moments[0]).total_seconds() <= _SEEK_S


@dataclass(frozen=True, slots=True)
class Listing:
    """The ranges that the next listing is read in, by how many customers each holds; one where it is not cut."""

    sizes: tuple[int, ...]
    page: int = PAGE

    @property
    def requests(self) -> int:
        """Return how many pages they take together."""
        return sum(max(1, ceil(size / self.page)) for size in self.sizes)

    @property
    def full(self) -> int:
        """Return how many end with a full page."""
        return sum(size > 0 and size % self.page == 0 for size in self.sizes)


def next_listing(server: Server, state: Path, page: int = PAGE) -> Listing:
    """Return how the next listing of the active customers is read, by the cuts that the ledger, if any, remembers."""
    row = None
    if state.exists():
        with closing(sqlite3.connect(state)) as ledger:
            row = ledger.execute("SELECT cuts FROM learned").fetchone()
    cuts = [int(cut) for cut in row[0].split()] if row else []
    created_s = [
        datetime.fromisoformat(one["created_at"]).timestamp() for one in server.customers() if not one["archived"]
    ]
    starts, ends = [float("-inf"), *(cut - _OVERLAP_S for cut in cuts)], [*(cut + _OVERLAP_S for cut in cuts), None]
    return Listing(
        tuple(
            sum(start <= one and (end is None or one <= end) for one in created_s)
            for start, end in zip(starts, ends, strict=True)
        ),
        page,
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """One process: its exit code and output, user and system time, wall time, peak memory."""

    code: int
    stdout: str
    cpu_s: float
    wall_s: float
    mib: float


def measured(command: Sequence[str], variables: Mapping[str, str] | None = None, cwd: Path | None = None) -> Measure:
    """
    Run a command to its end and return what it took; its own stderr is let through where it fails.

    Its modules are kept compiled, as those of an installed program are, whatever this process was told.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(variables or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if code:
            sys.stderr.write(err.read().decode(errors="replace")[-4000:])
        text = out.read().decode()
    return Measure(code, text, usage.ru_utime + usage.ru_stime, took, usage.ru_maxrss / 1024)


Run = Callable[[Sequence[str], Mapping[str, str], Path], Measure]
"""Runs our program with these words, under these variables, in a folder."""


def started(words: Sequence[str], variables: Mapping[str, str], cwd: Path) -> Measure:
    """Run our program in a process of its own."""
    return measured(program(*words), variables, cwd)


def fill(
    server: Server, file: Path, state: Path | str, variables: Mapping[str, str] = {}, *, run: Run = started
) -> None:
    """
    Load what `file` declares into the account, and let an apply adopt it: the ledger then binds all of it.

    They were created a minute apart, until now.
    """
    desired = load_desired([file.name], root=file.parent).desired
    began_s = time.time() - 60 * len(desired.customers)
    customers = [
        {
            "external_id": key,
            "created_at": datetime.fromtimestamp(began_s + 60 * number, UTC).isoformat(),
            **one.fields,
        }
        for number, (key, one) in enumerate(desired.customers.items())
    ]
    for begin in range(0, len(customers), _LOADED_AT_ONCE):
        server.post("load", {"customers": customers[begin : begin + _LOADED_AT_ONCE]})
    given = {**server.variables(state), **variables}
    adopted = run(["apply", "-f", str(file), "--auto-approve"], given, file.parent)
    if adopted.code:
        raise RuntimeError(f"the account was not adopted: exit code {adopted.code}")


def program(*arguments: str) -> list[str]:
    """Return the command that runs our program."""
    return [sys.executable, "-m", "reconciler", *arguments]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """
    Return rows under a head; the first column stands left, numbers stand right.

    >>> print(table(("kind", "sent"), [("list", 60)]))
    kind  sent
    list    60
    """
    texts = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    )
    return "\n".join(line.rstrip() for line in lines)


def told(result: Mapping[str, Any], text: str, *, as_json: bool) -> int:
    """Print a benchmark's result, as JSON or as text, and return its exit code: 0 where `ok` is true, else 1."""
    print(json.dumps(result, indent=2) if as_json else text)
    return 0 if result["ok"] else 1
