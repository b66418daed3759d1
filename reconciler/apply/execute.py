"""
Plan to outcomes: each change is an intent, a request, and an outcome, in that order and durable each.

Customers are independent and in flight together; the changes of one go one after the other, and
archives come when all else has ended. What happened to one change is a value; what stops the run (403,
the wrong host, a ledger that cannot be written, five refusals in a row, the user) is its `halt`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from reconciler.apply.sending import Halted, Sending
from reconciler.errors import LedgerFailed
from reconciler.model import Action, Change, Outcome, Status
from reconciler.plans import Plan

IN_FLIGHT = 24
"""So many customers at a time: enough for 5 requests per second with answers that take almost 5 s."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a plan: one outcome a change, in its order, and why the run stopped early, if it did."""

    outcomes: tuple[Outcome, ...]
    halt: str = ""
    interrupted: bool = False

    @property
    def outcome(self) -> str:
        """Return how the run ended, in one word for its history."""
        if self.interrupted:
            return "interrupted"
        if self.halt:
            return "stopped"
        return "done" if all(one.status is Status.DONE for one in self.outcomes) else "failed"


class Steps(Protocol):
    """What one change does, request and ledger; see `steps.CustomerSteps`."""

    async def take(self, change: Change) -> Outcome:
        """Do one change and return what became of it; raises Halted where nothing was sent."""


async def execute(plan: Plan, sending: Sending, steps: Steps, tell: Callable[[Outcome], None]) -> Result:
    """
    Do `plan` and return what became of each change.

    `tell` hears every outcome as it comes. Raises LedgerFailed where an outcome could not be written:
    no further request left then, and what was sent is in the journal as an open intent.
    """
    outcomes: dict[int, Outcome] = {}

    def ended(index: int, outcome: Outcome) -> None:
        outcomes[index] = outcome
        tell(outcome)

    for phase in (False, True):
        wanted = [(index, one) for index, one in enumerate(plan.changes) if (one.action is Action.ARCHIVE) is phase]
        await _together(_chains(wanted), sending, steps, ended)
    ordered = tuple(outcomes[index] for index in range(len(plan.changes)))
    return Result(ordered, sending.halt, sending.interrupted)


Chain = list[tuple[int, Change]]


def _chains(changes: Iterable[tuple[int, Change]]) -> list[Chain]:
    """Return the changes by customer, in the order of each customer's first."""
    chains: dict[str, Chain] = {}
    for index, change in changes:
        chains.setdefault(change.address.external_id, []).append((index, change))
    return list(chains.values())


async def _together(chains: list[Chain], sending: Sending, steps: Steps, ended: Callable[[int, Outcome], None]) -> None:
    """Take the chains, `IN_FLIGHT` at a time, begun in their order."""
    waiting: Iterator[Chain] = iter(chains)

    async def work() -> None:
        for chain in waiting:
            await _one_after_the_other(chain, sending, steps, ended)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(IN_FLIGHT, len(chains))):
                group.create_task(work())
    except* LedgerFailed as failures:
        raise failures.exceptions[0] from None


async def _one_after_the_other(
    chain: Chain, sending: Sending, steps: Steps, ended: Callable[[int, Outcome], None]
) -> None:
    """Take one customer's changes; after one that is not done the rest is skipped, with the reason."""
    failed: Outcome | None = None
    for index, change in chain:
        if failed is not None:
            why = f"its {failed.change.action} {'is in doubt' if failed.status is Status.IN_DOUBT else 'failed'}"
            ended(index, Outcome(change, Status.SKIPPED, why, change.id))
            continue
        if sending.halted:
            ended(index, _not_sent(change, sending))
            continue
        try:
            outcome = await steps.take(change)
        except Halted:
            outcome = _not_sent(change, sending)
        ended(index, outcome)
        if outcome.status is not Status.DONE:
            failed = outcome if outcome.status is not Status.SKIPPED else None


def _not_sent(change: Change, sending: Sending) -> Outcome:
    """Return that the run stopped before `change`."""
    why = "interrupted before it was sent" if sending.interrupted else "the run stopped before it was sent"
    return Outcome(change, Status.SKIPPED, why, change.id)
