from __future__ import annotations

import hashlib
import io
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from command_line import working_folder
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import write

from reconciler.desired.files import STDIN, File, read_files
from reconciler.model.core import Reading, SourceFile


def source(name: str, content: str) -> SourceFile:
    return SourceFile(name, hashlib.sha256(content.encode()).hexdigest())


def test_a_folder_is_read_with_all_yaml_below_it_and_without_what_is_hidden(tmp_path: Path) -> None:
    names = ("c/b.yml", "c/a.yaml", "c/sub/z.yaml", "c/.h.yaml", "c/.git/x.yaml", "c/readme.md", "other.yaml")
    write(tmp_path, dict.fromkeys(names, "x"))
    found = read_files(["c"], root=tmp_path)
    assert found.files == (File("c/a.yaml", b"x"), File("c/b.yml", b"x"), File("c/sub/z.yaml", b"x"))
    assert found.reading == Reading(
        files=(source("c/a.yaml", "x"), source("c/b.yml", "x"), source("c/sub/z.yaml", "x")), folders=("c",)
    )


def test_a_glob_is_read_in_order_and_kept_as_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, {"b.yaml": "b", "a.yaml": "a", "d/e/c.yaml": "c"})
    found = read_files(["*.yaml", "./d/**/*.yaml"], root=tmp_path)
    assert [file.name for file in found.files] == ["a.yaml", "b.yaml", "d/e/c.yaml"]
    assert found.reading.globs == ("*.yaml", "d/**/*.yaml")


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"a[1].yaml": "x"})
    found = read_files(["a[1].yaml"], root=tmp_path)
    assert (found.files, found.reading.globs) == ((File("a[1].yaml", b"x"),), ())


def test_a_root_whose_name_looks_like_a_glob_is_no_pattern(tmp_path: Path) -> None:
    write(tmp_path / "r[x]*", {"a.yaml": "x"})
    assert read_files(["*.yaml"], root=tmp_path / "r[x]*").files == (File("a.yaml", b"x"),)


def test_a_file_that_several_paths_lead_to_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, {"c/a.yaml": "x"})
    (tmp_path / "link.yaml").symlink_to(tmp_path / "c/a.yaml")
    found = read_files(["c/a.yaml", "c", "c/*.yaml", "./c/../c/a.yaml", "link.yaml"], root=tmp_path)
    assert found.files == (File("c/a.yaml", b"x"),)


def test_names_are_relative_to_the_root_wherever_the_file_lies(tmp_path: Path) -> None:
    write(tmp_path, {"project/x": "", "shared/a.yaml": "x"})
    found = read_files([str(tmp_path / "shared/a.yaml"), "../shared"], root=tmp_path / "project")
    assert (found.files, found.reading.folders) == ((File("../shared/a.yaml", b"x"),), ("../shared",))


READS = (["c"], ["c/**"], ["c/**/*"], ["c/**/*.yaml"])
"""A folder, and the globs that stand for the same files of it."""


@pytest.mark.parametrize("paths", READS)
def test_a_folder_and_a_glob_read_the_same_files(tmp_path: Path, paths: list[str]) -> None:
    wanted = ("c/a.yaml", "c/b.YAML", "c/d/e.Yaml", "c/x.yaml/f.yaml")
    others = ("c/.h.yaml", "c/.d/x.yaml", "c/a.yaml~", "c/a.yaml.orig", "c/a.yaml.bak", "c/#a.yaml#", "c/n.md", "c/n")
    write(tmp_path, dict.fromkeys((*wanted, *others), "x"))
    found = read_files(paths, root=tmp_path)
    assert ([file.name for file in found.files], found.problems) == (sorted(wanted), ())


@pytest.mark.parametrize("paths", READS)
def test_links_to_files_and_folders_are_followed_and_nothing_is_read_twice(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path, {"c/a.yaml": "a", "c/d/e.yaml": "e", "far/f.yaml": "f", "far/g.yaml": "g"})
    (tmp_path / "c/b.yaml").symlink_to("a.yaml")
    (tmp_path / "c/b").symlink_to("d")
    (tmp_path / "c/f.yaml").symlink_to("../far/f.yaml")
    (tmp_path / "c/west").symlink_to("../far")
    (tmp_path / "c/d/round").symlink_to("..")
    (tmp_path / "far/back").symlink_to("../c")
    found = read_files(paths, root=tmp_path)
    assert ([file.name for file in found.files], found.problems) == (
        ["c/a.yaml", "c/d/e.yaml", "c/f.yaml", "c/west/g.yaml"],
        (),
    )


@pytest.mark.parametrize("paths", [["c"], ["c/*.yaml"], ["c/**/*.yaml"]])
def test_a_folder_as_kubernetes_mounts_it_is_read_by_its_links(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path, {"c/..2026_01/a.yaml": "x"})
    (tmp_path / "c/..data").symlink_to("..2026_01")
    (tmp_path / "c/a.yaml").symlink_to("..data/a.yaml")
    assert [file.name for file in read_files(paths, root=tmp_path).files] == ["c/a.yaml"]


GONE = "this cannot be read: No such file or directory; restore what this link leads to, or remove it"
ROUND = "this cannot be read: Too many levels of symbolic links; restore what this link leads to, or remove it"


