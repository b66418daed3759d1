"""Changes carried out against a server that is a list of answers, with a ledger that keeps every commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import httpx
from clocks import VirtualClock, run

from reconciler.api.client import ApiClient
from reconciler.apply.execute import Result, Tell, execute
from reconciler.apply.sender import Journal, Sender
from reconciler.apply.settle import Ways
from reconciler.apply.steps import CustomerSteps
from reconciler.errors import LedgerFailed
from reconciler.kinds.wire import with_record
from reconciler.live.reads import SingleReads
from reconciler.model.core import Action, Address, Cause, CustomerId, EnvironmentRef, Reason, Status
from reconciler.model.ledger import (
    Binding,
    BindingState,
    Intent,
    Learned,
    PutBinding,
    PutIntent,
    Records,
    Run,
    SeenUser,
    Via,
    Write,
)
from reconciler.model.plan import Change, FieldChange, Plan
from reconciler.report.messages.failures import ending_text, outcome_text

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

BASE_URL = "https://api.example.com"


def ok(body: object = None, *, status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a JSON reply."""
    return httpx.Response(status, json=body, headers=headers)


def page(*rows: object, next_cursor: str = "", **more: object) -> httpx.Response:
    """Return a page in the reference's shape; `next_cursor` leads to another."""
    return ok({"data": list(rows), "has_next_page": bool(next_cursor), "end_cursor": next_cursor or None, **more})


class Server:
    """
    Gives its answers in turn, the last one for ever; grants tokens `token-1`, `token-2`… by itself.

    `heard` holds what came but for tokens: "METHOD target"; `times` when all of it came; `slow_s` is its latency.
    """

    def __init__(self, *answers: Answer, tokens: Iterable[Answer] = (), slow_s: float = 0.0) -> None:
        self._answers = list(answers)
        self._tokens = list(tokens)
        self._slow_s = slow_s
        self.heard: list[str] = []
        self.times: list[float] = []
        self.requests: list[httpx.Request] = []
        self.granted = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        if self._slow_s:
            await asyncio.sleep(self._slow_s)
        if request.url.path.endswith("/oauth/token"):
            self.granted += 1
            granted = ok({"access_token": f"token-{self.granted}", "token_type": "bearer", "expires_in": 3600})
            return self._given(self._tokens, request, granted)
        self.heard.append(f"{request.method} {request.url.raw_path.decode()}")
        return self._given(self._answers, request, ok({}))

    def _given(self, answers: list[Answer], request: httpx.Request, otherwise: httpx.Response) -> httpx.Response:
        """Return the next answer, or raise it."""
        answer = otherwise if not answers else answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # A response can be read once; the last one is given many times.
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)


def talk(server: Callable[..., Any], **options: object) -> ApiClient:
    """Return a client of `server`: without a rate, and its back-off without jitter, unless told."""
    settings: dict[str, Any] = {
        "base_url": BASE_URL,
        "client_id": "id",
        "client_secret": "very-secret",
        "clock": VirtualClock(),
        "jitter": lambda: 1.0,
        "rate_per_s": 0.0,
        "transport": httpx.MockTransport(server),
    }
    settings.update(options)
    return ApiClient(**settings)


UNKNOWN, NOT_KNOWN = Learned(), Ways()
CREATED_AT = "2026-01-01T00:00:00Z"
REF = EnvironmentRef("test", "https://api.example.com", "0" * 64)


@dataclass
class Book:
    """A ledger that keeps its commits; `fails_from` is the number of the first commit that fails, from 1."""

    fails_from: int = 1_000_000
    commits: list[list[Write]] = field(default_factory=list)
    asked: int = 0
    writable: bool = True
    remote: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def records(self) -> Records:
        return Records(intents=self.open_intents())

    def binding(self, external_id: str) -> Binding | None:
        return next((row for row in reversed(self.rows()) if row.external_id == external_id), None)

    def commit(self, writes: Iterable[Write]) -> None:
        self.asked += 1
        if self.asked >= self.fails_from:
            raise LedgerFailed("the disk is full")
        self.commits.append(list(writes))

    def runs(self) -> tuple[Run, ...]:
        return ()

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of a run as they stand at last."""
        last = {write.intent.seq: write.intent for write in self.writes() if isinstance(write, PutIntent)}
        return tuple(intent for intent in last.values() if intent.run == run)

    def open_intents(self) -> tuple[Intent, ...]:
        return tuple(intent for intent in self.intents("run") if intent.status is None)

    def writes(self) -> list[Write]:
        return [write for commit in self.commits for write in commit]

    def rows(self) -> list[Binding]:
        return [write.binding for write in self.writes() if isinstance(write, PutBinding)]


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What became of changes: the result, the ledger, the server, and the error that ended it, if one did."""

    result: Result
    book: Book
    server: Server
    took_s: float

    @property
    def statuses(self) -> list[Status]:
        return [outcome.status for outcome in self.result.outcomes]

    @property
    def messages(self) -> list[str]:
        return [outcome_text(outcome) for outcome in self.result.outcomes]

    @property
    def halt(self) -> str:
        return ending_text(self.result.halt)


