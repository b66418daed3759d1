"""Paths that a shell would have changed, wherever one is configured: `~` is a home folder, a variable is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ONE, Online, Place

pytest_plugins = ("command_fixtures",)

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PROJECT = "files: [{files}]\nenvironments:\n  production:\n    {more}\n"


@pytest.fixture
def home(shop: Online) -> Path:
    """Return the home folder of who runs the commands."""
    folder = shop.folder / "home"
    folder.mkdir()
    shop.variables |= {"HOME": str(folder), "AP_ENVIRONMENT": "production"}
    return folder


def in_project(shop: Online, more: str = "prune: managed", files: str = "customers.yaml") -> None:
    shop.write("customers.yaml", ONE)
    shop.write("reconciler.yaml", PROJECT.format(files=files, more=more))


def no_tilde(shop: Online) -> bool:
    """Say whether no folder or file of that name was made."""
    return [path for path in shop.folder.rglob("*") if "~" in path.name] == []


@pytest.mark.parametrize("where", ["state", "RECONCILER_STATE"])
def test_a_ledger_in_the_home_folder_is_there(where: str, shop: Online, home: Path) -> None:
    in_project(shop, "state: ~/x.db" if where == "state" else "prune: managed")
    shop.variables["RECONCILER_STATE"] = "~/x.db"
    assert shop.run("apply", "--auto-approve").code == 0
    assert ((home / "x.db").is_file(), no_tilde(shop)) == (True, True)


def test_a_folder_of_ledgers_in_the_home_folder_holds_one_for_each_environment(shop: Online, home: Path) -> None:
    in_project(shop, "state: ~/ledgers/")
    assert shop.run("apply", "--auto-approve").code == 0
    assert ((home / "ledgers/production.db").is_file(), no_tilde(shop)) == (True, True)


@pytest.mark.parametrize("where", ["client_secret_file", "AP_CLIENT_SECRET_FILE"])
def test_a_secret_in_the_home_folder_is_read(where: str, shop: Online, home: Path) -> None:
    in_project(shop, "client_secret_file: ~/secret" if where == "client_secret_file" else "prune: managed")
    (home / "secret").write_text(shop.variables.pop("AP_CLIENT_SECRET"), "utf-8")
    shop.variables["AP_CLIENT_SECRET_FILE"] = "~/secret"
    assert shop.run("plan").code == 0


def test_the_ledgers_key_in_the_home_folder_is_read(shop: Online, home: Path) -> None:
    in_project(shop)
    (home / "key").write_text(KEY, "utf-8")
    shop.variables["RECONCILER_STATE_KEY_FILE"] = "~/key"
    assert shop.run("apply", "--auto-approve").code == 0


def test_customers_files_and_overlays_in_the_home_folder_are_read(shop: Online, home: Path) -> None:
    in_project(shop, "overlays: [~/overlay.yaml]", files="~/customers")
    (home / "customers").mkdir()
    (home / "customers/all.yaml").write_text(ONE, "utf-8")
    (home / "overlay.yaml").write_text("customers: {acme: {city: Dover}}\n", "utf-8")
    planned = shop.run("plan", "--format", "json")
    assert (planned.code, '"Dover"' in planned.out) == (0, True), planned.all


def test_options_that_a_shell_left_as_they_are_name_the_home_folder(shop: Online, home: Path) -> None:
    (home / "customers.yaml").write_text(ONE, "utf-8")
    (home / "reconciler.yaml").write_text(PROJECT.format(files="customers.yaml", more="prune: managed"), "utf-8")
    ran = [
        shop.run("--project=~/reconciler.yaml", "plan", "--out=~/next.plan"),
        shop.run("plan", "--file=~/customers.yaml"),
        shop.run("-p", "~/reconciler.yaml", "apply", "~/next.plan", "--auto-approve", "--json-events=~/events"),
        shop.run("import", "--output=~/live.yaml"),
        shop.run("seed", "--print", "--customers", "1", "--output=~/made.yaml"),
        shop.run("init", "~/project"),
    ]
    assert [one.code for one in ran] == [0] * len(ran), [one.all for one in ran if one.code]
    made = {path.name for path in home.iterdir()}
    assert made >= {"next.plan", "events", "live.yaml", "made.yaml", "project"}
    assert no_tilde(shop)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("state: $HOME/x.db", "reconciler.yaml:4:12: environments.production.state"),
        ("client_secret_file: $(pwd)/secret", "reconciler.yaml:4:25: environments.production.client_secret_file"),
        ("overlays: [$$HOME/x.yaml]", "reconciler.yaml:4:16: environments.production.overlays[0]"),
    ],
)
def test_a_variable_of_the_shell_in_the_project_file_is_refused(
    more: str, place: str, shop: Online, home: Path
) -> None:
    in_project(shop, more)
    refused = shop.run("plan")
    assert (refused.code, shop.folder.joinpath("$HOME").exists(), home.is_dir()) == (1, False, True)
    assert refused.err.startswith(f"{place}: '$"), refused.err
    assert "shell variables are not expanded here; write the whole path, or ~/…" in " ".join(refused.err.split())


@pytest.mark.parametrize("name", ["RECONCILER_STATE", "AP_CLIENT_SECRET_FILE", "RECONCILER_STATE_KEY_FILE"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${HOME}/x", "shell variables are not expanded here; write the whole path, or ~/…"),
        ("~nobody-of-that-name/x", "is not a home folder; write ./~nobody-of-that-name for a file with that name"),
    ],
)
def test_a_variable_whose_path_no_shell_has_changed_is_refused(
    name: str, text: str, why: str, shop: Online, home: Path
) -> None:
    in_project(shop)
    if name == "AP_CLIENT_SECRET_FILE":
        del shop.variables["AP_CLIENT_SECRET"]
    shop.variables[name] = text
    refused = shop.run("plan")
    assert (refused.code, no_tilde(shop), home.is_dir()) == (1, True, True)
    assert refused.err.startswith(f"{name}: "), refused.err
    assert why in " ".join(refused.err.split())


def test_an_option_with_the_home_folder_of_nobody_is_refused(here: Place) -> None:
    refused = here.run("seed", "--print", "--output=~nobody-of-that-name/x.yaml")
    assert (refused.code, "is not a home folder" in " ".join(refused.err.split())) == (1, True), refused.err


def test_a_url_of_a_ledger_is_no_path(shop: Online, home: Path) -> None:
    in_project(shop)
    shop.variables["RECONCILER_STATE"] = "postgresql://u:$PASSWORD`~@127.0.0.1:9/db"
    assert ("shell" in shop.run("plan").err, home.is_dir()) == (False, True)
