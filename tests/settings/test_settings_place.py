from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.settings.project import ProjectPlace, repository_of


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("git@github.com:acme/billing.git", "github.com/acme/billing"),
        ("github.com:acme/billing", "github.com/acme/billing"),
        ("ssh://git@github.com/acme/billing.git", "github.com/acme/billing"),
        ("ssh://git@github.com:22/acme/billing.git", "github.com/acme/billing"),
        ("https://github.com/acme/billing.git/", "github.com/acme/billing"),
        ("https://user:token@GitHub.com:443/Acme/Billing", "github.com/acme/billing"),
        ("git://github.com/acme/billing.git", "github.com/acme/billing"),
        ("https://gitlab.example/group/sub/billing.git", "gitlab.example/group/sub/billing"),
        ("git@[2001:db8::1]:acme/billing.git", "2001:db8::1/acme/billing"),
        ("git@ssh.dev.azure.com:v3/acme/My%20Pay/billing", "dev.azure.com/acme/my%20pay/billing"),
        ("https://acme@dev.azure.com/acme/pay/_git/billing", "dev.azure.com/acme/pay/billing"),
        ("ssh://git@bitbucket.example:7999/pay/billing.git", "bitbucket.example/pay/billing"),
        ("https://bitbucket.example/scm/pay/billing.git", "bitbucket.example/pay/billing"),
        ("/srv/git/Billing.git", "/srv/git/Billing"),
        ("file:///srv/git/Billing.git", "/srv/git/Billing"),
        ("C:\\git\\billing", "C:\\git\\billing"),
        ("https://[broken/acme", ""),
        ("", ""),
    ],
)
def test_a_remote_is_its_host_and_path(remote: str, repository: str) -> None:
    assert repository_of(remote) == repository


def git(folder: Path, *words: str) -> None:
    program = shutil.which("git")
    assert program
    subprocess.run([program, *words], cwd=folder, check=True, env={"HOME": str(folder)})


def test_a_folder_without_a_remote_is_a_place_of_its_own_that_does_not_name_it(tmp_path: Path) -> None:
    place = ProjectPlace(tmp_path).text
    assert re.fullmatch("local:[0-9a-f]{12}", place)
    git(tmp_path, "init", "-q")
    assert ProjectPlace(tmp_path).text == place
    assert ProjectPlace(tmp_path / "below").text != place


def test_origin_is_the_remote_that_counts_and_else_the_first_by_name(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "upstream", "git@github.com:acme/upstream.git")
    git(tmp_path, "remote", "add", "fork", "git@github.com:acme/fork.git")
    assert ProjectPlace(tmp_path).text == "github.com/acme/fork"
    git(tmp_path, "remote", "add", "origin", "git@github.com:acme/billing.git")
    assert ProjectPlace(tmp_path).text == "github.com/acme/billing"


def test_a_folder_in_a_repository_and_a_link_to_it_are_the_same_place(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "remote", "add", "origin", "git@github.com:acme/billing.git")
    (tmp_path / "west/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("west/deep")
    assert {ProjectPlace(tmp_path / name).text for name in ("west/deep", "link")} == {
        "github.com/acme/billing//west/deep"
    }
