"""
A job: one account checked or planned, from its files to a result, with whatever goes wrong in it as a result too.

A job runs in a thread of its own, with a loop, a client and a ledger of its own, so that nothing that one account waits
for holds up another. An account with many customers runs in a process, as its planning would take the interpreter
from all the others.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from multiprocessing.connection import Connection, wait
from pathlib import Path

from reconciler.api.client import ApiClient
from reconciler.api.exchange import Sent
from reconciler.clock import Clock
from reconciler.desired.load import load_desired
from reconciler.errors import (
    ApiFailed,
    Invalid,
    LedgerFailed,
    Locked,
    Problem,
    ReconcilerError,
    Refused,
    Unanswered,
    Unreachable,
)
from reconciler.escape import visible
from reconciler.model.core import Action, Desired, Status
from reconciler.model.fleet import AccountState, ChangeCounts, FleetAccount, JobKind, JobResult
from reconciler.model.plan import Change, Plan
from reconciler.model.reports import Rule
from reconciler.pipeline import approval, drift, plan, resources
from reconciler.pipeline.apply import ApplyResult, new_run
from reconciler.pipeline.resources import NOWHERE, Origin
from reconciler.pipeline.sealed_plan import check_keys, saved, sealed, unsealed
from reconciler.plan.saved_plan import digest_in, load
from reconciler.report.layout import count, duration
from reconciler.report.messages.failures import ending_text
from reconciler.report.messages.plan import word
from reconciler.report.plan_text import limit_phrase
from reconciler.report.redact import masked_ending, masked_problem
from reconciler.settings import Environment, Options, Settings
from reconciler.settings.environment import RATE_PER_S

MANY_CUSTOMERS = 5000
"""An account with more of them runs in a process of its own."""
LEAST_S = 60.0
"""How long a job may take at least."""
LEAST_APPLY_S = 600.0
"""How long an apply may take at least: it waits for what is in doubt, and for another run of the account."""
LOCK_WAIT_S = 60.0
"""How long an apply waits for another run of the account."""
SLOWEST = 3.0
"""How many times as long as the rate allows a job may take beyond that."""

ACCOUNT: ContextVar[str] = ContextVar("account", default="")
"""The account of this thread's job, "" where it runs none."""

_BYTES_A_CUSTOMER = 200
_CHILD_S = 3600.0
_STOP = "stop"


