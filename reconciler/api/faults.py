"""What went wrong, as one of our errors: a table of transport errors, a table of statuses. Pure."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import islice

import httpx

from reconciler.api.request import Request, UnreadableError, parse_json
from reconciler.errors import (
    ApiFailed,
    Forbidden,
    NotFound,
    NotTheApi,
    Rejected,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
)
from reconciler.escape import cited, visible

SHOWN_CHARS = 200
"""How much of a server's text a message shows."""
_KEPT_CHARS = 2000
_KEPT_FIELDS = 100
_SHOWN_FIELDS = 5
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)

DID_NOT_HAPPEN: tuple[type[httpx.TransportError], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)
"""Raised before a byte of the request has left; after any other error it may have happened."""

_REJECTIONS: Mapping[int, type[Rejected]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}


def shown(text: str) -> str:
    r"""
    Return a server's text as a message may hold it: on one line, nothing invisible, cut.

    >>> shown("no\x1b[31m way")
    'no\\x1b[31m way'
    """
    safe = visible(text)
    return safe if len(safe) <= SHOWN_CHARS else safe[: SHOWN_CHARS - 1] + "…"


def of_transport(error: Exception, request: Request, host: str) -> Unanswered | Unreachable | NotTheApi:
    """
    Return our error for one of the transport (httpx.TransportError, OSError, TimeoutError).

    A certificate that is not trusted is NotTheApi: no request has left, and repeating does not help.
    """
    words = shown(str(error)) or type(error).__name__
    if (
        any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
        or "CERTIFICATE_VERIFY" in words
    ):
        return NotTheApi(
            f"{request.name}: the certificate of {host} is not trusted ({words}); "
            "behind a proxy with its own authority, name its file in SSL_CERT_FILE"
        )
    if isinstance(error, DID_NOT_HAPPEN):
        return Unreachable(
            f"{request.name}: cannot reach {host} ({words}); check the network, the base URL and HTTPS_PROXY"
        )
    return Unanswered(f"{request.name}: no answer from {host} ({words})")


def _causes(error: BaseException | None) -> Sequence[BaseException]:
    """Return `error` and what it was raised from, down to the first."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def json_or_raise(
    request: Request, status: int, body: bytes, *, location: str = "", secrets: Sequence[str] = ()
) -> object:
    """
    Return the JSON of a 2xx, None for an empty body; raise our error for anything else.

    `location` is the Location header; `secrets` are struck out of the server's text.
    A 2xx that is no JSON is a proxy's page: of a read it is NotTheApi, a write may have happened.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if not body:
            return None
        try:
            return parse_json(body)
        except UnreadableError as error:
            raise unreadable(request, str(error), status) from error
        except ValueError as error:
            raise _unreadable(request, f"{status}, but no JSON", status) from error
    raise _of_status(request, status, body, location, secrets)


def unreadable(request: Request, why: str, status: int) -> Unanswered | NotTheApi:
    """Return the error for a reply whose body cannot be read: of a read NotTheApi, a write may have happened."""
    return _unreadable(request, f"{status}, but {why}", status)


def _unreadable(request: Request, what: str, status: int) -> Unanswered | NotTheApi:
    """Return NotTheApi for a read and Unanswered for a write."""
    if request.reads:
        return NotTheApi(f"{request.name}: {what}; is it the API that answers, or a proxy? Check the base URL")
    return Unanswered(f"{request.name}: {what}; a proxy may have answered for the API", status=status)


def _of_status(request: Request, status: int, body: bytes, location: str, secrets: Sequence[str]) -> ApiFailed:
    """Return our error for a status that is no 2xx."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return NotTheApi(f"{request.name}: {status}, a redirect{_destination(location)}, which is not followed")
    code, detail, fields = _http_error(body, secrets)
    message = ": ".join([f"{request.name}: {status} {_name(code)}".rstrip(), *_said(detail, fields)])
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return NotTheApi(f"{message}: what answers does not know this method, so it is not the API; check the base URL")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Unanswered(message, status=status)
    if status < HTTPStatus.OK:
        return NotTheApi(message)
    if status == HTTPStatus.FORBIDDEN:
        message += f"; the API key lacks a scope, such as {_scope(request)} (dashboard: Team Preferences, API Keys)"
    rejection = _REJECTIONS.get(status, Rejected)
    return rejection(message, status=status, code=code, detail=detail, fields=fields, shape=shape_of(body))


def _said(detail: str, fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield what an error body says, cited, with the names of its fields as they are."""
    if detail:
        yield cited(shown(detail))
    for name, text in fields[:_SHOWN_FIELDS]:
        yield f"{_name(name)}: {cited(shown(text))}"
    if len(fields) > _SHOWN_FIELDS:
        yield f"and {len(fields) - _SHOWN_FIELDS} more fields"


def _name(text: str) -> str:
    """Return a code or the name of a field, cited where it is none: it may quote what was sent."""
    return text if not text or _NAME.fullmatch(text) else cited(shown(text))


def shape_of(body: bytes) -> str:
    """
    Return what the body of a refusal is.

    >>> [shape_of(body) for body in (b'{"code": "x"}', b'{"error": 1}', b"", b"<html>", b"no")]
    ['http_error', 'other', 'empty', 'html', 'text']
    """
    text = body.strip()
    if not text:
        return "empty"
    try:
        error = parse_json(text)
    except (ValueError, UnreadableError):
        return "html" if text.startswith(b"<") else "text"
    documented = isinstance(error, dict) and not {"code", "message", "validation_errors"}.isdisjoint(error)
    return "http_error" if documented else "other"


def _destination(location: str) -> str:
    """Return ` to HOST` where the Location header names a host."""
    try:
        host = httpx.URL(location).host
    except httpx.InvalidURL:
        return ""
    return f" to {shown(host)}" if host else ""


def _scope(request: Request) -> str:
    """Return the scope that a request probably needs; scopes have names such as `customers:read` (OpenAPI)."""
    return f"{request.path.split('/')[1]}:{'read' if request.reads else 'write'}"


def _http_error(body: bytes, secrets: Sequence[str]) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Return code, message and validation_errors of an `HttpError`, none of which is required; "" for none."""
    try:
        error = parse_json(body)
    except (ValueError, UnreadableError):
        return "", "", ()
    if not isinstance(error, dict):
        return "", "", ()
    fields = error.get("validation_errors")
    rows = fields.items() if isinstance(fields, dict) else ()
    return (
        _words(error.get("code"), secrets),
        _words(error.get("message"), secrets),
        tuple((_words(name, secrets), _words(text, secrets)) for name, text in islice(rows, _KEPT_FIELDS)),
    )


def _words(value: object, secrets: Sequence[str]) -> str:
    """Return a text or number of an error body, cut, without our secrets: a server may quote what it was sent."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text[:_KEPT_CHARS]
