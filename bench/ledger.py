"""
What a ledger costs, by where it lies: in a file, in PostgreSQL, in object storage that answers 50 ms late.

python bench/ledger.py [--ledger KIND...] [--records N] [--changes N] [--latency MS] [--json]

The servers are those of the tests (`requirements/test.txt`); requests and bytes are counted on the wire to them. The
latency is that of object storage: a database is close, a file is here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from latency import span_s
from relay import Relay, relay
from stored import servers
from validate import generate
from workbench import emulator, measured, program, table, told

from reconciler.ledger import Holder, open_ledger
from reconciler.model.core import Action, Address, CustomerId
from reconciler.model.ledger import Binding, BindingState, Intent, PutBinding, PutIntent, Via

MOST_TIMES = 1.05
RATE_PER_S = 5.0
INTENTS = 50
HOLDER = Holder("somebody@host 1", "2026-01-01T00:00:00Z", "bench")
WHERE = {"environment": "default", "base_url": "https://api.example"}


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What a ledger costs: seconds to open it, to read all its records, to commit one intent; and an apply.

    `times` is how long the apply took beside its requests / rate; `requests` and `mib` went to the ledger meanwhile.
    """

    ledger: str
    open_s: float
    load_s: float
    commit_ms: float
    requests: int | None
    mib: float | None
    times: float
    code: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger lies; `wire` counts, where there is one."""

    state: str
    wire: Relay | None = None


def main() -> int:
    """Measure; 1 where an apply is slower than its requests demand."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ledger", nargs="+", choices=sorted(PLACES), default=list(PLACES), metavar="KIND")
    arguments.add_argument("--records", type=int, default=100_000)
    arguments.add_argument("--changes", type=int, default=100)
    arguments.add_argument("--latency", type=int, default=50, metavar="MS", help="of object storage")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    costs = [measured_at(kind, given.records, given.changes, given.latency / 1000) for kind in given.ledger]
    head = ("ledger", "open s", "load s", "commit ms", "requests", "MiB", "times")
    rows = [
        (
            one.ledger,
            f"{one.open_s:.2f}",
            f"{one.load_s:.2f}",
            f"{one.commit_ms:.1f}",
            "-" if one.requests is None else one.requests,
            "-" if one.mib is None else f"{one.mib:.2f}",
            f"{one.times:.3f}",
        )
        for one in costs
    ]
    text = table(head, rows)
    text += (
        f"\n\nopen and load: {given.records} records; requests, MiB, times: an apply of {given.changes} creates at "
        f"{RATE_PER_S:g}/s\ngoal: an apply takes at most {MOST_TIMES:g} times requests / rate"
    )
    ok = all(one.times <= MOST_TIMES and one.code == 0 for one in costs)
    return told({"ok": ok, "ledgers": list(map(asdict, costs))}, text, as_json=given.json)


def measured_at(kind: str, records: int, changes: int, latency_s: float) -> Cost:
    """Return what one kind of ledger costs."""
    with tempfile.TemporaryDirectory() as folder:
        with PLACES[kind](Path(folder), latency_s) as place:
            open_s, load_s, commit_ms = filled(place, records)
        with PLACES[kind](Path(folder, "applied"), latency_s) as place:
            return applied(kind, place, Path(folder), changes, (open_s, load_s, commit_ms))


def filled(place: Place, records: int) -> tuple[float, float, float]:
    """Return the seconds to open a ledger of so many records, and to read them; and the ms to commit an intent."""
    with open_ledger(place.state, **WHERE) as ledger, ledger.begin(HOLDER, account="0" * 64) as run:
        run.commit(PutBinding(bound(number)) for number in range(records))
    began = time.perf_counter()
    with open_ledger(place.state, **WHERE) as ledger:
        open_s = time.perf_counter() - began
        began = time.perf_counter()
        found = len(ledger.records().bindings)
        load_s = time.perf_counter() - began
        with ledger.begin(HOLDER, account="0" * 64) as run:
            took = [timed(lambda number=number: run.commit([PutIntent(intent(number))])) for number in range(INTENTS)]
    if found != records:
        raise RuntimeError(f"{found} of {records} records were read")
    return open_s, load_s, statistics.median(took) * 1000


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def applied(kind: str, place: Place, folder: Path, changes: int, costs: tuple[float, float, float]) -> Cost:
    """Return the cost of a ledger, an apply of so many creates measured."""
    file = folder / "customers.yaml"
    generate(file, changes)
    with emulator(rate_per_s=RATE_PER_S) as server:
        given = {**server.variables(place.state), "RECONCILER_RATE": f"{RATE_PER_S:g}", **KEYS}
        given["XDG_STATE_HOME"] = str(folder / "state")
        if place.wire is not None:
            place.wire.counted()
        run = measured(program("apply", "-f", str(file), "--auto-approve"), given, folder)
        turns, size = (None, None) if place.wire is None else place.wire.counted()
        lines = server.lines()
    times = (span_s(lines) + 1 / RATE_PER_S) / (len(lines) / RATE_PER_S)
    return Cost(kind, *costs, turns, None if size is None else size / 2**20, times, run.code)


def bound(number: int) -> Binding:
    """Return the row of a customer."""
    return Binding(
        f"key-{number}",
        CustomerId(f"cus_{number:016x}"),
        f"key-{number}",
        "2026-01-01T00:00:00Z",
        BindingState.ACTIVE,
        "default",
        "customers.yaml",
        protected=False,
        via=Via.CREATED,
        written_at=1_767_225_600.25,
        applied_hash=number.to_bytes(16, "big"),
        applied_json=f'{{"name":"Customer {number}","email":"billing@customer-{number}.example","city":"Boston"}}',
    )


def intent(number: int) -> Intent:
    """Return an open intent."""
    after = {"name": "Acme", "email": "billing@acme.example"}
    return Intent("run", number, Action.CREATE, Address(f"new-{number}"), None, 1_767_225_600.25, "0" * 64, {}, after)


# --- places ----------------------------------------------------------------------------------------------

KEYS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def in_file(folder: Path, _: float) -> AbstractContextManager[Place]:
    """Return a file."""
    return nullcontext(Place(str(folder / "ledger.db")))


@contextmanager
def in_postgres(folder: Path, _: float) -> Iterator[Place]:
    """Yield an empty database of the server that the tests use."""
    servers()
    from postgres_server import database, upstream  # noqa: PLC0415 - the other ledgers need no driver

    url = database(f"bench_{'applied' if folder.name == 'applied' else 'filled'}")
    name = url.partition("?")[0].rpartition("/")[2]
    with relay(upstream, 0.0) as wire:
        yield Place(f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable&gssencmode=disable", wire)


@contextmanager
def in_store(_: Path, latency_s: float) -> Iterator[Place]:
    """Yield a bucket of the server that the tests use."""
    servers()
    import object_server  # noqa: PLC0415 - the other ledgers need no client

    with relay(object_server.connected, latency_s) as wire:
        yield Place(object_server.url_of(object_server.bucket(), f"http://127.0.0.1:{wire.port}"), wire)


PLACES: Mapping[str, Callable[[Path, float], AbstractContextManager[Place]]] = {
    "sqlite": in_file,
    "postgres": in_postgres,
    "objects": in_store,
}
"""By the word that `--ledger` takes."""


if __name__ == "__main__":
    sys.exit(main())
