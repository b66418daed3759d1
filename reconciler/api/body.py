"""A reply's body: read while it streams, up to a limit, also where it is compressed; and parsed, up to another."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import httpx

MOST_BYTES = 16 * 1024**2
"""A page of a thousand customers has less than a tenth of it."""

MOST_VALUES = 500_000
"""A page of a thousand customers has 15,000. Each takes up to 200 bytes, however few it has in the body."""

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_GZIP = 16 + zlib.MAX_WBITS


class UnreadableError(Exception):
    """Why a body cannot be used, in words that follow `but`."""


def parse_json(body: bytes) -> object:
    """Return the JSON of a body; ValueError for none, UnreadableError where it would take more memory than it may."""
    # Counted in the bytes, texts too: what is over the limit is not parsed to find out.
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"{", b"["))) > MOST_VALUES:
        raise UnreadableError(f"its JSON holds more than {MOST_VALUES} values")
    try:
        document = json.loads(body)
        return _whole(document) if _HALF.search(body) else document
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _whole(value: Any) -> Any:  # noqa: ANN401 - JSON
    r"""
    Return a value whose texts hold no half of a character: U+FFFD is in its place.

    JSON may escape one half of a surrogate pair alone; no file, ledger or request can hold it.

    >>> _whole({"a": ["b\ud800", 1]}) == {"a": ["b\ufffd", 1]}
    True
    """
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(one) for one in value]
        case dict():
            return {_whole(name): _whole(one) for name, one in value.items()}
        case _:
            return value


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
    async for raw in response.aiter_raw():
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
