"""What a run may still send: the one count that no request passes by, and what is kept for settling."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reconciler.clock import Clock
from reconciler.errors import OverBudget
from reconciler.model.policy import UNBOUNDED, Allowance


@dataclass(slots=True)
class Hold:
    """Requests that are promised to one change; `left` are not sent yet."""

    left: int = 0


class Budget:
    """
    Counts the requests of a run, which began when this was made, against its allowance.

    A change first holds what it may need: its request, and the one that would settle it. So nothing is
    begun that could not be settled, and no request leaves beyond the allowance, whoever sends it.
    """

    def __init__(self, clock: Clock, allowance: Allowance = UNBOUNDED) -> None:
        self.allowance = allowance
        self.sent = 0
        self._clock = clock
        self._until_s = None if allowance.max_duration_s is None else clock.monotonic() + allowance.max_duration_s
        self._held = 0
        self._kept = 0
        self._given_back = asyncio.Event()

    def spend(self, hold: Hold | None = None) -> None:
        """Count a request that leaves now; OverBudget where it must not."""
        if not self.time_for(0.0):
            raise OverBudget(f"the budget is used up: {self.allowance}")
        if hold is not None and hold.left:
            hold.left -= 1
            self._held -= 1
        elif not self.room(1):
            raise OverBudget(f"the budget is used up: {self.allowance}, and another request is needed")
        self.sent += 1

    def room(self, requests: int) -> bool:
        """Say whether so many requests more fit, beside those that are held."""
        most = self.allowance.max_requests
        return most is None or self.sent + self._held + self._kept + requests <= most

    def time_for(self, seconds: float) -> bool:
        """Say whether a request may leave so many seconds from now."""
        return self._until_s is None or self._clock.monotonic() + seconds < self._until_s

    async def held(self, hold: Hold, requests: int) -> bool:
        """Hold so many requests; wait for what others may give back, and say False where they cannot fit any more."""
        while not self.room(requests):
            if not self._held:
                return False
            self._given_back.clear()
            await self._given_back.wait()
        hold.left += requests
        self._held += requests
        return True

    def give_back(self, hold: Hold) -> None:
        """End a hold whose change needs nothing more."""
        self._held -= hold.left
        hold.left = 0
        self._given_back.set()

    def keep(self, hold: Hold) -> None:
        """Keep a hold for what is settled when all else has ended; others no longer wait for it."""
        self._kept += hold.left
        self.give_back(hold)

    def settle(self) -> None:
        """Let what was kept for settling be spent."""
        self._kept = 0
