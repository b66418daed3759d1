"""
A page of a listing that is cut, fails, comes twice, or lacks its end: nobody is archived, restored or created for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from api_account import Endpoint
from api_ways import Ways
from plan_values import customer, declared
from world import World, done

from reconciler.errors import ReconcilerError

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a commit then costs nothing

KEYS = "abcdefg"
BEFORE = declared(*map(customer, KEYS))
ARCHIVED = declared(*(customer(key, archived=key == "f") for key in KEYS))
# `a` is patched, `f` stays archived, `g` has gone, `h` is new.
AFTER = declared(
    customer("a", fields={"name": "a", "city": "Boston"}),
    *map(customer, "bcde"),
    customer("f", archived=True),
    customer("h"),
)

Harm = Callable[[httpx.Response, httpx.Response | None], httpx.Response]


def cut(page: httpx.Response, _: httpx.Response | None) -> httpx.Response:
    """Return the first half of its bytes."""
    return httpx.Response(200, content=page.content[: len(page.content) // 2])


def fail(page: httpx.Response, _: httpx.Response | None) -> httpx.Response:  # noqa: ARG001 - a harm's signature
    """Return a 500."""
    return httpx.Response(500, json={"code": "internal", "message": "retry with back-off"})


def repeat(page: httpx.Response, last: httpx.Response | None) -> httpx.Response:
    """Return the page before it once more; the first page has none, and comes as it is."""
    return page if last is None else httpx.Response(200, content=last.content)


def lack_a_row(page: httpx.Response, _: httpx.Response | None) -> httpx.Response:
    """Return it without its last row."""
    return _changed(page, lambda body: body["data"].pop())


def lack_all_rows(page: httpx.Response, _: httpx.Response | None) -> httpx.Response:
    """Return it without rows."""
    return _changed(page, lambda body: body["data"].clear())


def end_early(page: httpx.Response, _: httpx.Response | None) -> httpx.Response:
    """Return it as the last page."""
    return _changed(page, lambda body: body.update(has_next_page=False))


def _changed(page: httpx.Response, change: Callable[[dict[str, Any]], object]) -> httpx.Response:
    body = json.loads(page.content)
    if body["data"]:
        change(body)
    return httpx.Response(200, json=body)


HARMS = (cut, fail, repeat, lack_a_row, lack_all_rows, end_early)


class Harmed:
    """
    The API with harm done to a page of its listing: to its `at`-th answer, or to that and every later asking for it.

    `done` says how often; `answers` are the pages that were asked for.
    """

    def __init__(self, world: World, harm: Harm, at: int, *, always: bool) -> None:
        self._api, self._harm, self._at, self._always = world.api, harm, at, always
        self.answers = 0
        self._query = ""
        self._last: httpx.Response | None = None
        self.done = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self._api.handler(request)
        query = request.url.query.decode()
        if (request.method, request.url.path) != ("GET", "/customers") or "created_at" in query:
            return answer
        self.answers += 1
        last, self._last = self._last, answer
        if self.answers == self._at:
            self._query = query
        elif not (self._always and self._query == query and self.answers > self._at):
            return answer
        harmed = self._harm(answer, last)
        self.done += harmed is not answer
        return harmed


@cache
def _started(page: int) -> tuple[World, TemporaryDirectory[str]]:
    """Return a world in which seven customers were applied, one of them archived again, and its folder."""
    folder = TemporaryDirectory(dir=MEMORY)
    world = World(Path(folder.name), Ways(page_max=page, gets_archived=True))
    for desired in (BEFORE, ARCHIVED):
        assert done(world.apply(desired).outcomes)
        world.wait(60)
    return world, folder


@contextmanager
def started(page: int) -> Iterator[World]:
    """Yield a copy of that world."""
    world, _ = _started(page)
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield world.copied(Path(folder))


def harmed_run(world: World, harm: Harm, at: int, *, always: bool) -> tuple[list[tuple[str, str]], bool, bool]:
    """
    Apply under harm; return what was sent to customers, each with the key that it meant, and whether harm came.

    Last, whether there was an `at`-th page at all.
    """
    harmed = Harmed(world, harm, at, always=always)
    world.answers = harmed
    before = len(world.api.writes())
    try:
        world.apply(AFTER)
    except ReconcilerError:
        pass
    finally:
        world.answers = world.api.handler
    return [(one.endpoint, one.path) for one in world.api.writes()[before:]], bool(harmed.done), harmed.answers >= at


@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_no_harm_to_any_page_archives_restores_or_creates_who_should_not_be(
    harm: Harm, page: int, *, always: bool
) -> None:
    harmful = 0
    for at in range(1, 9):
        with started(page) as world:
            gone = next(one.id for one in world.api.account.customers() if one.external_id == "g")
            sent, came, asked = harmed_run(world, harm, at, always=always)
            if not asked:
                break
            harmful += came
            assert [path for endpoint, path in sent if endpoint is Endpoint.ARCHIVE] in ([], [f"/customers/{gone}"])
            assert [path for endpoint, path in sent if endpoint is Endpoint.RESTORE] == []
            held = [one.external_id for one in world.api.account.customers()]
            assert sorted(held) in (list("abcdefg"), list("abcdefgh"))
            world.wait(60)
            world.apply(AFTER)
            assert {one.external_id: one.archived for one in world.api.account.customers()} == {
                **dict.fromkeys("abcdeh", False),
                **dict.fromkeys("fg", True),
            }
    assert harmful >= 2


@pytest.mark.parametrize("page", [2, 3])
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_without_a_ledger_no_harm_to_any_page_archives_or_restores_anybody(harm: Harm, page: int) -> None:
    for at in range(1, 5):
        with started(page) as world:
            world.lose_ledger()
            sent, _, _ = harmed_run(world, harm, at, always=True)
            assert [path for endpoint, path in sent if endpoint in (Endpoint.ARCHIVE, Endpoint.RESTORE)] == []
