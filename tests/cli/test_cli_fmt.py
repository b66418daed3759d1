from __future__ import annotations

from command_line import Place

pytest_plugins = ("command_fixtures",)

MESSY = "customers:\n    acme:   {city: 'Boston', name: Acme} # ours\n"
CLEAN = "customers:\n  acme: {name: Acme, city: Boston} # ours\n"


def test_fmt_rewrites_what_needs_it_and_names_it(here: Place) -> None:
    here.write("a.yaml", MESSY)
    here.write("b.yaml", CLEAN)
    path = here.folder / "a.yaml"
    path.chmod(0o640)
    ran = here.run("fmt", ".")
    assert (ran.code, ran.out, ran.err) == (0, "a.yaml\n", "")
    assert (path.read_text(), path.stat().st_mode & 0o777) == (CLEAN, 0o640)
    assert sorted(one.name for one in here.folder.iterdir()) == ["a.yaml", "b.yaml"]


def test_fmt_check_writes_nothing_and_ends_with_1_where_a_file_would_change(here: Place) -> None:
    here.write("a.yaml", MESSY)
    here.write("b.yaml", CLEAN)
    ran = here.run("fmt", "--check", "a.yaml", "b.yaml")
    assert (ran.code, ran.out, ran.err) == (1, "a.yaml\n", "")
    assert (here.folder / "a.yaml").read_text() == MESSY
    assert here.run("fmt", "--check", "b.yaml").code == 0


def test_fmt_diff_shows_what_would_change(here: Place) -> None:
    here.write("a.yaml", MESSY)
    ran = here.run("fmt", "--diff", "a.yaml")
    assert (ran.code, ran.out) == (
        0,
        (
            "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,3 +1,3 @@\n customers:\n"
            "-    acme:   {city: 'Boston', name: Acme} # ours\n"
            "+  acme: {name: Acme, city: Boston} # ours\n \n"
        ),
    )
    assert (here.folder / "a.yaml").read_text() == MESSY


def test_fmt_of_standard_input_goes_to_standard_output(here: Place) -> None:
    ran = here.run("fmt", "-", stdin=MESSY.encode())
    assert (ran.code, ran.out) == (0, CLEAN)


def test_fmt_without_a_path_takes_the_files_and_overlays_of_the_project(here: Place) -> None:
    here.write("reconciler.yaml", "files: [a.yaml]\nenvironments:\n  demo: {overlays: [b.yaml]}\n")
    here.write("a.yaml", CLEAN)
    here.write("b.yaml", MESSY)
    assert here.run("fmt").out == "b.yaml\n"


def test_fmt_leaves_a_file_with_errors_as_it_is_and_does_the_others(here: Place) -> None:
    here.write("a.yaml", b"customers: {\xff: 1}\n")
    here.write("b.yaml", MESSY)
    ran = here.run("fmt", ".")
    assert (ran.code, ran.out, ran.err) == (
        1,
        "b.yaml\n",
        "a.yaml:1:13: byte 0xff is not UTF-8; save the file as UTF-8\n",
    )
    assert (here.folder / "a.yaml").read_bytes() == b"customers: {\xff: 1}\n"


def test_fmt_shows_hostile_text_escaped(here: Place) -> None:
    here.write("a.yaml", "customers:\n  acme:  {name: '\u202ex'}\n")
    assert "\u202e" not in here.run("fmt", "--diff", "a.yaml").out


def test_fmt_follows_a_link_to_its_file(here: Place) -> None:
    here.write("real.txt", MESSY)
    (here.folder / "a.yaml").symlink_to("real.txt")
    assert here.run("fmt", "a.yaml").code == 0
    assert ((here.folder / "a.yaml").is_symlink(), (here.folder / "real.txt").read_text()) == (True, CLEAN)
