"""
Faults on demand: what may go wrong around a request, and what it does to an answer and to the account.

`Faults.draw` says which fault befalls a request; `harm` and the service do it. By chance and by number it is
`RandomFaults`, by a script `Scripted`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from enum import IntEnum, StrEnum
from math import ceil
from typing import Protocol, assert_never

from reconciler.emulator.calls import TOKEN, Answer, Call, Dropped, answer_of, page_of_html, refusal
from reconciler.rules import Account, Behaviour, LimitHeaders, RetryAfter, RuleReply, archive, create


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
    Fault.HTML_PAGE: "the request is handled, and a proxy's HTML page answers, with html_status",
    Fault.HTML_PAGE_200: "the same, with status 200",
    Fault.SLOW: "the answer is held back for slow_s",
    Fault.TRICKLED: "the body arrives slowly, over trickle_s",
    Fault.TRUNCATED: "half of the body arrives, and the connection is cut",
    Fault.CUT_JSON: "a complete answer whose JSON ends in the middle",
    Fault.EXPIRED_TOKEN: "every token expires now, so this request answers 401",
    Fault.STALE_READ: "a read does not show the writes of the last stale_s",
    Fault.ELSEWHERE_CREATES: "someone else creates a customer just before a further page of customers is read",
    Fault.ELSEWHERE_ARCHIVES: "someone else archives a customer just before a further page of customers is read",
    Fault.PAGE_ENDS_EARLY: "a page says that it is the last",
    Fault.PAGE_SHORT: "a page lacks the second half of its rows; its cursors are those of the whole page",
    Fault.PAGE_REPEATED: "a further page returns its own cursor as end_cursor, so it is read again",
    Fault.CLOCK_JUMP: "the server's clock (Date, created_at) jumps by jump_s and stays there",
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
    "slow_s": "how long a slow answer is held back, in seconds",
    "trickle_s": "how long a slow body takes, in seconds, in at most 20 pieces",
    "storm_length": "the number of 429s in a storm",
    "retry_after_s": "the Retry-After, in seconds; a date if the switch retry_after is date",
    "html_status": "the status of a proxy's page",
    "stale_s": "how old the state in a stale read is, in seconds",
    "jump_s": "how far the server's clock jumps, in seconds; negative: back",
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
    """One strike as it is: how many requests it has counted, how many are still due."""

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


def before(fault: Fault, ways: Behaviour, amounts: Amounts, now: float) -> Answer | Dropped | None:
    """Return what the caller gets in place of the API's answer, None where the request passes."""
    match fault:
        case Fault.LOST_BEFORE:
            return Dropped()
        case Fault.STATUS_408_BEFORE:
            return answer_of(refusal(ways, 408, "Request timeout"))
        case Fault.STATUS_503_BEFORE:
            return answer_of(refusal(ways, 503, "Unavailable"))
        case Fault.STORM_429:
            return answer_of(refusal(ways, 429, "Too many requests"))
        case Fault.STORM_429_RETRY_AFTER:
            return answer_of(refusal(ways, 429, "Too many requests"), retry_after(ways, amounts.retry_after_s, now))
        case _:
            return None


def after(fault: Fault, call: Call, answer: Answer, ways: Behaviour, amounts: Amounts) -> Answer | Dropped:
    """Return what the caller gets once the request was handled: the answer itself where `fault` lies elsewhere."""
    change = _CHANGES.get(fault)
    if change is not None:
        return change(answer, amounts)
    match fault:
        case Fault.LOST_AFTER:
            return Dropped()
        case Fault.STATUS_408_AFTER:
            return answer_of(refusal(ways, 408, "Request timeout"))
        case Fault.STATUS_500_AFTER:
            return answer_of(refusal(ways, 500, "Internal error"))
        case Fault.PAGE_REPEATED:
            return _page(answer, lambda page: _repeat(page, call.parameters.get("after", "")))
        case _:
            return answer


