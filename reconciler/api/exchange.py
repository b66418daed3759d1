"""What is sent, what comes back (`Reply`, read up to a limit), and what went wrong, as one of our errors."""

from __future__ import annotations

import json
import re
import ssl
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import cast
from urllib.parse import quote, urlencode

import httpx

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

MOST_BYTES = 16 * 1024**2
"""A page of a thousand customers has less than a tenth of it."""

MOST_VALUES = 500_000
"""A page of a thousand customers has 15,000. Each takes up to 200 bytes, however few it has in the body."""

_GZIP = 16 + zlib.MAX_WBITS


class UnreadableError(Exception):
    """Why a body cannot be used, in words that follow `but`."""


def parse_json(body: bytes) -> object:
    """Return the JSON of a body; ValueError for none, UnreadableError where it would take more memory than it may."""
    # Counted in the bytes, texts too: what is over the limit is not parsed to find out.
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"{", b"["))) > MOST_VALUES:
        raise UnreadableError(f"its JSON holds more than {MOST_VALUES} values")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


async def read_body(response: httpx.Response, most_bytes: int = MOST_BYTES) -> bytes:
    """
    Return the whole body, decompressed.

    Raises UnreadableError where it is longer than `most_bytes`, compressed otherwise than with gzip (which
    is all that is asked for), or damaged. httpx would inflate a chunk whole before it could be counted.
    """
    if response.is_stream_consumed:
        # A transport within this process made it of bytes, and httpx has read them.
        return response.content
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise UnreadableError("compressed in a way that was not requested")
    inflater = None if encoding in ("identity", "") else zlib.decompressobj(_GZIP)
    chunks: list[bytes] = []
    left = most_bytes
    async for raw in cast("httpx.AsyncByteStream", response.stream):
        chunk = raw if inflater is None else _inflated(inflater, raw, left + 1)
        left -= len(chunk)
        if left < 0:
            raise UnreadableError(f"longer than {most_bytes // 1024**2} MiB")
        chunks.append(chunk)
    if inflater is not None and chunks and not inflater.eof:
        raise UnreadableError("its compressed body is cut off")
    return b"".join(chunks)


def _inflated(inflater: zlib._Decompress, raw: bytes, most_bytes: int) -> bytes:
    """Return at most `most_bytes` of what `raw` inflates to."""
    try:
        return inflater.decompress(raw, most_bytes)
    except zlib.error as error:
        raise UnreadableError("its compressed body is damaged") from error


# Query values that say nothing of a person; any other (company_name) is masked where a request is shown.
_SHOWN = frozenset({"limit", "after", "before", "created_at_start", "created_at_end"})

OAUTH_PATH = "/oauth/token"


@dataclass(frozen=True, slots=True)
class Request:
    """
    One request. `path` is percent-encoded already (ids by their maker), query names and values are not.

    `repeatable` says that sending it twice does what sending it once does: true of GET, PATCH, archive
    and restore; not of a create.

    >>> Request("GET", "/customers", (("limit", "100"), ("after", "gaFp+X9 /"))).target()
    '/customers?limit=100&after=gaFp%2BX9%20%2F'
    >>> str(Request("GET", "/customers", (("limit", "9"), ("company_name", "Acme"))))
    'GET /customers?limit=9&company_name=***'
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    repeatable: bool = True

    @property
    def reads(self) -> bool:
        """Whether it changes nothing in the account: true of a token's request too."""
        return self.method == "GET" or self.path == OAUTH_PATH

    @property
    def name(self) -> str:
        """What messages call it: the method and the path."""
        return f"{self.method} {self.path}"

    def target(self) -> str:
        """Return path and query as they are sent: each cursor percent-encoded exactly once."""
        return (
            f"{self.path}?{urlencode(self.query, quote_via=quote, safe='', errors='surrogatepass')}"
            if self.query
            else self.path
        )

    def content(self) -> bytes | None:
        """Return the body's bytes as they are sent, None where there is no body."""
        return None if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()

    def __str__(self) -> str:
        """Return the request as a log may hold it: no body, and no query value that may name a person."""
        shown = [(name, value if name in _SHOWN else "***") for name, value in self.query]
        return (
            f"{self.name}?{urlencode(shown, quote_via=quote, safe='*', errors='surrogatepass')}" if shown else self.name
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """
    A 2xx.

    - `body`: the parsed JSON, None where the body was empty.
    - `attempts`: how often it was sent, this time included; `lost`: how many earlier sendings had no
      answer that settles them.
    - `server_time_s`: seconds since 1970 by the server's Date header (whole seconds), else estimated.
    """

    status: int
    body: object
    attempts: int
    lost: int
    server_time_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """
    One sending, for a log: `shown` holds neither secrets nor personal data; `status` is 0 without an answer.

    >>> str(Sent("GET /customers?limit=100", 200, 0.085))
    'GET /customers?limit=100 200 85 ms'
    """

    shown: str
    status: int
    elapsed_s: float

    def __str__(self) -> str:
        """Return one line of a log."""
        return f"{self.shown} {self.status or 'no answer'} {self.elapsed_s * 1000:.0f} ms"


SHOWN_CHARS = 200
"""How much of a server's text a message shows."""
_KEPT_CHARS = 2000
_KEPT_FIELDS = 100
SHOWN_FIELDS = 5
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
            "behind a proxy with its own certificate authority, set SSL_CERT_FILE to its file"
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
            raise _unreadable(request, f"{status}, but not JSON", status) from error
    raise _of_status(request, status, body, location, secrets)


def unreadable(request: Request, why: str, status: int) -> Unanswered | NotTheApi:
    """Return the error for a reply whose body cannot be read: of a read NotTheApi, a write may have happened."""
    return _unreadable(request, f"{status}, but {why}", status)


def _unreadable(request: Request, what: str, status: int) -> Unanswered | NotTheApi:
    """Return NotTheApi for a read and Unanswered for a write."""
    if request.reads:
        return NotTheApi(f"{request.name}: {what}; a proxy may have answered instead of the API; check the base URL")
    return Unanswered(f"{request.name}: {what}; a proxy may have answered instead of the API", status=status)


def _of_status(request: Request, status: int, body: bytes, location: str, secrets: Sequence[str]) -> ApiFailed:
    """Return our error for a status that is no 2xx."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return NotTheApi(f"{request.name}: {status}, a redirect{_destination(location)}, which is not followed")
    code, detail, fields = _http_error(body, secrets)
    message = ": ".join([f"{request.name}: {status} {_name(code)}".rstrip(), *_said(detail, fields)])
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return NotTheApi(f"{message}: the server does not know this method, so it is not the API; check the base URL")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Unanswered(message, status=status, code=code, detail=detail, fields=fields)
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
    for name, text in fields[:SHOWN_FIELDS]:
        yield f"{_name(name)}: {cited(shown(text))}"
    if len(fields) > SHOWN_FIELDS:
        yield f"and {len(fields) - SHOWN_FIELDS} more fields"


def _name(text: str) -> str:
    """Return a code or the name of a field, cited where it is none: it may quote what was sent."""
    return text if not text or is_name(text) else cited(shown(text))


def is_name(text: str) -> bool:
    """Say whether a text of the server is a code or the name of a field, and quotes nothing."""
    return _NAME.fullmatch(text) is not None


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
