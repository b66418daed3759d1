"""
Queries git about a folder without running anything in it, whatever its repository's config says.

The only place that starts git. Imports no other module of the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

TIMEOUT_S = 2.0

Command = Literal["status", "rev-parse", "config", "remote"]
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


def git(folder: Path, command: Command, *words: str) -> str | None:
    """
    Return what `git COMMAND WORDS` prints in a folder, None where git is missing, fails, or is slower than `TIMEOUT_S`.

    Variables that begin with `GIT_` are left out: those that a hook is given name the hook's repository.
    """
    program = shutil.which("git")
    # A relative entry of PATH could lead into the folder.
    if program is None or not Path(program).is_absolute():
        return None
    start = (program, *_SAFE)
    own = _run(folder, (*start, "config", "--null", "--name-only", "--show-scope", "--list"), ())
    return None if own is None else _run(folder, (*start, command, *words), _filters(own))


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


def _run(folder: Path, command: Sequence[str], emptied: Sequence[str]) -> str | None:
    """Return what a command prints, None where it fails; the settings `emptied` have no value in it."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    variables |= _ENVIRONMENT | {"GIT_CONFIG_COUNT": str(len(emptied))}
    for number, name in enumerate(emptied):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": ""}
    try:
        ended = subprocess.run(  # noqa: S603 - a fixed command; what varies are names of settings
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout if ended.returncode == 0 else None
