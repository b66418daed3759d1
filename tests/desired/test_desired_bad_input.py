"""Each kind of bad input: where, what is wrong, what to do."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_cases import load, problems

from reconciler.errors import Invalid

CUSTOMERS = "write each customer under its external_id: `customers: {acme: {name: Acme Corp}}`"
CUSTOMER = "write its fields under the external_id: `acme: {name: Acme Corp}`"
NAME = "a customer cannot be billed without a name: write it, or remove the line"
USERS = "write each user under its e-mail address: `users: {jane@acme.example: {first_name: Jane}}`"
USER = "write its names under the e-mail address: `jane@acme.example: {first_name: Jane}`"

ACME = "customers:\n  acme: {name: Acme, email: a@acme.example}\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "nope.yaml") == [
        "nope.yaml: this file does not exist; check the path; it is relative to the project's folder"
    ]


def test_a_folder_without_yaml_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, {"customers/readme.txt": "x", "customers/.hidden.yaml": ACME}, "customers") == [
        "customers: this folder has no *.yaml or *.yml file; name the folder with the customers files"
    ]


def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, "customers/*.yaml") == [
        "customers/*.yaml: no file matches this pattern; check the pattern; it is relative to the project's folder"
    ]


def test_a_path_that_the_system_refuses_is_an_error(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, {}, "x" * 5000)
    assert found.endswith(": this cannot be read: File name too long; check its permissions")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == [
        ("customers.yaml: the file is empty; declare customers: {} if there should be none")
    ]


def test_customers_without_content_are_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 1\ncustomers:\n") == [
        "customers.yaml:2:11: customers: this is empty; declare customers: {} if there should be none"
    ]


def test_a_file_that_declares_nothing_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path, "version: 1\n") == [
        (
            "customers.yaml:1:1: the file has none of customers, moved, "
            "forget; declare customers: {} if there should be none"
        )
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
        "customers.yaml:1:10: version: '2' is not valid here; known here: 1"
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
        ("name: ~", "name", f"this is empty; {NAME}"),
        ("name: ''", "name", f"'' is blank; {NAME}"),
        ("name: ' '", "name", f"' ' is blank; {NAME}"),
        ("archived: yes", "archived", "this is the text 'yes'; write true or false"),
        ("protect: null", "protect", "this is empty; write true or false"),
        ("id: ''", "id", "this is empty; write a text, or remove it"),
        ("id: ~", "id", "this is empty; write a text"),
        ("users: [x]", "users", f"this is a list; {USERS}"),
        ("ignore_changes: city", "ignore_changes", "this is the text 'city'; write a list"),
        ("ignore_changes: [citty]", "ignore_changes[0]", "'citty' is not valid here; did you mean 'city'?"),
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
            f"customers.yaml:3:12: customers.acme.email: '{email}' is not an email address; "
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
            "customers.yaml:2:53: customers.acme.users.ana@: 'ana@' is not an email address; "
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


FORGOTTEN = (
    "customers.name: 'name' is a field, but an external_id is expected here; "
    "put fields under an external_id: `customers: {acme: {name: Acme Corp}}`"
)


@pytest.mark.parametrize(
    "fields",
    [
        "  name: Acme\n  email: ap@x.example\n",
        "  name: Acme\n  users:\n    jane@x.example: {first_name: Jane}\n  ignore_changes: [city]\n  archived: true\n",
        "  name: Acme\n  email:\n  ein: 123\n",
    ],
)
def test_a_forgotten_external_id_is_one_error_with_an_example(tmp_path: Path, fields: str) -> None:
    assert problems(tmp_path, f"customers:\n{fields}") == [f"customers.yaml:2:3: {FORGOTTEN}"]


def test_a_forgotten_external_id_hides_no_other_error(tmp_path: Path) -> None:
    text = "customers:\n  name: Acme\n  city: Boston\n  globex: {emial: g@x.example}\n"
    assert problems(tmp_path, text) == [
        f"customers.yaml:2:3: {FORGOTTEN}",
        "customers.yaml:4:12: customers.globex.emial: unknown key 'emial'; did you mean 'email'?",
    ]


def test_an_external_id_may_be_called_as_a_field_is(tmp_path: Path) -> None:
    text = "customers:\n  name: {name: A, email: a@x.example}\n  email: {name: B, email: b@x.example}\n"
    assert list(load(tmp_path, text).desired.customers) == ["name", "email"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("customers: [{name: A}]\n", f"customers: this is a list; {CUSTOMERS}"),
        ("customers: acme\n", f"customers: this is the text 'acme'; {CUSTOMERS}"),
        ("customers: {acme: Acme}\n", f"customers.acme: this is the text 'Acme'; {CUSTOMER}"),
        ("customers: {acme: [{name: A}]}\n", f"customers.acme: this is a list; {CUSTOMER}"),
        ("customers: {acme: {users: {j@x.example: Jane}}}\n", f"this is the text 'Jane'; {USER}"),
        ("customers: {acme: {external_id: acme}}\n", "unknown key 'external_id'; the external_id is the key"),
        ("customers: {}\nacme: {name: A}\n", "unknown key 'acme'; write `customers:`, and the customers under it"),
        ("customers: {}\nname: A\n", "unknown key 'name'; put fields under an external_id:"),
    ],
)
def test_what_is_written_in_a_wrong_place_or_shape_is_shown_in_the_right_one(
    tmp_path: Path, text: str, found: str
) -> None:
    (one,) = problems(tmp_path, text)
    assert found in one


_NAMES = "acme globex name email ein users archived id protect from to ignore_changes unmanaged first_name"
KEYS = st.sampled_from([*_NAMES.split(), "jane@x.example", "<<", "~", "", "nil", "${X}"])
LEAVES = st.sampled_from(["", "x", "null", "true", "acme", "a@x.example", "12-3456789", "city", "NULL", "$X", "'1'"])
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda ones: f"[{', '.join(ones)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f'"{key}": {one}' for key, one in pairs) + "}"
        ),
    ),
    max_leaves=14,
)


TOPS = st.sampled_from(["customers", "customers", "defaults", "moved", "forget", "version", "name", "acme"])


@given(top=st.lists(st.tuples(TOPS, SHAPES), max_size=4), over=st.lists(st.tuples(TOPS, SHAPES), max_size=2))
def test_a_file_of_any_shape_declares_something_or_has_errors(
    tmp_path_factory: pytest.TempPathFactory, top: list[tuple[str, str]], over: list[tuple[str, str]]
) -> None:
    files = {
        name: "".join(f'"{key}": {shape}\n' for key, shape in pairs)
        for name, pairs in (("customers.yaml", top), ("over.yaml", over))
    }
    overlays = ["over.yaml"] if over else []
    folder = tmp_path_factory.getbasetemp() / "shapes"
    with suppress(Invalid):
        load(folder, files, overlays=overlays, pins_allowed=False, required=["city"])


def test_a_key_that_stands_twice_hides_no_error_of_either_entry(tmp_path: Path) -> None:
    text = """\
