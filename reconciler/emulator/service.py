"""The API on this machine, without a socket: `Emulator.answer` takes a call and returns what the caller gets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import assert_never
from urllib.parse import parse_qs, unquote_plus

from reconciler.clock import Clock, RealClock
from reconciler.emulator.calls import (
    CONTROL,
    TOKEN,
    Answer,
    Call,
    Dropped,
    NotAnObject,
    answer_of,
    refusal,
    reply_to,
    rules_of,
)
from reconciler.emulator.faults import Fault, Faults, RandomFaults, after, before, elsewhere, limit_headers, retry_after
from reconciler.emulator.integration import Integration, IntegrationAtWork
from reconciler.emulator.store import AccountFile
from reconciler.rules import (
    Account,
    Behaviour,
    LagOn,
    LimitKind,
    RetryAfter,
    StoredCustomer,
    StoredUser,
    add_user,
    put,
)
from reconciler.rules.account import CREATABLE, USER_FIELDS, age, microseconds

_FIELDS = (*CREATABLE, "customer_integration_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def load(account: Account, customers: Iterable[object], now: float) -> list[str]:
    """
    Put customers, each an object of the API's fields, into the account; return their ids, in their order.

    Besides the fields: `created_at`, `archived`, `users`, and `id`: where a customer has it already, only
    what is given changes, as when someone edits it in the dashboard. ValueError says what is wrong with one.
    """
    return [_load(account, customer, microseconds(now)) for customer in customers]


def read_payment_methods(read: object) -> dict[str, Sequence[Mapping[str, object]]]:
    """Return the payment methods of `{customer id or external_id: [{"id": …}, …]}`; ValueError for another shape."""
    if not isinstance(read, Mapping) or not all(
        isinstance(methods, list) and all(isinstance(one, Mapping) for one in methods) for methods in read.values()
    ):
        raise ValueError("payment methods are an object: customer id or external_id to a list of objects")
    return {str(key): list(methods) for key, methods in read.items()}


def _load(account: Account, one: object, now_us: int) -> str:
    """Put or change one customer."""
    if not isinstance(one, Mapping):
        raise NotAnObject("a customer is an object")
    customer_id = str(one.get("id") or account.next_id())
    former = account.customers.get(customer_id, StoredCustomer(customer_id, now_us, {}))
    fields = {**former.fields, **{name: str(one[name] or "") for name in _FIELDS if name in one}}
    customer = StoredCustomer(
        customer_id,
        _moment(one["created_at"]) if one.get("created_at") else former.created_us,
        {name: text for name, text in fields.items() if text},
        bool(one.get("archived", former.archived)),
    )
    put(account, customer)
    for user in one.get("users") or ():
        if not isinstance(user, Mapping):
            raise NotAnObject("a user is an object")
        texts = {name: str(user[name]) for name in USER_FIELDS if user.get(name)}
        add_user(account, customer_id, StoredUser(str(user.get("id") or account.next_id()), now_us, texts))
    return customer_id


def _moment(text: object) -> int:
    """Return the microseconds since 1970 of a created_at."""
    try:
        return (datetime.fromisoformat(str(text)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError) as exc:
        raise ValueError("created_at is not a time in RFC 3339") from exc


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key; `scopes` is None for a key that may do everything."""

    client_id: str
    secret: str
    scopes: frozenset[str] | None = None


class IssuedTokens:
    """The tokens that were given, each for one key and for `life_s` seconds."""

    def __init__(self, keys: Mapping[str, ApiKey], life_s: float) -> None:
        self.keys = dict(keys)
        self.life_s = life_s
        self._given: dict[str, tuple[ApiKey, float]] = {}
        self._count = 0

    def give(self, client_id: str, secret: str, now_s: float) -> str | None:
        """Return a new token, None where the credentials are wrong."""
        key = self.keys.get(client_id)
        if key is None or key.secret != secret:
            return None
        self._count += 1
        token = "emu_" + hashlib.blake2b(f"{client_id}/{self._count}".encode(), digest_size=18).hexdigest()
        self._given[token] = (key, now_s + self.life_s)
        return token

    def holder(self, token: str, now_s: float) -> ApiKey | None:
        """Return whose token it is, None where it was never given or has expired."""
        key, until_s = self._given.get(token, (None, 0.0))
        return key if now_s < until_s else None

    def expire(self) -> None:
        """End every token now."""
        self._given.clear()


