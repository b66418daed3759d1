"""
What many ledgers in one PostgreSQL database cost: to open and read one, to check its account, to migrate all.

python bench/shared.py [--ledgers N] [--customers N] [--latency MS] [--json]

The server is that of the tests (`requirements/test.txt`), which doesn't flush; each of its answers is then also given
`--latency` late. The first ledger is that of an account which is adopted, and the others are copies of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from relay import Relay, relay
from stored import servers
from validate import generate
from workbench import Measure, Server, emulator, fill, measured, program, table, told

from reconciler.ledger import Ledger
from reconciler.ledger.postgres.connect import open_postgres
from reconciler.ledger.sqlite_file import shipped_in

MOST_READ_S = 0.015
MOST_MIGRATION_S = 1.0
TIMES = 50
SHIPPED = shipped_in("reconciler.ledger.postgres")
LATER = (*SHIPPED, "ALTER TABLE reconciler.bindings ADD COLUMN later TEXT NOT NULL DEFAULT '';")
_SIZE = "SELECT pg_database_size(current_database())"
_LEDGERS = """
    INSERT INTO reconciler.ledgers (environment, base_url, lineage, created_at, account)
    SELECT 'account-' || n, base_url, lineage || n, created_at, account FROM reconciler.ledgers,
           generate_series(1, {more}) AS n
"""
_BINDINGS = """
    INSERT INTO reconciler.bindings SELECT n.id, {columns} FROM reconciler.bindings AS b, reconciler.ledgers AS n
    WHERE b.ledger = 1 AND n.id > 1
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server costs that answers `latency_ms` late; `check_turns` are round trips of one `drift`."""

    latency_ms: float
    open_ms: float
    read_ms: float
    check_s: float
    check_turns: int
    pace_s: float
    pace_turns: int


def main() -> int:
    """Measure; 1 where reading a ledger or the migration takes too long."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ledgers", type=int, default=10_000)
    arguments.add_argument("--customers", type=int, default=100)
    arguments.add_argument("--latency", type=float, default=5, metavar="MS")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    servers()
    from postgres_server import ask, database, upstream  # noqa: PLC0415 - tests are no package

    url = database("bench_shared")
    name = url.partition("?")[0].rpartition("/")[2]
    costs = []
    with TemporaryDirectory() as folder, emulator() as server:
        file = Path(folder, "customers.yaml")
        generate(file, given.customers)
        fill(server, file, url)
        columns = ask(
            "SELECT string_agg('b.' || column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns "
            "WHERE table_name = 'bindings' AND column_name <> 'ledger'",
            url=url,
        )[0][0]
        for statement in (_LEDGERS, _BINDINGS, "VACUUM ANALYZE"):
            ask(statement.format(more=given.ledgers - 1, columns=columns), url=url)
        ((size,),) = ask(_SIZE, url=url)
        for latency_ms in (0.0, given.latency):
            with relay(upstream, latency_ms / 1000) as wire:
                costs.append(measured_over(wire, name, latency_ms, server, file))
    migrated_s = timed(lambda: opened(url, server.url, LATER).__exit__(None, None, None))
    ((after,),) = ask(_SIZE, url=url)
    text = table(
        ("latency ms", "open ms", "read ms", "check s", "round trips", "with pace s", "round trips"),
        [
            (
                f"{one.latency_ms:g}",
                f"{one.open_ms:.1f}",
                f"{one.read_ms:.1f}",
                f"{one.check_s:.2f}",
                one.check_turns,
                f"{one.pace_s:.2f}",
                one.pace_turns,
            )
            for one in costs
        ],
    )
    grown = after - size
    text += (
        f"\n\n{given.ledgers} ledgers of {given.customers} customers: {size / 1e6:.0f} MB; all migrated in "
        f"{migrated_s:.2f} s, {grown / 1e6:.1f} MB more\ngoal: without latency, open and read take at most "
        f"{MOST_READ_S * 1000:g} ms, and a migration {MOST_MIGRATION_S:g} s"
    )
    ok = costs[0].open_ms + costs[0].read_ms <= MOST_READ_S * 1000 and migrated_s <= MOST_MIGRATION_S
    result = {"ok": ok, "bytes": size, "migration_s": migrated_s, "migration_bytes": grown}
    return told({**result, "costs": list(map(asdict, costs))}, text, as_json=given.json)


def measured_over(wire: Relay, name: str, latency_ms: float, server: Server, file: Path) -> Cost:
    """Return what the database costs over a wire."""
    url = f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable&gssencmode=disable"
    open_s, read_s = [], []
    for _ in range(TIMES):
        began = time.perf_counter()
        with opened(url, server.url) as ledger:
            open_s.append(time.perf_counter() - began)
            read_s.append(timed(ledger.records))
    plain = check(wire, url, server, file, rate="0")
    paced = check(wire, url, server, file, rate="1000")
    middle = statistics.median
    return Cost(
        latency_ms, middle(open_s) * 1000, middle(read_s) * 1000, plain[0].wall_s, plain[1], paced[0].wall_s, paced[1]
    )


def check(wire: Relay, url: str, server: Server, file: Path, *, rate: str) -> tuple[Measure, int]:
    """Return what a drift of the account takes, and its round trips to the database."""
    wire.counted()
    given = {**server.variables(url), "RECONCILER_RATE": rate, "XDG_STATE_HOME": str(file.parent)}
    ran = measured(program("drift", "-f", str(file)), given, file.parent)
    if ran.code:
        raise RuntimeError(f"drift ended with exit code {ran.code}: {ran.stdout[-500:]}")
    return ran, wire.counted()[0]


def opened(url: str, base_url: str, migrations: tuple[str, ...] = SHIPPED) -> Ledger:
    """Return the first ledger."""
    return open_postgres(
        url, environment="default", base_url=base_url, writable=migrations is not SHIPPED, migrations=migrations
    )


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
