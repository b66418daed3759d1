"""
One run's sending: the intent before the request, its outcome after, each durable; and what stops the run.

An intent is written before its request leaves, its outcome before the next step of that customer. At
5 requests per second each has a commit of its own; without a limit those that wait share one. Where a commit waits
for a network, it is made beside the event loop, one at a time, and what comes meanwhile shares the next.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import cast

from reconciler.api.client import ApiClient
from reconciler.api.exchange import SHOWN_FIELDS, Reply, Request, is_name, shown
from reconciler.api.limit import Hold
from reconciler.clock import Clock, sleep_unless
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    Incomplete,
    NotFound,
    NotTheApi,
    OverBudget,
    Rejected,
    Source,
    Stopped,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from reconciler.escape import visible
from reconciler.ledger.base import Ledger
from reconciler.model.core import Action, Address, CustomerId, Status
from reconciler.model.ledger import Intent, PutIntent, Write
from reconciler.model.plan import Change
from reconciler.model.reasons import Cited, Ending, EndReason, FieldCited, ReasonPart, ReasonParts

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


REFUSALS = 5
"""So many refusals of one status and code in a row stop the run; lost answers and 5xx do not count."""


class Halted(Exception):
    """Raised before a request that must not leave any more."""


def _counts(_: Rejected) -> bool:
    """Let every refusal count."""
    return True


def _unheard(_: Reply) -> None:
    """Hear nothing."""


class Sender:
    """
    One run's sending: intents, requests, and the rule that stops it.

    It knows nothing of what a reply means for a customer; `steps` does. `lag_s` is how long a write
    may stay unseen; `spent` says that a change did not fit into the budget any more.
    `heard` is called with each reply, `failure` is the last error that a request ended in. `commits` are those of the
    files that declare the changes, by name.
    """

    def __init__(
        self,
        *,
        run: str,
        client: ApiClient,
        journal: Journal,
        stop: asyncio.Event,
        clock: Clock,
        lag_s: float = 0.0,
        heard: Callable[[Reply], None] = _unheard,
        commits: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.client = client
        self._heard = heard
        self._commits = commits
        self.failure: ApiFailed | None = None
        self._clock = clock
        self.journal = journal
        self.halt: Ending | None = None
        self.spent = False
        self.lag_s = lag_s
        self._run = run
        self._stop = stop
        self._seq = itertools.count(1)
        self._refusals: tuple[tuple[int, str], int] = ((0, ""), 0)
        self._last: dict[tuple[Action, Address], Intent] = {}
        self._lost: set[tuple[Action, Address]] = set()

    @property
    def halted(self) -> bool:
        """Say whether no further change may begin."""
        return self.spent or self.stopped

    @property
    def stopped(self) -> bool:
        """Say whether no further request may leave, not even one that settles."""
        return self.halt is not None or self._stop.is_set()

    @property
    def interrupted(self) -> bool:
        """Say whether the user stopped the run."""
        return self._stop.is_set()

    async def send(
        self,
        request: Request,
        change: Change,
        customer: CustomerId | None,
        *,
        counts: Callable[[Rejected], bool] = _counts,
    ) -> tuple[Reply, Intent]:
        """
        Send one change and return the reply and its intent, which is still open.

        `counts` says of a refusal whether it is one: not where the change is sent in another form then, or is found to
        be done already. What still is one in the end is counted by `refused`.

        Raises Halted where it did not leave, LedgerFailed where the intent could not be written (and it
        did not leave), and what the client raises.
        """
        intent, hold = self._intent(request, change, customer), Hold()
        creates = change.action in (Action.CREATE, Action.CREATE_USER)
        settling_s = self.lag_s if creates else 0.0

        async def before() -> None:
            nonlocal intent
            if self.stopped:
                raise Halted
            if not self.client.budget.time_for(settling_s):
                self.spent = True
                raise Halted
            intent = replace(intent, opened_at=self.client.server_now())
            self._last[change.action, change.address] = intent
            await self.journal.write(PutIntent(intent))

        # Lost, a create needs one more request to be settled; what else is lost is settled by the next plan's reading.
        if self.halted or not await self.client.budget.held(hold, 1 + creates):
            self.spent = self.spent or not self.stopped
            raise Halted
        try:
            reply = await self.client.send(request, before=before, hold=hold, stop=self._stop)
        except ApiFailed as exc:
            self.failure = exc
            if creates and (exc.lost or isinstance(exc, Unanswered)):
                self.client.budget.keep(hold)
            if exc.lost:
                self._lost.add((change.action, change.address))
            await self._failed(exc, intent, counted=not isinstance(exc, Rejected) or counts(exc))
            raise
        finally:
            self.client.budget.give_back(hold)
        self._refusals = ((0, ""), 0)
        self._heard(reply)
        return reply, intent

    def may_settle(self) -> bool:
        """Say whether one more request may leave when the lag bound has passed."""
        self.client.budget.settle()
        return not self.stopped and self.client.budget.time_for(self.lag_s) and self.client.budget.room(1)

    async def pause(self, wait_s: float) -> None:
        """Wait, or until the user stops the run."""
        await sleep_unless(self._clock, wait_s, self._stop)

    def repeated(self, change: Change) -> bool:
        """Say whether a sending of `change` had no answer that settles it."""
        return (change.action, change.address) in self._lost

    def last_intent(self, change: Change) -> Intent:
        """Return the intent with which `change` was last sent."""
        return self._last[change.action, change.address]

    async def close(self, intent: Intent, status: Status, *writes: Write, ending: Ending | None = None) -> None:
        """Make the outcome of `intent` durable, with what was learned."""
        closed = replace(intent, status=status, ending=ending, closed_at=self.client.server_now())
        await self.journal.write(PutIntent(closed), *writes)

    def _intent(self, request: Request, change: Change, customer: CustomerId | None) -> Intent:
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
            reason=change.reason,
            source=None if change.source is None else Source(change.source.file, change.source.line),
            commit="" if change.source is None else self._commits.get(change.source.file, ""),
        )

    async def _failed(self, failure: ApiFailed, intent: Intent, *, counted: bool) -> None:
        """Close the intent of what did not happen, leave open what may have; stop the run where that is the rule."""
        match failure:
            case Unanswered():
                return
            case OverBudget():
                self.spent = True
                if failure.lost:
                    return
            case _ if failure.lost:
                return
            case Forbidden() | Unauthorized() | Throttled() | NotTheApi():
                self.halt = self.halt or ending_of(failure)
            case Rejected() if counted:
                self._refused((failure.status, failure.code), failure)
            case Unreachable():
                self._refused((0, "unreachable"), failure)
            case _:
                pass
        if intent.opened_at:
            await self.close(intent, Status.FAILED, ending=ending_of(failure))

    def refused(self, failure: Rejected) -> None:
        """Count a refusal that was not counted when it came."""
        self._refused((failure.status, failure.code), failure)

    def _refused(self, kind: tuple[int, str], failure: ApiFailed) -> None:
        """Count a refusal, and stop the run at the fifth of its kind in a row."""
        last, count = self._refusals
        count = count + 1 if kind == last else 1
        self._refusals = (kind, count)
        if count >= REFUSALS and not self.halt:
            self.halt = Ending(EndReason.REFUSED_IN_A_ROW, {"count": count}, ending_of(failure))


_CODES: Mapping[type[ApiFailed | Incomplete], EndReason] = {
    Unauthorized: EndReason.UNAUTHORIZED,
    Forbidden: EndReason.FORBIDDEN,
    NotFound: EndReason.NOT_FOUND,
    Throttled: EndReason.THROTTLED,
    Rejected: EndReason.REJECTED,
    Unanswered: EndReason.NO_ANSWER,
    Unreachable: EndReason.UNREACHABLE,
    NotTheApi: EndReason.NOT_THE_API,
    OverBudget: EndReason.STOPPED_IN_DOUBT,
    Stopped: EndReason.STOPPED_IN_DOUBT,
}


def ending_of(failure: ApiFailed | Incomplete) -> Ending:
    """Return what a request ended in, with the words of the server or of the client, cleaned and cut."""
    if failure.stop is not None and isinstance(failure.stop.reason, EndReason):
        return Ending(failure.stop.reason, cast("ReasonParts", failure.stop.parts))
    code = _CODES.get(type(failure), EndReason.NOT_LISTED)
    if code is EndReason.STOPPED_IN_DOUBT:
        return Ending(code)
    advice, request = Cited(shown(failure.hint)), failure.request if isinstance(failure, ApiFailed) else ""
    if request and isinstance(failure, Rejected | Unanswered) and failure.status >= HTTPStatus.BAD_REQUEST:
        parts: dict[str, ReasonPart | tuple[ReasonPart, ...]] = {
            "request": request,
            "status": failure.status,
            "code": failure.code if not failure.code or is_name(failure.code) else Cited(shown(failure.code)),
            "words": Cited(shown(failure.detail)),
            "about": tuple(_about(name, text) for name, text in failure.fields[:SHOWN_FIELDS]),
            "advice": advice,
        }
        if code is EndReason.FORBIDDEN:
            method, _, path = request.partition(" ")
            parts["scope"] = f"{path.split('/')[1]}:{'read' if method == 'GET' else 'write'}"
        return Ending(EndReason.SERVER_ERROR if code is EndReason.NO_ANSWER else code, parts)
    words = Cited(visible(failure.message.removeprefix(f"{request}: ")))
    if isinstance(failure, Rejected):
        code = EndReason.CREDENTIALS_REFUSED
    return Ending(code, {"request": request, "words": words, "advice": advice})


def _about(name: str, text: str) -> FieldCited:
    """Return what the server says about a field; a name that is none may quote what was sent."""
    return FieldCited(name, shown(text)) if is_name(name) else FieldCited("", shown(f"{name}: {text}"))
