"""Writes in the middle of a run: durable when they return, and one commit where they meet."""

from __future__ import annotations

import asyncio

import pytest
from carried_out import Book, row
from clocks import run

from reconciler.apply.journal import Journal
from reconciler.errors import LedgerFailed
from reconciler.records import DropBinding, PutBinding


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


def test_a_commit_that_fails_fails_for_all_that_waited_for_it() -> None:
    async def written() -> list[object]:
        journal = Journal(Book(fails_from=1))
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
