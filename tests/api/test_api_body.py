from __future__ import annotations

import gzip
import io
from collections.abc import AsyncIterator

import httpx
import pytest
from clocks import run
from scripted_apply import Server, talk

from reconciler.api.exchange import Request, UnreadableError, parse_json, read_body
from reconciler.errors import Unanswered

CREATE = Request("POST", "/customers", body={"name": "Acme"}, repeatable=False)


class Streamed(httpx.AsyncByteStream):
    """A body that comes in chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def test_a_body_that_never_ends_is_cut_off() -> None:
    async def read() -> None:
        await read_body(httpx.Response(200, stream=Streamed(*[b"x" * 1000] * 1000)), most_bytes=100_000)

    with pytest.raises(UnreadableError, match="longer than"):
        run(read())


def test_a_compressed_body_is_counted_as_it_inflates() -> None:
    async def read() -> None:
        bomb = Streamed(gzip.compress(bytes(50_000_000)))
        await read_body(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=bomb), most_bytes=100_000)

    with pytest.raises(UnreadableError, match="longer than"):
        run(read())


def test_a_compressed_body_is_read() -> None:
    async def read() -> bytes:
        raw = io.BytesIO(gzip.compress(b'{"data": []}'))
        stream = Streamed(raw.read(5), raw.read())
        return await read_body(httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream))

    assert run(read()) == b'{"data": []}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip"), ("gzip", gzip.compress(b"whole", mtime=0)[:-9]), ("gzip, gzip", b"x"), ("br", b"x")],
)
def test_a_body_that_cannot_be_inflated_is_a_doubt_for_a_write(encoding: str, body: bytes) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"content-encoding": encoding}, stream=Streamed(body))

    async def create() -> None:
        async with talk(Server(answer)) as client:
            await client.send(CREATE)

    with pytest.raises(Unanswered):
        run(create())


@pytest.mark.parametrize("row", [b"{}", b"[]", b"1", b'{"a":[{}]}'])
def test_a_body_of_more_values_than_any_page_has_is_not_parsed(row: bytes) -> None:
    with pytest.raises(UnreadableError, match="its JSON holds more than 500000 values"):
        parse_json(b'{"data":[' + b",".join([row] * 600_000) + b"]}")


def test_a_body_of_one_long_text_is_parsed() -> None:
    assert parse_json(b'"' + b"x" * 1_000_000 + b'"') == "x" * 1_000_000


def test_a_body_that_is_nested_too_deeply_is_no_json() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(b"[" * 100_000)