@pytest.mark.parametrize("paths", [["c"], ["c/*"], ["c/*.yaml"], ["c/**/*.yaml"]])
def test_what_is_met_and_cannot_be_read_is_an_error(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path, {"c/a.yaml": "x"})
    (tmp_path / "c/gone.yaml").symlink_to("nowhere")
    (tmp_path / "c/round.yaml").symlink_to("round.yaml")
    os.mkfifo(tmp_path / "c/pipe.yaml")
    (tmp_path / "c/zero.yaml").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening, working_folder(tmp_path / "c"):
        listening.bind("socket.yaml")
    stdin = "write `-f -` for standard input"
    assert list(map(str, read_files(paths, root=tmp_path).problems)) == [
        f"c/gone.yaml: {GONE}",
        f"c/pipe.yaml: this is a named pipe, not a file; {stdin}",
        f"c/round.yaml: {ROUND}",
        f"c/socket.yaml: this is a socket, not a file; {stdin}",
        f"c/zero.yaml: this is a device, not a file; {stdin}",
    ]


@pytest.mark.parametrize("paths", [["c"], ["c/**/*.yaml"], ["c/*/a.yaml"]])
def test_a_link_that_may_have_led_to_a_folder_is_an_error(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path, {"c/d/a.yaml": "x"})
    (tmp_path / "c/west").symlink_to("/nowhere/mounted")
    assert list(map(str, read_files(paths, root=tmp_path).problems)) == [f"c/west: {GONE}"]


@pytest.mark.parametrize("paths", [["c"], ["c/**/*.yaml"], ["c/*/*.yaml"]])
def test_a_folder_that_cannot_be_looked_into_is_an_error(tmp_path: Path, paths: list[str]) -> None:
    write(tmp_path, {"c/d/a.yaml": "x", "c/e/a.yaml": "x"})
    (tmp_path / "c/d").chmod(0)
    if os.access(tmp_path / "c/d", os.R_OK):
        pytest.skip("this user may read everything")
    try:
        found = read_files(paths, root=tmp_path)
    finally:
        (tmp_path / "c/d").chmod(0o700)
    assert list(map(str, found.problems)) == ["c/d: this cannot be read: Permission denied; check its permissions"]


def test_what_is_no_customers_file_is_neither_opened_nor_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"c/a.yaml": "x"})
    os.mkfifo(tmp_path / "c/pipe")
    os.mkfifo(tmp_path / "c/.pipe.yaml")
    assert read_files(["c", "c/*"], root=tmp_path).problems == ()


@pytest.mark.parametrize("path", ["pipe", "/dev/zero", "link"])
def test_what_is_named_and_is_no_file_is_never_opened(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (found,) = read_files([path], root=tmp_path).problems
    assert found.hint == "write `-f -` for standard input"


def test_a_file_that_is_too_large_is_an_error_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(5 * 1024**3)
    assert list(map(str, read_files(["a.yaml"], root=tmp_path).problems)) == [
        "a.yaml: this is larger than 512 MiB; split it into several files"
    ]


PARTS = st.sampled_from(
    ["a", "b.yaml", "c.YAML", ".d.yaml", "e.yml~", "f.json", "**", "*", "*.yaml", "[ab]*", "?.y*ml"]
)


@given(st.sets(st.lists(PARTS, min_size=1, max_size=3).map("/".join)), st.lists(PARTS, min_size=1, max_size=3))
def test_a_glob_covers_just_the_files_that_it_reads(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], pattern: list[str]
) -> None:
    root = tmp_path_factory.mktemp("globs")
    for name in files:
        with suppress(OSError):  # a file where a folder should be, or the other way round
            write(root, {name: "x"})
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    glob = "/".join(pattern)
    found = read_files([glob], root=root)
    if found.reading.globs:
        covers = Reading(globs=found.reading.globs).covers()
        assert {file.name for file in found.files} == {name for name in there if covers(name)}


def test_a_file_that_is_left_out_as_it_is_read_for_something_else_has_not_gone(tmp_path: Path) -> None:
    write(tmp_path, {"c/a.yaml": "a", "c/over.yaml": "o"})
    reading = read_files(["c"], root=tmp_path, without=["c/over.yaml"]).reading
    assert reading.left_out == ("c/over.yaml",)
    assert [reading.covers()(name) for name in ("c/a.yaml", "c/gone.yaml", "c/over.yaml")] == [True, True, False]


def test_standard_input_is_read_once_and_stands_in_no_reading(tmp_path: Path) -> None:
    found = read_files(["-", "-"], root=tmp_path, stdin=io.BytesIO(b"x"))
    assert (found.files, found.reading) == ((File(STDIN, b"x"),), Reading())


def test_folders_and_globs_leave_out_what_is_no_customers_file(tmp_path: Path) -> None:
    write(tmp_path, {"reconciler.yaml": "p", "a.yaml": "a", "overlays/demo.yaml": "o"})
    found = read_files([".", "*.yaml"], root=tmp_path, without=["reconciler.yaml", "overlays/demo.yaml"])
    assert found.files == (File("a.yaml", b"a"),)


def test_a_file_that_is_named_is_read_though_folders_leave_it_out(tmp_path: Path) -> None:
    write(tmp_path, {"reconciler.yaml": "p"})
    assert read_files(["reconciler.yaml"], root=tmp_path, without=["reconciler.yaml"]).files == (
        File("reconciler.yaml", b"p"),
    )
