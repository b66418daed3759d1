"""Replies that are not what they should be, and a run in which one reply is such a one."""

from __future__ import annotations

import copy
import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from api_account import Customer
from api_ways import Ways
from hypothesis import settings
from hypothesis import strategies as st
from plan_values import customer, declared
from story import TERMS
from world import World, done

from reconciler.errors import PlanFaulty, ReconcilerError, Source
from reconciler.model.core import DesiredUser
from reconciler.model.plan import Blocked, Change
from reconciler.model.policy import Share

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
Mutation = Callable[[JSON, JSON], JSON]
CHANGES: dict[str, Mutation] = {
    "replaced": lambda _, value: value,
    "taken away": lambda _, __: GONE,
    "wrapped in a list": lambda part, _: [part],
    "wrapped in data": lambda part, _: {"data": part},
    "as a number": lambda part, _: len(str(part)),
    "with a field more": lambda part, value: {**part, "risk_tier": value} if isinstance(part, dict) else part,
    "doubled": lambda part, _: [*part, *part] if isinstance(part, list) else part,
}


def _changed(body: JSON, at: int, change: Mutation, value: JSON) -> JSON:
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


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing
UNDER = replace(TERMS, max_archives=Share(100, percent=True), max_restores=Share(100, percent=True))
SOURCE = Source("customers.yaml", 4, 5)
SETTLED_S = 60.0
MOST_RUNS = 4


def _user(email: str) -> DesiredUser:
    return DesiredUser(email, {"first_name": "Jane"}, SOURCE)


FIRST = declared(
    *map(customer, ("patched", "archived", "gone")),
    customer("joined", _user("jane@joined.example")),
    customer("cleared", fields={"name": "cleared", "state": "NY"}),
    customer("back", _user("jane@back.example"), archived=False),
)
SECOND = declared(
    *(replace(one, archived=key == "back") for key, one in FIRST.customers.items()),
)
THIRD = declared(
    customer("patched", fields={"name": "patched", "city": "Boston"}),
    customer("archived", archived=True),
    customer("joined", _user("jane@joined.example"), _user("joe@joined.example")),
    customer("cleared", fields={"name": "cleared", "state": None}),
    customer("back", _user("jane@back.example")),
    customer("new", _user("jane@new.example")),
)
ENDS = {
    "patched": ({"name": "patched", "city": "Boston"}, False, []),
    "archived": ({"name": "archived"}, True, []),
    "gone": ({"name": "gone"}, True, []),
    "joined": ({"name": "joined"}, False, ["jane@joined.example", "joe@joined.example"]),
    "cleared": ({"name": "cleared"}, False, []),
    "back": ({"name": "back"}, False, ["jane@back.example"]),
    "new": ({"name": "new"}, False, ["jane@new.example"]),
    "strange": ({"name": "Strange"}, False, []),
}
Account = dict[str, tuple[dict[str, str], bool, list[str]]]


@dataclass(slots=True)
class Meddler:
    """Gives `instead` for the `at`-th reply, from 1; where it `lasts`, for each later one of its kind too."""

    api: Callable[[httpx.Request], httpx.Response]
    at: int
    instead: Instead
    lasts: bool = False
    count: int = 0
    meddled: str = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.count += 1
        asked = f"{request.method} {request.url.path}"
        if self.count != self.at and not (self.lasts and asked == self.meddled):
            return self.api(request)
        self.meddled = asked
        if isinstance(self.instead, Changed) and self.instead.how == "as a number" and asked == "POST /customers":
            # An id that is a number is an id: nothing tells that it is not this customer's.
            return self.api(request)
        happened = self.instead.happened or (_settles(request) and self.instead.status // 100 == 2)
        return self.instead.of(self.api(request) if happened else None)


def _settles(request: httpx.Request) -> bool:
    """Say whether any 2xx says that the request was done: nothing in a reply to an archive or a restore could."""
    return request.method == "DELETE" or request.url.path.endswith("/restore")


class Meddled(World):
    """A world that can be copied as it stands, so that its past is told once."""

    def copied(self, folder: Path) -> Meddled:
        """Return a world of its own, with its ledger in `folder`."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        world = copy.deepcopy(self)
        world._folder = folder  # noqa: SLF001 - its own class
        return world


@contextmanager
def begun(ways: Ways) -> Iterator[Meddled]:
    """
    Yield a world in which the third state is to be reached, and nothing of it done.

    The server forbids nothing by itself: two customers with one external_id, two users with one e-mail.
    """
    with TemporaryDirectory(dir=MEMORY) as folder:
        world = Meddled(Path(folder), ways)
        world.api.account.add({"external_id": "strange", "name": "Strange"})
        for desired in (FIRST, SECOND):
            assert done(world.apply(desired, UNDER).outcomes)
            world.wait(SETTLED_S)
        yield world


def met(start: Meddled, at: int, instead: Instead, *, lasts: bool = False) -> str:
    """Apply the third state while one reply is another, then in truth; return what is wrong, "" for nothing."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        world = start.copied(Path(folder))
        meddler = Meddler(world.api.handler, at, instead, lasts)
        world.answers = meddler
        try:
            world.apply(THIRD, UNDER)
        except PlanFaulty as bug:
            return f"{meddler.meddled}: {bug}"
        except ReconcilerError as error:
            if not str(error):
                return f"{meddler.meddled}: an error without words"
        world.answers = world.api.handler
        if harm := _harm(world):
            return f"{meddler.meddled}: {harm}"
        return next((f"{meddler.meddled}: {words}" for words in _not_reached(world)), "")


def _harm(world: World) -> str:
    """Return what should not have been done to the account, "" for nothing."""
    customers = world.api.account.customers()
    doubled = [key for key, count in Counter(one.external_id for one in customers).items() if count > 1]
    return f"{doubled} are there twice" if doubled else next((words for one in customers if (words := _hurt(one))), "")


def _hurt(one: Customer) -> str:
    """Return what is wrong with a customer at any moment between the second state and the third."""
    wanted, archived, users = ENDS[one.external_id]
    emails = [user.email for user in one.users]
    if one.archived and not archived and one.external_id != "back":
        return f"{one.external_id!r} is archived"
    if len(set(emails)) < len(emails) or not set(emails) <= set(users):
        return f"{one.external_id!r} has the users {emails}"
    others = {name: text for name, text in one.fields.items() if text != wanted.get(name)}
    return f"{one.external_id!r} has {others}" if others and others != {"state": "NY"} else ""


def _not_reached(world: World) -> Iterator[str]:
    """Yield what true runs do not reach."""
    for _ in range(MOST_RUNS):
        world.wait(SETTLED_S)
        with suppress(ReconcilerError):
            world.apply(THIRD, UNDER)
        if harm := _harm(world):
            yield harm
        if _account(world) == ENDS:
            break
    world.wait(SETTLED_S)
    left = world.plan(THIRD, UNDER)
    if left.changes or left.blocked:
        yield f"left are {list(map(_change, left.changes))}, blocked are {list(map(_blocked, left.blocked))}"
    if (found := _account(world)) != ENDS:
        yield f"the account is {found}"


def _change(one: Change) -> str:
    return f"{one.action} {one.address}"


def _blocked(one: Blocked) -> str:
    return f"{one.address} {one.field}: {one.reason}"


def _account(world: World) -> Account:
    return {
        one.external_id: (dict(one.fields), one.archived, sorted(user.email for user in one.users))
        for one in world.api.account.customers()
    }
