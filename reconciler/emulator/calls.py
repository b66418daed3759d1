"""What comes in and what goes out, and which rule answers which request. No HTTP library is known here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import parse_qsl, unquote

from reconciler.rules import (
    Account,
    Behaviour,
    ErrorBody,
    RuleReply,
    archive,
    create,
    create_user,
    get,
    get_payment_method,
    list_customers,
    list_payment_methods,
    list_users,
    patch,
    restore,
)
from reconciler.rules.account import FieldFault, Refusal, RefusalReason

CONTROL = "/_emulator/"
TOKEN = "/oauth/token"  # noqa: S105 - a path
_MOST_PIECES = 20
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class NotAnObject(ValueError):
    """A request's body is no JSON object."""


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request.

    `path` and `query` are as they were sent, percent-encoded; `authorization` and `content_type` are the headers'
    values.

    >>> Call("GET", "/customers/a%2Fb/users", "after=g%2B").segments
    ['customers', 'a/b', 'users']
    """

    method: str
    path: str
    query: str = ""
    authorization: str = ""
    body: bytes = b""
    content_type: str = ""

    @property
    def segments(self) -> list[str]:
        """Return the parts of the path, decoded each on its own."""
        return [unquote(part) for part in self.path.removeprefix("/").split("/")]

    def scope(self, ways: Behaviour) -> str:
        """
        Return the scope that its key must have.

        >>> Call("GET", "/customers/cus_1/users").scope(Behaviour())
        'customers:read'
        """
        kind = next((text for text in self.segments[2:3]), "")
        noun = {"users": ways.users_scope, "payment-methods": ways.methods_scope}.get(kind, "customers")
        return f"{noun}:{'write' if self.writes else 'read'}"

    @property
    def parameters(self) -> dict[str, str]:
        """Return the query; of a name that is there twice, the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}

    @property
    def writes(self) -> bool:
        """Return whether it may change the account; a token request does not."""
        return self.method not in _READS and self.path != TOKEN

    def json_object(self) -> Mapping[str, object]:
        """Return the body as a JSON object; NotAnObject for anything else, and for no body."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError) as exc:
            raise NotAnObject("The body is not JSON") from exc
        if isinstance(read, dict):
            return read
        raise NotAnObject("The body is not a JSON object")


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A response.

    `delay_s` is how long it is held back; `over_s` how long its body then takes to come. Of one that is `cut`
    half the body comes, and the connection ends.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    over_s: float = 0.0
    cut: bool = False

    @property
    def whole(self) -> bool:
        """Return whether the body comes at once and to its end."""
        return not self.over_s and not self.cut

    @property
    def pieces(self) -> list[bytes]:
        """
        Return the parts of the body that are sent.

        >>> Answer(200, b"abcd", cut=True).pieces, Answer(200, b"abc", over_s=1).pieces
        ([b'ab'], [b'a', b'b', b'c'])
        """
        sent = self.body[: len(self.body) // 2] if self.cut else self.body
        size = max(1, -(-len(sent) // _MOST_PIECES)) if self.over_s else max(1, len(sent))
        return [sent[start : start + size] for start in range(0, len(sent), size)]


@dataclass(frozen=True, slots=True)
class Dropped:
    """No response: the connection is closed."""

    delay_s: float = 0.0


def answer_of(reply: RuleReply, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return a rule's reply as bytes."""
    match reply.body:
        case None:
            return Answer(reply.status, b"", headers=headers)
        case str() as page:
            return Answer(reply.status, page.encode(), "text/html; charset=utf-8", headers)
        case body:
            # ASCII with escapes: a lone surrogate that somebody stored must not break every list.
            return Answer(reply.status, json.dumps(body, separators=(",", ":")).encode("ascii"), headers=headers)


CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    422: "unprocessable_entity",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}

