"""
Queries git about a folder without running anything in it, whatever its repository's config says.

The only place that starts git. Imports no other module of the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TIMEOUT_S = 2.0

SLOW_S = 120.0
"""How long reading a commit may take: all files of a large repository, on a slow disk."""

Command = Literal["status", "rev-parse", "config", "remote", "merge-base", "ls-tree", "cat-file"]
"""What git may be asked: each reads, shows no difference, and reaches no network."""

_SETTINGS = (
    # A folder with tracked `HEAD`, `config`, `objects/` and `refs/` is no repository of its own.
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.sshCommand=false",
    "protocol.allow=never",
)
_SAFE = ("--no-pager", "--no-optional-locks", *(word for setting in _SETTINGS for word in ("-c", setting)))

_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
"""What keeps git from fetching objects that a partial clone lacks, which runs what the repository's config names."""


class GitFailed(Exception):
    """Git is missing or did not answer: in its own words, "" where it has none."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """What a commit has at a path: a file, a link, or another repository (`kind` is git's: blob, commit)."""

    path: str
    kind: str
    object_id: str
    link: bool = False


def git(folder: Path, command: Command, *words: str) -> str | None:
    """Return what `git COMMAND WORDS` prints in a folder, None where git is missing, fails, or takes `TIMEOUT_S`."""
    try:
        return asked(folder, command, *words)
    except GitFailed:
        return None


def asked(folder: Path, command: Command, *words: str, timeout_s: float = TIMEOUT_S) -> str:
    """Return what `git COMMAND WORDS` prints in a folder; raises GitFailed."""
    return _asked(folder, command, words, b"", timeout_s).decode("utf-8", "surrogateescape")


def tree_of(folder: Path, commit: str) -> Iterator[TreeEntry]:
    """Yield all that a commit has, by path from the top of the repository; raises GitFailed."""
    listed = asked(folder, "ls-tree", "-r", "-z", "--full-tree", commit, timeout_s=SLOW_S)
    for row in filter(None, listed.split("\0")):
        about, _, path = row.partition("\t")
        mode, kind, object_id = about.split(" ")
        yield TreeEntry(path, kind, object_id, mode == _LINK)


def blobs(folder: Path, object_ids: Sequence[str]) -> Iterator[bytes]:
    """Yield what files hold, by their ids and in their order, as they are in the commit; raises GitFailed."""
    wanted = "".join(f"{one}\n" for one in object_ids).encode()
    content = _asked(folder, "cat-file", ("--batch",), wanted, SLOW_S)
    at = 0
    for one in object_ids:
        end = content.find(b"\n", at)
        about = content[at:end].decode(errors="replace").split(" ")
        if len(about) != 3:  # noqa: PLR2004 - id, kind and size; else `ID missing`
            raise GitFailed(f"object {one} is missing")
        yield content[end + 1 : end + 1 + int(about[2])]
        at = end + 1 + int(about[2]) + 1


def _asked(folder: Path, command: Command, words: Sequence[str], given: bytes, timeout_s: float) -> bytes:
    """
    Return what a command of git prints in a folder, `given` being its standard input.

    Variables that begin with `GIT_` are left out: those that a hook is given name the hook's repository.
    """
    program = shutil.which("git")
    # A relative entry of PATH could lead into the folder.
    if program is None or not Path(program).is_absolute():
        raise GitFailed("git is not installed")
    start = (program, *_SAFE)
    own = _run(folder, (*start, "config", "--null", "--name-only", "--show-scope", "--list"), (), b"", TIMEOUT_S)
    filters = _filters(own.decode("utf-8", "surrogateescape"))
    return _run(folder, (*start, command, *words), filters, given, timeout_s)


_LINK = "120000"


def _filters(listed: str) -> list[str]:
    r"""
    Return the filters that the repository's own config has; one runs where `status` looks into a file.

    `listed` is scope and name by turns.

    >>> _filters("global\0filter.lfs.clean\0local\0filter.a.b.process\0local\0core.bare\0")
    ['filter.a.b.process']
    """
    fields = listed.split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return [name for scope, name in pairs if scope in ("local", "worktree") and name.startswith("filter.")]


def _run(folder: Path, command: Sequence[str], emptied: Sequence[str], given: bytes, timeout_s: float) -> bytes:
    """Return what a command prints; the settings `emptied` have no value in it. Raises GitFailed."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    variables |= _ENVIRONMENT | {"GIT_CONFIG_COUNT": str(len(emptied))}
    for number, name in enumerate(emptied):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": ""}
    try:
        ended = subprocess.run(  # noqa: S603 - a fixed command; what varies are names of settings, commits and paths
            command,
            cwd=folder,
            env=variables,
            input=given,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise GitFailed(f"git did not answer within {timeout_s:g} s") from exc
    except (OSError, subprocess.SubprocessError) as exc:
        raise GitFailed(str(exc)) from exc
    if ended.returncode:
        raise GitFailed(ended.stderr.decode(errors="replace").strip())
    return ended.stdout
