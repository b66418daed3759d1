"""Fixtures of the command line, as a plugin: an empty folder, and an empty account where one is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_contract import Watch
from command_line import Online, Place, Prepared, renewed, variables_of

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Return a folder, and no account."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Emulator, str, Watch]]:
    """Yield an emulator, its URL, and who watches it."""
    watch = Watch()
    emulator = Emulator(rate=0, witness=watch)
    with running(emulator) as url:
        yield emulator, url, watch


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return the places that tests begin with."""
    return Prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def shop(tmp_path: Path, served: tuple[Emulator, str, Watch]) -> Iterator[Online]:
    """Yield a folder, and an empty account on an emulator; nothing said to it or by it may be outside the contract."""
    emulator, url, watch = served
    watch.found.clear()
    yield Online(tmp_path, variables_of(url), renewed(emulator))
    assert watch.found == []
