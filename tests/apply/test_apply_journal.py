"""Writes in the middle of a run: durable when they return, and one commit where they meet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from threading import Event

import pytest
from clocks import run
from scripted_apply import Book, row

from reconciler.apply.sender import Journal
from reconciler.errors import LedgerFailed
from reconciler.model.ledger import DropBinding, PutBinding, Write


class Slow(Book):
    """A ledger that is far away: a commit lasts until it is `answered`."""

    def __init__(self) -> None:
        super().__init__(remote=True)
        self.begun, self.answered = Event(), Event()

    def commit(self, writes: Iterable[Write]) -> None:
        self.begun.set()
        self.answered.wait()
        super().commit(writes)


def test_a_write_is_durable_when_it_returns() -> None:
    async def written() -> list[int]:
        book = Book()
        journal = Journal(book)
        counts = []
        for key in ("a", "b"):
            await journal.write(PutBinding(row(key)))
            counts.append(len(book.rows()))
        return counts

    assert run(written()) == [1, 2]


def test_writes_that_meet_are_one_commit_in_their_order() -> None:
    async def written() -> Book:
        book = Book()
        journal = Journal(book)
        await asyncio.gather(journal.write(DropBinding("a"), DropBinding("b")), journal.write(DropBinding("c")))
        return book

    assert run(written()).commits == [[DropBinding("a"), DropBinding("b"), DropBinding("c")]]


def test_what_comes_while_a_commit_waits_for_the_network_shares_the_next_and_the_loop_goes_on() -> None:
    async def written() -> Slow:
        book = Slow()
        journal = Journal(book)
        first = asyncio.ensure_future(journal.write(DropBinding("a")))
        await asyncio.to_thread(book.begun.wait)
        others = [asyncio.ensure_future(journal.write(DropBinding(key))) for key in "bc"]
        await asyncio.sleep(0)
        book.answered.set()
        await asyncio.gather(first, *others)
        return book

    assert asyncio.run(written()).commits == [[DropBinding("a")], [DropBinding("b"), DropBinding("c")]]


@pytest.mark.parametrize("remote", [False, True])
def test_a_commit_that_fails_fails_for_all_that_waited_for_it(*, remote: bool) -> None:
    async def written() -> list[object]:
        journal = Journal(Book(fails_from=1, remote=remote))
        return await asyncio.gather(
            journal.write(DropBinding("a")), journal.write(DropBinding("b")), return_exceptions=True
        )

    assert [type(error) for error in run(written())] == [LedgerFailed, LedgerFailed]


def test_a_write_after_a_failed_one_is_tried() -> None:
    async def written() -> None:
        journal = Journal(Book(fails_from=2))
        await journal.write(DropBinding("a"))
        for _ in range(2):
            with pytest.raises(LedgerFailed):
                await journal.write(DropBinding("b"))

    run(written())