def carry_out(
    changes: Sequence[Change],
    server: Server,
    *,
    rows: Iterable[Binding] = (),
    users: Mapping[CustomerId, tuple[SeenUser, ...]] | None = None,
    learned: Learned = UNKNOWN,
    ways: Ways = NOT_KNOWN,
    reopened: frozenset[Address] = frozenset(),
    unread: frozenset[CustomerId] = frozenset(),
    book: Book | None = None,
    stop: asyncio.Event | None = None,
    tell: Tell = lambda _: None,
) -> CarriedOut:
    """Carry out `changes` in virtual time; `rows` are the ledger's, those of customers to be created among them."""
    ledger = book or Book()

    async def carried() -> CarriedOut:
        async with talk(server) as client:
            journal = Journal(ledger)
            sender = Sender(
                run="run", client=client, journal=journal, stop=stop or asyncio.Event(), clock=VirtualClock()
            )
            steps = CustomerSteps(
                sender=sender,
                reads=SingleReads(client),
                rows={row.external_id: row for row in rows},
                users=users or {},
                learned=learned,
                ways=ways,
                reopened=reopened,
                unread=unread,
            )
            plan = Plan(REF, "default", changes=tuple(changes))
            result = await execute(plan, sender, steps, tell, lag_s=10.0)
            return CarriedOut(result, ledger, server, asyncio.get_running_loop().time())

    return run(carried())


def row(
    key: str,
    customer: str | None = None,
    *,
    applied: Mapping[str, str] | None = None,
    state: BindingState = BindingState.ACTIVE,
) -> Binding:
    """Return the ledger's row of a customer, bound to `cus_<key>` unless told; `applied` is its record."""
    made = Binding(
        external_id=key,
        id=CustomerId(customer or f"cus_{key}"),
        live_external_id=key,
        created_at=CREATED_AT,
        state=state,
        project="default",
        source="customers.yaml",
        protected=False,
        via=Via.MATCHED,
    )
    return with_record(made, applied or {}, applied or {}, {})


def entry(key: str, **applied: str) -> Binding:
    """Return the row of a customer that is to be created with these values."""
    return replace(row(key, applied=applied), id=None, created_at="", via=Via.CREATED)


def create(key: str, **fields: str) -> Change:
    """Return the create of a customer."""
    return Change(Action.CREATE, Address(key), None, Reason.DECLARED, fields=_fields(fields))


def create_user(key: str, email: str, customer: str | None = None, *, unless_listed: bool = False) -> Change:
    """Return the create of a user; of a customer that the plan creates where there is no id."""
    named = CustomerId(customer) if customer else None
    fields = _fields({"email": email})
    return Change(
        Action.CREATE_USER, Address(key, email), named, Reason.DECLARED, fields=fields, unless_listed=unless_listed
    )


def patch(key: str, *fields: FieldChange) -> Change:
    """Return the patch of a customer."""
    return Change(Action.PATCH, Address(key), CustomerId(f"cus_{key}"), Reason.DECLARED, fields=fields)


def city(before: str, after: str | None, cause: Cause = Cause.CONFIG) -> FieldChange:
    """Return the change of a city."""
    return FieldChange("city", before, after, cause)


def archive(key: str) -> Change:
    """Return the archive of a customer."""
    return Change(Action.ARCHIVE, Address(key), CustomerId(f"cus_{key}"), Reason.DECLARED)


def restore(key: str, *, otherwise: Action | None = None, **fields: str) -> Change:
    """Return the restore of a customer; with `otherwise` it may become a create with `fields`."""
    customer = CustomerId(f"cus_{key}")
    return Change(Action.RESTORE, Address(key), customer, Reason.DECLARED, fields=_fields(fields), otherwise=otherwise)


def live(key: str, customer: str | None = None, **fields: str) -> dict[str, str]:
    """Return a customer as the API writes it."""
    return {"id": customer or f"cus_{key}", "external_id": key, "created_at": CREATED_AT, **fields}


def _fields(values: Mapping[str, str]) -> tuple[FieldChange, ...]:
    return tuple(FieldChange(name, "", value) for name, value in values.items())
