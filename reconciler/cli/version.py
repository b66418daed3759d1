"""Which version this is, and of which commit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from reconciler import __version__
from reconciler.shipped import CHECKOUT, built_from
from reconciler.text import visible

_GIT_TIMEOUT_S = 2.0


def version(checkout: Path = CHECKOUT) -> str:
    """
    Return the version with the commit that it was built from, or of the `checkout` that it runs from.

    Without a commit where neither the package nor git knows one.
    """
    if commit := built_from():
        return f"{__version__} (commit {visible(commit)})"
    if commit := _checked_out(checkout):
        return f"{__version__} (commit {visible(commit)}, run from a checkout)"
    return __version__


def _checked_out(checkout: Path) -> str:
    """Return the commit of a checkout, "" where it is none; it is none for lying in one."""
    if not (checkout / ".git").exists():
        return ""
    # Not a hook's repository: git tells its hooks theirs by variables.
    variables = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        told = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],  # noqa: S607 - git is found as the user finds it
            cwd=checkout,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
