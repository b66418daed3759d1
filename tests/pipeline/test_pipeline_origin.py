"""Where a run comes from: who, which commit, which CI job."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.pipeline.resources import origin_of_run


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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with one commit that holds customers.yaml."""
    git(tmp_path, "init", "-q")
    (tmp_path / "customers.yaml").write_text("customers: {}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_the_commit_is_that_of_the_checkout(checkout: Path) -> None:
    assert origin_of_run(checkout, {}).commit == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["customers.yaml", "new.yaml"])
def test_a_checkout_whose_files_differ_is_dirty(checkout: Path, name: str) -> None:
    (checkout / name).write_text("customers: {acme: {}}\n")
    assert origin_of_run(checkout, {}).commit == git(checkout, "rev-parse", "HEAD") + "-dirty"


def test_the_ledger_in_its_folder_makes_nothing_dirty(checkout: Path) -> None:
    (checkout / ".reconciler").mkdir()
    (checkout / ".reconciler" / "demo.db").write_text("x")
    assert origin_of_run(checkout, {}).commit == git(checkout, "rev-parse", "HEAD")


def test_a_folder_without_git_or_without_a_commit_has_none(tmp_path: Path) -> None:
    # Not what lies above it, where the tests run within a checkout.
    git(tmp_path, "init", "-q")
    assert origin_of_run(tmp_path, {}).commit == ""


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {
                "GITHUB_ACTOR": "ana",
                "GITHUB_SHA": "abc",
                "GITHUB_RUN_ID": "7",
                "GITHUB_SERVER_URL": "https://git.example",
                "GITHUB_REPOSITORY": "acme/billing",
            },
            ("ana", "abc", "https://git.example/acme/billing/actions/runs/7"),
        ),
        (
            {"GITLAB_USER_LOGIN": "ben", "CI_COMMIT_SHA": "def", "CI_JOB_URL": "https://ci.example/1"},
            ("ben", "def", "https://ci.example/1"),
        ),
        (
            {"BUILDKITE_BUILD_CREATOR": "cy", "BUILDKITE_COMMIT": "123", "BUILDKITE_BUILD_URL": "https://b.example/2"},
            ("cy", "123", "https://b.example/2"),
        ),
        ({}, ("", "", "")),
    ],
    ids=["GitHub", "GitLab", "Buildkite", "none"],
)
def test_ci_says_who_which_commit_and_which_job(
    tmp_path: Path, variables: dict[str, str], told: tuple[str, str, str]
) -> None:
    git(tmp_path, "init", "-q")
    origin = origin_of_run(tmp_path, variables)
    assert (origin.actor, origin.commit, origin.ci_url) == told
