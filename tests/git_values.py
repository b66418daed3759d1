"""Git for tests: as nobody in particular."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, as nobody in particular."""
    person = ("-c", "user.name=A", "-c", "user.email=a@x.example", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *person, *words],  # noqa: S607 - git is found as the user finds it
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
