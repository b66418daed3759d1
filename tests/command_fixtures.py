"""Fixtures of the command line, as a plugin: an empty folder, and an empty account where one is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Online, Place, renewed, variables_of

from reconciler.emulator.server import running
from reconciler.emulator.service import Emulator


@pytest.fixture
def here(tmp_path: Path) -> Place:
    """Return a folder, and no account."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Emulator, str]]:
    """Yield an emulator and its URL."""
    emulator = Emulator(rate=0)
    with running(emulator) as url:
        yield emulator, url


@pytest.fixture
def shop(tmp_path: Path, served: tuple[Emulator, str]) -> Online:
    """Return a folder, and an empty account on an emulator."""
    emulator, url = served
    return Online(tmp_path, variables_of(url), renewed(emulator))
