"""
Any reply in place of any other of a run: no traceback, no wrong write, nobody doubled; and the next true runs end it.

`--hypothesis-profile=long` looks a hundred times as long. Some lies cannot be met, and are not told here: a 4xx to what
was done, a 2xx to an archive or a restore that was not, and a list that calls itself whole and lacks a user.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_ways import Ways
from hostile_replies import Changed, Instead, Meddled, Whole, begun, changed, looked, met, wholes
from hypothesis import given
from hypothesis import strategies as st

SERVERS = (Ways(gets_archived=True), Ways(lists_archived=True, gets_archived=True, page_max=3))
LAST = 28
"""So many requests a run takes at most."""


@pytest.fixture(scope="module", params=SERVERS, ids=["hides archived", "lists archived, short pages"])
def start(request: pytest.FixtureRequest) -> Iterator[Meddled]:
    """Yield a world in which there is something of everything to do."""
    with begun(request.param) as world:
        yield world


@looked(0.5)
@given(at=st.integers(1, LAST), instead=st.one_of(wholes(), changed(), changed()), lasts=st.booleans())
def test_a_reply_that_is_another_does_no_harm_and_is_made_good(
    start: Meddled, at: int, instead: Instead, lasts: bool
) -> None:
    assert met(start, at, instead, lasts=lasts) == ""


@pytest.mark.parametrize("at", range(1, LAST, 3))
@pytest.mark.parametrize("step", [0, 1, 2])
def test_each_reply_of_a_run_may_be_empty_null_or_in_an_envelope(start: Meddled, at: int, step: int) -> None:
    instead = (Whole(204, b"", happened=False), Whole(200, b"null", happened=False), Changed(0, "wrapped in data"))
    assert [met(start, at + step, instead[(at + step) % 3])] == [""]
