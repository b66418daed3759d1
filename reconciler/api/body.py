"""A reply's body: read while it streams, up to a limit, also where it is compressed; and parsed, up to another."""

from __future__ import annotations

import json
import zlib

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
