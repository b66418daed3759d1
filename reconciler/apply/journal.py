"""
Writes to the ledger in the middle of a run: durable when `write` returns, several in one commit where they meet.

An intent is written before its request leaves, its outcome before the next step of that customer. At
5 requests per second each has a commit of its own; without a limit those that wait share one.
"""

from __future__ import annotations

import asyncio

from reconciler.ledger.base import Ledger
from reconciler.records import Write


class Journal:
    """One run's way to its ledger. After a failed commit every write raises LedgerFailed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[tuple[Write, ...], asyncio.Future[None]]] = []

    async def write(self, *writes: Write) -> None:
        """Make `writes` durable, all or none; raises LedgerFailed where that cannot be had."""
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)
        self._waiting.append((writes, written))
        await written

    def _commit(self) -> None:
        """Commit all that waits."""
        waiting, self._waiting = self._waiting, []
        failed: Exception | None = None
        try:
            self._ledger.commit([write for writes, _ in waiting for write in writes])
        except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            failed = exc
        for _, written in waiting:
            if written.cancelled():
                continue
            if failed is None:
                written.set_result(None)
            else:
                written.set_exception(failed)
