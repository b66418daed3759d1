"""The one that writes: lock and ledger of a writing run, held together and to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from reconciler.clock import Clock
from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed, Locked, TakenOver
from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder, Lock, account_key, lock_holder, rfc3339, take_lock, this_process
from reconciler.ledger.open import connect_sqlite, end_lease, is_shared, lease_holder
from reconciler.ledger.sqlite_file import copy_beside
from reconciler.pipeline.opening import open_ledger, real_clock
from reconciler.settings import Environment

RENEW_EVERY_S = 5.0
"""So often a lease is renewed; a renewal that fails is tried again each second."""

_AGAIN_S = 1.0
_ASK_EVERY_S = 0.5
_MARGIN_S = 5.0  # a request may leave so long after the commit of its intent

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Writing:
    """A ledger and, where that is a file, the lock on it and its account; leaving the context closes and ends both."""

    ledger: Ledger
    lock: Lock | None = None

    def __enter__(self) -> Ledger:
        """Return the ledger."""
        return self.ledger

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger and end the lock."""
        self.ledger.__exit__(kind, error, trace)
        if self.lock is not None:
            self.lock.__exit__(kind, error, trace)


async def begin(
    environment: Environment, clock: Clock, *, doing: str, timeout_s: float = 0.0, step: Step = no_hook
) -> Writing:
    """
    Return the ledger of a run that begins to write, locked; Locked where another has the lock after `timeout_s`.

    `step` is told of every commit. Whoever began before writes no more. Where the lock is a lease, `kept` keeps it.
    """
    account = _account(environment)
    if is_shared(environment.state()):
        ledger = open_ledger(environment, writable=True, step=step)
        holder = Holder(this_process(), rfc3339(clock.now()), doing)
        try:
            return Writing(await _leased(ledger, holder, account, clock, timeout_s))
        except BaseException:
            ledger.__exit__(None, None, None)
            raise
    writing = await _locked(environment, clock, doing, timeout_s, step)
    try:
        return Writing(writing.ledger.begin(_holder(writing), account=account), writing.lock)
    except BaseException:
        writing.__exit__(None, None, None)
        raise


async def note(environment: Environment, clock: Clock, *, doing: str) -> Writing:
    """
    Return the ledger for a short write of what was learned; Locked where a run writes now.

    It does not take over. Where the lock is a lease, the write itself raises Locked.
    """
    if is_shared(environment.state()):
        return Writing(open_ledger(environment, writable=True))
    return await _locked(environment, clock, doing, 0.0)


@contextmanager
def locked_ledger(environment: Environment, *, doing: str) -> Iterator[Ledger]:
    """Yield the ledger of a short command that writes; Locked where another run writes."""
    with asyncio.run(begin(environment, real_clock(), doing=doing)) as ledger:
        yield ledger


async def kept(ledger: Ledger, clock: Clock, work: Coroutine[Any, Any, Result]) -> Result:
    """
    Return what `work` returns, the lease of `ledger` renewed meanwhile.

    Where it cannot be kept, `work` is cancelled and LedgerFailed is raised, while the lease still lasts
    for as long as a request may take to leave. Nothing is renewed between two calls: a lease that
    expired meanwhile is had again, unless another run has taken it.
    """
    working = asyncio.ensure_future(work)
    renewing = asyncio.ensure_future(_renewed(ledger, clock))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            renewing.result()
        return working.result()
    finally:
        working.cancel()
        renewing.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


def copy_of_file(environment: Environment) -> Path | None:
    """Copy a ledger that is a file beside itself, and return where; None for a shared one, which has no beside."""
    if is_shared(environment.state()):
        return None
    return copy_beside(Path(environment.state()).resolve(), "before-push", connect_sqlite)


def holder_now(environment: Environment) -> Holder | None:
    """Return who holds the lock of the environment's account, None for nobody."""
    state = environment.state()
    if is_shared(state):
        return lease_holder(state, _account(environment))
    return lock_holder(
        base_url=environment.base_url(),
        client_id=environment.client_id(),
        ledger=Path(state),
        otherwise=Path(state).parent,
    )


def end_by_hand(environment: Environment) -> None:
    """End a lease, whoever holds it; Locked where the lock is no lease: it ends with its process, and only so."""
    if not is_shared(environment.state()):
        raise Locked(
            f"the lock is held by a process of this machine: {holder_now(environment) or 'nobody'}",
            "end that process: its lock ends with it",
        )
    end_lease(environment.state(), _account(environment))


def _account(environment: Environment) -> str:
    """Return the name under which the environment's account is locked."""
    return account_key(environment.base_url(), environment.client_id())


def _holder(writing: Writing) -> Holder:
    """Return who holds the lock."""
    return writing.lock.holder if writing.lock is not None else Holder()


async def _locked(
    environment: Environment, clock: Clock, doing: str, timeout_s: float, step: Step = no_hook
) -> Writing:
    """Return the ledger of a file, under its lock and that of its account."""
    lock = await take_lock(
        base_url=environment.base_url(),
        client_id=environment.client_id(),
        doing=doing,
        clock=clock,
        timeout_s=timeout_s,
        ledger=Path(environment.state()),
        otherwise=Path(environment.state()).parent,
    )
    try:
        return Writing(open_ledger(environment, writable=True, step=step), lock)
    except BaseException:
        lock.__exit__(None, None, None)
        raise


async def _leased(ledger: Ledger, holder: Holder, account: str, clock: Clock, timeout_s: float) -> Ledger:
    """Return the ledger with its lease taken, asking again until `timeout_s` has passed; then Locked."""
    until = clock.monotonic() + timeout_s
    while True:
        try:
            return ledger.begin(holder, account=account)
        except Locked:
            wait_s = min(_ASK_EVERY_S, until - clock.monotonic())
            if wait_s <= 0:
                raise
        await clock.sleep(wait_s)


async def _renewed(ledger: Ledger, clock: Clock) -> None:
    """Renew the lease until cancelled; LedgerFailed where it is another's, or can no longer be kept in time."""
    if not ledger.lease_s:
        await asyncio.get_running_loop().create_future()
    held_s = clock.monotonic()
    while True:
        asked_s = clock.monotonic()
        try:
            ledger.renew()
        except TakenOver:
            raise
        except LedgerFailed:
            if clock.monotonic() + _AGAIN_S - held_s > ledger.lease_s - _MARGIN_S:
                raise
            await clock.sleep(_AGAIN_S)
        else:
            held_s = asked_s
            await clock.sleep(RENEW_EVERY_S)
