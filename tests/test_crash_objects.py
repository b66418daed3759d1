"""A run that dies, its ledger in object storage and its lease taken: some of the steps; all: `bench/crash.py`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

import object_server
from test_crash import WAYS, Mortal, converged, dies, ends, ready
from world import BASE_URL

from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder
from reconciler.ledger.objects.ledger import open_objects

EVERY = 11
"""So many steps lie between two deaths."""


class Stored(Mortal):
    """A world whose ledger is in object storage; a run that died holds its lease until that has expired."""

    url = ""

    def ledger(self) -> Ledger:
        """Return the ledger as the run that begins now has it; virtual time waits for no thread."""
        self.url = self.url or object_server.url_of(object_server.bucket())
        object_server.expire("account", self.url)
        with ExitStack() as opened:
            opener = open_objects(self.url, environment="test", base_url=BASE_URL, step=self.step, remote=False)
            ledger = opened.enter_context(opener)
            begun = ledger.begin(Holder("somebody@host 1", "2026-01-01T00:00:00Z", "apply"), account="account")
            opened.pop_all()
            return begun

    def elsewhere(self, folder: Path) -> Self:
        """Return a world of its own, as this one stands now, with its ledger in another bucket."""
        world = self.copied(folder)
        world.url = object_server.copied(self.url)
        return world


def test_a_run_that_died_is_ended_by_the_next_on_another_machine(tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    start = ready(tmp_path / "begun", WAYS["reads lag"], Stored)
    assert isinstance(start, Stored)
    deaths = 0
    while dies(world := start.elsewhere(tmp_path / str(deaths)), 1 + deaths * EVERY):
        deaths += 1
        ends(world)
        world.wait(60)
        converged(world)
    assert deaths > 5
