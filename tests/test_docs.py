"""The docs say what is true: commands, options, links, examples; and the tutorial is played from its top."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_blocks import Block, Room, blocks, fits, played

from reconciler import errors
from reconciler.cli.app import cli, run
from reconciler.documents.parse import parse
from reconciler.documents.schema import Shape
from reconciler.emulator.service import load
from reconciler.resources import schema

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*map(ROOT.joinpath, ("README.md", "CHANGELOG.md", "SECURITY.md")), *sorted(DOCS.rglob("*.md")))
}
BLOCKS = [(name, block) for name, page in PAGES.items() for block in blocks(page)]

_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_IN_A_SENTENCE = re.compile(r"`(reconciler [^`\n]+)`")
_END_OF_COMMAND = re.compile(r"&&|\|\||[;|>]")
# A usage line of the reference is no command: `reconciler plan [OPTIONS]`.
_USAGE = re.compile(r"\[[A-Z]+\]|\bCOMMAND\b|\[\w+\|")


def _generator() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "generate.py"))


def _prose(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def _commands() -> Iterator[tuple[str, str]]:
    """Yield each command line of ours that a fenced block or a sentence shows, with the page's name."""
    for name, page in PAGES.items():
        yield from ((name, one) for one in _IN_A_SENTENCE.findall(_prose(page)) if not _USAGE.search(one))
    for name, block in BLOCKS:
        for line in block.body.splitlines() if block.language in ("sh", "console", "") else ():
            text = line.removeprefix("$ ")
            shown = block.language != "console" or text != line
            for part in _END_OF_COMMAND.split(text) if shown else ():
                if part.strip().startswith("reconciler ") and not _USAGE.search(part):
                    yield name, part.strip()


def _yaml_blocks() -> list[tuple[str, Block]]:
    # The configuration of pre-commit is another program's.
    return [(name, block) for name, block in BLOCKS if block.language == "yaml" and not block.body.startswith("repos:")]


def test_the_first_thing_that_the_readme_shows_is_how_to_run_it() -> None:
    assert blocks(PAGES["README.md"])[0].body == "make demo\nmake test\n"


def test_the_readme_shows_a_screen_that_the_tutorial_plays() -> None:
    screens = [block.body for block in blocks(PAGES["README.md"]) if block.language == "console"]
    assert len(screens) == 1
    assert screens[0] in PAGES["docs/tutorial.md"]


def test_the_tutorial_shows_what_its_commands_print() -> None:
    steps = list(played(PAGES["docs/tutorial.md"]))
    assert len(steps) > 10
    differences = [
        line
        for step, actual in steps
        if not fits(step.expected, actual)
        for line in unified_diff(step.expected.splitlines(), actual.splitlines(), "the tutorial", step.command)
    ]
    assert "\n".join(differences) == ""


def test_the_generated_pages_are_up_to_date_or_make_docs_is_to_be_run() -> None:
    assert [path.name for path, text in _generator()["pages"]().items() if path.read_text("utf-8") != text] == []


