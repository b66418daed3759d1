"""
Replies that are not what they should be, as values: whole ones of any status, headers and bytes, and true ones changed.

A changed reply has one part of its JSON replaced, taken away, wrapped or doubled, as a newer or another API might.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st

JSON = Any


def looked(share: float) -> settings:
    """Return the settings of a test: a `share` of the profile's examples, the same at each run but in the long one."""
    usual = settings.default
    assert usual is not None
    return settings(max_examples=int(share * usual.max_examples), derandomize=usual.max_examples < _LONG, database=None)


_LONG = 1000


class Streamed(httpx.AsyncByteStream):
    """A body as it comes over a socket: not decoded yet."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self):  # noqa: ANN204
        """Yield it in two pieces."""
        half = len(self.body) // 2
        for piece in (self.body[:half], self.body[half:]):
            if piece:
                yield piece


@dataclass(frozen=True, slots=True)
class Whole:
    """
    A reply in the place of the true one; the request takes effect where `happened`.

    A 4xx but 408 says that it did not: whoever does it and says so cannot be met.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    happened: bool = True

    def of(self, _: httpx.Response | None) -> httpx.Response:
        """Return it as httpx has it."""
        return httpx.Response(self.status, headers=list(self.headers), stream=Streamed(self.body))


@dataclass(frozen=True, slots=True)
class Changed:
    """The true reply with the `at`-th part of its JSON, round about, changed by the `how`-th of `CHANGES`."""

    at: int
    how: str
    value: JSON = None
    happened: bool = field(default=True, init=False)
    status: int = field(default=200, init=False)

    def of(self, true: httpx.Response | None) -> httpx.Response:
        """Return the true reply, changed."""
        assert true is not None
        kept = {name: text for name, text in true.headers.items() if name in ("date", "content-type")}
        return httpx.Response(true.status_code, headers=kept, stream=Streamed(self.body_of(true.content)))

    def body_of(self, true: bytes) -> bytes:
        """Return the true body, changed; as it is where it is no JSON."""
        try:
            body = json.loads(true)
        except ValueError:
            return true
        return json.dumps(_changed(body, self.at, CHANGES[self.how], self.value)).encode()


Instead = Whole | Changed

GONE = object()
Change = Callable[[JSON, JSON], JSON]
CHANGES: dict[str, Change] = {
    "replaced": lambda _, value: value,
    "taken away": lambda _, __: GONE,
    "wrapped in a list": lambda part, _: [part],
    "wrapped in data": lambda part, _: {"data": part},
    "as a number": lambda part, _: len(str(part)),
    "with a field more": lambda part, value: {**part, "risk_tier": value} if isinstance(part, dict) else part,
    "doubled": lambda part, _: [*part, *part] if isinstance(part, list) else part,
}


def _changed(body: JSON, at: int, change: Change, value: JSON) -> JSON:
    """Return `body` with one part changed."""
    body = copy.deepcopy(body)
    places = list(_places(body))
    holder, key = places[at % len(places)]
    if holder is None:
        new = change(body, value)
        return None if new is GONE else new
    new = change(holder[key], value)
    if new is GONE:
        del holder[key]
    else:
        holder[key] = new
    return body


def _places(body: JSON, holder: JSON = None, key: JSON = None) -> Iterator[tuple[JSON, JSON]]:
    """Yield each part of a JSON value, as what holds it and where; None for the whole."""
    yield holder, key
    within = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, part in within:
        yield from _places(part, body, name)


NAMES = (
    "data",
    "id",
    "external_id",
    "name",
    "email",
    "has_next_page",
    "end_cursor",
    "pagination",
    "created_at",
    "city",
)


def json_values() -> st.SearchStrategy[JSON]:
    """Return any JSON, with the names that the API uses."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.just(10**400),
        st.floats(),
        st.sampled_from(
            ["", "acme", "cus_1", "\ud800", "\u202e\u0000\n", "..", "a/b", "2025-01-01T00:00:00Z", "x" * 5000]
        ),
        st.text(max_size=5),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        max_leaves=6,
    )


STATUSES = (
    *(200, 200, 200, 201, 202, 203, 204, 205, 206, 299, 100, 199, 300, 301, 302, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 409, 410, 413, 415, 418, 422, 423, 425, 428, 429, 451, 499),
    *(500, 501, 502, 503, 504, 507, 511, 520, 599, 600, 999),
)


def bodies() -> st.SearchStrategy[bytes]:
    """Return any bytes, most of them nearly JSON."""
    texts = json_values().map(json.dumps)
    errors = st.fixed_dictionaries(
        {}, optional={"code": json_values(), "message": json_values(), "validation_errors": json_values()}
    ).map(json.dumps)
    return st.one_of(
        texts.map(str.encode),
        errors.map(str.encode),
        texts.map(lambda text: text.encode("utf-8-sig")),
        texts.map(lambda text: text.encode("utf-16")),
        texts.map(lambda text: text.encode()[:-1]),
        st.sampled_from(
            [b"", b" ", b"<html><h1>502</h1></html>", b"[" * 100_000, b"\xff\xfe", b"{}{}", b"null", b"9" * 5000]
        ),
        st.binary(max_size=20),
    )


def headers() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    """Return headers that a client may act on."""
    values = {
        "content-type": ("application/json", "text/html", "application/problem+json", "nonsense"),
        "retry-after": ("0", "1", "-1", "1.5", "soon", "9" * 400, "Thu, 01 Jan 2026 00:00:09 GMT", "Mon, 99 Foo 0"),
        "date": (
            "Thu, 01 Jan 2026 00:00:00 GMT",
            "yesterday",
            "Thu, 01 Jan 0001 00:00:00 +9999",
            "0",
            "Thu, 01 Jan 9999",
        ),
        "location": ("https://elsewhere.example/x", "http://[", "/x", "\x1b"),
        "content-encoding": ("identity", "gzip", "br", "zstd", "deflate", "gzip, br"),
        "transfer-encoding": ("chunked",),
    }
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(them) for name, them in values.items()}).map(
        lambda drawn: tuple(drawn.items())
    )


def wholes() -> st.SearchStrategy[Whole]:
    """Return whole replies; some are compressed as they say."""
    return st.builds(
        lambda status, body, head, happened, packed: Whole(
            status,
            gzip.compress(body, mtime=0) if packed and ("content-encoding", "gzip") in head else body,
            head,
            happened and (status // 100 != 4 or status == 408),
        ),
        st.sampled_from(STATUSES),
        bodies(),
        headers(),
        st.booleans(),
        st.booleans(),
    )


def changed() -> st.SearchStrategy[Changed]:
    """Return true replies changed in one part."""
    return st.builds(Changed, st.integers(0, 60), st.sampled_from(list(CHANGES)), json_values())
