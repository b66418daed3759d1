"""How late workers begin what is due, and applies beside it, near to the database and away from it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleet_served import Wanted, Watched, served
from fleet_workers import FLEET, OneWorker, Place, Rows, ask, placed, quantile, say, seed, working
from relay import relay

from reconciler.fleet.engine import JobOrder, ProcrastinateEngine
from reconciler.fleet.table import next_due
from reconciler.model.fleet import FleetAccount, JobKind

STEADY_PER_S, STEADY_S, ROUND_TRIP_S = 2.8, 180.0, 0.005
MOST_LATE_S, LATEST_S, MOST_APPLY_S = 5.0, 15.0, 2.0
BATCHES, BACKLOG_BATCHES, BATCH = 8, 3, 6
"""Rollouts while checks become due, and while many wait; and the accounts of each."""
WAITING = 200
_BEGUN = """
    SELECT (i.started_at - r.started_at)::float8, i.state FROM reconciler.fleet_items AS i
    JOIN reconciler.fleet_rollouts AS r ON r.id = i.rollout WHERE r.started_at >= %s AND r.started_at < %s
"""
_WAIT = """
    SELECT args->>'account', status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) FROM procrastinate_jobs
    WHERE task_name = 'reconciler.job'
"""
_MAKE_DUE = "UPDATE reconciler.fleet_accounts SET next_due = %s WHERE account = ANY(%s)"


def steady(folder: Path, customers: int) -> tuple[Rows, bool]:
    """
    Check as many accounts a second as 10,000 in an hour are, near to the database and 5 ms away from it.

    Meanwhile rollouts of a few accounts are submitted, and again while many checks wait. A check begins with its first
    request, an apply when a worker has begun its account; the moment of a rollout is when it was written.
    """
    batches = [f"b{number}" for number in range(BATCHES + BACKLOG_BATCHES)]
    applied = {f"{batch}-{number}": batch for batch in batches for number in range(BATCH)}
    names = [f"a{number:03}" for number in range(round(STEADY_PER_S * STEADY_S) - len(applied))]
    fleet = {
        "every": f"{STEADY_S:g}s",
        "waves": "[{share: 100%}]",
        "policy": "{max_accounts_changed: 100%}",
    }
    found: list[tuple[str, ...]] = []
    holds = True
    wanted = Wanted(customers, own="b")
    with served(wanted) as (url, counted), placed(folder, [*names, *applied], url, customers, **fleet) as place:
        from postgres_server import upstream  # noqa: PLC0415 - tests are no package

        for name, batch in applied.items():
            place.project.add(name, customers + 1)
            (folder / "accounts" / name / "account.yaml").write_text(f"labels: {{batch: {batch}}}\n")
        for latency_s in (0.0, ROUND_TRIP_S):
            place.lay()
            counted("anew")
            with relay(upstream, latency_s) as wire:
                name = place.project.state.partition("?")[0].rpartition("/")[2]
                far = f"postgresql://postgres@127.0.0.1:{wire.port}/{name}?sslmode=disable&gssencmode=disable"
                rows, held = _steady(place, counted, names, far if latency_s else "")
            where = f"{latency_s * 1000:g} ms: " if latency_s else ""
            found += [(where + what, *rest) for what, *rest in rows]
            holds = holds and held
    return found, holds


def _steady(
    place: Place, counted: Callable[..., Watched], names: Sequence[str], state: str
) -> tuple[list[tuple[str, str, str]], bool]:
    """Let accounts become due one after the other, and see how late their checks and the applies begin."""
    accounts = [one for one in seed(place.project) if one.name in names]
    with working(place.project, state=state) as workers:
        time.sleep(20)
        counted()
        cpu_s, began = _cpu_s(workers), time.time()
        submitting = threading.Thread(target=_submit_each, args=(place, began))
        submitting.start()
        time.sleep(STEADY_S)
        cpu_s, ended = _cpu_s(workers) - cpu_s, time.time()
        connections = place.connections()
        submitting.join()
        time.sleep(20)
        watched, flooded = counted(), time.time()
        with _backlog(place, names):
            for number in range(BATCHES, BATCHES + BACKLOG_BATCHES):
                time.sleep(5)
                _submit(place, f"b{number}")
            time.sleep(5)
        mib = max(one.mib() for one in workers)
    late = _late(accounts, watched, began, ended)
    values = [one for one in late if one is not None]
    rows = [
        ("checks due, a second", f"{len(late) / (ended - began):.2f}", f"{STEADY_PER_S:g}"),
        ("begun late, s: p50, p90, p99, most", _spread(values), f"p99 <= {MOST_LATE_S:g}, most <= {LATEST_S:g}"),
        ("not begun", f"{late.count(None)}", "= 0"),
    ]
    holds = None not in late and quantile(values, 0.99) <= MOST_LATE_S and max(values) <= LATEST_S
    for what, since, end, number in (
        ("applies meanwhile", began, flooded, BATCHES),
        (f"applies with {WAITING} checks waiting", flooded, flooded + 1e9, BACKLOG_BATCHES),
    ):
        begun = ask(place.project.state, _BEGUN, since, end)
        waits = [float(str(wait)) for wait, _ in begun]
        done = sum(one == "done" for _, one in begun)
        rows += [
            (f"{what} begun after, s", _spread(waits), f"p99 <= {MOST_APPLY_S:g}"),
            (f"{what}: done", f"{done} of {number * BATCH}", "all"),
        ]
        holds = holds and done == number * BATCH and quantile(waits, 0.99) <= MOST_APPLY_S
    rows += [
        ("CPU of a check in the workers, ms", f"{cpu_s / max(len(values), 1) * 1000:.0f}", ""),
        ("memory of a worker, MiB", f"{mib:.0f}", ""),
        ("connections to the database", f"{connections}", ""),
        ("429", f"{watched.throttled.total()}", ""),
    ]
    return rows, holds


def _late(accounts: Sequence[FleetAccount], watched: Watched, began: float, ended: float) -> list[float | None]:
    """Return how late each account was checked that was due in a time; None for one that was not."""
    jobs = watched.jobs()
    dues = {one.name: due for one in accounts if (due := next_due(one, began)) < ended}
    return [next((first - due for first, _ in jobs.get(name, ()) if first >= due), None) for name, due in dues.items()]


def _submit_each(place: Place, began: float) -> None:
    """Submit rollouts while checks become due."""
    for number in range(BATCHES):
        time.sleep(max(began + (number + 0.2) * STEADY_S / BATCHES - time.time(), 0))
        _submit(place, f"b{number}")


def _submit(place: Place, batch: str) -> None:
    """Submit a rollout of a few accounts, and wait for its end, as a fleet has one at a time."""
    ran = place.project.ran("fleet", "submit", "apply", "-l", f"batch={batch}", "--auto-approve", "--wait", "-q")
    if ran.returncode:
        say(f"{batch}: exit code {ran.returncode}: {ran.stderr}")


@contextmanager
def _backlog(place: Place, names: Sequence[str]) -> Iterator[None]:
    """Keep many checks waiting."""
    ended = threading.Event()

    async def fed() -> None:
        engine = ProcrastinateEngine(place.project.state, FLEET)
        async with engine.opened():
            while not ended.is_set():
                jobs = await asyncio.to_thread(ask, place.project.state, _WAIT)
                new = WAITING + 20 - sum(bool(waits) for _, waits in jobs)
                if new > 0:
                    queued = {account for account, _ in jobs}
                    free = [one for one in names if one not in queued][:new]
                    await asyncio.to_thread(ask, place.project.state, _MAKE_DUE, time.time(), free)
                    await engine.defer(JobOrder(JobKind.DRIFT, one) for one in free)
                await asyncio.sleep(0.2)

    feeding = threading.Thread(target=lambda: asyncio.run(fed()))
    feeding.start()
    try:
        yield
    finally:
        ended.set()
        feeding.join()


def _cpu_s(workers: Sequence[OneWorker]) -> float:
    return sum(one.cpu_s() for one in workers)


def _spread(values: Sequence[float]) -> str:
    return ", ".join(f"{quantile(values, share):.2f}" for share in (0.5, 0.9, 0.99, 1.0))