def test_every_command_and_every_option_stands_in_the_reference() -> None:
    page = PAGES["docs/reference/commands.md"]
    sections = dict(re.findall(r"^##+ (reconciler[^\n]*)\n(.*?)(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL))
    walk = _generator()["walk"]
    missing = [
        f"{words} {option}"
        for words, ctx in walk(cli, click.Context(cli, info_name="reconciler"))
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and parameter.get_help_record(ctx) is not None
        for option in parameter.opts
        if not re.search(rf"`[^`]*(?<![\w-]){option}(?![\w-])[^`]*`", sections[words])
    ]
    assert missing == []


def test_docs_show_commands() -> None:
    assert len(list(_commands())) > 40


@pytest.mark.parametrize(("page", "command"), sorted(set(_commands())))
def test_a_command_that_a_page_shows_exists_with_its_options(page: str, command: str) -> None:
    # Help is shown only where everything before it was understood.
    assert run([*shlex.split(command, comments=True)[1:], "--help"]) == 0, f"{page}: {command}"


@pytest.mark.parametrize("command", ["reconciler plam", "reconciler plan --detailed-exit", "reconciler state lst"])
def test_a_command_that_does_not_exist_would_be_found(command: str) -> None:
    assert run([*shlex.split(command)[1:], "--help"]) == 1


@pytest.mark.parametrize(("page", "block"), _yaml_blocks())
def test_a_yaml_example_fits_its_schema(page: str, block: Block) -> None:
    document, problems = parse(block.body.encode(), page)
    assert problems == ()
    assert document is not None
    marks = {
        "environments": "project",
        "fleet": "project",
        "ignore": "drift-ignore",
        "columns": "map",
        "labels": "account",
    }
    name = next((name for mark, name in marks.items() if mark in document.tree), "customers")
    assert Shape(schema(name)).misfits(document.tree) == ()


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    targets = [target for target in _LINK.findall(_prose(PAGES[page])) if not target.startswith("https://")]
    folder = (ROOT / page).parent
    assert [target for target in targets if not (folder / target.partition("#")[0]).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(PAGES["docs/index.md"])}
    pages = {path for path in DOCS.rglob("*.md") if path.name != "index.md"}
    assert sorted(str(path.relative_to(DOCS)) for path in pages - linked) == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_machine_of_ours(page: str) -> None:
    assert re.findall(r"/(?:home|root|tmp|work|Users)/\S*", PAGES[page]) == []


def test_every_variable_that_the_program_reads_stands_in_the_reference() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "reconciler").rglob("*.py")]
    names = {name for text in sources for name in re.findall(r"\b(?:AP|RECONCILER)_[A-Z]+(?:_[A-Z]+)*\b", text)}
    assert len(names) > 5
    assert sorted(name for name in names if f"`{name}`" not in PAGES["docs/reference/environment.md"]) == []


def test_every_exit_code_of_an_error_stands_in_the_reference() -> None:
    raised = {one.exit_code for one in vars(errors).values() if hasattr(one, "exit_code")}
    assert raised == {1, 2, 3, 130}
    rows = re.findall(r"^\| (\d+) \|", PAGES["docs/reference/exit-codes.md"], re.MULTILINE)
    assert set(map(int, rows)) == raised | {0}


_SAMPLES = runpy.run_path(str(DOCS / "sheet_samples.py"))
_SOURCES = {
    "from-quickbooks.md": "quickbooks-online",
    "from-xero.md": "xero",
    "from-connectwise.md": "connectwise",
    "from-halopsa.md": "halopsa",
    "from-autotask.md": "autotask",
}
SYNCED = 250
"""So many of a sample's customers are in the account already, put there by an integration."""


@pytest.mark.parametrize("page", _SOURCES)
def test_a_page_leads_from_an_export_to_an_empty_plan_without_a_duplicate(page: str) -> None:
    sample = _SAMPLES["sample"](_SOURCES[page])
    rooms: list[Room] = []

    def prepare(place: Room) -> None:
        rooms.append(place)
        place.variables.update(AP_CLIENT_ID="local", AP_CLIENT_SECRET="local")
        for name, content in sample.files.items():
            (place.folder / name).write_bytes(content)
        synced = [
            {**fields, "customer_integration_id": key, "created_at": "2026-01-02T03:04:05Z"}
            for key, fields in list(sample.truth.items())[:SYNCED]
        ]
        load(place.emulator.account, synced, 0)

    steps = list(played(PAGES[f"docs/how-to/{page}"], prepare))
    wrong = [(step.command, actual) for step, actual in steps if not fits(step.expected, actual)]
    assert wrong == []
    assert len(steps) <= 6
    account = rooms[0].emulator.account
    assert len(account.customers) == len(sample.truth)
    assert {one.fields["name"] for one in account.customers.values()} == {
        fields["name"] for fields in sample.truth.values()
    }


def test_the_page_about_queries_shows_what_its_commands_print() -> None:
    steps = list(played(PAGES["docs/how-to/from-a-query.md"]))
    assert [(step.command, actual) for step, actual in steps if not fits(step.expected, actual)] == []
    assert len(steps) > 1
