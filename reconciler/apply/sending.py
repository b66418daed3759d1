"""One run's sending: the intent before the request, its outcome after, and the rule that stops the run."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from dataclasses import replace

from reconciler.api.client import Client
from reconciler.api.request import Reply, Request
from reconciler.apply.journal import Journal
from reconciler.clock import Clock
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    NotTheApi,
    Rejected,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from reconciler.model import Action, Address, Change, CustomerId, Status
from reconciler.records import Intent, PutIntent, Write

REFUSALS = 5
"""So many refusals of one status and code in a row stop the run; lost answers and 5xx do not count."""


class Halted(Exception):
    """Raised before a request that must not leave any more."""


class Sending:
    """
    One run's sending: intents, requests, and the rule that stops it.

    It knows nothing of what a reply means for a customer; `steps` does.
    """

    def __init__(self, *, run: str, client: Client, journal: Journal, stop: asyncio.Event, clock: Clock) -> None:
        self.client = client
        self._clock = clock
        self.journal = journal
        self.halt = ""
        self._run = run
        self._stop = stop
        self._seq = itertools.count(1)
        self._refusals: tuple[tuple[int, str], int] = ((0, ""), 0)
        self._last: dict[tuple[Action, Address], Intent] = {}
        self._lost: set[tuple[Action, Address]] = set()

    @property
    def halted(self) -> bool:
        """Say whether no further request may leave."""
        return bool(self.halt) or self._stop.is_set()

    @property
    def interrupted(self) -> bool:
        """Say whether the user stopped the run."""
        return self._stop.is_set()

    async def send(self, request: Request, change: Change, customer: CustomerId | None) -> tuple[Reply, Intent]:
        """
        Send one change and return the reply and its intent, which is still open.

        Raises Halted where it did not leave, LedgerFailed where the intent could not be written (and it
        did not leave), and what the client raises.
        """
        intent = self._intent(request, change, customer)

        async def before() -> None:
            nonlocal intent
            if self.halted:
                raise Halted
            intent = replace(intent, opened_at=self.client.server_now())
            self._last[change.action, change.address] = intent
            await self.journal.write(PutIntent(intent))

        try:
            reply = await self.client.send(request, before=before)
        except ApiFailed as exc:
            if exc.lost:
                self._lost.add((change.action, change.address))
            await self._failed(exc, intent)
            raise
        self._refusals = ((0, ""), 0)
        return reply, intent

    async def pause(self, wait_s: float) -> None:
        """Wait, or until the user stops the run."""
        stopped = asyncio.ensure_future(self._stop.wait())
        waited = asyncio.ensure_future(self._clock.sleep(wait_s))
        _, open_ = await asyncio.wait((stopped, waited), return_when=asyncio.FIRST_COMPLETED)
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)

    def repeated(self, change: Change) -> bool:
        """Say whether a sending of `change` had no answer that settles it."""
        return (change.action, change.address) in self._lost

    def last_intent(self, change: Change) -> Intent:
        """Return the intent with which `change` was last sent."""
        return self._last[change.action, change.address]

    async def close(self, intent: Intent, status: Status, *writes: Write, message: str = "") -> None:
        """Make the outcome of `intent` durable, with what it teaches."""
        closed = replace(intent, status=status, message=message, closed_at=self.client.server_now())
        await self.journal.write(PutIntent(closed), *writes)

    def _intent(self, request: Request, change: Change, customer: CustomerId | None) -> Intent:
        """Return the intent of `change`."""
        return Intent(
            run=self._run,
            seq=next(self._seq),
            action=change.action,
            address=change.address,
            id=customer,
            opened_at=0.0,
            payload_hash=hashlib.sha256(request.content() or b"").hexdigest(),
            before={field.name: field.before for field in change.fields},
            after={field.name: field.after for field in change.fields},
        )

    async def _failed(self, failure: ApiFailed, intent: Intent) -> None:
        """Close the intent of what did not happen, leave open what may have; stop the run where that is the rule."""
        match failure:
            case Unanswered():
                return
            case _ if failure.lost:
                return
            case Forbidden() | Unauthorized() | Throttled() | NotTheApi():
                self.halt = self.halt or str(failure)
            case Rejected():
                self._refused((failure.status, failure.code), str(failure))
            case Unreachable():
                self._refused((0, "unreachable"), str(failure))
            case _:
                pass
        if intent.opened_at:
            await self.close(intent, Status.FAILED, message=str(failure))

    def _refused(self, kind: tuple[int, str], words: str) -> None:
        """Count a refusal, and stop the run at the fifth of its kind in a row."""
        last, count = self._refusals
        count = count + 1 if kind == last else 1
        self._refusals = (kind, count)
        if count >= REFUSALS and not self.halt:
            self.halt = f"{count} refusals of one kind in a row: {words}"
