"""`fleet worker`, `fleet submit` and `fleet drain`: many accounts on several machines."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from reconciler.cli import output
from reconciler.cli.fleet import fleet_of
from reconciler.cli.session import run_in, settings_of
from reconciler.errors import Interrupted, Invalid, Problem, ReconcilerError, Source
from reconciler.input_file import read_file
from reconciler.ledger.open import StorageKind, kind_of, open_ledger
from reconciler.model.fleet import AccountStatus, JobKind
from reconciler.pipeline.resources import origin_of_run, real_clock
from reconciler.report.fleet_page import TITLES
from reconciler.report.layout import count
from reconciler.resources import to_install
from reconciler.settings import Options, Settings
from reconciler.settings.project import read_rules

if TYPE_CHECKING:
    from reconciler.fleet.engine import JobOrder, ProcrastinateEngine
    from reconciler.fleet.rollout import Ground
    from reconciler.fleet.worker import Change

SECRET = "RECONCILER_EVENTS_SECRET"  # noqa: S105 - the name of a variable
_LEAST_SECRET = 16
_LARGEST_SECRET = 4096
_LOOK_S = 1.0


def work(ctx: click.Context, *, options: Options, listen: tuple[str, int], checks: int, jobs: int) -> None:
    """Work on the accounts that are due, until a signal or `fleet drain`."""
    if options.environment is not None:
        raise click.UsageError("fleet works on all accounts: leave out -e")
    secret = events_secret(os.environ)
    settings = settings_of(options)
    place = database_of(settings)
    engine = engine_of(settings, place)
    from reconciler.cli.fleet_run import notify
    from reconciler.fleet.engine import Slots
    from reconciler.fleet.service import WorkerMetrics, create_app, listening
    from reconciler.fleet.table import open_table
    from reconciler.fleet.worker import Worker

    _migrate(settings, place)
    metrics = WorkerMetrics(settings.fleet().environment)
    with open_table(settings, settings.fleet().environment) as table:
        worker = Worker(
            lambda: ground_of(options),
            table,
            engine,
            real_clock(),
            slots=Slots(checks, jobs),
            ended=metrics.ended,
            changed=_tell,
            notify=lambda: notify(table, real_clock().now()),
        )

        async def served() -> None:
            async with engine.opened():
                await worker.serve()

        # Signals first: whoever reads the address may send one.
        with _ended_by_signals(worker.drain), listening(*listen, create_app(worker, metrics, secret)) as url:
            events = "" if secret else f"; {SECRET} is not set, so /events takes nothing"
            output.note(f"the worker of {settings.project} answers at {url}{events}")
            with asyncio.Runner() as runner:
                runner.run(served())
    output.note("the worker has ended")
    ctx.exit(0)


@contextmanager
def _ended_by_signals(act: Callable[[], None]) -> Iterator[None]:
    """
    Let the first SIGTERM or SIGINT do `act`, and the second end the process at once.

    A worker is ended by a signal as a rule, so that its exit code is 0 then.
    """
    signals = 0

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(Interrupted.exit_code)
        act()

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def drain(ctx: click.Context, *, options: Options, own: bool, wait_s: float) -> None:
    """Have workers end once the jobs that run have ended, and wait for that."""
    if options.environment is not None:
        raise click.UsageError("fleet works on all accounts: leave out -e")
    settings = settings_of(options)
    database_of(settings)
    from reconciler.fleet.table import open_table
    from reconciler.fleet.workers import Signs, Workers

    with open_table(settings, settings.fleet().environment) as table:
        workers = Workers(table.store, table.name)
        clock, signs = real_clock(), Signs()

        def alive() -> dict[str, int]:
            rows, now_s = workers.all(), clock.monotonic()
            signs.take(rows, now_s)
            mine = [one for one in rows if not own or one.host == platform.node()]
            return {one.name: one.running for one in mine if not signs.is_dead(one.name, now_s)}

        found = alive()
        workers.drain(found)
        output.note(f"{count(len(found), 'worker')} {'ends' if len(found) == 1 else 'end'} after the jobs that run")

        async def ended() -> dict[str, int]:
            until = clock.monotonic() + wait_s
            while (
                left := {name: jobs for name, jobs in alive().items() if name in found}
            ) and clock.monotonic() < until:
                await clock.sleep(_LOOK_S)
            return left

        with asyncio.Runner() as runner:
            left = run_in(runner, ended())
    if left:
        message = f"{count(len(left), 'worker')} still running, with {count(sum(left.values()), 'job')}"
        raise ReconcilerError(message, "run `reconciler fleet drain` again to go on waiting")
    output.note("no worker is left" if not own else "no worker is left on this host")
    ctx.exit(0)


def submit_checks(ctx: click.Context, *, options: Options, labels: Sequence[str], accounts: Sequence[str]) -> None:
    """Queue checks of the chosen accounts for the workers."""
    settings, fleet, chosen = fleet_of(options, labels, accounts)
    engine = engine_of(settings, database_of(settings))
    from reconciler.fleet.engine import JobOrder, Priority
    from reconciler.fleet.table import open_table

    active = [one for one in chosen if not one.suspended]
    with open_table(settings, fleet.environment) as table:
        table.put_accounts(fleet.accounts)
        table.make_due([one.name for one in active], real_clock().now())

    new = queued(engine, [JobOrder(JobKind.DRIFT, one.name, priority=Priority.SOON) for one in active])
    waiting = f" ({len(active) - new} waited already)" if new < len(active) else ""
    output.report(f"{count(len(active), 'check')} queued{waiting}.")
    ctx.exit(0)


def queued(engine: ProcrastinateEngine, orders: Iterable[JobOrder]) -> int:
    """Queue orders for the workers, and return how many are new; LedgerFailed where it cannot."""

    async def deferred() -> int:
        async with engine.opened():
            return await engine.defer(orders)

    with asyncio.Runner() as runner:
        return runner.run(deferred())


def database_of(settings: Settings) -> str:
    """Return the URL of the database of a fleet; Invalid where its ledgers are elsewhere."""
    from reconciler.fleet.table import place_of

    place = place_of(settings, settings.fleet().environment)
    if kind_of(place) is not StorageKind.DATABASE:
        message = "workers need the ledgers of all accounts in one PostgreSQL database"
        hint = "set state to a postgresql:// URL; on one machine, run `reconciler fleet drift --due` from cron"
        raise Invalid([Problem(Source(f"environments.{settings.fleet().environment}"), "state", message, hint)])
    return place


def engine_of(settings: Settings, place: str) -> ProcrastinateEngine:
    """Return the engine of a fleet; ReconcilerError where it is not installed."""
    try:
        import uvicorn  # noqa: F401 - part of the extra's needs, loaded here so that what is missing is said once
        from prometheus_client import CollectorRegistry  # noqa: F401 - the same

        from reconciler.fleet.engine import ProcrastinateEngine
    except ImportError as error:
        message = f"a worker needs {error.name}, which is not installed"
        raise ReconcilerError(message, to_install("fleet")) from error
    return ProcrastinateEngine(place, f"{settings.project}/{settings.fleet().environment}")


def ground_of(options: Options) -> Ground:
    """Return what jobs are made of, as the files are now."""
    from reconciler.fleet.rollout import Ground

    settings = settings_of(options)
    rules = tuple(read_rules(None, settings.root, Path.cwd()))
    return Ground(settings, settings.fleet(), origin_of_run(settings.root, os.environ), rules)


def events_secret(variables: Mapping[str, str]) -> str:
    """Return the secret of webhooks, "" where none is set; Invalid for one that cannot be read or is too short."""
    text, file = variables.get(SECRET, ""), variables.get(f"{SECRET}_FILE", "")
    source = Source(SECRET if text else f"{SECRET}_FILE")
    if file and not text:
        try:
            text = read_file(Path(file), _LARGEST_SECRET).decode().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Invalid([Problem(source, "", f"the file cannot be read: {why}", "check the path")]) from error
    elif not text:
        return ""
    if len(text) < _LEAST_SECRET:
        hint = "use a random one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        raise Invalid([Problem(source, "", f"the secret has under {_LEAST_SECRET} characters", hint)])
    return text


def _migrate(settings: Settings, place: str) -> None:
    """Bring older ledgers to today's format: jobs that only read would refuse them."""
    environment = settings.shared(settings.fleet().environment).environment()
    with open_ledger(place, environment=environment.name, base_url=environment.base_url(), create=False):
        """It is migrated by being opened."""


def _tell(changes: Sequence[Change]) -> None:
    """Print which accounts have another state than before."""
    for _, now in changes:
        output.note(_changed(now))
    logging.getLogger(__name__).info("%s changed", count(len(changes), "account"))


def _changed(now: AccountStatus) -> str:
    """Return what an account is now, in one line."""
    title = TITLES[now.state][0].lower()
    counts = ((now.drifted, "drifted"), (now.pending, "not applied"), (now.blocked, "blocked"))
    numbers = ", ".join(f"{number} {word}" for number, word in counts if number)
    return f"{now.account}: {title}" + (f": {now.message}" if now.message else f" ({numbers})" if numbers else "")