def elsewhere(account: Account, ways: Behaviour, fault: Fault, now: float, *, time: int) -> str:
    """
    Do what someone else does, the `time`-th time (from 1); return the id of the customer, "" where it was refused.

    Which customer is archived is the same in every run.
    """
    if fault is Fault.ELSEWHERE_CREATES:
        name = f"elsewhere-{account.made + 1}"
        reply = create(account, ways, {"external_id": name, "name": name, "email": f"{name}@elsewhere.example"}, now)
        return str(reply.body["id"]) if reply.accepted and isinstance(reply.body, dict) else ""
    count = len(account.by_time)
    first = int.from_bytes(hashlib.blake2b(str(time).encode(), digest_size=8).digest())
    places = ((first + step) % count for step in range(count))
    ids = (account.by_time[place][1] for place in places)
    one = next((one for one in ids if not account.customers[one].archived), "")
    return one if one and archive(account, ways, one, now).accepted else ""


def retry_after(ways: Behaviour, wait_s: float, now: float) -> tuple[tuple[str, str], ...]:
    """Return the header that says how long to wait, as seconds unless the behavior has it as a date."""
    if ways.retry_after is RetryAfter.DATE:
        return (("retry-after", formatdate(ceil(now + wait_s), usegmt=True)),)
    return (("retry-after", str(ceil(wait_s))),)


def limit_headers(ways: Behaviour, per_s: float, wait_s: float) -> tuple[tuple[str, str], ...]:
    """Return what a 429 says of the limit, in the older form or in that of the IETF's draft."""
    match ways.limit_headers:
        case LimitHeaders.NONE:
            return ()
        case LimitHeaders.X_RATELIMIT:
            words = {"limit": f"{per_s:g}", "remaining": "0", "reset": str(ceil(wait_s))}
            return tuple((f"x-ratelimit-{name}", text) for name, text in words.items())
        case LimitHeaders.RATELIMIT:
            return (("ratelimit", f'"key";r=0;t={ceil(wait_s)}'), ("ratelimit-policy", f'"key";q={per_s:g};w=1'))
    assert_never(ways.limit_headers)


def _page(answer: Answer, change: Callable[[dict[str, object]], None]) -> Answer:
    """Return a page with something changed; what is no page stays as it is."""
    try:
        page = json.loads(answer.body)
    except ValueError:
        return answer
    if not isinstance(page, dict) or "data" not in page:
        return answer
    change(page)
    return replace(answer, body=json.dumps(page, separators=(",", ":")).encode("ascii"))


def _end(page: dict[str, object]) -> None:
    """Let a page be the last."""
    _cursors(page)["has_next_page"] = False


def _shorten(page: dict[str, object]) -> None:
    """Take the second half of a page's rows, of a single one all."""
    rows = page["data"]
    page["data"] = rows[: len(rows) // 2] if isinstance(rows, list) else rows


def _repeat(page: dict[str, object], asked: str) -> None:
    """Let the page that follows be this one."""
    _cursors(page).update({"end_cursor": asked, "has_next_page": True})


def _cursors(page: dict[str, object]) -> dict[str, object]:
    """Return where a page of either shape keeps its cursors."""
    inner = page.get("pagination")
    return inner if isinstance(inner, dict) else page


_CHANGES: Mapping[Fault, Callable[[Answer, Amounts], Answer]] = {
    Fault.HTML_PAGE: lambda _, amounts: answer_of(RuleReply(amounts.html_status, page_of_html(amounts.html_status))),
    Fault.HTML_PAGE_200: lambda *_: answer_of(RuleReply(200, page_of_html(200))),
    Fault.SLOW: lambda answer, amounts: replace(answer, delay_s=amounts.slow_s),
    Fault.TRICKLED: lambda answer, amounts: replace(answer, over_s=amounts.trickle_s),
    Fault.TRUNCATED: lambda answer, _: replace(answer, cut=True),
    Fault.CUT_JSON: lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2]),
    Fault.PAGE_ENDS_EARLY: lambda answer, _: _page(answer, _end),
    Fault.PAGE_SHORT: lambda answer, _: _page(answer, _shorten),
}


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
