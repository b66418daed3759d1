"""What a run works with, made from settings: the real clock, the client, the ledger."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from reconciler.clock import Clock, RealClock
from reconciler.crash_points import Step, no_hook
from reconciler.errors import Invalid
from reconciler.ledger.base import Ledger
from reconciler.ledger.encryption import Cipher, SealedLedger, read_keys
from reconciler.ledger.open import open_ledger as open_ledger_at
from reconciler.ledger.open import shared_pace
from reconciler.model.policy import UNBOUNDED, Allowance
from reconciler.settings import Environment

if TYPE_CHECKING:
    from reconciler.api.client import ApiClient
    from reconciler.api.limit import Board
    from reconciler.api.request import Sent

First = TypeVar("First")
Second = TypeVar("Second")


def real_clock() -> Clock:
    """Return the machine's clock."""
    return RealClock()


def open_client(
    environment: Environment,
    clock: Clock,
    *,
    allowance: Allowance = UNBOUNDED,
    step: Step = no_hook,
    trace: Callable[[Sent], None] | None = None,
    patient: bool = True,
) -> ApiClient:
    """
    Return the client of an environment, not entered yet; Invalid with all that is missing to reach it.

    `trace` is told of each sending. All clients of one key on this machine, or with a ledger in one database, keep
    one pace together, but those without a limit. Without `patient` what has no
    answer is not sent again.
    """
    # Who only opens a ledger needs neither.
    from reconciler.api.client import ApiClient  # noqa: PLC0415
    from reconciler.api.limit import Budget  # noqa: PLC0415

    base_url, credentials = _asked(environment.base_url, environment.credentials)
    return ApiClient(
        base_url=base_url,
        client_id=credentials.client_id,
        client_secret=credentials.client_secret.reveal(),
        clock=clock,
        jitter=random.random,
        rate_per_s=environment.rate_per_s,
        step=step,
        trace=trace,
        budget=Budget(clock, allowance),
        board=_board(environment, base_url, credentials.client_id, clock) if environment.rate_per_s else None,
        patient=patient,
    )


def _board(environment: Environment, base_url: str, client_id: str, clock: Clock) -> Board:
    """Return where the pace of the key is kept: where the ledger is, if several machines share that."""
    try:
        state = environment.state()
    except Invalid:
        state = ""  # whoever opens the ledger says so
    return shared_pace(state, base_url, client_id, clock)


def _asked(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Return what both return; Invalid with the problems of both."""
    try:
        got = first()
    except Invalid as lacking:
        try:
            second()
        except Invalid as more:
            raise Invalid([*lacking.problems, *more.problems]) from lacking
        raise
    return got, second()


def cipher_of(environment: Environment) -> Cipher:
    """Return what seals and opens the ledger of an environment; LedgerFailed for keys that are none."""
    return Cipher(read_keys(environment.state_keys().reveal()))


def open_ledger(environment: Environment, *, writable: bool, step: Step = no_hook) -> Ledger:
    """
    Return the ledger of an environment, open; without `writable` nothing on disk changes.

    LedgerFailed, before it is opened, for keys that are none.
    """
    cipher = cipher_of(environment)
    ledger = open_ledger_at(
        environment.state(),
        environment=environment.name,
        base_url=environment.base_url(),
        writable=writable,
        step=step,
    )
    return SealedLedger(ledger, cipher)
