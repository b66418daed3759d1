"""Paths to the bytes of customers files: a file, a folder, a glob, standard input. Nothing else here touches a disk."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import Problem, Source
from reconciler.escape import visible
from reconciler.file_patterns import (
    CROSSING,
    file_pattern,
    has_magic,
    is_below,
    is_customers_file,
    part_pattern,
    path_pattern,
)
from reconciler.input_file import LARGEST, kind
from reconciler.model.core import Reading, SourceFile

STDIN = "<stdin>"

_TOO_LARGE = f"this is larger than {LARGEST // 1024**2} MiB"
_SPLIT = "split it into several files"


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read. `name` is relative to the project's folder, with `/`; STDIN for standard input."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class FoundFiles:
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
    within: Sequence[Path] | None = None,
) -> FoundFiles:
    """
    Return the files behind `paths`, each once, though several paths lead to it.

    A relative path starts at `root`, and names are given relative to it. A folder is read with all *.yaml and *.yml
    below it, sorted, hidden ones left out; `-` is `stdin`. Folders and globs leave out the files of `without`. Links
    are followed, as far as they lead into one of the folders `within`, which are real paths; None: anywhere. What is
    met and cannot be read, or is neither a file nor a folder, is a problem.
    """
    search = _Search(root, frozenset(os.path.realpath(root / path) for path in without), within)
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
        left_out=tuple(dict.fromkeys(search.left_out)),
    )
    return FoundFiles(tuple(search.files.values()), reading, tuple(dict.fromkeys(search.problems)))


def chosen(
    paths: Iterable[str | Path], names: Collection[str], *, root: Path, without: Iterable[str | Path] = ()
) -> tuple[str, ...]:
    """
    Return those of `names` that `paths` lead to, as `read_files` would read them if no other files existed.

    `names` are relative to `root` and normalized, with `/`. A path that leads to none of them names nothing.
    """
    left_out = {name_from(root, root / path) for path in without}
    found: dict[str, None] = {}
    for path in map(str, paths):
        name = name_from(root, root / path)
        inside = "" if name == "." else f"{name}/"
        if name in names:
            found[name] = None
        elif any(one.startswith(inside) for one in names):
            found |= dict.fromkeys(one for one in sorted(names) if is_below(one, name) and one not in left_out)
        elif has_magic(name):
            pattern = path_pattern(name)
            found |= dict.fromkeys(one for one in sorted(names) if pattern.fullmatch(one) and one not in left_out)
    return tuple(found)


def name_from(root: Path, full: Path) -> str:
    """Return a path relative to `root`, with `/`; absolute where no relative one exists (another drive)."""
    try:
        return Path(os.path.relpath(full, root)).as_posix()
    except ValueError:
        return Path(os.path.normpath(full)).as_posix()


class _Search:
    """Files as they are found: by their real path, so that none is read twice."""

    def __init__(self, root: Path, without: frozenset[str], within: Sequence[Path] | None) -> None:
        self.root = root
        self.without = without
        self.within = within
        self.files: dict[str, File] = {}
        self.folders: list[str] = []
        self.globs: list[str] = []
        self.left_out: list[str] = []
        self.problems: list[Problem] = []

    def add(self, path: str, stdin: BinaryIO | None) -> None:
        """Read what `path` names."""
        if path == "-":
            self._read_stdin(stdin)
            return
        if not path:
            self._report(path, "an empty path", "name a file, a folder, a glob or -")
            return
        full = self.root / path
        try:
            folder = stat.S_ISDIR(full.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL, which no name has
            if isinstance(error, OSError) and os.path.islink(full):  # noqa: PTH114 - Path.is_symlink() raises
                self._unreadable(error, full, path)
            elif has_magic(path):
                self._read_glob(path)
            else:
                self._report(path, "this file does not exist", "check the path; it is relative to the project's folder")
        except OSError as error:
            self._unreadable(error, full, path)
        else:
            if folder:
                self._read_folder(path, full)
            else:
                self._read(full)

    def _read_stdin(self, stdin: BinaryIO | None) -> None:
        if stdin is None:
            self._report("-", "standard input cannot be read here", "name a file")
        elif STDIN not in self.files:
            content = stdin.read(LARGEST + 1)
            if len(content) > LARGEST:
                self._report(STDIN, _TOO_LARGE, _SPLIT)
            else:
                self.files[STDIN] = File(STDIN, content)

    def _read_folder(self, path: str, full: Path) -> None:
        self.folders.append(self._name(full))
        inside = self._found(full, (CROSSING, "*"))
        if not inside:
            self._report(path, "this folder has no *.yaml or *.yml file", "name the folder with the customers files")

    def _read_glob(self, path: str) -> None:
        pattern = self._name(self.root / path)
        self.globs.append(pattern)
        parts = pattern.split("/")
        plain = next(at for at, part in enumerate(parts) if has_magic(part))
        # What stands before the first part that is a pattern is a path; of an absolute one it begins with "".
        base = self.root / "/".join((*parts[:plain], ""))
        if not self._found(base, tuple(parts[plain:])):
            self._report(
                path, "no file matches this pattern", ("check the pattern; it is relative to the project's folder")
            )

    def _found(self, folder: Path, parts: tuple[str, ...]) -> bool:
        """Read the files that `parts` of a glob stand for in a folder; say whether there is any, or a problem."""
        before = len(self.problems)
        if parts[-1] == CROSSING:
            parts = (*parts, "*")
        paths = sorted(self._matching(folder, parts, set()))
        wanted = [one for one in paths if os.path.realpath(one) not in self.without]
        self.left_out += [self._name(one) for one in paths if one not in wanted]
        for one in wanted:
            self._read(one)
        return bool(wanted) or len(self.problems) > before

    def _matching(self, folder: Path, parts: tuple[str, ...], looked: set[tuple[int, int, int]]) -> Iterator[Path]:
        """
        Yield what `parts` of a glob stand for in `folder`, whatever it is but a folder.

        What cannot be looked into is a problem: the customers in it would seem to be removed. `looked` are the folders
        that were looked into for so many parts: links may lead to one twice, or round in a circle.
        """
        part, *rest = parts
        crossing = part == CROSSING
        if crossing:
            yield from self._matching(folder, tuple(rest), looked)
        matches = part_pattern("*" if crossing else part) if rest else file_pattern(part)
        for entry in self._entries(folder, len(parts), looked):
            if matches.fullmatch(entry.name) is None:
                continue
            path = folder / entry.name
            folder_there = self._is_folder(entry, path)
            if rest and folder_there:
                yield from self._matching(path, parts if crossing else tuple(rest), looked)
            elif not rest and not folder_there:
                yield path

    def _entries(self, folder: Path, depth: int, looked: set[tuple[int, int, int]]) -> list[os.DirEntry[str]]:
        """Return what a folder holds, links last: what they lead to has its own name. Nothing the second time."""
        try:
            state = folder.stat()
            mark = (state.st_dev, state.st_ino, depth)
            if mark in looked or not stat.S_ISDIR(state.st_mode):
                return []
            looked.add(mark)
            if not self._inside(folder, Path(os.path.realpath(folder))):
                return []
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._unreadable(error, folder)
            return []

    def _is_folder(self, entry: os.DirEntry[str], path: Path) -> bool:
        """Say whether an entry is a folder, or a link to one; a problem for a link that may be one."""
        try:
            if entry.is_symlink():
                return stat.S_ISDIR(path.stat().st_mode)
            return entry.is_dir(follow_symlinks=False)
        except OSError as error:
            # A link to a file that is wanted is reported where it is read.
            if not is_customers_file(entry.name):
                self._unreadable(error, path)
            return False

    def _read(self, full: Path) -> None:
        real = os.path.realpath(full)
        if real in self.files:
            return
        name = self._name(full)
        if name != name.encode("utf-8", "ignore").decode():
            self._report(name, "the name of this file is not UTF-8", "rename it")
            return
        if not self._inside(full, Path(real)):
            return
        try:
            # Asked before it is opened: opening a pipe waits for its writer, and some devices act on it.
            state = full.stat()
            if not stat.S_ISREG(state.st_mode):
                self._report(name, f"this is {kind(state.st_mode)}, not a file", "write `-f -` for standard input")
                return
            with full.open("rb") as file:
                content = file.read(LARGEST + 1) if state.st_size <= LARGEST else None
        except OSError as error:
            self._unreadable(error, full)
            return
        if content is None or len(content) > LARGEST:
            self._report(name, _TOO_LARGE, _SPLIT)
        else:
            self.files[real] = File(name, content)

    def _inside(self, full: Path, real: Path) -> bool:
        """Say whether a file or folder may be read where it really is; a problem where not."""
        if self.within is None:
            return True
        homes = [folder for folder in self.within if real.is_relative_to(folder)]
        if any(".git" not in real.relative_to(folder).parts for folder in homes):
            return True
        where = real if real.is_dir() else real.parent
        hint = f"name it with -f, or add {visible(str(where))} to RECONCILER_ALLOWED_FOLDERS"
        self._report(self._name(full), f"this is outside the project: {visible(str(real))}", hint)
        return False

    def _unreadable(self, error: OSError, full: Path, name: str = "") -> None:
        linked = os.path.islink(full)  # noqa: PTH114 - Path.is_symlink() raises
        hint = "restore what this link leads to, or remove it" if linked else "check its permissions"
        self._report(name or self._name(full), f"this cannot be read: {error.strerror}", hint)

    def _name(self, full: Path) -> str:
        return name_from(self.root, full)

    def _report(self, path: str, message: str, hint: str) -> None:
        self.problems.append(Problem(Source(visible(path) or "''"), "", message, hint))
