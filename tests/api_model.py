"""A model of the API, small and plain, written from its reference alone. Imports nothing of the package."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import httpx
from api_account import BODIES, CUSTOMER_FIELDS, LIST_QUERY, Account, Customer, Endpoint, Seen, User, nth_id, route
from api_ways import Empties, ErrorBody, Fault, Hook, Order, Rewrite, Unset, UserEmails, Ways, Witness, alone, healthy

Place = list[Any]
"""What a list is sorted by: no two rows have the same."""


class BadQuery(Exception):
    """A page cannot be given; `foolish` where no right client asks so."""

    def __init__(self, message: str, *, foolish: bool) -> None:
        super().__init__(message)
        self.foolish = foolish


def place(number: int, changed_at: float, customer: Customer, order: Order) -> Place:
    """Return where the `number`-th customer stands in a list of customers."""
    match order:
        case Order.NEWEST:
            return [-customer.created_us, -number]
        case Order.OLDEST:
            return [customer.created_us, number]
        case Order.UPDATED:
            return [changed_at, number]
        case Order.ID:
            return [customer.id]


def page(rows: Sequence[tuple[Place, object]], query: Mapping[str, str], ways: Ways) -> dict[str, object]:
    """Return the page of `rows`, in their order, that `query` asks for; BadQuery."""
    limit = query.get("limit", "100")
    if not (limit.isascii() and limit.isdecimal() and int(limit)):
        raise BadQuery(f"limit is {limit!r}", foolish=True)
    if ways.larger_refused and int(limit) > max(100, ways.page_max):
        raise BadQuery("limit is too large", foolish=False)
    size = min(int(limit), ways.page_max)
    marks = [[number] if ways.cursor_counts else place for number, (place, _) in enumerate(rows)]
    after, before = (_mark(query.get(name, "")) for name in ("after", "before"))
    if after is None and before is not None:
        stop = sum(mark < before for mark in marks)
        start = max(0, stop - size)
    else:
        start = 0 if after is None else sum(mark <= after for mark in marks)
        if ways.page_uneven and start // size % 2 and size > 1:
            size -= 1
        stop = min(len(rows), start + size)
    data = [row for _, row in rows[start:stop]]
    ends = (_cursor(marks[start]), _cursor(marks[stop - 1])) if data else ("", "")
    if ways.page_nested:
        return {"data": data, "pagination": {"has_next_page": stop < len(rows), "end_cursor": ends[1]}}
    return {
        "data": data,
        "start_cursor": ends[0],
        "end_cursor": ends[1],
        "has_next_page": stop < len(rows),
        "has_previous_page": start > 0,
    }


def _cursor(mark: Place) -> str:
    """Return an opaque text; it holds `+`, so that one which is not percent-encoded comes back broken."""
    return "g+" + base64.b64encode(json.dumps(mark).encode()).decode()


def _mark(cursor: str) -> Place | None:
    """Return the mark in a cursor, None for an empty one; BadQuery for what is no cursor of ours."""
    if not cursor:
        return None
    try:
        mark = json.loads(base64.b64decode(cursor.removeprefix("g+"), validate=True))
    except ValueError:
        mark = None
    if not cursor.startswith("g+") or not isinstance(mark, list):
        raise BadQuery(f"{cursor!r} is no cursor of this list", foolish=True)
    return mark


_TIMESPEC = {0: "seconds", 3: "milliseconds", 6: "microseconds"}

Reply = tuple[int, object]
"""A status and a body: None is an empty one, a text is HTML."""


def stored(name: str, value: str, ways: Ways) -> str:
    """Return what the server makes of the value of a field; an external_id stays as it is."""
    if name == "external_id":
        return value
    if Rewrite.TRIM in ways.rewrites:
        value = value.strip()
    if name == "country" and Rewrite.COUNTRY in ways.rewrites:
        value = {"USA": "US", "United States": "US"}.get(value, value)
    if name == "ein" and Rewrite.EIN in ways.rewrites:
        value = value.replace("-", "")
    if name == "state" and Rewrite.STATE in ways.rewrites:
        value = value.upper()
    if name == "email" and Rewrite.EMAIL in ways.rewrites:
        value = value.lower()
    if name == "street_address" and Rewrite.ADDRESS in ways.rewrites:
        value = " ".join("Street" if word in ("St", "St.") else word for word in value.split())
    return value


def shown(customer: Customer, ways: Ways) -> dict[str, object]:
    """Return a customer as a reply has it. That it is archived is not in it."""
    texts = {
        "external_id": customer.external_id,
        "customer_integration_id": customer.integration_id,
        "default_payment_method_id": "",
        **{name: customer.fields.get(name, "") for name in CUSTOMER_FIELDS},
    }
    seconds, microseconds = divmod(customer.created_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    created_at = moment.isoformat(timespec=_TIMESPEC[ways.created_digits]).replace("+00:00", "Z")
    return {"id": customer.id, "created_at": created_at, **_with_unset(texts, ways), **_extra(ways)}


def shown_user(user: User, ways: Ways) -> dict[str, object]:
    """Return a user as a reply has it."""
    texts = {"email": user.email, "first_name": user.first_name, "last_name": user.last_name}
    return {"id": user.id, **_with_unset(texts, ways), **_extra(ways)}


def refusal(status: int, message: str, ways: Ways, fields: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal in this server's form."""
    match ways.error_body:
        case ErrorBody.EMPTY:
            return status, None
        case ErrorBody.OTHER:
            return status, {"error": {"text": message, "fields": fields or {}}}
        case ErrorBody.HTTP_ERROR:
            code = "bad_request" if status == 400 else "error"
            return status, {"code": code, "message": message, **({"validation_errors": fields} if fields else {})}


