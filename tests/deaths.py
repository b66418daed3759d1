"""The end of a process, at any step of a run (`crash_points`), as an exception that an event loop lets through."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


class Killed(KeyboardInterrupt):
    """The process is dead. An event loop lets no other kind through at once."""


class Dead(Exception):
    """What is left of a run after `Killed`: an event loop would let that through again, and leave tasks behind."""


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
