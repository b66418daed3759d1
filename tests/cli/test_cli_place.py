"""Two projects of one name that share a ledger: neither archives what was applied from the other's place."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import Online, Ran

pytest_plugins = ("command_fixtures",)

HERE = "git@github.com:acme/west.git"
THERE = "https://github.com/acme/east.git"


def checkout(shop: Online, name: str, remote: str = "") -> Online:
    """Return a folder with the same account and ledger, a repository where it has a remote."""
    folder = shop.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if remote:
        run_git(folder, "init", "-q")
        run_git(folder, "remote", "add", "origin", remote)
    return Online(folder, {**shop.variables, "RECONCILER_STATE": str(shop.folder / "ledger.db")}, shop.emulator)


def run_git(folder: Path, *words: str) -> None:
    program = shutil.which("git")
    assert program
    subprocess.run([program, *words], cwd=folder, check=True, env={"HOME": str(folder)})


def customers(*keys: str) -> str:
    return "customers:\n" + "".join(f"  {key}: {{name: {key}, email: {key}@x.example}}\n" for key in keys)


def plan(place: Online, *words: str) -> Ran:
    return place.run("plan", "-f", "customers.yaml", "--max-archives", "100%", *words)


def archived(place: Online) -> list[str]:
    """Return whom a plan archives."""
    ran = plan(place, "--format", "json")
    assert ran.code == 0, ran.err
    return [one["address"] for one in ran.json["changes"] if one["action"] == "archive"]


def test_what_was_applied_from_another_repository_is_not_archived(shop: Online) -> None:
    west, east = checkout(shop, "west", HERE), checkout(shop, "east", THERE)
    assert west.applied(customers("a", "b")).code == 0
    east.write("customers.yaml", customers("c"))
    ran = plan(east)
    said = (
        "error: a and b are not declared here, but were applied from github.com/acme/west. This is "
        "github.com/acme/east. Nothing was sent.\n  To keep the two apart, add `project: east` to reconciler.yaml. If "
        "that place is now this one, run `reconciler state relocate github.com/acme/west`.\n"
    )
    assert (ran.code, ran.out, ran.err) == (3, "", said)
    assert east.run("apply", "-f", "customers.yaml", "--max-archives", "100%", "--auto-approve").code == 3
    east.write("reconciler.yaml", "project: east\n")
    assert east.applied(customers("c")).code == 0
    assert archived(west) == []


def test_a_customer_that_was_applied_with_a_target_alone_is_not_archived_from_the_first_place(shop: Online) -> None:
    west, east = checkout(shop, "west", HERE), checkout(shop, "east", THERE)
    assert west.applied(customers("a")).code == 0
    east.write("customers.yaml", customers("c"))
    assert east.run("apply", "-f", "customers.yaml", "--target", "c", "--auto-approve").code == 0
    ran = plan(west)
    assert (ran.code, "c is not declared here, but was applied from github.com/acme/east" in ran.err) == (
        3,
        True,
    )


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/acme/west",
        "https://x-access-token:secret@github.com:443/Acme/West.git/",
        "ssh://git@ssh.github.com:443/acme/west.git",
    ],
)
def test_the_same_repository_is_the_same_place_by_ssh_and_by_https(shop: Online, remote: str) -> None:
    assert checkout(shop, "first", HERE).applied(customers("a", "b")).code == 0
    second = checkout(shop, "second/checked/out", remote)
    second.write("customers.yaml", customers("b"))
    assert archived(second) == ["a"]


def test_two_folders_of_one_repository_are_two_places(shop: Online) -> None:
    checkout(shop, "repo", HERE)
    west, east = checkout(shop, "repo/west"), checkout(shop, "repo/east")
    assert west.applied(customers("a", "b")).code == 0
    east.write("customers.yaml", customers("c"))
    assert "applied from github.com/acme/west//west. This is github.com/acme/west//east." in plan(east).err
    west.write("customers.yaml", customers("b"))
    assert archived(west) == ["a"]


def test_a_repository_that_was_renamed_applies_as_before_and_archives_after_its_move_was_confirmed(
    shop: Online,
) -> None:
    west, renamed = checkout(shop, "west", HERE), checkout(shop, "renamed", "git@github.com:acme/renamed.git")
    assert west.applied(customers("a", "b", "c")).code == 0
    renamed.write("customers.yaml", customers("b", "c"))
    assert plan(renamed).code == 3
    assert renamed.run("state", "relocate", "github.com/acme/other").code == 1
    ran = renamed.run("state", "relocate", "github.com/acme/west", "--dry-run")
    assert "recorded as applied from github.com/acme/renamed" in ran.out
    assert plan(renamed).code == 3
    assert renamed.run("state", "relocate", "github.com/acme/west").code == 0
    assert archived(renamed) == ["a"]


def test_what_is_declared_in_a_new_place_is_of_that_place_once_applied(shop: Online) -> None:
    west, renamed = checkout(shop, "west", HERE), checkout(shop, "renamed", "git@github.com:acme/renamed.git")
    assert west.applied(customers("a", "b")).code == 0
    assert renamed.applied(customers("a", "b")).code == 0
    renamed.write("customers.yaml", customers("b"))
    assert archived(renamed) == ["a"]


def test_two_folders_without_a_remote_that_have_nobody_in_common_do_not_archive_each_others_customers(
    shop: Online,
) -> None:
    first, second = checkout(shop, "first"), checkout(shop, "second")
    assert first.applied(customers("a", "b")).code == 0
    second.write("customers.yaml", customers("c"))
    ran = plan(second)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("error: a and b are not declared here, but were applied from ")
    assert "add `project: NAME` to reconciler.yaml" in ran.err
    assert second.run("apply", "-f", "customers.yaml", "--max-archives", "100%", "--auto-approve").code == 3
    second.write("reconciler.yaml", "project: second\n")
    assert second.applied(customers("c")).code == 0
    assert archived(first) == []


def test_a_folder_without_a_remote_that_was_moved_is_confirmed_by_relocate(shop: Online) -> None:
    first, moved = checkout(shop, "first"), checkout(shop, "moved")
    assert first.applied(customers("a")).code == 0
    moved.write("customers.yaml", customers("c"))
    place = plan(moved).err.rpartition("relocate ")[2].strip().strip(".`")
    assert moved.run("state", "relocate", place).code == 0
    assert archived(moved) == ["a"]


def test_in_one_folder_without_a_remote_everybody_may_be_replaced(shop: Online) -> None:
    only = checkout(shop, "only")
    assert only.applied(customers("a")).code == 0
    only.write("customers.yaml", customers("c"))
    assert archived(only) == ["a"]


def test_without_a_remote_a_place_is_known_by_the_files_that_were_applied(shop: Online) -> None:
    first, copied, other = checkout(shop, "first", HERE), checkout(shop, "copied"), checkout(shop, "other")
    assert first.applied(customers("a", "b")).code == 0
    copied.write("customers.yaml", customers("b"))
    assert archived(copied) == ["a"]
    other.write("customers/c.yaml", customers("c"))
    ran = other.run("plan", "-f", "*.yaml", "-f", "customers", "--max-archives", "100%")
    assert ran.code == 1  # there is no customers.yaml to match
    other.write("other.yaml", "forget: [x]\n")
    ran = other.run("plan", "-f", "*.yaml", "-f", "customers", "--max-archives", "100%")
    assert ran.code == 3
    assert "none of the files that this project was applied from is here: customers.yaml. Nothing was sent." in ran.err
    assert "add `project: NAME` to reconciler.yaml" in ran.err
    other.write("customers.yaml", "customers: {}\n")
    assert other.run("plan", "-f", "*.yaml", "-f", "customers", "--max-archives", "100%").code == 0


def test_a_checkout_whose_remote_is_not_known_is_judged_by_its_files(shop: Online) -> None:
    assert checkout(shop, "west", HERE).applied(customers("a", "b")).code == 0
    tarball = checkout(shop, "tarball")
    tarball.write("customers.yaml", customers("b"))
    assert archived(tarball) == ["a"]