class Rate:
    """How many requests each key may send a second; 0 is no limit."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._second: dict[str, tuple[int, int]] = {}
        self._recent: dict[str, deque[float]] = {}
        self._bucket: dict[str, tuple[float, float]] = {}

    def wait_s(self, client_id: str, limiter: LimitKind, now_s: float) -> float:
        """Count a request: 0 where it may pass, else how long the key must wait for the next."""
        if not self.per_s:
            return 0.0
        match limiter:
            case LimitKind.SECOND:
                return self._by_second(client_id, now_s)
            case LimitKind.SLIDING:
                return self._sliding(client_id, now_s)
            case LimitKind.BUCKET:
                return self._by_bucket(client_id, now_s)
        assert_never(limiter)

    def _by_second(self, client_id: str, now_s: float) -> float:
        """Count within the second of the clock."""
        second, count = self._second.get(client_id, (0, 0))
        if second != int(now_s):
            count = 0
        self._second[client_id] = (int(now_s), count + 1)
        return int(now_s) + 1 - now_s if count >= self.per_s else 0.0

    def _sliding(self, client_id: str, now_s: float) -> float:
        """Count within the second that ends now; what is refused does not count."""
        recent = self._recent.setdefault(client_id, deque())
        while recent and recent[0] <= now_s - 1:
            recent.popleft()
        if len(recent) >= self.per_s:
            return recent[0] + 1 - now_s
        recent.append(now_s)
        return 0.0

    def _by_bucket(self, client_id: str, now_s: float) -> float:
        """Take a drop of the bucket."""
        size = max(1.0, self.per_s)
        left, at_s = self._bucket.get(client_id, (size, now_s))
        left = min(size, left + (now_s - at_s) * self.per_s)
        passes = left >= 1
        self._bucket[client_id] = (left - 1 if passes else left, now_s)
        return 0.0 if passes else (1 - left) / self.per_s


LOCAL = ApiKey("local", "local")
READ_ONLY = ApiKey("read-only", "read-only", frozenset({"customers:read"}))
"""A key as it is given to a pull request's job."""
USUAL_KEYS = (LOCAL, READ_ONLY)
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
    - `behaviour` and `faults` may be set again between calls; `offset_s` is how far its clock is ahead of `clock`.
    - `log` is notified of every request but those below `/_emulator/`; the last 200,000 are kept in `requests`.
    - `witness` is notified of the same, as they came and were answered, and of what befell them.
    """

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        rate: float = 5,
        keys: Iterable[ApiKey] = USUAL_KEYS,
        token_life_s: float = 3600,
        faults: Faults | None = None,
        clock: Clock | None = None,
        account: Account | None = None,
        store: AccountFile | None = None,
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
        self.tokens = IssuedTokens({key.client_id: key for key in keys}, token_life_s)
        self.rate = Rate(rate)
        self.integration: IntegrationAtWork | None = None
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
        self._sync()
        fault = self.faults.draw(call)
        answer = self._handle(call, self._ways(fault, call)) if fault is None else self._befall(fault, call)
        self._took(call, answer, fault)
        return answer

    def _took(self, call: Call, answer: Answer | Dropped, fault: Fault | None) -> None:
        """Remember a request, and tell whoever looks on."""
        status = answer.status if isinstance(answer, Answer) else 0
        line = Logged(self.now(), call.method, call.path, call.query, status, fault)
        self.requests.append(line)
        self.counts[call.method] += 1
        if self._log is not None:
            self._log(line)
        if self.witness is not None:
            self.witness(call, answer, fault)

    def connect(self, integration: Integration | None) -> None:
        """Connect an integration, which syncs before the next request that finds it due; None disconnects it."""
        self.integration = None if integration is None else IntegrationAtWork(integration, self.now())

    def _sync(self) -> None:
        """Let the integration write what is due."""
        if self.integration is not None and self.integration.is_due(self.now()):
            self.sync()

    def sync(self) -> None:
        """Let the integration sync now."""
        if self.integration is None:
            return
        ways = self._ways(None, Call("POST", "/customers"))
        changed = self.integration.sync(self.account, ways, self.now())
        if changed and self.store is not None:
            self.store.save(self.account, *changed)

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
        """Return the behavior for one request: a stale read lags, and a write keeps what such a read will see."""
        lag_s = self.behaviour.lag_s
        if fault is Fault.STALE_READ:
            return replace(self.behaviour, lag_s=max(lag_s, self.faults.amounts.stale_s), lag_on=LagOn.READS)
        if call.writes:
            lag_s = max(lag_s, self.faults.kept_s)
        return self.behaviour if lag_s == self.behaviour.lag_s else replace(self.behaviour, lag_s=lag_s)

    def _elsewhere(self, fault: Fault) -> None:
        """Let someone else work in the account."""
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
        scope = call.scope(self.behaviour)
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

    def _limited(self, key: ApiKey) -> Answer | None:
        """Count a request of a key; return the 429 where it is one too many."""
        wait_s = self.rate.wait_s(key.client_id, self.behaviour.limiter, self.clock.monotonic())
        if not wait_s:
            return None
        told = self.behaviour.retry_after is not RetryAfter.NONE
        headers = retry_after(self.behaviour, wait_s, self.now()) if told else ()
        headers += limit_headers(self.behaviour, self.rate.per_s, wait_s)
        return answer_of(refusal(self.behaviour, 429, "Too many requests"), headers)


class EmulatorOfMany(Emulator):
    """
    An account for each client id, made when it first asks for a token; the secret of all is `local`.

    `make` returns the emulator of one, in which it is the only key. What befalls requests, and the pace, is each
    account's own; the log and the counts are of all.
    """

    def __init__(
        self,
        make: Callable[[str], Emulator],
        *,
        clock: Clock | None = None,
        log: Callable[[Logged], None] | None = None,
    ) -> None:
        super().__init__(keys=(), clock=clock, log=log)
        self._make = make
        self.accounts: dict[str, Emulator] = {}
        self._by_token: dict[str, Emulator] = {}

    def of(self, client_id: str) -> Emulator:
        """Return the emulator of one account, made where there is none yet."""
        if client_id not in self.accounts:
            self.accounts[client_id] = self._make(client_id)
        return self.accounts[client_id]

    def answer(self, call: Call) -> Answer | Dropped:
        """Let the account answer whose key it is."""
        client_id, secret = _basic(call.authorization) if call.path == TOKEN else ("", "")
        if _CLIENT_ID.fullmatch(client_id) and secret == LOCAL.secret:
            one: Emulator | None = self.of(client_id)
        else:
            one = self._by_token.get(call.authorization.partition(" ")[2].strip())
        if one is None:
            return super().answer(call)
        answer = one.answer(call)
        if call.path == TOKEN and isinstance(answer, Answer):
            with suppress(ValueError, KeyError, TypeError):
                self._by_token[str(json.loads(answer.body)["access_token"])] = one
        self._took(call, answer, None)
        return answer


_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A client id that may have an account, and a file, of its own."""


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
