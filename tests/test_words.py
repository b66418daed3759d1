"""Words that CONTRIBUTING.md asks to avoid are in no page, help text, message, public docstring or schema."""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from reconciler.cli.app import cli

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

HABITS: Mapping[str, str] = {
    r"\bstands?\b(?! for\b|-in\b|-ins\b)|\bstood\b": "is, are",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bblanks\b": "whitespace, spaces",
    r"\b(?:is|are|be|was|were|been|being|not) told\b(?! apart\b| from\b)|\btold of\b": "reported",
    r"\b(?:says?|said) so\b|\b(?:is|are|was|were|not|be) heard\b": "reports, notes",
    r"\b(?:has|have|had|having) gone\b(?! (?:wrong|through)\b)|\bentry is gone\b": "was removed; no longer exists",
    r"\bgone on with\b|\bgoes? on (?:with|where)\b": "continue",
    r"\bways? out\b": "how to fix it",
    r"\bnot known\b": "unknown",
    r"\bwarnings for errors\b": "treat warnings as errors",
    r"\bof late\b": "recently",
    r"\bso (?:long|many) (?:ago|customers|requests|seconds|days|archives|changes|rows|times)\b|\bfor so long\b": "N",
    r"\bin good order\b": "cleanly",
    r"\bsomebody\b": "someone, someone else",
    r"\b(?:made|changed|edited|archived|restored|created|done) elsewhere\b|\bsomewhere else\b": "outside Reconciler",
    r"\d %|\bper cent\b": "10%, percent",
    r"\bwanted (?:archived|empty|active|there)\b": "should be …",
    r"\b(?:overruled?|overrules|doubted|shelved?|unheard|taught|teach(?:es)?)\b": "the usual term",
    r"\bask(?:s|ed)? any endpoint\b|\bthin\b": "call an API endpoint",
    r"\bwhat is in flight\b|\bin flight ends?\b": "requests in flight",
    r"\banew\b": "again, from the beginning",
    r"\b[Ee]-mail": "email",
    r"\b[Cc]olour|\b[Bb]ehaviour|\b[Hh]onour|\b[Aa]rtefact|\b[Ll]icence|\b[Nn]ormalise|\b[Rr]ecognise": "color, …",
    r"\bnot wanted\b|\bas wanted\b|\bwhere wanted\b": "what should be",
    r"\b(?:puts?|brings?|makes?) (?:it )?good again\b|\bmade good\b": "corrected",
    r"\bwhose it is\b|\bwhoever it is\b|\bnobody's\b": "the owner's",
    r"\bto be had\b|\bto be seen\b": "available, visible",
    r"\bbesides\b|\bthereof\b|\bthereby\b|\bwherein\b|\btherein\b": "also; the plain clause",
}
"""Each habit as a pattern, and what to write instead."""

_CODE = re.compile(r"`[^`\n]*`")
_DOCTEST = re.compile(r"^ *(?:>>>|\.\.\.) .*$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINKS = re.compile(r"\]\([^)\s]*\)")


def _texts(tree: str) -> Iterator[tuple[str, str]]:
    """Yield the texts of one of `TREES`, each with its place."""
    if tree == "help":
        yield from _help()
    elif tree == "schema":
        yield from _schemas()
    elif tree.startswith("reconciler"):
        yield from _sources(ROOT / tree)
    else:
        path = ROOT / tree
        for page in [path] if path.is_file() else sorted(path.rglob("*.md")):
            yield from _page(page)


def _page(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":
        text = text[: text.index("\n## [", text.index("## [Unreleased]") + 1)]
    if path.name == "CONTRIBUTING.md":
        text = text.partition("| Don't write |")[0]
    # Output in a fenced block comes from messages, which are texts of a tree of their own.
    for number, line in enumerate(_FENCED.sub(lambda block: "\n" * block[0].count("\n"), text).splitlines(), 1):
        yield f"{path.relative_to(ROOT)}:{number}", _LINKS.sub("]", line)


def _help() -> Iterator[tuple[str, str]]:
    walk = runpy.run_path(str(DOCS / "generate.py"))["walk"]
    for words, ctx in walk(cli, click.Context(cli, info_name="reconciler")):
        yield words, ctx.command.help or ""
        for parameter in ctx.command.params:
            if isinstance(parameter, click.Option):
                yield f"{words} {parameter.opts[0]}", parameter.help or ""


def _schemas() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "schema").glob("*.json")):
        waiting: list[object] = [json.loads(path.read_text(encoding="utf-8"))]
        while waiting:
            match waiting.pop():
                case dict() as node:
                    yield from (
                        (path.name, str(node[key]))
                        for key in ("title", "description", "patternErrorMessage")
                        if key in node
                    )
                    waiting += node.values()
                case list() as nodes:
                    waiting += nodes
                case _:
                    pass
    for number, line in enumerate((ROOT / "schema" / "openapi.yaml").read_text(encoding="utf-8").splitlines(), 1):
        yield f"openapi.yaml:{number}", line


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts and the public docstrings of a package or module, without comments."""
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
        if path.relative_to(ROOT).as_posix() == "reconciler/sheets/proposal.py":
            continue  # the names that exports give their columns
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", _DOCTEST.sub("", node.value)


TREES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs",
    "help",
    "schema",
    *sorted(
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "reconciler").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ),
)


@pytest.mark.parametrize("tree", TREES)
def test_nothing_that_people_read_has_a_habit_of_ours(tree: str) -> None:
    found = [
        f"{place}: {match[0]!r}: write {instead}"
        for place, text in _texts(tree)
        for habit, instead in HABITS.items()
        for match in re.finditer(habit, _CODE.sub("`…`", text))
    ]
    assert "\n".join(found) == ""


def test_the_list_for_people_is_the_list_that_is_checked() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    words = [word for row in rows[2:] for word in row.split(", ")]
    assert len(words) > 20
    assert [word for word in words if not any(re.search(habit, word) for habit in HABITS)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The entry stands in customers.yaml.",
        "Its entry has gone.",
        "Somebody else edited it.",
        "More than 10 % is refused.",
        "Whether it is listed is not known.",
    ],
)
def test_a_sentence_with_a_habit_would_be_found(sentence: str) -> None:
    assert any(re.search(habit, sentence, re.IGNORECASE) for habit in HABITS)
