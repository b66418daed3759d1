from __future__ import annotations

from reconciler.errors import Problem, Severity, Source
from reconciler.report.problems import problems_json, problems_text

EIN = Problem(Source("b.yaml", 7, 12), "customers.acme.ein", "'1' is not an EIN", "write nine digits")
NAME = Problem(Source("a.yaml", 10, 3), "customers.acme", "it has no name", severity=Severity.WARNING)
FILE = Problem(Source("a.yaml"), "", "the file is empty")


def test_problems_stand_in_the_order_of_the_files_and_are_counted() -> None:
    assert problems_text([EIN, NAME, FILE], color=False) == (
        "a.yaml: the file is empty\n"
        "a.yaml:10:3: customers.acme: warning: it has no name\n"
        "b.yaml:7:12: customers.acme.ein: '1' is not an EIN; write nine digits\n"
        "2 errors, 1 warning.\n"
    )


def test_no_problems_are_no_text() -> None:
    assert problems_text([], color=False) == ""


def test_colour_marks_the_place() -> None:
    assert problems_text([FILE], color=True).startswith("\x1b[1;31ma.yaml\x1b[0m: the file")


def test_hostile_text_in_a_problem_stays_one_line() -> None:
    hostile = "\x1b[2J\u2028\nx"
    assert problems_text([Problem(Source(hostile, 1), hostile, hostile, hostile)], color=False) == (
        "\\x1b[2J\\u2028\\nx:1: \\x1b[2J\\u2028\\nx: \\x1b[2J\\u2028\\nx; \\x1b[2J\\u2028\\nx\n1 error.\n"
    )


def test_redacted_problems_hide_what_they_quote_of_a_personal_field_and_who_a_user_is() -> None:
    user = Problem(Source("c.yaml"), "customers.acme.users.jane@acme.example.first_name", "'J\n's' is odd")
    country = Problem(Source("d.yaml"), "customers.acme.country", "'Narnia' is no country")
    assert problems_text([EIN, user, country], color=False, redact=True) == (
        "b.yaml:7:12: customers.acme.ein: '***' is not an EIN; write nine digits\n"
        "c.yaml: customers.acme.users.***.first_name: '***' is odd\n"
        "d.yaml: customers.acme.country: 'Narnia' is no country\n"
        "3 errors.\n"
    )


def test_problems_as_json() -> None:
    assert problems_json([EIN, NAME]) == {
        "problems": [
            {
                "severity": "warning",
                "file": "a.yaml",
                "line": 10,
                "column": 3,
                "path": "customers.acme",
                "message": "it has no name",
                "hint": "",
            },
            {
                "severity": "error",
                "file": "b.yaml",
                "line": 7,
                "column": 12,
                "path": "customers.acme.ein",
                "message": "'1' is not an EIN",
                "hint": "write nine digits",
            },
        ],
        "summary": {"errors": 1, "warnings": 1},
    }


def test_what_is_written_stands_below_a_problem_with_a_caret_under_the_place() -> None:
    assert problems_text([EIN], color=False, written=lambda _: "    ein:   1  # none") == (
        "b.yaml:7:12: customers.acme.ein: '1' is not an EIN; write nine digits\n"
        "  ein:   #  # none\n"
        "         ^\n"
        "1 error.\n"
    )


def test_a_long_line_is_cut_on_both_sides_of_the_place() -> None:
    far = Problem(Source("a.yaml", 1, 51), "", "odd")
    assert problems_text([far], color=False, written=lambda _: "a" * 50 + "X" + "b" * 99, width=20) == (
        "a.yaml:1:51: odd\n  …aaaaaaaaXbbbbbbb…\n           ^\n1 error.\n"
    )


def test_the_caret_stands_under_its_place_behind_wide_letters_and_escapes() -> None:
    place = Problem(Source("a.yaml", 1, 4), "", "odd")
    assert problems_text([place], color=False, written=lambda _: "東\x1b:x") == (
        "a.yaml:1:4: odd\n  東\\x1b:x\n         ^\n1 error.\n"
    )


def test_redacted_problems_show_no_line_of_a_file() -> None:
    assert "secret" not in problems_text([EIN], color=False, redact=True, written=lambda _: "    ein:   secret")


def test_an_ein_is_hidden_on_the_line_of_any_problem() -> None:
    for text in ("{ein: 12-345678, ", "{'ein': '123456789', ", "{legal_name: 12-3456789, "):
        shown = problems_text([NAME], color=False, written=lambda _, text=text: text + "a: 12345}")  # type: ignore[misc]
        assert shown.splitlines()[1].strip() == "".join("#" if one.isdigit() else one for one in text) + "a: 12345}"
