"""What is sent and what comes back: `Request`, `Reply`, `Sent`; a body is read up to a limit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlencode

import httpx

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
        raise UnreadableError("compressed in a way that was not asked for")
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
        raise UnreadableError("its compressed body is cut")
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
