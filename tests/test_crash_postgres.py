"""A run that dies, its ledger in PostgreSQL and its lease taken: some of the steps; all of them: `bench/crash.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import postgres_server
from test_crash import WAYS, Mortal, converged, dies, ends, ready
from world import BASE_URL

from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder
from reconciler.ledger.open import open_ledger

EVERY = 7
"""So many steps lie between two deaths."""


class Shared(Mortal):
    """A world whose ledger is in PostgreSQL; a run that died holds its lease until that has expired."""

    def ledger(self) -> Ledger:
        """Return the ledger as the run that begins now has it."""
        account = str(self._folder)
        postgres_server.expire(account)
        with ExitStack() as opened:
            opener = open_ledger(postgres_server.server_url(), environment=account, base_url=BASE_URL, step=self.step)
            ledger = opened.enter_context(opener)
            begun = ledger.begin(Holder("somebody@host 1", "2026-01-01T00:00:00Z", "apply"), account=account)
            opened.pop_all()
            return begun


def worlds(folder: Path) -> Iterator[Shared]:
    """Yield worlds whose server's reads lag and in which the third state is declared, each with its own ledger."""
    for number in count():
        world = ready(folder / str(number), WAYS["reads lag"], Shared)
        assert isinstance(world, Shared)
        yield world


def test_a_run_that_died_is_ended_by_the_next_on_another_connection(tmp_path: Path) -> None:
    deaths = 0
    for number, world in enumerate(worlds(tmp_path)):
        if not dies(world, 1 + number * EVERY):
            break
        deaths += 1
        ends(world)
        world.wait(60)
        converged(world)
    assert deaths > 5
