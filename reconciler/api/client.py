"""The one client, and the only file that sends: pace, token, intent, request, answer, retry."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import sniffio

from reconciler.api import exchange, times
from reconciler.api.exchange import OAUTH_PATH, Reply, Request, Sent, UnreadableError, read_body
from reconciler.api.limit import Board, Budget, Hold, Limiter, Turn
from reconciler.api.transport import (
    HEADERS,
    JSON_TYPE,
    Basic,
    Credential,
    TokenGrant,
    Tokens,
    connect,
    origin,
    patience,
    read_grant,
    refusal,
)
from reconciler.clock import Clock, sleep_unless
from reconciler.crash_points import Step, no_hook
from reconciler.errors import (
    ApiFailed,
    NotTheApi,
    OverBudget,
    Rejected,
    Stopped,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from reconciler.pace import HAIR

SENDINGS = 5
"""How often a request is sent that has no answer, or no connection."""
THROTTLED_SENDINGS = 10
"""How often a request is sent that a 429 answers: it did no harm, and others may share the key."""
LONGEST_WAIT_S = 120.0
"""The longest Retry-After that is waited for; beyond it a person should know."""
_FIRST_WAIT_S = 0.5
_BACKOFF_CAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Send it again after `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send it again; `because` is for a person, empty where the failure says all."""

    because: str = ""


def after(
    failure: ApiFailed, *, attempt: int, repeatable: bool, jitter: float = 1.0, retry_after_s: float | None = None
) -> Wait | GiveUp:
    """
    Return what to do after `failure`, the `attempt`-th of its class in a row (from 1).

    `repeatable` says that sending twice does what sending once does: true of GET, PATCH, archive and
    restore; not of a create. `jitter` is between 0 and 1: a wait is between half and all of 0.5 s, 1 s,
    2 s… `retry_after_s` is what the API asks for, None where it asks nothing (FAQ, "What is the API rate
    limit?": space requests out evenly, back off exponentially).

    >>> after(Unanswered("read timeout"), attempt=1, repeatable=False)
    GiveUp(because='it may have happened; read the live state first')
    >>> after(Unanswered("read timeout"), attempt=3, repeatable=True, jitter=0.5)
    Wait(wait_s=1.5)
    """
    match failure:
        case Unauthorized():
            # The token may have been revoked: a new one, and this request once more.
            return (
                Wait(0.0)
                if attempt == 1
                else GiveUp("a new token is refused too; check that the key is for this environment")
            )
        case Throttled():
            return _again(attempt, THROTTLED_SENDINGS, jitter, retry_after_s)
        case Unreachable():
            return _again(attempt, SENDINGS, jitter, None)
        case Unanswered() if not repeatable:
            return GiveUp("it may have happened; read the live state first")
        case Unanswered():
            return _again(attempt, SENDINGS, jitter, retry_after_s)
        case _:
            return GiveUp()


def _again(attempt: int, sendings: int, jitter: float, retry_after_s: float | None) -> Wait | GiveUp:
    """Return the wait before the next of `sendings`."""
    if attempt >= sendings:
        return GiveUp(f"tried {sendings} times; try again later")
    if retry_after_s is not None and retry_after_s > LONGEST_WAIT_S:
        return GiveUp(f"the server asks to wait {retry_after_s:.0f} s; run again then")
    backoff_s = min(_BACKOFF_CAP_S, _FIRST_WAIT_S * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)
    return Wait(retry_after_s or backoff_s)


LEAVES_WITHIN_S = 5.0
"""
A request leaves within this time of its intent's commit, or not at all.

Whoever finds the intent of a dead or sleeping process knows by it when the request can no longer come.
"""


class IntentHook:
    """
    What `before` makes durable ahead of the first sending; made durable again where much time has passed.

    A sending after a 429 that asked for a long wait would otherwise leave on an old commit.
    """

    def __init__(self, before: Callable[[], Awaitable[None]], clock: Clock, name: str) -> None:
        self._before = before
        self._clock = clock
        self._name = name
        self._committed_s = -math.inf

    async def commit(self) -> None:
        """Await `before`, unless it was less than half the allowed time ago."""
        if self._age_s() > LEAVES_WITHIN_S / 2:
            began_s = self._clock.monotonic()
            await self._before()
            self._committed_s = began_s

    def check(self) -> None:
        """Raise Unreachable where the commit is too old for the request to leave now."""
        if self._age_s() > LEAVES_WITHIN_S:
            raise Unreachable(
                f"{self._name}: held up for more than {LEAVES_WITHIN_S:.0f} s before it was sent; it was not sent"
            )

    def _age_s(self) -> float:
        """Return how long ago the commit began."""
        return self._clock.monotonic() - self._committed_s