customers:
  acme:
    ein: 12
    country: USA
    state: XX
  acme:
    email: bad
    country: USA
    state: YY
    nam: x
  acme: {city: [a]}
"""
    assert [one.partition(";")[0] for one in problems(tmp_path, text)] == [
        "customers.yaml:3:10: customers.acme.ein: '##' is not an EIN",
        "customers.yaml:5:12: customers.acme.state: warning: 'XX' is not a state of the United States",
        "customers.yaml:6:3: customers.acme: this key is a duplicate of line 2",
        "customers.yaml:7:12: customers.acme.email: 'bad' is not an email address",
        "customers.yaml:9:12: customers.acme.state: warning: 'YY' is not a state of the United States",
        "customers.yaml:10:5: customers.acme.nam: unknown key 'nam'",
        "customers.yaml:11:3: customers.acme: this key is a duplicate of line 2",
        "customers.yaml:11:16: customers.acme.city: this is a list",
    ]


def test_a_field_or_a_top_level_key_that_stands_twice_hides_no_error(tmp_path: Path) -> None:
    text = """\
customers:
  acme:
    ein: 12
    ein: 345
    users: {x: {}, x: 1}
customers:
  globex: {emial: g@x.example}
moved: [{from: x, from: [], to: globex}]
"""
    assert [one.partition(";")[0] for one in problems(tmp_path, text) if "warning" not in one] == [
        "customers.yaml:3:10: customers.acme.ein: '##' is not an EIN",
        "customers.yaml:4:5: customers.acme.ein: this key is a duplicate of line 3",
        "customers.yaml:4:10: customers.acme.ein: '###' is not an EIN",
        "customers.yaml:5:13: customers.acme.users.x: 'x' is not an email address",
        "customers.yaml:5:20: customers.acme.users.x: 'x' is not an email address",
        "customers.yaml:5:20: customers.acme.users.x: this key is a duplicate of line 5",
        "customers.yaml:5:23: customers.acme.users.x: this is the text '1'",
        "customers.yaml:6:1: customers: this key is a duplicate of line 1",
        "customers.yaml:7:12: customers.globex.emial: unknown key 'emial'",
        "customers.yaml:8:19: moved[0].from: this key is a duplicate of line 8",
        "customers.yaml:8:25: moved[0].from: this is a list",
    ]


def test_an_external_id_in_two_files_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    assert problems(tmp_path, {"a.yaml": ACME, "b.yaml": "version: 1\n" + ACME}, "a.yaml", "b.yaml") == [
        (
            "b.yaml:3:3: customers.acme: this external_id is declared twice, first at a.yaml:2:3; "
            "an external_id can be in one place only; remove one, or merge the two"
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
            "write {} to declare it with only the defaults, or remove it"
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
