"""The API on this machine, without a socket: `Emulator.answer` takes a call and returns what the caller gets."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import parse_qs, unquote_plus

from reconciler.clock import Clock, RealClock
from reconciler.emulator.calls import CONTROL, TOKEN, Answer, Call, Dropped, answer_of
from reconciler.emulator.faults import Fault, Faults
from reconciler.emulator.harm import after, before, elsewhere, limit_headers, retry_after
from reconciler.emulator.limits import Key, Rate, Tokens
from reconciler.emulator.odds import RandomFaults
from reconciler.emulator.routes import reply_to, rules_of
from reconciler.emulator.store import Store
from reconciler.rules import Account, Behaviour, LagOn, RetryAfter, refusal
from reconciler.rules.account import age

LOCAL = Key("local", "local")
READ_ONLY = Key("read-only", "read-only", frozenset({"customers:read"}))
"""A key as it is given to a pull request's job."""
_KEPT_LINES = 200_000


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it was answered; `status` is 0 where the connection was closed, `fault` what befell it."""

    time: float
    method: str
    path: str
    query: str
    status: int
    fault: Fault | None = None


class Emulator:
    """
    An account, and how it answers. One at a time: it is not for several threads.

    - `rate`: requests a second for each key; 0 is no limit.
    - `behaviour` and `faults` may be set anew between calls; `offset_s` is how far its clock is ahead of `clock`.
    - `log` is told of every request but those below `/_emulator/`; the last 200,000 are kept in `requests`.
    - `witness` is told of the same, as they came and were answered, and of what befell them.
    """

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        rate: float = 5,
        keys: Iterable[Key] = (LOCAL, READ_ONLY),
        token_life_s: float = 3600,
        faults: Faults | None = None,
        clock: Clock | None = None,
        account: Account | None = None,
        store: Store | None = None,
        log: Callable[[Logged], None] | None = None,
        witness: Callable[[Call, Answer | Dropped, Fault | None], None] | None = None,
        offset_s: float = 0.0,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.clock = clock or RealClock()
        self.offset_s = offset_s
        self.account = account if account is not None else Account()
        self.store = store
        self.faults: Faults = faults if faults is not None else RandomFaults()
        self.tokens = Tokens({key.client_id: key for key in keys}, token_life_s)
        self.rate = Rate(rate)
        self.requests: deque[Logged] = deque(maxlen=_KEPT_LINES)
        self.counts: Counter[str] = Counter()
        self.befallen: Counter[Fault] = Counter()
        self._log = log
        self.witness = witness

    def now(self) -> float:
        """Return the time of day by the server's clock, in seconds since 1970."""
        return self.clock.now() + self.offset_s

    def date(self) -> str:
        """Return the `Date` header."""
        return formatdate(self.now(), usegmt=True)

    def set_clock(self, offset_s: float) -> None:
        """Set how far the server's clock is ahead; what a read does not see yet stays as old as it is."""
        age(self.account, offset_s - self.offset_s)
        self.offset_s = offset_s

    def answer(self, call: Call) -> Answer | Dropped:
        """Return what the caller gets for one request to the API."""
        fault = self.faults.draw(call)
        answer = self._handle(call, self._ways(fault, call)) if fault is None else self._befall(fault, call)
        status = answer.status if isinstance(answer, Answer) else 0
        line = Logged(self.now(), call.method, call.path, call.query, status, fault)
        self.requests.append(line)
        self.counts[call.method] += 1
        if self._log is not None:
            self._log(line)
        if self.witness is not None:
            self.witness(call, answer, fault)
        return answer

    def _befall(self, fault: Fault, call: Call) -> Answer | Dropped:
        """Return what the caller gets where something goes wrong."""
        amounts = self.faults.amounts
        self.befallen[fault] += 1
        instead = before(fault, self.behaviour, amounts, self.now())
        if instead is not None:
            return instead
        match fault:
            case Fault.EXPIRED_TOKEN:
                self.tokens.expire()
            case Fault.CLOCK_JUMP:
                self.set_clock(self.offset_s + amounts.jump_s)
            case Fault.ELSEWHERE_CREATES | Fault.ELSEWHERE_ARCHIVES:
                self._elsewhere(fault)
            case _:
                pass
        return after(fault, call, self._handle(call, self._ways(fault, call)), self.behaviour, amounts)

    def _ways(self, fault: Fault | None, call: Call) -> Behaviour:
        """Return the behaviour for one request: a stale read lags, and a write keeps what such a read will see."""
        lag_s = self.behaviour.lag_s
        if fault is Fault.STALE_READ:
            return replace(self.behaviour, lag_s=max(lag_s, self.faults.amounts.stale_s), lag_on=LagOn.READS)
        if call.writes:
            lag_s = max(lag_s, self.faults.kept_s)
        return self.behaviour if lag_s == self.behaviour.lag_s else replace(self.behaviour, lag_s=lag_s)

    def _elsewhere(self, fault: Fault) -> None:
        """Let somebody else work in the account."""
        time = self.befallen[fault]
        ways = self._ways(None, Call("POST", "/customers"))
        changed = elsewhere(self.account, ways, fault, self.now(), time=time)
        if changed and self.store is not None:
            self.store.save(self.account, changed)

    def _handle(self, call: Call, ways: Behaviour) -> Answer:
        """Return the API's own answer: path, then key, then rate, then rule."""
        if call.path == TOKEN:
            return self._give_token(call)
        rules = rules_of(call)
        if rules is None:
            return answer_of(refusal(self.behaviour, 404, "There is nothing here"))
        scheme, _, token = call.authorization.partition(" ")
        key = self.tokens.holder(token.strip(), self.clock.monotonic()) if scheme.lower() == "bearer" else None
        if key is None:
            return answer_of(refusal(self.behaviour, 401, "The token is missing, or has expired"))
        limited = self._limited(key)
        if limited is not None:
            return limited
        if call.method not in rules:
            # RFC 9110, 15.5.6, wants the header.
            return answer_of(refusal(self.behaviour, 405, "The method is not allowed"), (("allow", ", ".join(rules)),))
        scope = "customers:write" if call.writes else "customers:read"
        if key.scopes is not None and scope not in key.scopes:
            return answer_of(refusal(self.behaviour, self.behaviour.scope_status, f"The key lacks the scope {scope}"))
        reply = reply_to(self.account, ways, rules, call, self.now())
        if self.store is not None and call.writes and reply.accepted:
            segments = call.segments
            created = reply.body["id"] if isinstance(reply.body, dict) else ""
            self.store.save(self.account, segments[1] if len(segments) > 1 else str(created))
        return answer_of(reply)

    def _give_token(self, call: Call) -> Answer:
        """Answer `POST /oauth/token`: 200, 403 for wrong credentials."""
        if call.method != "POST":
            return answer_of(refusal(self.behaviour, 405, "The method is not allowed"), (("allow", "POST"),))
        client_id, secret = _basic(call.authorization)
        key = self.tokens.keys.get(client_id)
        limited = self._limited(key) if key is not None and self.behaviour.token_counts else None
        if limited is not None:
            return limited
        if parse_qs(call.body.decode("latin-1")).get("grant_type") != ["client_credentials"]:
            return answer_of(refusal(self.behaviour, 400, "grant_type must be client_credentials"))
        token = self.tokens.give(client_id, secret, self.clock.monotonic())
        if token is None:
            return answer_of(refusal(self.behaviour, 403, "The credentials are wrong"))
        given = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.tokens.life_s)}
        return Answer(200, json.dumps(given).encode("ascii"), headers=(("cache-control", "no-store"),))

    def _limited(self, key: Key) -> Answer | None:
        """Count a request of a key; return the 429 where it is one too many."""
        wait_s = self.rate.wait_s(key.client_id, self.behaviour.limiter, self.clock.monotonic())
        if not wait_s:
            return None
        told = self.behaviour.retry_after is not RetryAfter.NONE
        headers = retry_after(self.behaviour, wait_s, self.now()) if told else ()
        headers += limit_headers(self.behaviour, self.rate.per_s, wait_s)
        return answer_of(refusal(self.behaviour, 429, "Too many requests"), headers)


def is_control(call: Call) -> bool:
    """Say whether a call is for the emulator itself."""
    return call.path.startswith(CONTROL)


def _basic(authorization: str) -> tuple[str, str]:
    """Return the client id and the secret of a Basic header, both "" where there is none."""
    scheme, _, coded = authorization.partition(" ")
    try:
        pair = base64.b64decode(coded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, colon, secret = pair.partition(":")
    # RFC 6749 has both percent-encoded first; a client that does not is served as well.
    return (unquote_plus(client_id), unquote_plus(secret)) if colon and scheme.lower() == "basic" else ("", "")
