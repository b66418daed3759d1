"""Where a benchmark's ledger lies, kept once and laid anew as often as needed: a file, a database, or a bucket."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Stored(Protocol):
    """One ledger."""

    @property
    def state(self) -> str:
        """Return what names it, as RECONCILER_STATE does."""

    def keep(self) -> None:
        """Remember it as it stands."""

    def lay(self) -> None:
        """Make it what was kept."""


@dataclass(frozen=True, slots=True)
class InFile:
    """A SQLite file in `folder`."""

    folder: Path

    @property
    def state(self) -> str:
        """Return its path."""
        return str(self.folder / "ledger.db")

    def keep(self) -> None:
        """Copy the file."""
        shutil.copyfile(self.state, self.folder / "begun.db")

    def lay(self) -> None:
        """Put the copy back, without what a killed run left beside the file."""
        for old in self.folder.glob("ledger.db*"):
            old.unlink()
        shutil.copyfile(self.folder / "begun.db", self.state)


@dataclass(frozen=True, slots=True)
class InPostgres:
    """A database of its own, at `state`; `copied` makes the first database anew from the second."""

    state: str
    copied: Callable[[str, str], str]

    def keep(self) -> None:
        """Copy the database."""
        self.copied("crash_begun", "crash")

    def lay(self) -> None:
        """Put the copy back; what a killed run still holds open is closed."""
        self.copied("crash", "crash_begun")


@dataclass(slots=True)
class InStore:
    """A bucket of its own, at `state`; `copied` makes a new one like it."""

    state: str
    copied: Callable[[str], str]
    begun: str = ""

    def keep(self) -> None:
        """Remember the bucket; what comes is done in a copy."""
        self.begun = self.state
        self.lay()

    def lay(self) -> None:
        """Go on with a new copy."""
        self.state = self.copied(self.begun)


def in_file(folder: Path) -> Stored:
    """Return a ledger in a file that is not there yet."""
    return InFile(folder)


def in_postgres(_: Path) -> Stored:
    """Return a ledger in an empty database, of the server that the tests use."""
    servers()
    from postgres_server import database  # noqa: PLC0415 - the other ledger needs no driver

    return InPostgres(database("crash"), database)


def in_store(_: Path) -> Stored:
    """Return a ledger in an empty bucket, of the server that the tests use."""
    servers()
    from object_server import bucket, copied, url_of  # noqa: PLC0415

    return InStore(url_of(bucket()), copied)


def servers() -> None:
    """Let the servers of the tests be imported: tests are no package."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))


STORED: Mapping[str, Callable[[Path], Stored]] = {"sqlite": in_file, "postgres": in_postgres, "objects": in_store}
"""By the word that `--ledger` takes."""
