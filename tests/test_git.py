"""Asking git about a folder runs nothing that the folder names; what it is asked it still answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_values import git as prepared

from reconciler.git import git
from reconciler.pipeline.resources import origin_of_run


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with one commit that holds customers.yaml, and attributes that name a filter."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    prepared(folder, "init", "-q")
    (folder / "customers.yaml").write_text("customers: {}\n")
    (folder / ".gitattributes").write_text("*.yaml filter=a.b=c\n")
    prepared(folder, "add", ".")
    prepared(folder, "commit", "-q", "-m", "one")
    return folder


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """Return a program that leaves a mark beside itself when it runs; `mark(trap)` says whether it did."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    return program


def ran(trap: Path) -> bool:
    """Say whether the trap ran, and forget it."""
    mark = trap.with_name("ran")
    happened = mark.exists()
    mark.unlink(missing_ok=True)
    return happened


@pytest.mark.parametrize("setting", ["core.fsmonitor", "filter.a.b=c.clean", "filter.a.b=c.process"])
def test_a_command_in_the_repository_s_config_does_not_run(checkout: Path, trap: Path, setting: str) -> None:
    prepared(checkout, "config", setting, str(trap))
    (checkout / "customers.yaml").write_text("customers: []\n")  # as long as before, so that git has to look into it
    assert origin_of_run(checkout, {}).commit.endswith("-dirty")
    assert not ran(trap)
    subprocess.run(["git", "status"], cwd=checkout, capture_output=True, check=False)  # noqa: S607 - as anyone would
    assert ran(trap), "the trap is one"


def test_a_command_in_a_file_that_the_config_includes_does_not_run(checkout: Path, trap: Path) -> None:
    (checkout / "more").write_text(f'[filter "a.b=c"]\n\tclean = {trap}\n')
    prepared(checkout, "config", "include.path", "../more")
    (checkout / "customers.yaml").write_text("customers: {acme: {}}\n")
    assert origin_of_run(checkout, {}).commit.endswith("-dirty")
    assert not ran(trap)


def test_a_hook_does_not_run(checkout: Path, trap: Path) -> None:
    hooks = checkout / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-index-change").symlink_to(trap)
    os.utime(checkout / "customers.yaml", (0, 0))
    assert origin_of_run(checkout, {}).commit
    assert not ran(trap)
    subprocess.run(["git", "status"], cwd=checkout, capture_output=True, check=False)  # noqa: S607 - as anyone would
    assert ran(trap), "the trap is one"


def test_a_folder_that_is_made_like_a_bare_repository_is_not_one(checkout: Path, trap: Path) -> None:
    inner = checkout / "billing"
    (inner / "objects").mkdir(parents=True)
    (inner / "refs").mkdir()
    (inner / "HEAD").write_text("ref: refs/heads/main\n")
    (inner / "config").write_text(
        f'[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = ".."\n\tfsmonitor = {trap}\n'
    )
    subprocess.run(["git", "status"], cwd=inner, capture_output=True, check=False)  # noqa: S607 - as anyone would
    assert ran(trap), "the trap is one"
    assert origin_of_run(inner, {}).commit == ""
    assert not ran(trap)


def test_objects_that_are_not_there_are_not_fetched(checkout: Path, trap: Path) -> None:
    prepared(checkout, "config", "extensions.partialClone", "origin")
    prepared(checkout, "config", "core.repositoryFormatVersion", "1")
    prepared(checkout, "config", "remote.origin.promisor", "true")
    prepared(checkout, "config", "remote.origin.url", f"ext::{trap}")
    prepared(checkout, "config", "protocol.ext.allow", "always")
    missing = prepared(checkout, "rev-parse", "HEAD^{tree}")
    (checkout / ".git" / "objects" / missing[:2] / missing[2:]).unlink()
    subprocess.run(["git", "status"], cwd=checkout, capture_output=True, check=False)  # noqa: S607 - as anyone would
    assert ran(trap), "the trap is one"
    assert git(checkout, "status") is None
    assert not ran(trap)


def test_a_program_called_git_in_the_folder_is_not_git(
    checkout: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "git").symlink_to(trap)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PATH", ".")
    assert git(checkout, "status") is None
    assert not ran(trap)


def test_variables_that_name_another_repository_are_left_out(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert (git(checkout, "rev-parse", "HEAD") or "").strip() == origin_of_run(checkout, {}).commit
