"""Customers files outside of the project: read where `-f` or a variable names them, not because the project does."""

from __future__ import annotations

import pytest
from command_line import ONE, Online, Place, Ran

pytest_plugins = ("command_fixtures",)

SECRET = "machine api.example login ana password hunter2\n"
PROJECT = "version: 1\nfiles: [{files}]\nenvironments:\n  default: {{overlays: [{overlays}]}}\n"


def planned(shop: Online, files: str, overlays: str = "", **variables: str) -> Ran:
    """Plan a project in a folder of its own beside `secret.yaml` and `shared/`."""
    shop.write("secret.yaml", SECRET)
    shop.write("shared/more.yaml", "customers:\n  more: {name: More, email: more@x.example}\n")
    shop.write("project/customers/acme.yaml", ONE)
    shop.write("project/reconciler.yaml", PROJECT.format(files=files, overlays=overlays))
    return shop.run("-p", "project/reconciler.yaml", "plan", **variables)


@pytest.mark.parametrize(
    ("files", "overlays", "shown"),
    [
        ("../secret.yaml", "", "../secret.yaml"),
        ("{here}/secret.yaml", "", "../secret.yaml"),
        ("customers/../../secret.yaml", "", "../secret.yaml"),
        ("../*.yaml", "", ".."),
        ("..", "", ".."),
        ("../shared/", "", "../shared"),
        ("link.yaml", "", "link.yaml"),
        ("links", "", "links/secret.yaml"),
        ("links/*", "", "links/secret.yaml"),
        ("linked", "", "linked"),
        ("linked/secret.yaml", "", "linked/secret.yaml"),
        ("customers", "../secret.yaml", "../secret.yaml"),
        ("customers", "link.yaml", "link.yaml"),
    ],
)
def test_what_a_project_names_outside_of_it_is_not_read(shop: Online, files: str, overlays: str, shown: str) -> None:
    shop.write("project/links/.keep", "")
    for name in ("link.yaml", "links/secret.yaml"):
        (shop.folder / "project" / name).symlink_to(shop.folder / "secret.yaml")
    (shop.folder / "project/linked").symlink_to(shop.folder)
    ran = planned(shop, files.format(here=shop.folder), overlays)
    assert (ran.code, ran.out, shop.requests()) == (1, "", 0)
    assert f"{shown}: this is outside the project: {shop.folder.resolve()}" in ran.err
    assert ran.err.splitlines()[0].endswith("to RECONCILER_ALLOWED_FOLDERS")
    assert "hunter2" not in ran.err


def test_what_a_project_names_in_its_repository_is_read(shop: Online) -> None:
    shop.write(".git/HEAD", "ref: refs/heads/main\n")
    assert planned(shop, "customers, ../shared").code == 0


def test_what_a_project_names_in_git_s_own_folder_is_not_read(shop: Online) -> None:
    shop.write(".git/config.yaml", SECRET)
    ran = planned(shop, "../.git/config.yaml")
    assert (ran.code, "this is outside the project" in ran.err, "hunter2" in ran.err) == (1, True, False)


def test_a_home_folder_under_version_control_is_no_project(shop: Online) -> None:
    shop.write(".git/HEAD", "ref: refs/heads/main\n")
    ran = planned(shop, "../secret.yaml", HOME=str(shop.folder))
    assert (ran.code, "this is outside the project" in ran.err) == (1, True)


def test_what_a_variable_allows_is_read(shop: Online) -> None:
    allowed = f" {shop.folder}/other ,{shop.folder}/shared"
    assert planned(shop, "customers, ../shared", RECONCILER_ALLOWED_FOLDERS=allowed).code == 0
    assert planned(shop, "customers, ../shared", RECONCILER_ALLOWED_FOLDERS="shared").code == 0


@pytest.mark.parametrize("named", ["shared", "shared/*.yaml", "shared/more.yaml", "link.yaml"])
def test_what_the_command_line_names_is_read_wherever_it_is(shop: Online, named: str) -> None:
    planned(shop, "customers")
    (shop.folder / "link.yaml").symlink_to(shop.folder / "shared/more.yaml")
    ran = shop.run("-p", "project/reconciler.yaml", "plan", "-f", "project/customers", "-f", named)
    assert (ran.code, "2 to create" in ran.out) == (0, True), ran.err


def test_a_link_out_of_a_folder_that_the_command_line_names_is_not_followed(shop: Online) -> None:
    planned(shop, "customers")
    (shop.folder / "project/customers/secret.yaml").symlink_to(shop.folder / "secret.yaml")
    before = shop.requests()
    ran = Place(shop.folder / "project", shop.variables).run("validate", "-f", "customers")
    assert (ran.code, "hunter2" in ran.err, shop.requests()) == (1, False, before)


def test_a_folder_of_links_as_kubernetes_mounts_it_is_read(shop: Online) -> None:
    shop.write("mounted/..2026_01_01/customers.yaml", ONE)
    (shop.folder / "mounted/..data").symlink_to("..2026_01_01")
    (shop.folder / "mounted/customers.yaml").symlink_to("..data/customers.yaml")
    ran = shop.run("plan", "-f", str(shop.folder / "mounted"))
    assert (ran.code, "1 to create" in ran.out) == (0, True), ran.err
