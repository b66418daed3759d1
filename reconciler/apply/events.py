"""What an apply reports as it goes: a change begins, an outcome, a wait for what is in doubt; values, no printer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.model.plan import Change, Outcome


@dataclass(frozen=True, slots=True)
class Begun:
    """A change is taken up; once more where its answer was lost and reading found that it did not happen."""

    change: Change


@dataclass(frozen=True, slots=True)
class Settling:
    """So many creates are in doubt, and are looked for after `wait_s` seconds."""

    in_doubt: int
    wait_s: float


ApplyEvent = Begun | Settling | Outcome
Tell = Callable[[ApplyEvent], None]
