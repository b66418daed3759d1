"""Each kind of bad input: where, what is wrong, what to do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from yaml_files import load, problems

ACME = "customers:\n  acme: {name: Acme, email: a@acme.example}\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "nope.yaml") == [
        "nope.yaml: there is no such file; check the path; it starts at the project's folder"
    ]


def test_a_folder_without_yaml_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, {"customers/readme.txt": "x", "customers/.hidden.yaml": ACME}, "customers") == [
        "customers: no *.yaml or *.yml is in this folder; name the folder that holds the customers"
    ]


def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "customers/*.yaml") == [
        "customers/*.yaml: no file matches this pattern; check the pattern; it starts at the project's folder"
    ]


def test_a_path_that_the_system_refuses_is_an_error(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, {}, "x" * 5000)
    assert found.endswith(": this cannot be read: File name too long; check its permissions")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == ["customers.yaml: the file is empty; declare customers: {} if none is wanted"]


def test_customers_without_content_are_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 1\ncustomers:\n") == [
        "customers.yaml:2:11: customers: this is empty; declare customers: {} if none is wanted"
    ]


def test_a_file_that_declares_nothing_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 1\n") == [
        "customers.yaml:1:1: the file has none of customers, moved, forget; declare customers: {} if none is wanted"
    ]


def test_no_customers_can_be_wanted(tmp_path: Path) -> None:
    assert load(tmp_path, "customers: {}\n").desired.customers == {}


@pytest.mark.parametrize(("text", "kind"), [("- a\n", "a list"), ("hello\n", "a single value")])
def test_a_wrong_top_level_is_an_error(tmp_path: Path, text: str, kind: str) -> None:
    assert problems(tmp_path, text) == [
        f"customers.yaml:1:1: the file is {kind}; write `customers:`, and the customers under it"
    ]


def test_another_version_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 2\n" + ACME) == [
        "customers.yaml:1:10: version: '2' is not known here; known here: 1"
    ]


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    assert problems(tmp_path, "customers:\n  acme: {name: Acme, emial: a@b.example}\n") == [
        "customers.yaml:2:22: customers.acme.emial: unknown key 'emial'; did you mean 'email'?"
    ]


def test_an_unknown_key_like_no_other_is_an_error_with_all_that_are_known(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME + "moved: [{from: x, to: acme, qqq: 1}]\n") == [
        "customers.yaml:3:29: moved[0].qqq: unknown key 'qqq'; known here: from, to"
    ]


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ("name: true", "name", 'this is true; quote it if you mean the text: "true"'),
        ("name: [x]", "name", "this is a list; write a text"),
        ("name: {x: y}", "name", "this is a mapping; write a text"),
        ("archived: yes", "archived", "this is the text 'yes'; write true or false"),
        ("protect: null", "protect", "this is empty; write true or false"),
        ("id: ''", "id", "this is empty; write a text, or remove it"),
        ("id: ~", "id", "this is empty; write a text"),
        ("users: [x]", "users", "this is a list; write a mapping"),
        ("ignore_changes: city", "ignore_changes", "this is the text 'city'; write a list"),
        ("ignore_changes: [citty]", "ignore_changes[0]", "'citty' is not known here; did you mean 'city'?"),
    ],
)
def test_a_wrong_type_is_an_error(tmp_path: Path, written: str, path: str, message: str) -> None:
    (found,) = problems(tmp_path, f"customers:\n  acme: {{email: a@b.example, {written}}}\n")
    assert found.partition(": ")[2] == f"customers.acme.{path}: {message}"


@pytest.mark.parametrize("ein", ["12345678", "1-23456789", "12-345678-9", "12 3456789", "AB-CDEFGHI", "1234567890"])
def test_a_bad_ein_is_an_error_that_shows_no_digit(tmp_path: Path, ein: str) -> None:
    (found,) = problems(tmp_path, f"customers:\n  acme: {{email: a@b.example, ein: {ein}}}\n")
    shape = "".join("#" if char.isdigit() else char for char in ein)
    assert found == (
        f"customers.yaml:2:35: customers.acme.ein: '{shape}' is not an EIN; "
        "write nine digits, with a hyphen after the second or none, such as 12-3456789"
    )


@pytest.mark.parametrize("ein", ["12-3456789", "123456789", "00-0000000", "''", "null"])
def test_an_ein_is_nine_digits_with_a_hyphen_or_none(tmp_path: Path, ein: str) -> None:
    assert load(tmp_path, f"customers:\n  acme: {{email: a@b.example, ein: {ein}}}\n").warnings == ()


@pytest.mark.parametrize("email", ["ana@", "@x.example", "a b@x.example", "a@b@x.example", "a@x", "a@x..example", "a"])
def test_a_bad_email_is_an_error(tmp_path: Path, email: str) -> None:
    assert problems(tmp_path, f"customers:\n  acme:\n    email: '{email}'\n") == [
        (
            f"customers.yaml:3:12: customers.acme.email: '{email}' is not an e-mail address; "
            "write one such as billing@acme.example"
        )
    ]


@pytest.mark.parametrize("email", ["a@x.example", "A.b+c@sub.x.example", "o'neil@x.example", "jürgen@müller.example"])
def test_an_email_needs_no_more_than_a_sensible_form(tmp_path: Path, email: str) -> None:
    assert load(tmp_path, f'customers:\n  acme: {{email: "{email}"}}\n').desired.customers["acme"].fields == {
        "email": email
    }


def test_a_bad_email_of_a_user_is_an_error_at_its_key(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME.rstrip("}\n") + ", users: {ana@: {}}}\n") == [
        (
            "customers.yaml:2:53: customers.acme.users.ana@: 'ana@' is not an e-mail address; "
            "write one such as billing@acme.example"
        )
    ]


def test_an_unknown_key_of_a_user_has_its_whole_path(tmp_path: Path) -> None:
    assert problems(tmp_path, ACME.rstrip("}\n") + ", users: {j@acme.example: {firstname: J}}}\n") == [
        (
            "customers.yaml:2:70: customers.acme.users.j@acme.example.firstname: unknown key 'firstname'; "
            "did you mean 'first_name'?"
        )
    ]


def test_an_external_id_in_two_files_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    assert problems(tmp_path, {"a.yaml": ACME, "b.yaml": "version: 1\n" + ACME}, "a.yaml", "b.yaml") == [
        (
            "b.yaml:3:3: customers.acme: this external_id is declared twice, first at a.yaml:2:3; "
            "one external_id stands in one place; remove one, or merge the two"
        )
    ]


def test_an_empty_external_id_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "customers:\n  '': {name: A}\n") == [
        "customers.yaml:2:3: customers: an empty key; write the key before the ':'"
    ]


def test_a_customer_without_content_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "customers:\n  acme:\n") == [
        (
            "customers.yaml:2:3: customers.acme: this is empty; "
            "write {} to declare it with nothing but defaults, or remove it"
        )
    ]


def test_standard_input_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "-") == ["-: standard input cannot be read here; name a file"]


def test_an_error_in_standard_input_names_it(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "-", stdin=io.BytesIO(b"customers:\n\tx: {}\n")) == [
        "<stdin>:2:1: a tab; indent with spaces"
    ]


def test_all_errors_of_all_files_come_in_one_run_sorted_by_file_and_line(tmp_path: Path) -> None:
    files = {
        "b.yaml": "customers:\n  x: {name: [1], emial: y}\n  y: {ein: '1'}\n",
        "a.yaml": "customers:\n  z: {archived: maybe}\n",
        "c.yaml": "customers: {a: b: c}\n",
    }
    found = problems(tmp_path, files, "b.yaml", "a.yaml", "c.yaml", "missing.yaml")
    assert [one.rpartition(": ")[0].split(": ")[0] for one in found] == [
        "a.yaml:2:17",
        "b.yaml:2:13",
        "b.yaml:2:18",
        "b.yaml:3:12",
        "c.yaml:1:17",
        "missing.yaml",
    ]


def test_a_wrong_value_is_never_shown_raw_or_whole(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f'customers:\n  acme: {{email: "a\\e[31m\\u202e{"x" * 10_000}"}}\n')
    assert "\x1b" not in found
    assert "\u202e" not in found
    assert len(found) < 300


def test_a_value_that_holds_a_dollar_is_text(tmp_path: Path) -> None:
    loaded = load(tmp_path, "customers:\n  acme: {name: '${HOME} $$ $x', email: a@b.example}\n")
    assert loaded.desired.customers["acme"].fields["name"] == "${HOME} $$ $x"
