"""The house stays one that a newcomer finds their way in: few files to walk through, one meaning a name, a true map."""

from __future__ import annotations

import re
from pathlib import Path

from command_line import Online, Ran
from house_figures import PACKAGE, Entered, code_lines, sources, twice_defined

pytest_plugins = ("command_fixtures",)

MOST_FILES = 243
"""Reading spreadsheets is an ability of its own: 11 of these. What an integration does and owns are 2.

What reviewers see at a line is 1, metrics for Prometheus are 1, whose entries changed since a commit
is 1, drift for other callers than the command line is 1, and what webhooks name is 1. Many accounts
are a room of their own, and a module each in settings, report, model and the command line. What systems
do in different ways is 1.
"""
MOST_ENTERED = {"plan": 74, "apply": 91}
"""What differs between systems is one module of these: a lock and a ledger's file are each another one there."""
FEWEST_LINES_A_FILE = 95
TWO = """\
customers:
  acme: {name: Acme, email: billing@acme.example}
  globex: {name: Globex, email: accounts@globex.example}
"""
MAP = Path(__file__).parents[1] / "docs" / "explanation" / "architecture.md"


def _entered(shop: Online, *words: str) -> list[str]:
    """Return the files that a command enters; it has run once before, so that imports are none of it."""
    shop.write("customers.yaml", TWO)
    shop.run("plan", "-f", "customers.yaml")
    entered, ran = Entered(), list[Ran]()
    entered.during(lambda: ran.append(shop.run(*words, "-f", "customers.yaml")))
    assert ran[0].code == 0, ran[0].all
    return entered.files


def test_a_plan_of_two_creates_walks_through_few_files(shop: Online) -> None:
    files = _entered(shop, "plan")
    assert len(files) <= MOST_ENTERED["plan"], files


def test_an_apply_of_two_creates_walks_through_few_files(shop: Online) -> None:
    files = _entered(shop, "apply", "--auto-approve")
    assert len(files) <= MOST_ENTERED["apply"], files


def test_a_class_name_means_one_thing() -> None:
    assert twice_defined() == {}


def test_files_are_few_and_hold_a_subject_each() -> None:
    modules = sources()
    assert len(modules) <= MOST_FILES
    assert sum(map(code_lines, modules)) / len(modules) >= FEWEST_LINES_A_FILE


def test_every_file_on_the_map_is_there() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|json))[`:]", MAP.read_text("utf-8")))
    assert len(named) > 20
    root = PACKAGE.parent
    assert [name for name in sorted(named) if not (PACKAGE / name).exists() and not (root / name).exists()] == []


def test_every_function_on_the_map_is_in_its_file() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py): ([\w.]+)`", MAP.read_text("utf-8"))
    assert len(named) > 3
    lacking = [
        (file, name)
        for file, name in named
        if not re.search(rf"(?:def|class) {name.rpartition('.')[2]}\b", (PACKAGE / file).read_text("utf-8"))
    ]
    assert lacking == []
