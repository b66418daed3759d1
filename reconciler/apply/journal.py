"""
Writes to the ledger in the middle of a run: durable when `write` returns, several in one commit where they meet.

An intent is written before its request leaves, its outcome before the next step of that customer. At
5 requests per second each has a commit of its own; without a limit those that wait share one. Where a commit waits
for a network, it is made beside the event loop, one at a time, and what comes meanwhile shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reconciler.ledger.base import Ledger
from reconciler.model.ledger import Write

_Waiting = tuple[tuple[Write, ...], asyncio.Future[None]]


class Journal:
    """One run's way to its ledger. After a failed commit every write raises LedgerFailed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Waiting] = []
        self._beside: asyncio.Task[None] | None = None

    async def write(self, *writes: Write) -> None:
        """Make `writes` durable, all or none; raises LedgerFailed where that cannot be had."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((writes, written))
        if self._ledger.remote:
            if self._beside is None or self._beside.done():
                self._beside = loop.create_task(self._commit_beside())
        elif len(self._waiting) == 1:
            loop.call_soon(self._commit)
        await written

    def _commit(self) -> None:
        """Commit all that waits."""
        waiting, self._waiting = self._waiting, []
        failed: Exception | None = None
        try:
            self._ledger.commit(_together(waiting))
        except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            failed = exc
        _tell(waiting, failed)

    async def _commit_beside(self) -> None:
        """Commit all that waits, and what comes meanwhile, in a thread."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            failed: Exception | None = None
            try:
                await asyncio.to_thread(self._ledger.commit, _together(waiting))
            except Exception as exc:  # noqa: BLE001 - as above
                failed = exc
            _tell(waiting, failed)


def _together(waiting: Sequence[_Waiting]) -> list[Write]:
    """Return the writes of all that wait, in their order."""
    return [write for writes, _ in waiting for write in writes]


def _tell(waiting: Sequence[_Waiting], failed: Exception | None) -> None:
    """Tell all that wait that their writes are durable, or why not."""
    for _, written in waiting:
        if written.cancelled():
            continue
        if failed is None:
            written.set_result(None)
        else:
            written.set_exception(failed)
