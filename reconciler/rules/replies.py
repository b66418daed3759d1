"""What a request is answered with: `Reply`, and refusals in the shape that the behaviour has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from reconciler.rules.behaviour import Behaviour
from reconciler.rules.words import ErrorBody

OK, CREATED, NOT_FOUND = 200, 201, 404
REDIRECTED = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A status and a body of JSON values; None is an empty body, a `str` is a page of HTML.

    The values in `body` may be shared with other replies: read them, never change them.
    """

    status: int
    body: object

    @property
    def accepted(self) -> bool:
        """Return whether the request did what it asked."""
        return self.status < REDIRECTED


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


def refusal(ways: Behaviour, status: int, message: str, wrong: Mapping[str, str] | None = None) -> Reply:
    """
    Return a refusal; `wrong` says of each field what is wrong with it.

    >>> refusal(Behaviour(), 404, "ID not present in environment").body
    {'code': 'not_found', 'message': 'ID not present in environment'}
    """
    match ways.error_body:
        case ErrorBody.HTTP_ERROR:
            body = {"code": CODES.get(status, "error"), "message": message}
            return Reply(status, {**body, "validation_errors": dict(wrong)} if wrong else body)
        case ErrorBody.OTHER:
            return Reply(status, {"error": {"status": status, "detail": message}})
        case ErrorBody.EMPTY:
            return Reply(status, None)
        case ErrorBody.HTML:
            return Reply(status, page_of_html(status))
    assert_never(ways.error_body)


def page_of_html(status: int) -> str:
    """Return the page that a proxy puts in the API's place."""
    return f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"


def not_found(ways: Behaviour) -> Reply:
    """Return the answer to an id that is not known, in the documentation's words."""
    return refusal(ways, NOT_FOUND, "ID not present in environment")
