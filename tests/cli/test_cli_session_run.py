from __future__ import annotations

import asyncio
from typing import Any

from reconciler.cli.session import Session


class Watched:
    """Counts how often it is written out as text."""

    shown = 0

    def __repr__(self) -> str:
        self.shown += 1
        return "all of it"


def test_a_result_is_handed_back_without_being_written_out_as_text() -> None:
    made = Watched()

    async def make() -> Watched:
        return made

    nothing: Any = None
    with asyncio.Runner() as runner:
        session = Session(nothing, nothing, nothing, nothing, runner, nothing)
        result = session.run(make())

    assert (result is made, made.shown) == (True, 0)
