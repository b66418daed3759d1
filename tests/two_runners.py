"""
Two runs at once: one stops in its middle as a suspended process does, another takes over, and the first wakes up.

The second has an event loop of its own, in a thread that the first waits for. Time goes on for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from clocks import VirtualLoop
from test_crash import Mortal
from world import World

from reconciler.crash_points import no_hook
from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder

EXPIRED_S = 20.0
"""The first sleeps so long before the second begins: past a lease of 15 s, and the 5 s that a request may take."""


class Begun(Mortal):
    """A world whose ledgers are those of runs that have begun to write: whoever begins takes over."""

    def ledger(self) -> Ledger:
        """Return the ledger as the run that begins now has it."""
        with ExitStack() as opened:
            ledger = opened.enter_context(super().ledger())
            begun = ledger.begin(Holder("somebody@host 1", "2026-01-01T00:00:00Z", "apply"), account="")
            opened.pop_all()
            return begun


@dataclass(slots=True)
class TakenOverAt:
    """
    A `Step`: at its `at`-th call `second` runs to its end, while this run sleeps; then this one wakes up.

    Not where a transaction is open, for a second run waits for its end; nor where the request leaves, for what
    is on its way is not held back by any fence.
    """

    world: World
    second: Callable[[], object]
    at: int
    taken: int = 0

    def __call__(self, step: str) -> None:
        if step == "commit" or step.startswith("send"):
            return
        self.taken += 1
        if self.taken != self.at:
            return
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world, began_s = self.world, self.world.passed_s
        world.passed_s += loop.time() + EXPIRED_S
        world.step = no_hook
        with ThreadPoolExecutor(1) as other:
            other.submit(self.second).result()
        loop.pass_time(world.passed_s - began_s - loop.time())
        world.passed_s = began_s
