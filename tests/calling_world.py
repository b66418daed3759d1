"""Calls of `api` in a world of virtual time: done, lost, or cut off by a death of the process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clocks import EPOCH_S, VirtualClock
from world import REF, World

from reconciler.apply.direct_request import Call
from reconciler.crash_points import no_hook
from reconciler.errors import ReconcilerError
from reconciler.model.policy import Terms
from reconciler.pipeline import api_change, apply
from reconciler.pipeline.api_change import RequestResult


class Killed(KeyboardInterrupt):
    """The process is dead."""


class Dead(Exception):
    """What is left of a call after `Killed`."""


@dataclass(slots=True)
class Death:
    """A `Step` at whose `at`-th call the process dies; a dead process takes no further step."""

    at: int
    taken: int = 0

    def __call__(self, step: str) -> None:
        self.taken += 1
        if self.taken == self.at:
            raise Killed(step)
        if self.taken > self.at:
            raise asyncio.CancelledError


class CallingWorld(World):
    """A world in which single requests are made too."""

    def call(self, call: Call, terms: Terms | None = None) -> RequestResult:
        """Make a call, as the command does under its lock; raises what it raises."""
        return self._run(self._call(call, terms or Terms(REF, rate_per_s=0.0)))

    def dies(self, call: Call, at: int) -> bool:
        """Make a call whose process dies at its `at`-th step; say whether it came so far."""
        self.step = death = Death(at)
        try:
            self.call(call)
        except (Killed, Dead, ReconcilerError):
            pass
        finally:
            self.step = no_hook
        return death.taken >= at

    async def _call(self, call: Call, terms: Terms) -> RequestResult:
        clock = VirtualClock(EPOCH_S + self.passed_s)
        try:
            with self.ledger() as ledger:
                async with self._client() as client:
                    prepared = await api_change.prepare(client, ledger, call, terms)
                    return await api_change.carry_out(
                        client,
                        ledger,
                        prepared,
                        terms,
                        run=apply.new_run(clock, call.name),
                        clock=clock,
                        stop=asyncio.Event(),
                        tell=lambda _: None,
                    )
        except Killed:
            raise Dead from None
