"""A narrow terminal: no line of help is longer than it, and an example that goes on below is still one command."""

from __future__ import annotations

import shlex

import click
import pytest
from command_line import Place, environment

from reconciler.cli.help import Context
from reconciler.cli.main import COMMANDS, cli

pytest_plugins = ("command_fixtures",)


@pytest.mark.parametrize("columns", [30, 40, 60])
@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS), ("state", "rm"), ("history", "prune")])
def test_no_line_of_help_is_longer_than_the_terminal(here: Place, words: tuple[str, ...], columns: int) -> None:
    ran = here.run(*words, "--help", COLUMNS=str(columns))
    longest = max(ran.out.splitlines(), key=len)
    assert (ran.code, ran.err) == (0, "")
    # A word that is longer than the terminal stays whole.
    assert len(longest) <= columns or len(longest.split()) == 1, longest


def test_an_example_that_is_too_long_goes_on_as_a_shell_reads_it(here: Place) -> None:
    out = here.run("undo", "--help", COLUMNS="30").out
    example = out.partition("Example:\n")[2].partition("\n\n")[0]
    assert [shlex.split(line) for line in example.replace("\\\n", "").splitlines()] == [
        ["reconciler", "undo", "3f2a91c0"],
        ["reconciler", "undo", "3f2a91c0", "--auto-approve", "--max-archives", "20"],
    ]


def test_help_of_a_wide_terminal_is_laid_out_by_click(here: Place) -> None:
    with environment(here.given({"COLUMNS": "100"})):
        ours = Context(cli, info_name="reconciler").get_help()
        assert ours == click.Context(cli, info_name="reconciler").get_help()


@pytest.mark.parametrize(("word", "hint"), [("aply", "; did you mean 'apply'?"), ("qqqqqq", ".")])
def test_a_command_that_is_misspelled_is_suggested(here: Place, word: str, hint: str) -> None:
    ran = here.run(word)
    assert (ran.code, ran.err.splitlines()[-1]) == (1, f"error: No such command '{word}'{hint}")
