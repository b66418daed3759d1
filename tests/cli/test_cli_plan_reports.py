"""`plan --format markdown` and `html`: what the command adds to the report."""

from __future__ import annotations

import pytest
from command_line import THREE, Online

pytest_plugins = ("command_fixtures",)


def test_a_first_plan_says_in_its_first_line_that_there_is_no_ledger(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "markdown")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("> **Unknown:** There is no ledger yet, so we do not know which customers were archived")
    assert "\n### Plan: 3 to create, 1 user to create.\n" in ran.out


def test_a_plan_says_how_many_users_may_get_a_message(shop: Online) -> None:
    users = "users: {jane@acme.example: {}, joe@acme.example: {}}"
    shop.write("customers.yaml", f"customers:\n  acme: {{name: Acme, {users}}}\n")
    said = shop.run("plan", "-f", "customers.yaml").out
    assert "2 users are created: each probably gets an email from the vendor" in said


def test_markdown_is_utf_8_whatever_the_terminal_has(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n  acme: {name: Zürich 東京}\n")
    ran = shop.spawn("plan", "-f", "customers.yaml", "--format", "markdown", variables={"PYTHONIOENCODING": "ascii"})
    assert (ran.code, "+   name: Zürich 東京\n" in ran.out) == (0, True)


def test_max_bytes_cuts_the_comment(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n" + "".join(f"  c{one}: {{name: Customer}}\n" for one in range(400)))
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "markdown", "--max-bytes", "5000")
    assert (ran.code, len(ran.out.encode()) <= 5000, "**Cut to fit:**" in ran.out) == (0, True, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--max-bytes", "9000"], "error: --max-bytes works only with --format markdown\n"),
        (["--format", "markdown", "--max-bytes", "100"], "100 is not in the range x>=5000"),
    ],
)
def test_max_bytes_that_can_cut_nothing_is_refused(shop: Online, words: list[str], said: str) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("plan", "-f", "customers.yaml", *words)
    assert (ran.code, ran.out, said in ran.err, shop.requests()) == (1, "", True, 0)


def test_html_is_one_document_on_stdout_and_nothing_beside_it(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n  acme: {name: '</script>Zürich', email: a@acme.example}\n")
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "html")
    assert (ran.code, ran.err, ran.out.startswith("<!doctype html>\n"), ran.out.endswith("</html>")) == (
        0,
        "",
        True,
        True,
    )
    assert ran.out.count("</script>") == 2
