"""
Faults on demand: what goes wrong around a request, by chance or for the next writes.

`Faults` is the one seam: it may answer in the API's place before a request is handled, and may change or
lose the answer after it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, assert_never

from reconciler.emulator.calls import Answer, Call, Dropped, answer_of
from reconciler.rules import Behaviour, Reply, refusal
from reconciler.rules.replies import page_of_html


class Fault(StrEnum):
    """
    What may go wrong. *Before*: nothing happened; *after*: it happened, and the caller does not learn it.

    `html_page` is a proxy's page instead of the answer, after the request was handled; `storm_429`
    begins a row of 429s; `slow` holds the answer back.
    """

    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    STATUS_500_AFTER = "status_500_after"
    STATUS_503_BEFORE = "status_503_before"
    STORM_429 = "storm_429"
    HTML_PAGE = "html_page"
    SLOW = "slow"


class Faults(Protocol):
    """What happens around a request."""

    def before(self, call: Call) -> Answer | Dropped | None:
        """Return what the caller gets in place of the API's answer, None to let the request pass."""

    def after(self, call: Call, answer: Answer) -> Answer | Dropped:
        """Return what the caller gets once the request was handled."""

    def as_json(self) -> Mapping[str, object]:
        """Return what is set, for `GET /_emulator/faults`."""


@dataclass(frozen=True, slots=True)
class Odds:
    """
    How probable each fault is, from 0 to 1, for every request, and which befall the next writes for certain.

    - `next_writes`: for each fault how many; they come one after the other, in the order given.
    - `seed`: the same seed and the same requests give the same faults.
    - `slow_s`: how long a slow answer takes. `storm_length`: how many 429s a storm is.
    - `html_status`: the status of a proxy's page.
    """

    lost_before: float = 0.0
    lost_after: float = 0.0
    status_500_after: float = 0.0
    status_503_before: float = 0.0
    storm_429: float = 0.0
    html_page: float = 0.0
    slow: float = 0.0
    next_writes: tuple[tuple[Fault, int], ...] = ()
    seed: int = 0
    slow_s: float = 2.0
    storm_length: int = 5
    html_status: int = 502

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Odds:
        """
        Return the odds that a JSON object says; ValueError names what it cannot be.

        >>> Odds.read({"lost_after": 0.5, "next_writes": {"slow": 2}}).next_writes
        ((<Fault.SLOW: 'slow'>, 2),)
        """
        read: dict[str, Any] = {}
        for name, value in values.items():
            if name == "next_writes":
                read[name] = _next_writes(value)
            elif name in _SWITCHES:
                read[name] = _number(name, value, whole=name not in _FRACTIONS)
            else:
                raise ValueError(f"{name!r} is no fault; there are {', '.join(_SWITCHES)}, next_writes")
        return cls(**read)


_STATUSES = (200, 599)
_FRACTIONS = (*Fault, "slow_s")
_SWITCHES = (*_FRACTIONS, "seed", "storm_length", "html_status")


def _next_writes(value: object) -> tuple[tuple[Fault, int], ...]:
    """Return the faults of the next writes."""
    if not isinstance(value, Mapping) or not set(value) <= set(Fault):
        raise ValueError(f"next_writes gives a number for some of {', '.join(Fault)}")
    return tuple((Fault(name), int(_number(name, count, whole=True))) for name, count in value.items())


def _number(name: str, value: object, *, whole: bool) -> float | int:
    """Return a number that is not negative; a probability is at most 1."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < 0:
        raise ValueError(f"{name} is a {'whole ' if whole else ''}number, not below 0")
    if name == "html_status" and not _STATUSES[0] <= value <= _STATUSES[1]:
        raise ValueError("html_status is a status, from 200 to 599")
    if not whole and name in set(Fault) and value > 1:
        raise ValueError(f"{name} is a probability, from 0 to 1")
    return value


class RandomFaults:
    """Faults by `Odds`, which can be set anew while it runs."""

    def __init__(self, odds: Odds | None = None, *, ways: Callable[[], Behaviour] = Behaviour) -> None:
        """`ways` returns the behaviour that gives a refusal its shape."""
        self._ways = ways
        self.set(odds or Odds())

    def set(self, odds: Odds) -> None:
        """Begin anew with `odds`."""
        self._odds = odds
        self._random = random.Random(odds.seed)  # noqa: S311 - it must repeat
        self._queue = [fault for fault, count in odds.next_writes for _ in range(count)]
        self._storm = 0
        self._drawn: Fault | None = None
        self._chances = [(fault, chance) for fault in Fault if (chance := getattr(odds, fault)) > 0]

    def before(self, call: Call) -> Answer | Dropped | None:
        """Draw the fault of this request; answer in the API's place where it comes before."""
        self._drawn = self._draw(call)
        match self._drawn:
            case Fault.LOST_BEFORE:
                return Dropped()
            case Fault.STATUS_503_BEFORE:
                return answer_of(refusal(self._ways(), 503, "Unavailable"))
            case Fault.STORM_429:
                return answer_of(refusal(self._ways(), 429, "Too many requests"))
            case _:
                return None

    def after(self, call: Call, answer: Answer) -> Answer | Dropped:  # noqa: ARG002 - the seam's shape
        """Change or lose the answer, as `before` drew."""
        match self._drawn:
            case Fault.LOST_AFTER:
                return Dropped()
            case Fault.STATUS_500_AFTER:
                return answer_of(refusal(self._ways(), 500, "Internal error"))
            case Fault.HTML_PAGE:
                return answer_of(Reply(self._odds.html_status, page_of_html(self._odds.html_status)))
            case Fault.SLOW:
                return replace(answer, delay_s=self._odds.slow_s)
            case None | Fault.LOST_BEFORE | Fault.STATUS_503_BEFORE | Fault.STORM_429:
                return answer
        assert_never(self._drawn)

    def as_json(self) -> Mapping[str, object]:
        """Return the odds, and of the next writes those that are still to come."""
        waiting = {fault: self._queue.count(fault) for fault in dict.fromkeys(self._queue)}
        return {**asdict(self._odds), "next_writes": waiting}

    def _draw(self, call: Call) -> Fault | None:
        """Return what befalls this request."""
        if self._storm:
            self._storm -= 1
            return Fault.STORM_429
        fault = self._queue.pop(0) if self._queue and call.writes else self._by_chance()
        if fault is Fault.STORM_429:
            self._storm = max(0, self._odds.storm_length - 1)
        return fault

    def _by_chance(self) -> Fault | None:
        """Return a fault as probable as the odds say; the first of several wins."""
        return next((fault for fault, chance in self._chances if self._random.random() < chance), None)
