"""Faults by a script: which request is befallen by what, and nothing by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.emulator.calls import Call
from reconciler.emulator.faults import Amounts, Fault, On


class Scripted:
    """
    Faults at exact numbers among the requests that `of` takes, counted from 1.

    Each number is one request: a storm of three is three of them.

    >>> faults = Scripted({2: Fault.LOST_AFTER}, of=On.WRITES.takes)
    >>> [faults.draw(Call(method, "/customers")) for method in ("POST", "GET", "POST", "POST")]
    [None, None, <Fault.LOST_AFTER: 'lost_after'>, None]
    """

    def __init__(
        self, at: Mapping[int, Fault], *, of: Callable[[Call], bool] = On.ALL.takes, amounts: Amounts | None = None
    ) -> None:
        """`of` may look at all of a call: `lambda call: b"acme" in call.body`."""
        self.amounts = amounts or Amounts()
        self._at = dict(at)
        self._of = of
        self._count = 0

    @property
    def kept_s(self) -> float:
        """Return how far back a stale read looks, 0 where no read is stale."""
        return self.amounts.stale_s if Fault.STALE_READ in self._at.values() else 0.0

    def draw(self, call: Call) -> Fault | None:
        """Return what befalls this request, whether it fits or not: a script is taken at its word."""
        if not self._of(call):
            return None
        self._count += 1
        return self._at.get(self._count)

    def as_json(self) -> Mapping[str, object]:
        """Return what is still to come: how many requests from now, and which fault."""
        left = {number - self._count: fault for number, fault in sorted(self._at.items()) if number > self._count}
        return {"scripted": left}