class Stopper:
    """Work of several threads that is to end early; inside `first`, each says what ends its own."""

    def __init__(self) -> None:
        self.stopped = False
        self._acts: dict[int, Callable[[], object]] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the work of every thread, and what it begins from now on."""
        # While none of them can leave its `first`: what an act is for is there until the act is done.
        with self._lock:
            self.stopped = True
            for act in self._acts.values():
                act()

    @contextmanager
    def first(self, act: Callable[[], object]) -> Iterator[None]:
        """Let a stop do `act`, or do it now if that has come already."""
        thread = threading.get_ident()
        with self._lock:
            self._acts[thread] = act
            if self.stopped:
                act()
        try:
            yield
        finally:
            with self._lock:
                del self._acts[thread]


@dataclass(frozen=True, slots=True)
class Job:
    """
    What is to be done with an account. All of it can be handed to another process.

    `settings` are the fleet's, whose options hold for every account. `origin` is the run's, asked once. `rules` are
    those of drift to ignore. With `save` a plan is kept as text, sealed where there is a key. A `big` account has a
    process of its own. `least_s` is how long the job may take at least. `plan` is the saved plan that an apply is of,
    with its `digest`.
    """

    kind: JobKind
    account: FleetAccount
    settings: Settings = field(repr=False)
    origin: Origin = NOWHERE
    rules: tuple[Rule, ...] = ()
    save: bool = False
    big: bool = False
    least_s: float = LEAST_S
    plan: str = field(default="", repr=False)
    digest: str = ""


def is_big(root: Path, account: FleetAccount, customers: int) -> bool:
    """
    Say whether an account has more customers than a thread is for.

    `customers` is how many it had last, 0 where that is unknown. Its files may declare more.
    """
    if account.fault is not None:
        return False
    if customers > MANY_CUSTOMERS:
        return True
    most = MANY_CUSTOMERS * _BYTES_A_CUSTOMER
    with suppress(OSError):
        for path in (root / account.folder).rglob("*.y*ml"):
            most -= path.stat().st_size
            if most < 0:
                return True
    return False


def run_job(job: Job, stop: Stopper | None = None) -> JobResult:
    """
    Do a job and return how it ended; raises nothing.

    It may take three times as long as its requests take at the rate, and `job.least_s` in any case.
    """
    token = ACCOUNT.set(job.account.name)
    clock = resources.real_clock()
    begun = JobResult(job.account.name, job.kind, AccountState.FAILED, 1, clock.now(), 0.0, commit=job.origin.commit)
    try:
        return _in_process(job, begun, stop or Stopper()) if job.big else _done(job, begun, clock, stop or Stopper())
    except Exception as exc:  # noqa: BLE001 - an account that fails is one of many
        return replace(failed(begun, exc), ended_at=clock.now())
    finally:
        ACCOUNT.reset(token)


def exposed(environment: Environment, *plans: Path) -> tuple[tuple[str, str], ...]:
    """Return which files of an account others on this machine can read, as a result has them."""
    return tuple((str(one.path), one.mode) for one in resources.exposed_files(environment, plans))


# --- in this thread ----------------------------------------------------------------------------------


class _Watch:
    """What a job has sent, and until when it may go on: later with each request."""

    def __init__(self, rate_per_s: float, least_s: float) -> None:
        self.requests = 0
        self.throttled = 0
        self.limit_s = least_s
        self._rate_per_s = rate_per_s or RATE_PER_S
        self._limit: asyncio.Timeout | None = None
        self._began_s = 0.0

    def begin(self, limit: asyncio.Timeout) -> None:
        """Begin to count."""
        self._limit, self._began_s = limit, asyncio.get_running_loop().time()
        limit.reschedule(self._began_s + self.limit_s)

    def sent(self, sent: Sent) -> None:
        """Take a request."""
        self.requests += 1
        self.throttled += sent.status == HTTPStatus.TOO_MANY_REQUESTS
        limit_s = SLOWEST * self.requests / self._rate_per_s
        if self._limit is not None and limit_s > self.limit_s and not self._limit.expired():
            self.limit_s = limit_s
            self._limit.reschedule(self._began_s + limit_s)


def _done(job: Job, result: JobResult, clock: Clock, stop: Stopper) -> JobResult:
    """Do a job in this thread; `result` is its result so far."""
    watch = _Watch(RATE_PER_S, job.least_s)
    try:
        settings = job.settings.of(job.account)
        environment = settings.environment(job.account.address)
        watch = _Watch(environment.rate_per_s, job.least_s)
        result = replace(result, exposed=exposed(environment))
        if job.save:
            check_keys(environment)
        desired = _declared(settings, environment)
        with asyncio.Runner() as runner:
            result = runner.run(_within(job, settings, environment, desired, clock, watch, result, stop))
    except Exception as exc:  # noqa: BLE001 - the result says what was sent, too
        result = failed(result, exc, limit_s=watch.limit_s)
    return replace(result, ended_at=clock.now(), requests=watch.requests, throttled=watch.throttled)


def _declared(settings: Settings, environment: Environment) -> Desired:
    """Return what an account's files declare."""
    return load_desired(
        settings.files(),
        root=settings.root,
        overlays=environment.overlays,
        include=environment.include,
        exclude=environment.exclude,
        required=environment.policy.required,
        required_at=environment.policy.places.get("required"),
        pins_allowed=settings.pins_allowed,
        without=settings.overlays,
        within=settings.within,
    ).desired


async def _within(
    job: Job,
    settings: Settings,
    environment: Environment,
    desired: Desired,
    clock: Clock,
    watch: _Watch,
    result: JobResult,
    stop: Stopper,
) -> JobResult:
    """Do a job within its time."""
    async with asyncio.timeout(None) as limit:
        watch.begin(limit)
        async with resources.open_client(environment, clock, trace=watch.sent) as client:
            if job.kind is JobKind.DRIFT:
                return await _checked(job, environment, desired, client, clock, result)
            if job.kind is JobKind.APPLY:
                return await _applied(job, settings, environment, desired, client, clock, result, stop)
            return await _planned(job, settings, environment, desired, client, clock, result)


def _silent(_: str) -> None:
    """Say nothing."""


async def _checked(
    job: Job, environment: Environment, desired: Desired, client: ApiClient, clock: Clock, result: JobResult
) -> JobResult:
    """Compare an account with its files."""
    terms = environment.terms(job.settings.options)
    with resources.open_ledger(environment, writable=False) as ledger:
        found = await drift.compare(client, ledger, desired, terms, job.rules, say=_silent, price=_silent)
    await _keep_learned(environment, clock, found.planned)
    one = found.drift
    drifted, pending, blocked = (
        len({row.address.external_id for row in rows}) for rows in (one.findings, one.pending, one.blocked)
    )
    state = AccountState.IN_SYNC if not pending else AccountState.PENDING
    state = AccountState.BLOCKED if blocked else AccountState.DRIFTED if drifted else state
    return replace(
        result,
        state=state,
        code=2 if one.findings else 0,
        customers=one.live,
        drifted=drifted,
        pending=pending,
        blocked=blocked,
        planned=counts(found.planned.plan),
    )