class Departure:
    """One sending's hook into the transport, called at the moment when its first byte is to be written."""

    def __init__(self, turn: Turn, intent: IntentHook | None, left: Callable[[Turn], Awaitable[None]]) -> None:
        self._turn = turn
        self._intent = intent
        self._left = left

    async def now(self) -> None:
        """Tell the limiter (`left`) that the request leaves; raise Unreachable where it may not any more."""
        self._check()
        await self._left(self._turn)
        # Again, as the telling may have had to wait.
        self._check()

    def _check(self) -> None:
        """Raise Unreachable where the intent is too old."""
        if self._intent is not None:
            self._intent.check()

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Be httpcore's `trace` extension: a new connection may have taken seconds since the turn."""
        # A proxy is first sent a CONNECT, which carries nothing of ours.
        if event.endswith("send_request_headers.started") and details["request"].method != b"CONNECT":
            await self.now()


_log = logging.getLogger("reconciler.api")

_TOKEN = Request("POST", OAUTH_PATH)
_TOKEN_FORM = b"grant_type=client_credentials"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response whose body was read."""

    status: int
    headers: httpx.Headers
    body: bytes
    server_time_s: float

    def retry_after_s(self) -> float | None:
        """Return how long the server asks to wait, None where it does not."""
        return times.retry_after(self.headers.get("retry-after"), self.server_time_s)


class ApiClient:
    """
    An asynchronous context manager that sends requests to one API with one key.

    - `base_url` is https, or http to this machine; requests go to no other host, and no redirect is followed.
    - `rate_per_s` 0 is no limit. `timeout_s` is for a whole request. `jitter` returns numbers from 0 to 1.
    - `transport` replaces the network; `trace` is notified of each sending, `step` of each request and answer.
    - `budget` bounds what is sent; without one there is no bound.
    - Without `patient` a request that has no answer, or no connection, is not sent again.
    - `board` keeps the pace that others share; without one it is this client's own.
    - `requests` counts what was sent, tokens too; `tokens` those that asked for one.
    - How many requests are in flight together is the caller's matter (up to 50 have a connection).

    Raises Invalid for a base URL, proxy or certificate file that cannot be used.
    """

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        clock: Clock,
        jitter: Callable[[], float],
        rate_per_s: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = 30.0,
        trace: Callable[[Sent], None] | None = None,
        step: Step = no_hook,
        budget: Budget | None = None,
        board: Board | None = None,
        patient: bool = True,
    ) -> None:
        self.budget = budget or Budget(clock)
        self._origin = origin(base_url)
        self._http = connect(self._origin, transport)
        self._clock = clock
        self._jitter = jitter
        self._timeout_s, self._patience = timeout_s, patience(timeout_s)
        self._trace = trace
        self._step = step
        self._limiter = Limiter(clock, rate_per_s, board)
        self._basic = Basic(client_id, client_secret)
        self._tokens = Tokens(self._ask_for_token, clock)
        self._patient = patient
        self._ahead_s: float | None = None
        self._open = AsyncExitStack()
        self.requests = 0
        self.tokens = 0

    async def __aenter__(self) -> Self:
        """Return itself, ready to send."""
        # httpcore and anyio ask at each of their steps; unless it is set, they look for it anew.
        sniffio.current_async_library_cvar.set("asyncio")
        await self._open.enter_async_context(self._http)
        self._open.push_async_callback(self._tokens.close)
        self._open.callback(self._limiter.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._open.aclose()

    def time_for(self, requests: int) -> float | None:
        """Return how many seconds that many requests more take at the rate of now; None where there is no limit."""
        return requests * HAIR / self._limiter.rate_per_s if self._limiter.rate_per_s else None

    def server_now(self) -> float:
        """Return the server's time of day: this machine's, corrected where the Date headers contradict it."""
        return self._clock.now() + (self._ahead_s or 0.0)

    @property
    def ahead_s(self) -> float | None:
        """Return how far the server's clock is surely ahead of this machine's; None where no reply had a Date."""
        return self._ahead_s

    @property
    def scopes(self) -> frozenset[str] | None:
        """Return what the token may do; None where its reply did not say."""
        return self._tokens.scopes

    async def sign_in(self) -> None:
        """Ask for a token where there is none; raises as `send` does, Forbidden for wrong credentials."""
        await self._tokens.current()

    async def ready(self) -> None:
        """Ask for the token now, so that the server's clock is known before the first request; raises ApiFailed."""
        await self._tokens.current()

    async def send(
        self,
        request: Request,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        hold: Hold | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reply:
        """
        Send `request`, again where that is safe and of use, and return the reply to it: a 2xx.

        `before` is awaited when the turn is about to come and the token is there, so long before the first
        sending as it takes: what it raises is raised, and nothing is sent. It is awaited again before a later sending
        if more than 2.5 s have passed since, so that no request leaves more than 5 s after its commit.

        `hold` is what the budget holds for it. OverBudget where the budget has no room for a sending, Stopped
        where `stop` was set while it waited.

        Raises an ApiFailed. Its `lost` says how many sendings stay unsettled; Unanswered, and `lost` not
        0, mean that it may have happened, anything else that it did not.
        """
        intent = None if before is None else IntentHook(before, self._clock, request.name)
        try:
            return await self._settled(request, request.content(), self._tokens, intent, hold, stop)
        except ApiFailed as failure:
            # Not where it speaks of another one: that for a token.
            failure.request = request.name if failure.message.startswith(f"{request.name}: ") else ""
            raise

    async def _ask_for_token(self) -> TokenGrant:
        """Return a new token."""
        try:
            reply = await self._settled(_TOKEN, _TOKEN_FORM, self._basic)
        except Rejected as failure:
            raise refusal(failure) from failure
        return read_grant(reply.body)

    async def _settled(
        self,
        request: Request,
        content: bytes | None,
        credential: Credential,
        intent: IntentHook | None = None,
        hold: Hold | None = None,
        stop: asyncio.Event | None = None,
    ) -> Reply:
        """Send until there is an answer that settles it, or no use in going on."""
        failures: Counter[type[ApiFailed]] = Counter()
        attempts = lost = 0
        while True:
            await _header(credential, lost)
            with _leaving(lost):
                turn = await self._limiter.turn(early=intent is not None, stop=stop)
            # Waiting for the turn may have outlived the token.
            used = await _header(credential, lost)
            if intent is not None:
                with _leaving(lost):
                    await self._limiter.ahead(turn, intent.commit)
                # Again, as a pause may have moved the turn.
                await intent.commit()
            attempts += 1
            answer: _Answer | None = None
            try:
                answer = await self._exchange(request, content, used, Departure(turn, intent, self._limiter.left), hold)
                secrets, location = (used.split()[-1], *self._basic.secrets()), answer.headers.get("location", "")
                body = exchange.json_or_raise(request, answer.status, answer.body, location=location, secrets=secrets)
            except OverBudget as failure:
                failure.lost = lost
                raise
            except ApiFailed as failure:
                failures[type(failure)] += 1
                verdict = after(
                    failure,
                    attempt=failures[type(failure)],
                    repeatable=request.repeatable,
                    jitter=self._jitter(),
                    retry_after_s=answer.retry_after_s() if answer else None,
                )
                if isinstance(failure, Unauthorized) and not credential.refused(used):
                    verdict = GiveUp()
                if not self._patient and isinstance(failure, Unanswered | Unreachable):
                    verdict = GiveUp()
                failure.lost = lost
                if isinstance(verdict, GiveUp):
                    failure.hint = verdict.because
                    if lost and isinstance(failure, Unreachable):
                        raise _doubtful(failure, lost) from failure
                    raise
                lost += isinstance(failure, Unanswered)
                await self._wait(failure, turn, verdict.wait_s, stop)
            else:
                await self._limiter.answered()
                return Reply(answer.status, body, attempts, lost, answer.server_time_s)

    async def _wait(self, failure: ApiFailed, turn: Turn, wait_s: float, stop: asyncio.Event | None) -> None:
        """Wait after `failure`; a 429 makes everybody wait, at the limiter."""
        if isinstance(failure, Throttled):
            await self._limiter.throttled(turn, wait_s)
        else:
            await sleep_unless(self._clock, wait_s, stop)

    async def _exchange(
        self, request: Request, content: bytes | None, authorization: str, leaving: Departure, hold: Hold | None
    ) -> _Answer:
        """Send once and read the answer; raises Unanswered, Unreachable, NotTheApi or OverBudget."""
        outgoing = self._built(request, content, authorization, leaving)
        await leaving.now()
        self.budget.spend(hold)
        self.requests += 1
        self.tokens += request is _TOKEN
        began_s, sent_at_s, status = self._clock.monotonic(), self._clock.now(), 0
        self._step(f"send {request.name}")
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.handle_async_request(outgoing)
                try:
                    status = response.status_code
                    body = await read_body(response)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise Unanswered(f"{request.name}: no answer within {self._timeout_s:g} s") from error
        except UnreadableError as error:
            raise exchange.unreadable(request, str(error), status) from error
        except (httpx.RequestError, OSError) as error:
            raise exchange.of_transport(error, request, self._origin.netloc.decode()) from error
        finally:
            self._tell(request, status, self._clock.monotonic() - began_s)
        self._step(f"answer {request.name}")
        return _Answer(status, response.headers, body, self._server_time(response.headers, sent_at_s))

    def _built(self, request: Request, content: bytes | None, authorization: str, leaving: Departure) -> httpx.Request:
        """Return the request as httpx sends it."""
        # httpx resolves dot segments: an id of ".." would make another request of this one.
        if not {".", ".."}.isdisjoint(request.path.split("/")):
            raise NotTheApi(f"{request.name}: an id of dots cannot be part of a path; nothing was sent")
        headers = {"Connection": "keep-alive", **HEADERS, "Authorization": authorization}
        if content is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded" if request is _TOKEN else JSON_TYPE
        try:
            return httpx.Request(
                request.method,
                f"{self._origin}{request.target()}",
                headers=headers,
                content=content,
                extensions={"trace": leaving.trace, "timeout": self._patience},
            )
        except httpx.InvalidURL as error:
            raise NotTheApi(f"{request.name}: {exchange.shown(str(error))}; nothing was sent") from error

    def _server_time(self, headers: httpx.Headers, sent_at_s: float) -> float:
        """Return the moment of a reply by the server's clock, and learn how far that is ahead of this one."""
        date_s = times.from_http(headers.get("date"))
        if date_s is None:
            return sent_at_s + (self._ahead_s or 0.0)
        # The header was written between sending and now, and its second lasts until date_s + 1.
        self._ahead_s = min(max(self._ahead_s or 0.0, date_s - self._clock.now()), date_s + 1 - sent_at_s)
        return date_s

    def _tell(self, request: Request, status: int, elapsed_s: float) -> None:
        """Log one sending, and tell whoever looks on."""
        if self._trace is None and not _log.isEnabledFor(logging.DEBUG):
            return
        sent = Sent(str(request), status, elapsed_s)
        _log.debug("%s", sent)
        if self._trace is not None:
            self._trace(sent)


async def _header(credential: Credential, lost: int) -> str:
    """Return the Authorization header; after lost answers, a token that cannot be had leaves a doubt."""
    try:
        return await credential.current()
    except ApiFailed as failure:
        if not lost:
            raise
        raise _doubtful(failure, lost) from failure


@contextmanager
def _leaving(lost: int) -> Iterator[None]:
    """Say of what stops the run in here that so many sendings are unsettled."""
    try:
        yield
    except Stopped as stopped:
        stopped.lost = lost
        raise


def _doubtful(failure: ApiFailed, lost: int) -> Unanswered:
    """Return what an error is after a lost answer, where it says only that the last sending did not happen."""
    doubt = Unanswered(f"{failure}; an earlier attempt had no answer, so it may have happened")
    doubt.lost = lost
    return doubt
