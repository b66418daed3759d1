"""Paths to the bytes of customers files: a file, a folder, a glob, standard input. Nothing else here touches a disk."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import Problem, Source
from reconciler.model import Reading, SourceFile
from reconciler.text import visible

STDIN = "<stdin>"
_YAML = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read. `name` is relative to the project's folder, with `/`; STDIN for standard input."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What paths led to: the files in their order, what a file's absence would mean, and what went wrong."""

    files: tuple[File, ...]
    reading: Reading
    problems: tuple[Problem, ...]


def read_files(
    paths: Iterable[str | Path],
    *,
    root: Path,
    stdin: BinaryIO | None = None,
    without: Iterable[str | Path] = (),
) -> Found:
    """
    Return the files behind `paths`, each once, though several paths lead to it.

    A relative path starts at `root`, and names are given relative to it. A folder is read with all *.yaml and *.yml
    below it, sorted, hidden ones left out; `-` is `stdin`. Folders and globs leave out the files of `without`.
    """
    search = _Search(root, frozenset(os.path.realpath(root / path) for path in without))
    for path in map(str, paths):
        search.add(path, stdin)
    reading = Reading(
        files=tuple(
            SourceFile(file.name, hashlib.sha256(file.content).hexdigest())
            for file in search.files.values()
            if file.name != STDIN
        ),
        folders=tuple(dict.fromkeys(search.folders)),
        globs=tuple(dict.fromkeys(search.globs)),
    )
    return Found(tuple(search.files.values()), reading, tuple(search.problems))


class _Search:
    """Files as they are found: by their real path, so that none is read twice."""

    def __init__(self, root: Path, without: frozenset[str]) -> None:
        self.root = root
        self.without = without
        self.files: dict[str, File] = {}
        self.folders: list[str] = []
        self.globs: list[str] = []
        self.problems: list[Problem] = []

    def add(self, path: str, stdin: BinaryIO | None) -> None:
        """Read what `path` names."""
        try:
            self._add(path, stdin)
        except OSError as error:
            self._unreadable(error, Path(path))

    def _add(self, path: str, stdin: BinaryIO | None) -> None:
        full = self.root / path
        if path == "-":
            self._read_stdin(stdin)
        elif not path:
            self._report(path, "an empty path", "name a file, a folder, a glob or -")
        elif full.is_dir():
            self._read_folder(path, full)
        elif glob.has_magic(path) and not full.exists():
            self._read_glob(path)
        elif not full.exists():
            self._report(path, "there is no such file", "check the path; it starts at the project's folder")
        else:
            self._read(full)

    def _read_stdin(self, stdin: BinaryIO | None) -> None:
        if stdin is None:
            self._report("-", "standard input cannot be read here", "name a file")
        elif STDIN not in self.files:
            self.files[STDIN] = File(STDIN, stdin.read())

    def _read_folder(self, path: str, full: Path) -> None:
        self.folders.append(self._name(full))
        inside = self._wanted(sorted(self._walk(full)))
        if not inside:
            self._report(path, "no *.yaml or *.yml is in this folder", "name the folder that holds the customers")
        for one in inside:
            self._read(one)

    def _read_glob(self, path: str) -> None:
        # Not `root_dir`, as that cannot hold for an absolute pattern; a root may itself hold a `*`.
        pattern = path if Path(path).is_absolute() else str(Path(glob.escape(str(self.root))) / path)
        self.globs.append(self._name(self.root / path))
        # Not Path.glob, which finds hidden files too and knows no absolute pattern.
        matches = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207
        inside = self._wanted(sorted(one for one in matches if one.is_file()))
        if not inside:
            self._report(path, "no file matches this pattern", "check the pattern; it starts at the project's folder")
        for one in inside:
            self._read(one)

    def _walk(self, folder: Path) -> Iterator[Path]:
        """Yield the YAML files below `folder`."""
        for where, folders, names in os.walk(folder, onerror=self._unreadable):
            folders[:] = [one for one in folders if not one.startswith(".")]
            yield from (Path(where, one) for one in names if one.endswith(_YAML) and not one.startswith("."))

    def _wanted(self, paths: Sequence[Path]) -> list[Path]:
        return [one for one in paths if os.path.realpath(one) not in self.without]

    def _read(self, full: Path) -> None:
        real = os.path.realpath(full)
        if real in self.files:
            return
        name = self._name(full)
        if name != name.encode("utf-8", "ignore").decode():
            self._report(name, "the name of this file is not UTF-8", "rename it")
            return
        try:
            self.files[real] = File(name, full.read_bytes())
        except OSError as error:
            self._unreadable(error, full)

    def _unreadable(self, error: OSError, path: Path | None = None) -> None:
        name = str(path or error.filename)
        self._report(name, f"this cannot be read: {error.strerror}", "check its permissions")

    def _name(self, full: Path) -> str:
        """Return a path relative to the root, with `/`; absolute where no relative one exists (another drive)."""
        try:
            return Path(os.path.relpath(full, self.root)).as_posix()
        except ValueError:
            return Path(os.path.normpath(full)).as_posix()

    def _report(self, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem(Source(visible(path) or "''"), "", message, hint))