async def _planned(
    job: Job,
    settings: Settings,
    environment: Environment,
    desired: Desired,
    client: ApiClient,
    clock: Clock,
    result: JobResult,
) -> JobResult:
    """Plan an account, narrowed to what changed since the commit that the options name."""
    options = _since(settings, environment, desired)
    terms = environment.terms(options)
    with resources.open_ledger(environment, writable=False) as ledger:
        planned = await plan.make(client, ledger, desired, terms, say=_silent, price=_silent, alone=True)
        lineage = "" if ledger.meta is None else ledger.meta.lineage
    await _keep_learned(environment, clock, planned)
    one = planned.plan
    text = saved(planned, lineage, refresh_users=options.refresh_users) if job.save else ""
    code = plan.detailed_code(one)
    return replace(
        result,
        state={3: AccountState.BLOCKED, 2: AccountState.PENDING}.get(code, AccountState.IN_SYNC),
        code=code,
        customers=planned.learned.listed,
        pending=len({change.address.external_id for change in one.changes}),
        blocked=len({row.address.external_id for row in one.blocked}),
        planned=counts(one),
        exceeded=tuple(limit_phrase(row) for row in (*one.limits, *one.approvals)),
        plan=sealed(text, environment) if text else "",
        digest=digest_in(text),
        fingerprint=one.fingerprint,
    )


async def _applied(
    job: Job,
    settings: Settings,
    environment: Environment,
    desired: Desired,
    client: ApiClient,
    clock: Clock,
    result: JobResult,
    stop: Stopper,
) -> JobResult:
    """Apply the saved plan of an account, and see what it needs after that."""
    saved_plan = load(unsealed(job.plan, environment))
    if saved_plan.name != job.digest:
        raise Refused("the saved plan is not the one that was agreed to; nothing was sent", "plan it again")
    approval.same_environment(saved_plan, environment.ref())
    terms = environment.terms(approval.narrowed(settings.options, saved_plan))
    run = new_run(clock, approval.run_name(saved_plan), origin=job.origin)
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    root = settings.root
    with (
        await resources.begin(environment, clock, doing="fleet apply", timeout_s=LOCK_WAIT_S) as ledger,
        stop.first(lambda: loop.call_soon_threadsafe(stopping.set)),
    ):
        work = approval.apply_saved(
            client,
            ledger,
            desired,
            saved_plan,
            terms,
            run=run,
            clock=clock,
            stop=stopping,
            commits=lambda files: resources.commits_of(root, files),
        )
        applied, after = await resources.with_renewed_lease(ledger, clock, work)
    return _after_apply(result, applied, after)


def _after_apply(result: JobResult, applied: ApplyResult, planned: plan.Planned) -> JobResult:
    """Return the result of an apply: what was done, what failed first, and what the account needs yet."""
    carried, after = applied.result, planned.plan
    done = [one.change for one in carried.outcomes if one.status is Status.DONE]
    undone = len(carried.outcomes) - len(done)
    ending = carried.halt or next((one.ending for one in carried.outcomes if one.ending is not None), None)
    blocked = len({row.address.external_id for row in after.blocked})
    state = AccountState.PENDING if after.changes else AccountState.BLOCKED if blocked else AccountState.IN_SYNC
    result = replace(
        result,
        state=AccountState.FAILED if undone and not carried.interrupted else state,
        code=130 if carried.interrupted else 1 if undone else 3 if blocked else 0,
        customers=planned.learned.listed,
        pending=len({change.address.external_id for change in after.changes}),
        blocked=blocked,
        done=counted(done),
        undone=undone,
        left=len(after.changes),
    )
    if not undone or carried.interrupted:
        return result
    message = ending_text(masked_ending(ending)) or f"{count(undone, 'change')} not made"
    return replace(result, error=str(carried.halt.code) if carried.halt else "NotDone", message=visible(message))


def _since(settings: Settings, environment: Environment, desired: Desired) -> Options:
    """Return the options of an account, narrowed to what changed since the commit that they name, if they do."""
    options = settings.options
    if options.changed_since is None:
        return options
    from reconciler.pipeline.changed_since import changed_since  # noqa: PLC0415 - few runs compare commits

    found, targets = changed_since(options.changed_since, settings, environment, desired)
    return replace(options, since=found, targets=targets)