# The words for an unknown id are the documentation's; those for an external_id that is taken were seen live.
REASONS: Mapping[RefusalReason, str] = {
    RefusalReason.UNKNOWN_ID: "ID not present in environment",
    RefusalReason.CUSTOMER_INVALID: "The customer is not valid",
    RefusalReason.USER_INVALID: "The user is not valid",
    RefusalReason.EXTERNAL_ID_TAKEN: "This external id is already used",
    RefusalReason.EMAIL_TAKEN: "This email is already used",
    RefusalReason.SYNCED: "The customer is synced from an integration",
    RefusalReason.ALREADY_ARCHIVED: "The customer is already archived",
    RefusalReason.NOT_ARCHIVED: "The customer is not archived",
    RefusalReason.OPEN_INVOICES: "The customer has open invoices",
    RefusalReason.CURSOR_INVALID: "The cursor is not valid",
    RefusalReason.BOTH_CURSORS: "after and before exclude each other",
    RefusalReason.LIMIT_INVALID: "limit must be a whole number of at least 1",
    RefusalReason.LIMIT_TOO_LARGE: "limit must be at most {}",
    RefusalReason.TIME_INVALID: "{} must be a time in RFC 3339",
}
FIELDS: Mapping[FieldFault, str] = {
    FieldFault.NOT_TEXT: "must be a string",
    FieldFault.REQUIRED: "is required",
    FieldFault.TAKEN: "is already used",
    FieldFault.FIXED: "cannot be changed",
    FieldFault.NOT_CLEARED: "cannot be cleared this way",
}


def worded(ways: Behaviour, reply: RuleReply) -> RuleReply:
    """
    Return a rule's reply as the API sends it: a refusal in words.

    >>> from reconciler.rules.account import not_found
    >>> worded(Behaviour(), not_found()).body
    {'code': 'not_found', 'message': 'ID not present in environment'}
    """
    match reply.body:
        case Refusal(reason, part, wrong):
            message = REASONS[reason].format(part)
            return refusal(ways, reply.status, message, {name: FIELDS[fault] for name, fault in wrong.items()})
        case _:
            return reply


def refusal(ways: Behaviour, status: int, message: str, wrong: Mapping[str, str] | None = None) -> RuleReply:
    """Return a refusal in words; `wrong` says of each field what is wrong with it."""
    match ways.error_body:
        case ErrorBody.HTTP_ERROR:
            body = {"code": CODES.get(status, "error"), "message": message}
            return RuleReply(status, {**body, "validation_errors": dict(wrong)} if wrong else body)
        case ErrorBody.OTHER:
            return RuleReply(status, {"error": {"status": status, "detail": message}})
        case ErrorBody.EMPTY:
            return RuleReply(status, None)
        case ErrorBody.HTML:
            return RuleReply(status, page_of_html(status))
    assert_never(ways.error_body)


def page_of_html(status: int) -> str:
    """Return the page that a proxy sends in the API's place."""
    return f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"


Rule = Callable[[Account, Behaviour, Call, float], RuleReply]

# By the path's shape, in which ids are `*`, and the method. Paths carry no version: `/v1/…` is not here.
RULES: Mapping[str, Mapping[str, Rule]] = {
    "customers": {
        "GET": lambda account, ways, call, now: list_customers(account, ways, call.parameters, now),
        "POST": lambda account, ways, call, now: create(account, ways, call.json_object(), now),
    },
    "customers/*": {
        "GET": lambda account, ways, call, now: get(account, ways, call.segments[1], now),
        "PATCH": lambda account, ways, call, now: patch(account, ways, call.segments[1], call.json_object(), now),
        "DELETE": lambda account, ways, call, now: archive(account, ways, call.segments[1], now),
    },
    "customers/*/restore": {
        "POST": lambda account, ways, call, now: restore(account, ways, call.segments[1], now),
    },
    "customers/*/users": {
        "GET": lambda account, ways, call, now: list_users(account, ways, call.segments[1], call.parameters, now),
        "POST": lambda account, ways, call, now: create_user(account, ways, call.segments[1], call.json_object(), now),
    },
    "customers/*/payment-methods": {
        "GET": lambda account, ways, call, now: list_payment_methods(account, ways, call.segments[1], now),
    },
    "customers/*/payment-methods/*": {
        "GET": lambda account, ways, call, now: get_payment_method(
            account, ways, call.segments[1], call.segments[3], now
        ),
    },
}
_IDS = (1, 3)


def rules_of(call: Call) -> Mapping[str, Rule] | None:
    """Return what a call's path can do, by method; None where it is no path of the API."""
    return RULES.get("/".join("*" if place in _IDS else segment for place, segment in enumerate(call.segments)))


def reply_to(account: Account, ways: Behaviour, rules: Mapping[str, Rule], call: Call, now: float) -> RuleReply:
    """Return what one of a path's rules answers, which has the call's method; 400 for a body that is no JSON object."""
    try:
        return worded(ways, rules[call.method](account, ways, call, now))
    except NotAnObject as exc:
        return refusal(ways, 400, str(exc))
