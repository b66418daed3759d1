"""Which workers a fleet has, in its table, and which of them live."""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from reconciler.fleet.table import Store

SILENT_S = 20.0
"""A worker that has given no sign of life for that many seconds is dead: others may begin what it had begun."""
FORGOTTEN_S = 60.0
"""After so long without a sign a worker is not listed any more."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker: its host, how many jobs it runs, when it was seen, in seconds since 1970, and whether it drains."""

    name: str
    host: str
    running: int
    seen_at: float
    draining: bool


_SEEN = (
    "INSERT INTO fleet_workers (fleet, worker, host, running, seen_at, draining) VALUES (?, ?, ?, ?, ?, 0) "
    "ON CONFLICT (fleet, worker) DO UPDATE SET running = excluded.running, seen_at = excluded.seen_at"
)
_GONE = "DELETE FROM fleet_workers WHERE fleet = ? AND worker = ?"
_DRAIN = "UPDATE fleet_workers SET draining = 1 WHERE fleet = ? AND worker = ?"
_WORKERS = "SELECT worker, host, running, seen_at, draining FROM fleet_workers WHERE fleet = ? ORDER BY worker"


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of a fleet, in its table."""

    store: Store
    fleet: str

    def seen(self, name: str, running: int, now: float) -> list[WorkerRow]:
        """Write that a worker is alive, and return all there are."""
        self.store.write([(_SEEN, [(self.fleet, name, platform.node(), running, now)])])
        return self.all()

    def gone(self, *names: str) -> None:
        """Write that workers have ended."""
        self.store.write([(_GONE, [(self.fleet, name) for name in names])])

    def all(self) -> list[WorkerRow]:
        """Return the workers that have not ended, dead ones too."""
        rows = self.store.rows(_WORKERS, self.fleet)
        return [
            WorkerRow(name, host, running, seen_at, bool(draining)) for name, host, running, seen_at, draining in rows
        ]

    def drain(self, names: Collection[str]) -> None:
        """Have workers begin no further job, and end once those that run have ended."""
        self.store.write([(_DRAIN, [(self.fleet, name) for name in names])])


@dataclass(slots=True)
class Signs:
    """Which workers live, by whether their signs change while this one looks on: clocks of workers may differ."""

    _seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, rows: Sequence[WorkerRow], now_s: float) -> None:
        """Take the signs of all workers, at a moment of the own clock."""
        former = self._seen
        self._seen = {
            one.name: (one.seen_at, known[1] if (known := former.get(one.name)) and known[0] == one.seen_at else now_s)
            for one in rows
        }

    def __contains__(self, name: str) -> bool:
        """Say whether a worker was there at the last look."""
        return name in self._seen

    def is_dead(self, name: str, now_s: float) -> bool:
        """Say whether a worker has ended, or has given no sign for long."""
        return bool(self._seen) and (name not in self._seen or name in self.silent(SILENT_S, now_s))

    def silent(self, seconds: float, now_s: float) -> list[str]:
        """Return the workers that have given no sign for that long."""
        return [name for name, (_, since_s) in self._seen.items() if now_s - since_s > seconds]
