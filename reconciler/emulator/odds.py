"""Faults by chance and by number: `Strike` and `Odds` say when, `RandomFaults` draws, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum

from reconciler.emulator.calls import Call
from reconciler.emulator.faults import STORMS, Amounts, Fault, On, fits


@dataclass(frozen=True, slots=True)
class Strike:
    """
    When a fault befalls a request of those that `on` names, counted from 1 from when the odds were set.

    - `chance`: how probable it is for each that the fault fits, from 0 to 1.
    - `next`: the next so many that it fits are befallen for certain.
    - `at`: these are befallen for certain, where the fault fits them.
    """

    fault: Fault
    on: On = On.ALL
    chance: float = 0.0
    next: int = 0
    at: frozenset[int] = frozenset()

    def as_json(self) -> dict[str, object]:
        """Return what `reading.read_odds` reads for this fault."""
        return {"on": self.on, "chance": self.chance, "next": self.next, "at": sorted(self.at)}


@dataclass(frozen=True, slots=True)
class Odds:
    """
    Every strike; the same `seed` and the same requests give the same faults.

    One fault befalls a request at most: first what is due by number, then what is due next, then chance; of
    several the one that was given first. A storm under way comes before all of them.
    """

    strikes: tuple[Strike, ...] = ()
    seed: int = 0
    amounts: Amounts = field(default_factory=Amounts)

    def as_json(self) -> dict[str, object]:
        """Return the JSON object that `reading.read_odds` reads."""
        by_fault: dict[str, object] = {}
        for fault in dict.fromkeys(strike.fault for strike in self.strikes):
            by_fault[fault] = [strike.as_json() for strike in self.strikes if strike.fault is fault]
        return {**by_fault, "seed": self.seed, **asdict(self.amounts)}


class _Rank(IntEnum):
    """Why a request is befallen: the lower comes first."""

    NUMBERED = 0
    DUE = 1
    DRAWN = 2


class _Aim:
    """One strike as it stands: how many requests it has counted, how many are still due."""

    __slots__ = ("count", "due", "random", "strike")

    def __init__(self, strike: Strike, seed: str) -> None:
        self.strike = strike
        self.due = strike.next
        self.count = 0
        self.random = random.Random(seed)  # noqa: S311 - it must repeat

    def hit(self, call: Call) -> _Rank | None:
        """Count a request; return why it would befall it, None where it would not."""
        strike = self.strike
        if not strike.on.takes(call):
            return None
        self.count += 1
        if not fits(strike.fault, call):
            return None
        # Drawn also where it does not matter, so that the next draw is the same whatever happened here.
        drawn = strike.chance > 0 and self.random.random() < strike.chance
        if self.count in strike.at:
            return _Rank.NUMBERED
        if self.due:
            return _Rank.DUE
        return _Rank.DRAWN if drawn else None


class RandomFaults:
    """Faults by `Odds`."""

    def __init__(self, odds: Odds | None = None) -> None:
        self._odds = odds or Odds()
        # Each draws by itself, so that what befalls the writes does not depend on how many reads came between.
        self._aims = [
            _Aim(strike, f"{self._odds.seed}/{place}/{strike.fault}") for place, strike in enumerate(self._odds.strikes)
        ]
        self._storm: list[Fault] = []

    @property
    def amounts(self) -> Amounts:
        """Return how much of each fault there is."""
        return self._odds.amounts

    @property
    def kept_s(self) -> float:
        """Return how far back a stale read looks, 0 where no read is stale."""
        stale = any(aim.strike.fault is Fault.STALE_READ for aim in self._aims)
        return self._odds.amounts.stale_s if stale else 0.0

    def draw(self, call: Call) -> Fault | None:
        """Return what befalls this request."""
        if not self._aims:
            return None
        hits = [(rank, aim) for aim in self._aims if (rank := aim.hit(call)) is not None]
        if self._storm:
            return self._storm.pop()
        if not hits:
            return None
        rank, aim = min(hits, key=lambda hit: hit[0])
        if rank is _Rank.DUE:
            aim.due -= 1
        fault = aim.strike.fault
        if fault in STORMS:
            self._storm = [fault] * (self._odds.amounts.storm_length - 1)
        return fault

    def as_json(self) -> Mapping[str, object]:
        """Return the odds, and under `next` how many are still to come."""
        left = tuple(
            Strike(aim.strike.fault, aim.strike.on, aim.strike.chance, aim.due, aim.strike.at) for aim in self._aims
        )
        return Odds(left, self._odds.seed, self._odds.amounts).as_json()