async def _keep_learned(environment: Environment, clock: Clock, planned: plan.Planned) -> None:
    """Write what was learned of the server, where nobody writes to the ledger now; else the next job does."""
    if not planned.records.known or (planned.plan.listing is None and not plan.learned_writes(planned)):
        return
    with suppress(Locked, LedgerFailed), await resources.note(environment, clock, doing="fleet") as ledger:
        plan.keep_learned(ledger, planned)


def counts(one: Plan) -> ChangeCounts:
    """Return how many changes a plan has."""
    return counted(one.changes)


def counted(changes: Iterable[Change]) -> ChangeCounts:
    """Return how many changes of each kind there are."""
    number = Counter(change.action for change in changes)
    return ChangeCounts(
        creates=number[Action.CREATE],
        patches=number[Action.PATCH],
        restores=number[Action.RESTORE],
        archives=number[Action.ARCHIVE],
        users=number[Action.CREATE_USER],
    )


# --- what goes wrong ---------------------------------------------------------------------------------

_NAMED = 3
"""How many problems of files a message has."""


def failed(result: JobResult, error: Exception, *, limit_s: float = LEAST_S) -> JobResult:
    """Return the result of a job that an error ended, in words without personal values."""
    result = replace(result, state=AccountState.FAILED, code=1, error=type(error).__name__)
    match error:
        case TimeoutError():
            message = f"stopped after {duration(limit_s)}, as the account answers too slowly or not at all"
            return replace(result, error="TimedOut", message=message, hint="try again later", unanswered=True)
        case Invalid():
            return replace(result, message=_problems_text(error.problems))
        case ReconcilerError():
            word(error, redact=True)
            down = isinstance(error, Unanswered | Unreachable)
            return replace(
                result,
                code=error.exit_code if not isinstance(error, ApiFailed) else 1,
                message=visible(error.message),
                hint=visible(error.hint),
                unanswered=down,
            )
        case OSError():
            return replace(result, message=visible(f"{error.filename or 'a file'}: {error.strerror or error}"))
        case _:
            logging.getLogger("reconciler").debug("unexpected", exc_info=error)
            message = f"this is a bug in Reconciler: {type(error).__name__}"
            hint = "run `drift` of this account alone with --log-level debug, and report the output"
            return replace(result, message=message, hint=hint)


def _problems_text(problems: Sequence[Problem]) -> str:
    """Return the first problems of an account's files or settings in one line."""
    shown = " | ".join(visible(str(masked_problem(one))) for one in problems[:_NAMED])
    rest = len(problems) - _NAMED
    return f"{shown} | and {count(rest, 'more problem')}" if rest > 0 else shown


# --- in a process of its own -------------------------------------------------------------------------


def _in_process(job: Job, result: JobResult, stop: Stopper) -> JobResult:
    """Do a job in a process; one that is killed is this account's failure."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with ours:
        process = context.Process(target=_child, args=(theirs, replace(job, big=False)), daemon=True)
        try:
            process.start()
            theirs.close()
            with stop.first(lambda: _send_stop(ours)):
                wait([ours, process.sentinel], _CHILD_S)
                if ours.poll():
                    received: JobResult = ours.recv()
                    return received
        except (EOFError, OSError) as exc:
            logging.getLogger("reconciler").debug("process of %s: %r", job.account.name, exc)
        finally:
            _end(process)
    message = "its process was ended before it had finished"
    hint = "look for a lack of memory on this machine: an account with many customers needs some hundred megabytes"
    return replace(result, ended_at=resources.real_clock().now(), error="ProcessEnded", message=message, hint=hint)


def _end(process: multiprocessing.process.BaseProcess) -> None:
    """End a process, and wait until it has."""
    if process.pid is None:
        return
    process.join(1.0)
    if process.is_alive():
        process.kill()
        process.join()


def _send_stop(connection: Connection[str, JobResult]) -> None:
    """Ask a process to end its job early."""
    with suppress(OSError):
        connection.send(_STOP)


def _child(connection: Connection[JobResult, str], job: Job) -> None:
    """Do a job in this process, which ends with the one that began it."""
    # A terminal's Ctrl-C reaches every process; the one that began this says what becomes of the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stopper()

    def listen() -> None:
        while True:
            try:
                connection.recv()
            except (EOFError, OSError):
                os._exit(1)
            stop.stop()

    threading.Thread(target=listen, daemon=True).start()
    connection.send(run_job(job, stop))
