"""Files that a folder or a glob leaves out: their customers are not taken for removed, unless a file is really gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import Online

pytest_plugins = ("command_fixtures",)

KEYS = ("acme", "globex", "initech")


@pytest.fixture
def applied(shop: Online) -> Online:
    """Return a place where three customers were applied, each of a file of its own."""
    for key in KEYS:
        shop.write(f"customers/{key}.yaml", f"customers: {{{key}: {{name: {key}, email: {key}@x.example}}}}\n")
    assert shop.run("apply", "-f", "customers", "--auto-approve").code == 0
    return shop


def archives(shop: Online, *words: str) -> list[str] | str:
    """Return whom a plan would archive, or its error."""
    ran = shop.run("plan", *words, "--max-archives", "100%", "--format", "json")
    if ran.code:
        return ran.err
    return [one["address"] for one in ran.json["changes"] if one["action"] == "archive"]


PATHS = ("customers", "customers/*.yaml", "customers/**", "customers/*")


@pytest.mark.parametrize("path", PATHS)
def test_a_file_whose_suffix_changed_its_case_is_read(applied: Online, path: str) -> None:
    (applied.folder / "customers/acme.yaml").rename(applied.folder / "customers/acme.YAML")
    assert archives(applied, "-f", path) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_gone_archives_its_customer(applied: Online, path: str) -> None:
    (applied.folder / "customers/acme.yaml").unlink()
    assert archives(applied, "-f", path) == ["acme"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["acme.yaml~", "acme.yaml.orig", ".acme.yaml", "acme.txt"])
def test_a_file_that_was_renamed_to_what_is_no_customers_file_archives_its_customer(
    applied: Online, path: str, name: str
) -> None:
    (applied.folder / "customers/acme.yaml").rename(applied.folder / "customers" / name)
    assert archives(applied, "-f", path) == ["acme"]


def _dangling(file: Path) -> None:
    file.symlink_to("nowhere")


def _round(file: Path) -> None:
    file.symlink_to(file.name)


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _device(file: Path) -> None:
    file.symlink_to("/dev/zero")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("made", [_dangling, _round, _pipe, _device])
def test_a_file_that_can_no_longer_be_read_is_an_error(applied: Online, path: str, made: object) -> None:
    (applied.folder / "customers/acme.yaml").unlink()
    made(applied.folder / "customers/acme.yaml")  # type: ignore[operator]
    said = archives(applied, "-f", path)
    assert isinstance(said, str)
    assert said.startswith("customers/acme.yaml: this ")


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_became_a_link_to_one_is_read(applied: Online, path: str) -> None:
    (applied.folder / "customers/acme.yaml").rename(applied.folder / "acme.yaml")
    (applied.folder / "customers/acme.yaml").symlink_to("../acme.yaml")
    assert archives(applied, "-f", path) == []


@pytest.mark.parametrize("path", ["customers", "customers/*.yaml"])
def test_a_file_that_became_an_overlay_of_another_environment_archives_nobody(applied: Online, path: str) -> None:
    environments = "{default: {}, other: {overlays: [customers/acme.yaml]}}"
    applied.write("reconciler.yaml", f"files: ['{path}']\nenvironments: {environments}\n")
    assert archives(applied, "-e", "default") == []


def test_a_hidden_file_that_no_glob_reads_archives_nobody(applied: Online) -> None:
    applied.write("customers/.new.yaml", "customers: {new: {name: New, email: n@x.example}}\n")
    assert applied.run("apply", "-f", "customers", "-f", "customers/.new.yaml", "--auto-approve").code == 0
    assert archives(applied, "-f", "customers/*.yaml") == []
    assert archives(applied, "-f", "customers") == []
