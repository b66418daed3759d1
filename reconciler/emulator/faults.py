"""
Faults on demand: what may go wrong around a request, and the one seam through which it does.

`Faults.draw` says which fault befalls a request; `harm` and the service do it. By chance and by number it is
`odds.RandomFaults`, by a script `scripted.Scripted`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, assert_never

from reconciler.emulator.calls import TOKEN, Call


class Fault(StrEnum):
    """What may go wrong. *Before*: nothing happened; *after*: it happened, and the caller does not learn it."""

    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    STATUS_408_BEFORE = "status_408_before"
    STATUS_408_AFTER = "status_408_after"
    STATUS_500_AFTER = "status_500_after"
    STATUS_503_BEFORE = "status_503_before"
    STORM_429 = "storm_429"
    STORM_429_RETRY_AFTER = "storm_429_retry_after"
    HTML_PAGE = "html_page"
    HTML_PAGE_200 = "html_page_200"
    SLOW = "slow"
    TRICKLED = "trickled"
    TRUNCATED = "truncated"
    CUT_JSON = "cut_json"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a word
    STALE_READ = "stale_read"
    ELSEWHERE_CREATES = "elsewhere_creates"
    ELSEWHERE_ARCHIVES = "elsewhere_archives"
    PAGE_ENDS_EARLY = "page_ends_early"
    PAGE_SHORT = "page_short"
    PAGE_REPEATED = "page_repeated"
    CLOCK_JUMP = "clock_jump"


STORMS = (Fault.STORM_429, Fault.STORM_429_RETRY_AFTER)

MEANINGS: Mapping[Fault, str] = {
    Fault.LOST_BEFORE: "the connection is closed; nothing happened",
    Fault.LOST_AFTER: "the request is handled, and the connection is closed without an answer",
    Fault.STATUS_408_BEFORE: "a 408; nothing happened",
    Fault.STATUS_408_AFTER: "the request is handled, and answers 408",
    Fault.STATUS_500_AFTER: "the request is handled, and answers 500",
    Fault.STATUS_503_BEFORE: "a 503; nothing happened",
    Fault.STORM_429: "this and the next requests, storm_length in all, answer 429 without Retry-After",
    Fault.STORM_429_RETRY_AFTER: "the same, with a Retry-After of retry_after_s",
    Fault.HTML_PAGE: "the request is handled, and a proxy's page of HTML answers, with html_status",
    Fault.HTML_PAGE_200: "the same, with status 200",
    Fault.SLOW: "the answer is held back for slow_s",
    Fault.TRICKLED: "the body dribbles in over trickle_s",
    Fault.TRUNCATED: "half the body of the Content-Length comes, and the connection is cut",
    Fault.CUT_JSON: "a whole answer whose JSON ends in the middle",
    Fault.EXPIRED_TOKEN: "every token ends now, so this request answers 401",
    Fault.STALE_READ: "a read does not see the writes of the last stale_s",
    Fault.ELSEWHERE_CREATES: "somebody creates a customer just before a further page of customers is read",
    Fault.ELSEWHERE_ARCHIVES: "somebody archives a customer just before a further page of customers is read",
    Fault.PAGE_ENDS_EARLY: "a page says that it is the last",
    Fault.PAGE_SHORT: "a page lacks the second half of its rows; its cursors are those of the whole page",
    Fault.PAGE_REPEATED: "a further page gives as its end_cursor the one it was asked with, and comes again",
    Fault.CLOCK_JUMP: "the server's clock (Date, created_at) jumps by jump_s, and stays there",
}
"""What each fault is, in one line."""


class On(StrEnum):
    """Which requests: reads and writes exclude the token request, which only `all` takes."""

    ALL = "all"
    READS = "reads"
    WRITES = "writes"

    def takes(self, call: Call) -> bool:
        """Say whether a request is one of these."""
        match self:
            case On.ALL:
                return True
            case On.READS:
                return not call.writes and call.path != TOKEN
            case On.WRITES:
                return call.writes
        assert_never(self)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of a fault, in seconds but for `storm_length` (429s) and `html_status`; `jump_s` may be negative."""

    slow_s: float = 2.0
    trickle_s: float = 5.0
    storm_length: int = 5
    retry_after_s: float = 1.0
    html_status: int = 502
    stale_s: float = 2.0
    jump_s: float = 3600.0


AMOUNTS: Mapping[str, str] = {
    "slow_s": "for how many seconds a slow answer is held back",
    "trickle_s": "over how many seconds a body dribbles in, in at most 20 pieces",
    "storm_length": "how many 429s a storm is",
    "retry_after_s": "what Retry-After says, in seconds; a date where the switch retry_after is date",
    "html_status": "the status of a proxy's page",
    "stale_s": "how many seconds back a stale read looks",
    "jump_s": "by how many seconds the server's clock jumps; below 0 it goes back",
}
"""What each amount is, in one line."""


class Faults(Protocol):
    """Which fault befalls which request."""

    @property
    def amounts(self) -> Amounts:
        """Return how much of each fault there is."""

    @property
    def kept_s(self) -> float:
        """Return how far back a stale read looks, so that the account keeps it; 0 where no read is stale."""

    def draw(self, call: Call) -> Fault | None:
        """Return what befalls this request; it is asked once for each, in the order in which they come."""

    def as_json(self) -> Mapping[str, object]:
        """Return what is set, for `GET /_emulator/faults`."""


def fits(fault: Fault, call: Call) -> bool:
    """
    Say whether a fault can befall a request: a short page can only befall a list.

    >>> fits(Fault.PAGE_SHORT, Call("GET", "/customers")), fits(Fault.PAGE_SHORT, Call("POST", "/customers"))
    (True, False)
    """
    test = _FITS.get(fault)
    return test is None or test(call)


def _is_page(call: Call) -> bool:
    """Say whether a request is for a page of a list."""
    return call.method == "GET" and (call.path == "/customers" or call.path.endswith("/users"))


def _is_further(call: Call) -> bool:
    """Say whether a request is for a page after the first."""
    return "after=" in call.query and _is_page(call) and bool(call.parameters.get("after"))


_FITS: Mapping[Fault, Callable[[Call], bool]] = {
    Fault.EXPIRED_TOKEN: lambda call: call.path != TOKEN,
    Fault.STALE_READ: On.READS.takes,
    Fault.ELSEWHERE_CREATES: lambda call: call.path == "/customers" and _is_further(call),
    Fault.ELSEWHERE_ARCHIVES: lambda call: call.path == "/customers" and _is_further(call),
    Fault.PAGE_ENDS_EARLY: _is_page,
    Fault.PAGE_SHORT: _is_page,
    Fault.PAGE_REPEATED: _is_further,
}
