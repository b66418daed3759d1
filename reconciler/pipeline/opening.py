"""What a run works with, made from settings: the real clock, the client, the ledger, the lock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.api.client import Client
from reconciler.clock import Clock, RealClock
from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Lock, take_lock
from reconciler.ledger.open import open_ledger as open_ledger_at
from reconciler.settings import Environment


def real_clock() -> Clock:
    """Return the machine's clock."""
    return RealClock()


def open_client(environment: Environment, clock: Clock) -> Client:
    """Return the client of an environment, not entered yet; Invalid where its credentials are missing."""
    credentials = environment.credentials()
    return Client(
        base_url=environment.base_url(),
        client_id=credentials.client_id,
        client_secret=credentials.client_secret.reveal(),
        clock=clock,
        jitter=random.random,
        rate_per_s=environment.rate_per_s,
    )


def open_ledger(environment: Environment, *, writable: bool) -> Ledger:
    """Return the ledger of an environment, open; without `writable` nothing on disk changes."""
    return open_ledger_at(
        environment.state(), environment=environment.name, base_url=environment.base_url(), writable=writable
    )


async def lock(environment: Environment, clock: Clock, *, doing: str, timeout_s: float = 0.0) -> Lock:
    """Return the lock of the environment's account, held; Locked where another run has it after `timeout_s`."""
    state = environment.state()
    return await take_lock(
        base_url=environment.base_url(),
        client_id=environment.client_id(),
        doing=doing,
        clock=clock,
        timeout_s=timeout_s,
        otherwise=None if "://" in state else Path(state).parent,
    )


@contextmanager
def locked_ledger(environment: Environment, *, doing: str) -> Iterator[Ledger]:
    """Yield the ledger, open for writing, under the lock; Locked where another run has it."""
    with (
        asyncio.run(lock(environment, real_clock(), doing=doing)),
        open_ledger(environment, writable=True) as ledger,
    ):
        yield ledger
