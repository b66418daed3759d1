"""The version names a commit where one is known, and only the program's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli.tools import version


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository with one commit."""
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "one")
    return tmp_path


def test_in_a_checkout_it_names_the_commit(checkout: Path) -> None:
    assert version(checkout) == f"{__version__} (commit {git(checkout, 'rev-parse', 'HEAD')[:12]}, run from a checkout)"


def test_a_folder_of_another_repository_is_no_checkout_of_ours(checkout: Path) -> None:
    inner = checkout / "site-packages"
    inner.mkdir()
    assert version(inner) == __version__


def test_a_repository_without_a_commit_names_none(tmp_path: Path) -> None:
    git(tmp_path, "init")
    assert version(tmp_path) == __version__
