"""A lease is renewed while a run works, and the run stops while it still lasts where it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from clocks import VirtualClock, run

from reconciler.errors import LedgerFailed, TakenOver
from reconciler.ledger.base import EmptyLedger
from reconciler.pipeline.resources import with_renewed_lease

LOST = LedgerFailed("the connection was lost")
TAKEN = TakenOver("another run has taken over")


@dataclass(frozen=True, slots=True)
class Leased(EmptyLedger):
    """A lease of 15 s whose renewals answer as told, then well; `renewed_s` notes when each came."""

    answers: list[LedgerFailed | None] = field(default_factory=list)
    renewed_s: list[float] = field(default_factory=list)

    @property
    def lease_s(self) -> float:
        return 15.0

    def renew(self) -> None:
        self.renewed_s.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


async def works(seconds: float, done: Callable[[str], object] = str) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        done("cancelled")
        raise
    return "done"


def leased(*answers: LedgerFailed | None) -> Leased:
    ledger = Leased("here")
    ledger.answers.extend(answers)
    return ledger


def test_a_lease_is_renewed_at_once_and_every_five_seconds_while_the_run_works() -> None:
    ledger = leased()
    assert run(with_renewed_lease(ledger, VirtualClock(), works(12))) == "done"
    assert ledger.renewed_s == [0, 5, 10]


def test_a_renewal_that_fails_is_tried_again_each_second() -> None:
    ledger = leased(None, LOST, LOST)
    assert run(with_renewed_lease(ledger, VirtualClock(), works(12))) == "done"
    assert ledger.renewed_s == [0, 5, 6, 7, 12]


@pytest.mark.parametrize(
    ("answers", "stopped_s"),
    [([None, *[LOST] * 20], 10.0), ([*[LOST] * 20], 10.0), ([None, TAKEN], 5.0), ([TAKEN], 0.0)],
)
def test_a_lease_that_cannot_be_kept_stops_the_work_five_seconds_before_it_ends(
    answers: Iterable[LedgerFailed | None], stopped_s: float
) -> None:
    ledger, said = leased(*answers), list[str]()

    async def stopped() -> float:
        with pytest.raises(LedgerFailed):
            await with_renewed_lease(ledger, VirtualClock(), works(60, said.append))
        return asyncio.get_running_loop().time()

    assert (run(stopped()), said) == (stopped_s, ["cancelled"])


def test_what_the_work_raises_is_raised_and_ends_the_renewing() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise KeyError("ours")

    async def both() -> int:
        with pytest.raises(KeyError, match="ours"):
            await with_renewed_lease(leased(), VirtualClock(), fails())
        return len(asyncio.all_tasks())

    assert run(both()) == 1


def test_a_stop_from_outside_stops_the_work() -> None:
    said: list[str] = []

    async def stopped() -> None:
        task = asyncio.ensure_future(with_renewed_lease(leased(), VirtualClock(), works(60, said.append)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(stopped())
    assert said == ["cancelled"]


def test_a_lock_that_is_no_lease_is_not_renewed() -> None:
    assert run(with_renewed_lease(EmptyLedger("here"), VirtualClock(), works(60))) == "done"
