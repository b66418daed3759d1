"""The model of the protocol, the check that leaves its guards out, and the page about it name the same guards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL = (ROOT / "tests" / "exactly_once.pml").read_text("utf-8")
CHECK = (ROOT / ".ci" / "model").read_text("utf-8")
PAGE = (ROOT / "docs" / "explanation" / "exactly-once.md").read_text("utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `(NO_\w+)` \| `([\w/]+\.py)`: `([^`]+)` \|", PAGE, re.MULTILINE)


def test_the_model_the_check_and_the_page_name_the_same_guards() -> None:
    left_out = re.findall(r"#ifn?def (NO_\w+)", MODEL)
    (checked,) = re.findall(r"^guards=\((.*)\)$", CHECK, re.MULTILINE)
    assert set(left_out) == set(checked.split()) == {guard for guard, _, _ in ROWS}
    assert len(ROWS) == len(checked.split())


@pytest.mark.parametrize(("guard", "file", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_each_guard_of_the_model_is_in_the_code_where_the_page_says(guard: str, file: str, words: str) -> None:
    assert words in (ROOT / "reconciler" / file).read_text("utf-8"), guard
