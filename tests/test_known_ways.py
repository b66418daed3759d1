"""The page on what is known of the API has a row for each way of each open question, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.report.messages.questions import question_text, way_text
from reconciler.rules.questions import QUESTIONS

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "explanation" / "what-we-know-of-the-api.md").read_text("utf-8")


def rows() -> list[list[str]]:
    """Return the cells of the tables of questions, a question in each of its rows."""
    found: list[list[str]] = []
    tables = re.findall(r"^\| question \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    for line in "".join(tables).splitlines():
        question, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        found.append([question or found[-1][0], *cells])
    return found


def test_each_way_of_each_question_has_a_row_with_its_switch() -> None:
    documented = [(question, way, switch.replace("`", "")) for question, way, _, switch, _ in rows()]
    assert documented == [
        (question_text(question), way_text(question, way), " ".join(settings.split()))
        for question in QUESTIONS
        for way, settings in question.ways.items()
    ]


def test_each_row_says_what_the_tool_does_and_which_test_shows_it() -> None:
    there = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }
    named = {test.strip("`") for *_, test in rows()} - {"pairs"}
    assert len(named) > 20
    assert named - there == set()
    assert [row for row in rows() if not row[2]] == []


def test_the_number_of_questions_is_that_of_the_page() -> None:
    assert f"for the {len(QUESTIONS)} questions" in PAGE
