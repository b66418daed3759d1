"""Replies that are not what they should be, at the command line: a clear error or none, never a traceback or a bug."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from command_line import Online, Ran, raw, renewed, variables_of
from hostile_replies import Changed, Whole, changed, looked
from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator.calls import Answer, Call, Dropped
from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator

BEFORE = """\
customers:
  acme: {name: Acme, email: billing@acme.example, users: {jane@acme.example: {}}}
  globex: {name: Globex, email: accounts@globex.example, city: Bonn}
"""
AFTER = """\
customers:
  acme: {name: Acme, email: billing@acme.example, city: Boston, users: {jane@acme.example: {}, joe@acme.example: {}}}
  globex: {name: Globex, email: accounts@globex.example, archived: true}
  initech: {name: Initech, email: office@initech.example}
"""
PROJECT = """\
version: 1
environments:
  default: {base_url: URL, client_id: local, client_secret: "${AP_CLIENT_SECRET}", server: {lag: 0s}}
"""
"""A create in doubt is looked for at once."""
LOOKING = (
    ("plan", "-f", "after.yaml"),
    ("drift", "-f", "after.yaml"),
    ("import",),
    ("show", "acme", "-f", "after.yaml"),
    ("duplicates",),
)
APPLY = ("apply", "-f", "after.yaml", "--auto-approve", "--max-archives", "1")


class Meddling(Emulator):
    """An emulator that gives `instead` for its `at`-th reply, from 1."""

    at = count = 0
    instead: Whole | Changed = Whole(200, b"")

    def answer(self, call: Call) -> Answer | Dropped:
        """Answer one request."""
        self.count += 1
        true = super().answer(call)
        if self.count != self.at:
            return true
        assert isinstance(true, Answer)
        if isinstance(self.instead, Whole):
            return Answer(self.instead.status, self.instead.body, "application/json", self.instead.headers)
        return Answer(true.status, self.instead.body_of(true.body), true.content_type, true.headers)


@pytest.fixture(scope="module")
def meddling() -> Iterator[tuple[Meddling, str]]:
    """Yield such an emulator and its URL."""
    emulator = Meddling(rate=0)
    with running(emulator) as url:
        yield emulator, url


def begun(folder: Path, meddling: tuple[Meddling, str]) -> Online:
    """Return a folder in which the first file is applied, and the second is there."""
    emulator, url = meddling
    emulator.at = 0
    shop = Online(folder, variables_of(url), renewed(emulator))
    shop.write("reconciler.yaml", PROJECT.replace("URL", url))
    assert shop.applied(BEFORE, "after.yaml").code == 0
    shop.write("after.yaml", AFTER)
    return shop


def met(shop: Online, words: tuple[str, ...], at: int, instead: Whole | Changed) -> Ran:
    """Run a command while one reply is another, and hold that what it says is fit to be read."""
    emulator = shop.emulator
    assert isinstance(emulator, Meddling)
    emulator.count, emulator.at, emulator.instead = 0, at, instead
    ran = shop.run(*words)
    emulator.at = 0
    assert ran.code in (0, 1, 2, 3), ran.err
    assert "Traceback" not in ran.all
    assert "bug" not in ran.all
    assert "marked-body" not in ran.all
    assert raw(ran.all) == []
    return ran


REPLIES = {
    "HTML": Whole(200, b"<html><script>marked-body</script></html>"),
    "nothing": Whole(204, b""),
    "accepted": Whole(202, b""),
    "null": Whole(200, b"null"),
    "a list": Whole(200, b"[]"),
    "a text": Whole(200, b'"marked-body"'),
    "half of it": Whole(200, b'{"data": [{"id": "marked-body"'),
    "an envelope": Changed(0, "wrapped in data"),
    "a byte order mark": Whole(200, b"\xef\xbb\xbf{}"),
    "brotli": Whole(200, b"marked-body", (("content-encoding", "br"),)),
    "damaged gzip": Whole(200, gzip.compress(b"{}", mtime=0)[:-9], (("content-encoding", "gzip"),)),
    "a redirect": Whole(307, b"", (("location", "https://elsewhere.example/marked"),)),
    "another error": Whole(400, b'{"error": {"text": "marked-body"}}'),
    "an error of HTML": Whole(404, b"<h1>marked-body</h1>"),
    "a conflict": Whole(409, b""),
}


@pytest.mark.parametrize("name", REPLIES)
def test_what_only_looks_says_what_is_wrong_with_a_reply_and_changes_nothing(
    tmp_path: Path, meddling: tuple[Meddling, str], name: str
) -> None:
    shop = begun(tmp_path, meddling)
    before, ledger = shop.account(), shop.ledger()
    for number, words in enumerate(LOOKING, start=list(REPLIES).index(name)):
        ran = met(shop, words, 1 + number % 3, REPLIES[name])
        assert ran.code != 1 or ran.err.splitlines()[-1]
    assert (shop.account(), shop.ledger()) == (before, ledger)


@pytest.mark.parametrize("at", range(1, 9))
def test_an_apply_in_which_a_reply_is_another_is_ended_by_the_next(
    tmp_path: Path, meddling: tuple[Meddling, str], at: int
) -> None:
    for instead in list(REPLIES.values())[at % 4 :: 4]:
        with TemporaryDirectory(dir=tmp_path) as folder:
            _ended_by_the_next(begun(Path(folder), meddling), at, instead)


@looked(0.3)
@given(at=st.integers(1, 8), instead=changed())
def test_an_apply_in_which_part_of_a_reply_is_another_is_ended_by_the_next(
    meddling: tuple[Meddling, str], at: int, instead: Changed
) -> None:
    with TemporaryDirectory() as folder:
        _ended_by_the_next(begun(Path(folder), meddling), at, instead)


def _ended_by_the_next(shop: Online, at: int, instead: Whole | Changed) -> None:
    """Apply while one reply is another, and in truth until it is done."""
    met(shop, APPLY, at, instead)
    shop.emulator.set_clock(shop.emulator.offset_s + 60)
    for _ in range(3):
        if shop.run(*APPLY).code == 0:
            break
        shop.emulator.set_clock(shop.emulator.offset_s + 60)
    account = sorted((one[0]["external_id"], one[0].get("city"), *one[1:]) for one in shop.account().values())
    assert account == [
        ("acme", "Boston", False, ["jane@acme.example", "joe@acme.example"]),
        ("globex", "Bonn", True, []),
        ("initech", None, False, []),
    ]
