from __future__ import annotations

import hashlib
import io
from pathlib import Path

from yaml_files import write

from reconciler.desired.files import STDIN, File, read_files
from reconciler.model import Reading, SourceFile


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
