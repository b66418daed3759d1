"""What a user may write wrongly: each is an error that says where, what and what to do, and changes nothing."""

from __future__ import annotations

from textwrap import wrap

import pytest
from command_line import ONE, Online, Place, fits

pytest_plugins = ("command_fixtures",)

LINES_OF_AN_ERROR = 3
"""So many lines of 80 columns an error takes at most, without the line of the file."""
BOMB = "".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]\n"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)]
)
NO_FILE = "this file does not exist; check the path; it is relative to the project's folder"
NO_MATCH = "no file matches this pattern; check the pattern; it is relative to the project's folder"
LONG = b"customers:\n  acme: {name: " + b"x" * 10_000_000 + b"}\n"

FILES = {
    "an empty file": ("", "c.yaml: the file is empty; declare customers: {} if there should be none"),
    "a file of comments": ("# nothing\n", "c.yaml: the file is empty; declare customers: {} if there should be none"),
    "a tab": ("customers:\n\tacme: {}\n", "c.yaml:2:1: a tab; indent with spaces"),
    "two documents": (
        "customers: {}\n---\ncustomers: {}\n",
        "c.yaml:2:1: a second document; put it in a separate file",
    ),
    "a duplicate key": (
        "customers:\n  a: {name: x}\n  a: {name: y, email: a@x.example}\n",
        "c.yaml:3:3: customers.a: this key is a duplicate of line 2; remove one of them, or merge the two",
    ),
    "an anchor bomb": (
        BOMB,
        "c.yaml:6:10: aliases that expand to far more than the file contains; write the value out",
    ),
    "bytes that are no text": (
        b'customers:\n  a: {name: "\xff\xfe"}\n',
        "c.yaml:2:14: byte 0xff is not UTF-8; save the file as UTF-8",
    ),
    "a line without end": (LONG, "c.yaml:2:1: a line longer than 10,000,000 bytes; write one key on a line"),
    "an unknown key": (
        "customers:\n  a: {nam: x, email: a@x.example}\n",
        "c.yaml:2:7: customers.a.nam: unknown key 'nam'; did you mean 'name'?",
    ),
    "a list for a customer": (
        "customers:\n  a: [1, 2]\n",
        "c.yaml:2:6: customers.a: this is a list; write its fields under the external_id: `acme: {name: Acme Corp}`",
    ),
    "a word for a boolean": (
        "customers:\n  a: {name: A, email: a@x.example, archived: yes}\n",
        "c.yaml:2:46: customers.a.archived: this is the text 'yes'; write true or false",
    ),
    "a bad EIN": (
        "customers:\n  a: {name: A, email: a@x.example, ein: 12-34}\n",
        (
            "c.yaml:2:41: customers.a.ein: '##-##' is not an EIN; "
            "write nine digits, with a hyphen after the second or none, such as 12-3456789"
        ),
    ),
    "a bad e-mail": (
        "customers:\n  a: {name: A, email: nobody}\n",
        "c.yaml:2:23: customers.a.email: 'nobody' is not an email address; write one such as billing@acme.example",
    ),
    "moves in a circle": (
        "customers: {}\nmoved:\n  - {from: x, to: y}\n  - {from: y, to: x}\n",
        (
            "c.yaml:3:5: moved[0]: these moves form a circle: x → y → x; declare the key that the customer has now, "
            "and remove the line that moves it away from there"
        ),
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_cannot_be_used_is_an_error_before_any_request(shop: Online, what: str) -> None:
    content, message = FILES[what]
    shop.write("c.yaml", content)
    ran = shop.run("apply", "-f", "c.yaml", "--auto-approve")
    assert (ran.code, ran.out, shop.requests(), shop.ledger()) == (1, "", 0, '{\n  "bindings": []\n}\n')
    # Below it is the line of the file, indented.
    assert [line for line in ran.err.splitlines() if not line.startswith("  ")] == [message]
    assert len(wrap(message, 80)) <= LINES_OF_AN_ERROR


@pytest.mark.parametrize("words", [("plan",), ("apply", "--auto-approve"), ("drift",), ("seed", "--auto-approve")])
def test_an_error_shows_the_line_of_the_file_unless_it_may_show_nobody(shop: Online, words: tuple[str, ...]) -> None:
    shop.write("c.yaml", "customers:\n  a: {name: A, email: nobody}\n")
    ran = shop.run(*words, "-f", "c.yaml")
    message = "is not an email address; write one such as billing@acme.example\n"
    where = "c.yaml:2:23: customers.a.email: "
    shown = "  a: {name: A, email: nobody}\n                      ^\n"
    assert (ran.code, ran.out, ran.err) == (1, "", f"{where}'nobody' {message}{shown}")
    assert shop.run(*words, "-f", "c.yaml", "--redact").err == f"{where}'***' {message}"


def test_an_error_of_standard_input_shows_its_line_too(shop: Online) -> None:
    ran = shop.run("plan", "-f", "-", stdin=b"customers: {a: 1}\n")
    shown = "  customers: {a: 1}\n                 ^\n"
    hint = "write its fields under the external_id: `acme: {name: Acme Corp}`"
    assert ran.err == f"<stdin>:1:16: customers.a: this is the text '1'; {hint}\n{shown}"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.yaml", f"none.yaml: {NO_FILE}"),
        ("none/*.yaml", f"none/*.yaml: {NO_MATCH}"),
        ("empty", "empty: this folder has no *.yaml or *.yml file; name the folder with the customers files"),
        ("", "'': an empty path; name a file, a folder, a glob or -"),
        ("customers.yaml/x", f"customers.yaml/x: {NO_FILE}"),
        ("x\x1b\u202e", f"x\\x1b\\u202e: {NO_FILE}"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error(shop: Online, path: str, message: str) -> None:
    (shop.folder / "empty").mkdir()
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", path)
    assert (ran.code, ran.out, ran.err, shop.requests()) == (1, "", f"{message}\n", 0)


def test_no_file_at_all_is_an_error_that_says_how_to_name_one(shop: Online) -> None:
    ran = shop.run("plan")
    assert (ran.code, ran.err) == (
        1,
        (
            "-f: no customers files are named; pass -f PATH, or write `files: [customers/]` in reconciler.yaml; "
            "`reconciler init` creates a starter project\n"
        ),
    )


def test_an_external_id_in_two_files_is_an_error_that_names_both_places(shop: Online) -> None:
    shop.write("a.yaml", ONE)
    shop.write("b.yaml", ONE)
    ran = shop.run("plan", "-f", "a.yaml", "-f", "b.yaml")
    assert (ran.code, ran.err) == (
        1,
        (
            "b.yaml:2:3: customers.acme: this external_id is declared twice, first at a.yaml:2:3; "
            "an external_id can be in one place only; remove one, or merge the two\n"
            "  acme: {name: Acme, email: billing@acme.example, city: Boston}\n"
            "  ^\n"
        ),
    )


def test_all_errors_of_all_files_come_in_one_run(here: Place) -> None:
    here.write("a.yaml", "customers:\n  a: {nam: x, ein: 1}\n")
    here.write("b.yaml", "customers:\n\tb: {}\n")
    here.write("c.yaml", b"\xff")
    here.write("d.yaml", "customers:\n  a: {name: D, email: nobody}\n")
    ran = here.run("validate", "-f", ".", "-f", "none.yaml")
    assert ran.code == 1
    assert [line.partition(": ")[0] for line in ran.out.splitlines() if not line.startswith("  ")] == [
        "a.yaml:2:7",
        "a.yaml:2:20",
        "b.yaml:2:1",
        "c.yaml:1:1",
        "d.yaml:2:3",
        "d.yaml:2:23",
        "none.yaml",
        "7 errors.",
    ]


def test_validate_needs_no_account(here: Place) -> None:
    here.write("customers.yaml", ONE)
    ran = here.run("validate", "-f", "customers.yaml")
    assert (ran.code, ran.out, ran.err) == (0, "Valid: 1 customer declared.\n", "")


def test_validate_says_warnings_and_is_content_unless_it_is_strict(here: Place) -> None:
    here.write("customers.yaml", "customers: {acme: {name: Acme}}\n")
    assert here.run("validate", "-f", "customers.yaml").code == 0
    ran = here.run("validate", "-f", "customers.yaml", "--strict", "--format", "json")
    assert (ran.code, ran.json["summary"]) == (1, {"errors": 1, "warnings": 0})


def test_validate_reads_standard_input(here: Place) -> None:
    ran = here.run("validate", "-f", "-", stdin=b"customers: {a: 1}\n")
    assert (ran.code, ran.out) == (
        1,
        (
            "<stdin>:1:16: customers.a: this is the text '1'; "
            "write its fields under the external_id: `acme: {name: Acme Corp}`\n"
            "  customers: {a: 1}\n"
            "                 ^\n"
            "1 error.\n"
        ),
    )


def test_validate_shows_no_line_of_the_project_file(here: Place) -> None:
    here.write(
        "reconciler.yaml", "version: 1\nfiles: [c.yaml]\nenvironments:\n  demo: {client_secret: hunter2, clint: x}\n"
    )
    here.write("c.yaml", "customers: {a: 1}\n")
    ran = here.run("validate")
    assert ran.code == 1
    assert "hunter2" not in ran.out + ran.err


def test_validate_without_a_named_file_says_so_once(here: Place) -> None:
    ran = here.run("validate")
    assert (ran.code, ran.out.count("no customers files are named") + ran.err.count("no customers files")) == (1, 1)


def test_every_environment_reads_the_same_standard_input(here: Place) -> None:
    project(here)
    (here.folder / "over/production.yaml").write_text("customers: {acme: {ein: 12-3456789}}\n")
    ran = here.run("validate", "-f", "-", stdin=ONE.encode())
    assert (ran.code, ran.out) == (0, "Valid: 1 customer declared.\n")


PROJECT = """\
version: 1
files: [customers]
environments:
  production: {overlays: [over/production.yaml], policy: {required: [ein]}}
  demo: {overlays: [over/demo.yaml], exclude: ["big-*"]}
"""


def project(place: Place) -> None:
    """Write a project of two environments."""
    place.write("reconciler.yaml", PROJECT)
    place.write("customers/a.yaml", ONE + "  big-one: {name: Big, email: b@big.example, ein: 12-3456789}\n")
    place.write("over/production.yaml", "customers: {acme: {ein: 12-3456789}}\n")
    place.write("over/demo.yaml", "customers: {acme: {city: Demo City}}\n")


def test_validate_checks_every_environment_of_a_project(here: Place) -> None:
    project(here)
    assert here.run("validate").code == 0
    here.write("over/production.yaml", "customers: {acme: {city: Dover}}\n")
    here.write("over/demo.yaml", "customers: {acme: {city: [1]}}\n")
    ran = here.run("validate", "--format", "json")
    found = [(one["file"], one["path"], one["message"]) for one in ran.json["problems"]]
    assert (ran.code, found) == (
        1,
        [
            ("customers/a.yaml", "customers.acme", "it has no ein, which the policy requires (reconciler.yaml:4:69)"),
            ("over/demo.yaml", "customers.acme.city", "this is a list"),
        ],
    )


def test_validate_of_one_environment_leaves_the_others_alone(here: Place) -> None:
    project(here)
    here.write("over/demo.yaml", "customers: {acme: {city: [1]}}\n")
    assert here.run("-e", "production", "validate").code == 0


def test_an_environment_gets_its_overlay_and_its_customers(shop: Online) -> None:
    project(shop)
    ran = shop.run("-e", "demo", "apply", "--auto-approve")
    assert (ran.code, [one[0]["city"] for one in shop.account().values()]) == (0, ["Demo City"])
    ran = shop.run("-e", "production", "plan", "--format", "json")
    assert (ran.code, ran.json["summary"]["create"]) == (0, 1)


def test_an_overlay_for_what_does_not_exist_is_an_error(here: Place) -> None:
    project(here)
    here.write("over/demo.yaml", "customers: {acne: {city: Lima}}\n")
    ran = here.run("-e", "demo", "validate")
    assert ran.code == 1
    assert ran.out.startswith("over/demo.yaml:1:13: customers.acne: ")
    assert "did you mean 'acme'?" in ran.out


def test_of_several_environments_one_must_be_named(shop: Online) -> None:
    project(shop)
    ran = shop.run("plan")
    assert (ran.code, ran.err, shop.requests()) == (
        1,
        (
            "reconciler.yaml: environments: there are several environments: production, demo; "
            "select one with -e or AP_ENVIRONMENT\n"
        ),
        0,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "reconciler.yaml: the file is empty; write `files: [customers/]`, or remove the file"),
        ("version: 2\n", "reconciler.yaml:1:10: version: "),
        ("version: 1\nfile: [a]\n", "reconciler.yaml:2:1: file: unknown key 'file'; did you mean 'files'?"),
        ("version: 1\nenvironments: {a: {client_secret: marked-secret}}\n", "reconciler.yaml:2:35: environments.a."),
        ("version: 1\nenvironments: {a: {policy: {max_archives: lots}}}\n", "reconciler.yaml:2:43: environments.a."),
        (b"\xff\n", "reconciler.yaml:1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_project_file_that_cannot_be_used_is_an_error(shop: Online, content: str | bytes, message: str) -> None:
    shop.write("reconciler.yaml", content)
    shop.write("customers.yaml", ONE)
    ran = shop.run("plan", "-f", "customers.yaml")
    assert (ran.code, ran.out, shop.requests()) == (1, "", 0)
    assert ran.err.startswith(message)
    assert "marked-secret" not in ran.err


def test_a_project_file_that_is_not_there_is_an_error(shop: Online) -> None:
    ran = shop.run("-p", "none.yaml", "plan")
    assert (ran.code, ran.err) == (
        1,
        "none.yaml: this cannot be read: No such file or directory; check the path in -p\n",
    )


def test_the_starter_fits_its_schemas(here: Place) -> None:
    schema = here.run("schema", "plan").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert fits({"customers": {}}, "customers")
