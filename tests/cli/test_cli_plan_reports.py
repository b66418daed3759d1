"""`plan --format markdown` and `html`, and `--report`: what the command adds to the report."""

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
        (["--max-bytes", "9000"], "--max-bytes works only with --format markdown or --report markdown=FILE\n"),
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


FORMS = ("text", "json", "markdown", "html", "brief")


def test_one_plan_is_written_in_several_formats_as_each_prints_it(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    printed = {form: shop.run("plan", "-f", "customers.yaml", "--format", form, "--redact").out for form in FORMS}
    reports = [word for form in FORMS for word in ("--report", f"{form}=plan.{form}")]
    asked = shop.requests()
    ran = shop.run("plan", "-f", "customers.yaml", "--redact", "--format", "github", *reports)
    assert (ran.code, shop.requests() - asked <= 2) == (0, True), ran.err
    written = {form: (shop.folder / f"plan.{form}").read_text("utf-8") for form in FORMS}
    assert written == {form: text.rstrip("\n") + "\n" for form, text in printed.items()}


def test_a_drift_is_written_in_several_formats_as_each_prints_it(shop: Online) -> None:
    shop.applied(THREE)
    shop.later()
    shop.load({"id": shop.id_of("acme"), "city": "Salem"})
    forms = (*FORMS, "junit")
    printed = {form: shop.run("drift", "-f", "customers.yaml", "--format", form).out for form in forms}
    reports = [word for form in forms for word in ("--report", f"{form}=drift.{form}")]
    ran = shop.run("drift", "-f", "customers.yaml", "--accept", *reports)
    written = {form: (shop.folder / f"drift.{form}").read_text("utf-8") for form in forms}
    assert (ran.code, "1 value taken over" in ran.out) == (0, True), ran.all
    assert written == {form: text.rstrip("\n") + "\n" for form, text in printed.items()}


def test_max_bytes_cuts_a_markdown_report(shop: Online) -> None:
    shop.write("customers.yaml", "customers:\n" + "".join(f"  c{one}: {{name: Customer}}\n" for one in range(400)))
    shop.run("plan", "-f", "customers.yaml", "--report", "markdown=plan.md", "--max-bytes", "5000")
    assert "**Cut to fit:**" in (shop.folder / "plan.md").read_text("utf-8")
    assert (shop.folder / "plan.md").stat().st_size <= 5000


def test_only_its_owner_may_read_a_report(shop: Online) -> None:
    shop.write("customers.yaml", THREE)
    shop.run("plan", "-f", "customers.yaml", "--report", "json=plan.json")
    assert (shop.folder / "plan.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("xml=plan.xml", "'xml=plan.xml' is not FORMAT=FILE; the formats are text, json, markdown, html, brief"),
        ("plan.md", "'plan.md' is not FORMAT=FILE"),
        ("json=", "'json=' is not FORMAT=FILE"),
        ("json=none/plan.json", "none: there is no such folder"),
        ("json=.", "'.' is a directory"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(
    shop: Online, report: str, said: str
) -> None:
    shop.write("customers.yaml", THREE)
    ran = shop.run("plan", "-f", "customers.yaml", "--report", report)
    assert (ran.code, said in " ".join(ran.err.split()), shop.requests()) == (1, True, 0), ran.err
