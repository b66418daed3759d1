"""Which version this is, and of which commit."""

from __future__ import annotations

from pathlib import Path

from reconciler import __version__
from reconciler.escape import visible
from reconciler.git import git
from reconciler.resources import CHECKOUT, built_from


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
    return (git(checkout, "rev-parse", "--short=12", "HEAD") or "").strip()