def response(reply: Reply, ways: Ways, now: float) -> httpx.Response:
    """Return the response that carries `reply`."""
    status, body = reply
    headers = {"Date": formatdate(now, usegmt=True)}
    if status == 429 and ways.retry_after:
        headers["Retry-After"] = "1"
    if body is None:
        return httpx.Response(status, headers=headers)
    if isinstance(body, str):
        return httpx.Response(status, headers=headers, html=body)
    return httpx.Response(status, headers=headers, json=body)


def microseconds(text: str | None) -> int | None:
    """Return an RFC 3339 time in microseconds since 1970, None for none; ValueError for another text."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _with_unset(texts: Mapping[str, str], ways: Ways) -> dict[str, object]:
    """Return texts with those that are empty in this server's way."""
    if ways.unset is Unset.ABSENT:
        return {name: text for name, text in texts.items() if text}
    return {name: text or (None if ways.unset is Unset.NULL else "") for name, text in texts.items()}


def _extra(ways: Ways) -> dict[str, object]:
    return {"tags": [], "origin": {"kind": "api"}} if ways.extra_fields else {}


__all__ = ["Account", "Customer", "Endpoint", "Fault", "ModelApi", "Seen", "User", "Ways", "nth_id"]

Body = Mapping[str, str | None]


class ModelApi:
    """
    One account behind the API.

    - `account`: what it holds; a test looks there, and acts there as somebody else would.
    - `now`: the server's clock, in seconds since 1970.
    - `fault`: asked once a request, before anything else; it may change the account too.
    - `witness`: told of each request as it comes (None), and of its reply where nothing went wrong.
    - `seen`: every request that arrived. `complaints`: what no right client does; a test wants it empty.
    """

    def __init__(
        self, ways: Ways, now: Callable[[], float], *, fault: Hook = healthy, witness: Witness = alone
    ) -> None:
        self.ways = ways
        self.now = now
        self.fault = fault
        self._witness = witness
        self.account = Account(ways, now)
        self.seen: list[Seen] = []
        self.complaints: list[str] = []
        self._basic = "Basic " + base64.b64encode(b"local:local").decode()
        self._tokens: dict[str, float] = {}
        self._paced: list[float] = []

    def counts(self) -> Counter[tuple[str, Endpoint]]:
        """Return how many requests of each kind arrived, by method and endpoint."""
        return Counter((seen.method, seen.endpoint) for seen in self.seen)

    def writes(self) -> list[Seen]:
        """Return the requests that could change something, refused and lost ones too."""
        return [seen for seen in self.seen if seen.method != "GET" and seen.endpoint is not Endpoint.TOKEN]

    def handler(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or raise what httpx raises where no answer comes."""
        self._witness(request, None)
        fault = self.fault(request)
        if fault == "unreachable":
            raise httpx.ConnectError("no connection", request=request)
        reply = self._faulty(fault) or self._paced_reply(request) or self._reply(request)
        if fault == "500_after":
            reply = self._refuse(500, "retry with back-off")
        lost = fault in ("lost_before", "lost_after")
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        self.seen.append(Seen(request.method, path, query, 0 if lost else reply[0], self.now()))
        if lost:
            raise httpx.ReadError("the connection broke", request=request)
        answer = response(reply, self.ways, self.now())
        if fault is None:
            self._witness(request, answer)
        return answer

    def _faulty(self, fault: Fault) -> Reply | None:
        """Return the reply of a fault that keeps the request from taking effect."""
        match fault:
            case "lost_before" | "503_before":
                return self._refuse(503, "unavailable")
            case "html_before":
                return 502, "<html><body><h1>502 Bad Gateway</h1></body></html>"
            case 429:
                return self._refuse(429, "too many requests")
        return None

    def _paced_reply(self, request: httpx.Request) -> Reply | None:
        """Return the 429 of a request beyond the rate, counted over any span of one second."""
        rate = self.ways.rate_per_s
        if not rate or (request.url.path == "/oauth/token" and not self.ways.token_counts):
            return None
        if len(self._paced) >= rate and self.now() - self._paced[-rate] < 1.0:
            return self._refuse(429, "too many requests")
        self._paced.append(self.now())
        return None

    def _reply(self, request: httpx.Request) -> Reply:
        path, _, query_text = request.url.raw_path.decode("ascii").partition("?")
        endpoint, ids = route(request.method, path)
        if endpoint is Endpoint.TOKEN:
            return self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= self.now():
            return self._refuse(401, "missing or expired token")
        if endpoint is Endpoint.UNKNOWN:
            return self._complain(404, f"no such request: {request.method} {path}")
        if endpoint is Endpoint.CREATE:
            return self._create(self._body(request, endpoint))
        if request.method == "GET":
            return self._read(endpoint, ids, dict(parse_qsl(query_text, keep_blank_values=True)))
        return self._write(endpoint, ids[0], request)

    def _read(self, endpoint: Endpoint, ids: Sequence[str], query: Mapping[str, str]) -> Reply:
        if endpoint is Endpoint.LIST:
            return self._list(query)
        customer = self.account.readable(ids[0])
        if customer is None:
            return self._not_found()
        methods = self.account.payment_methods.get(customer.id, [])
        match endpoint:
            case Endpoint.GET:
                return 200, shown(customer, self.ways)
            case Endpoint.USERS:
                rows = [([number], shown_user(user, self.ways)) for number, user in enumerate(customer.users)]
                return self._page(rows, query)
            case Endpoint.PAYMENT_METHODS:
                return 200, {"data": methods} if self.ways.methods_nested else methods
        return next(((200, one) for one in methods if one["id"] == ids[1]), self._not_found())

    def _write(self, endpoint: Endpoint, customer_id: str, request: httpx.Request) -> Reply:
        customer = self.account.find(customer_id)
        if customer is None:
            return self._not_found()
        if endpoint is Endpoint.ARCHIVE:
            return self._archive(customer)
        if endpoint is Endpoint.RESTORE:
            return self._restore(customer)
        if customer.archived and not self.ways.patches_archived:
            return self._not_found()
        if endpoint is Endpoint.PATCH:
            return self._patch(customer, self._body(request, endpoint))
        return self._create_user(customer, self._body(request, endpoint))

    def _token(self, request: httpx.Request) -> Reply:
        if request.headers.get("Authorization") != self._basic:
            return self._refuse(403, "wrong credentials")
        if dict(parse_qsl(request.content.decode())).get("grant_type") != "client_credentials":
            return self._complain(400, "grant_type is not client_credentials")
        token = f"token-{len(self._tokens) + 1}"
        self._tokens[token] = self.now() + self.ways.token_s
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": self.ways.token_s}

    def _list(self, query: Mapping[str, str]) -> Reply:
        if not set(query) <= LIST_QUERY:
            self.complaints.append(f"a list has no parameters {sorted(set(query) - LIST_QUERY)}")
        try:
            start, end = microseconds(query.get("created_at_start")), microseconds(query.get("created_at_end"))
        except ValueError:
            return self._complain(400, f"not RFC 3339: {dict(query)}")
        # Whole microseconds: a bound that is exclusive is an inclusive one further in.
        low = None if start is None or not self.ways.narrows else start + (not self.ways.start_inclusive)
        high = None if end is None or not self.ways.narrows else end - (not self.ways.end_inclusive)
        name = query.get("company_name", "").casefold()
        rows = [
            (place(number, changed_at, customer, self.ways.order), shown(customer, self.ways))
            for number, changed_at, customer in self.account.listed()
            if (low is None or low <= customer.created_us)
            and (high is None or customer.created_us <= high)
            and name in customer.fields.get("name", "").casefold()
        ]
        return self._page(sorted(rows, key=lambda row: row[0]), query)

    def _page(self, rows: Sequence[tuple[Place, object]], query: Mapping[str, str]) -> Reply:
        try:
            return 200, page(rows, query, self.ways)
        except BadQuery as exc:
            return self._complain(400, str(exc)) if exc.foolish else self._refuse(400, str(exc))

    def _create(self, body: Body) -> Reply:
        missing = {name: "is required" for name in sorted(self.ways.required) if not body.get(name)}
        if missing:
            return refusal(422, "validation failed", self.ways, missing)
        if self.account.taken(body.get("external_id") or ""):
            return self._refuse(self.ways.unique_status, "This external id is already used")
        values = {name: stored(name, value, self.ways) for name, value in body.items() if value}
        return 201, shown(self.account.customer(self.account.create(**values)), self.ways)

    def _patch(self, customer: Customer, body: Body) -> Reply:
        fields = dict(customer.fields)
        for name in body.keys() - self.ways.ignores:
            value = body[name]
            if value:
                fields[name] = stored(name, value, self.ways)
            elif self.ways.empties in (Empties.BOTH, Empties.NULL if value is None else Empties.TEXT):
                fields[name] = ""
        held = {name: value for name, value in fields.items() if value}
        return 200, shown(self.account.put(replace(customer, fields=held)), self.ways)

    def _archive(self, customer: Customer) -> Reply:
        if customer.archived and self.ways.repeated_archive != 200:
            return self._refuse(self.ways.repeated_archive, "already archived")
        blocked = not customer.archived and customer.id in self.account.open_invoices
        if blocked and self.ways.archive_with_invoices != 200:
            return self._refuse(self.ways.archive_with_invoices, "the customer has open invoices")
        return 200, shown(self.account.put(replace(customer, archived=True)), self.ways)

    def _restore(self, customer: Customer) -> Reply:
        if not customer.archived and self.ways.repeated_restore != 200:
            return self._refuse(self.ways.repeated_restore, "not archived")
        if customer.archived and self.account.taken(customer.external_id, besides=customer.id):
            return self._refuse(self.ways.unique_status, "This external id is already used")
        restored = self.account.put(replace(customer, archived=False))
        return 200, shown(restored, self.ways) if self.ways.restore_replies else None

    def _create_user(self, customer: Customer, body: Body) -> Reply:
        email = stored("email", body.get("email") or "", self.ways)
        if not email:
            return refusal(422, "validation failed", self.ways, {"email": "is required"})
        same = str.casefold if self.ways.user_emails is UserEmails.UNIQUE_IN_ANY_CASE else str
        others = [] if self.ways.user_emails is UserEmails.ANY else [same(user.email) for user in customer.users]
        if same(email) in others:
            return refusal(422, "validation failed", self.ways, {"email": "is already used"})
        names = (body.get("first_name") or "", body.get("last_name") or "")
        return 201, shown_user(self.account.add_user(customer.id, email, *names), self.ways)

    def _body(self, request: httpx.Request, endpoint: Endpoint) -> Body:
        """Return the body's fields; what the reference does not offer is a complaint, and is left out."""
        body = json.loads(request.content)
        right = {name: body[name] for name in BODIES[endpoint] & body.keys() if isinstance(body[name], str | None)}
        if len(right) < len(body):
            self.complaints.append(f"{request.method} {request.url.path} sends {sorted(body.keys() - right.keys())}")
        return right

    def _complain(self, status: int, message: str) -> Reply:
        self.complaints.append(message)
        return self._refuse(status, message)

    def _not_found(self) -> Reply:
        return self._refuse(404, "ID not present in environment")

    def _refuse(self, status: int, message: str) -> Reply:
        return refusal(status, message, self.ways)
