"""Where a run comes from: who, which commit, which CI job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from git_values import git

from reconciler.pipeline.resources import commits_of, origin_of_run


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


def test_a_file_is_of_its_repository_s_commit_and_dirty_where_it_differs(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert commits_of(checkout, ["customers.yaml"]) == {"customers.yaml": head}
    (checkout / "new.yaml").write_text("customers: {}\n")
    (checkout / "folder").mkdir()
    (checkout / "folder" / "a b.yaml").write_text("customers: {}\n")
    (checkout / ".gitignore").write_text("ours/\n")
    (checkout / "ours").mkdir()
    (checkout / "ours" / "c.yaml").write_text("customers: {}\n")
    names = ["customers.yaml", "new.yaml", "folder/a b.yaml", "ours/c.yaml"]
    assert commits_of(checkout, names) == {name: head if name == names[0] else f"{head}-dirty" for name in names}


def test_a_file_that_was_renamed_changed_or_staged_differs(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    git(checkout, "mv", "customers.yaml", "other.yaml")
    assert commits_of(checkout, ["other.yaml"]) == {"other.yaml": f"{head}-dirty"}
    assert commits_of(checkout, ["customers.yaml"]) == {"customers.yaml": f"{head}-dirty"}


def test_each_file_is_of_its_own_repository_wherever_the_project_is(checkout: Path) -> None:
    other = checkout.parent / f"{checkout.name}-other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "west.yaml").write_text("customers: {}\n")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "another")
    (checkout / "linked.yaml").symlink_to(other / "west.yaml")
    names = ["customers.yaml", f"../{other.name}/west.yaml", "linked.yaml"]
    heads = [git(folder, "rev-parse", "HEAD") for folder in (checkout, other, other)]
    assert commits_of(checkout, names) == dict(zip(names, heads, strict=True))


def test_a_file_in_no_repository_on_standard_input_or_of_a_hostile_name_has_no_commit(tmp_path: Path) -> None:
    for name in ("customers.yaml", "-", "<stdin>", "", "a\0b", "loop.yaml", "\x1b[31m\n.yaml"):
        (tmp_path / "loop.yaml").unlink(missing_ok=True)
        (tmp_path / "loop.yaml").symlink_to("loop.yaml")
        assert commits_of(tmp_path, [name]) == {}


def test_a_name_with_control_characters_is_known_to_git_as_it_is(checkout: Path) -> None:
    name = "\x1b[31m\n\t:(top)*.yaml"
    (checkout / name).write_text("customers: {}\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "two")
    head = git(checkout, "rev-parse", "HEAD")
    assert commits_of(checkout, [name, "customers.yaml"]) == {name: head, "customers.yaml": head}
    (checkout / name).write_text("customers: []\n\n")
    assert commits_of(checkout, [name, "customers.yaml"]) == {name: f"{head}-dirty", "customers.yaml": head}


def test_a_repository_that_git_does_not_know_gives_no_commit(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    (tmp_path / "customers.yaml").write_text("customers: {}\n")
    assert commits_of(tmp_path, ["customers.yaml"]) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to someone else")
def test_a_repository_that_belongs_to_someone_else_gives_no_commit(checkout: Path) -> None:
    for path in (checkout, checkout / ".git"):
        os.chown(path, 12345, 12345)
    assert commits_of(checkout, ["customers.yaml"]) == {}
