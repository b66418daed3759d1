"""A narrow terminal: no line of help is longer than it, and an example that goes on below is still one command."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import struct
import termios

import click
import pytest
from command_line import PATIENCE_S, Place, environment

from reconciler.cli.app import Context, cli

pytest_plugins = ("command_fixtures",)


@pytest.mark.parametrize("columns", [30, 40, 60])
@pytest.mark.parametrize("words", [(), *((name,) for name in cli.commands), ("state", "rm"), ("history", "prune")])
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


def on_a_terminal(place: Place, columns: int, *words: str) -> list[str]:
    """Return the lines that a command writes to a terminal of so many columns, without colours."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 20, columns, 0, 0))
    with place.start(*words, stdin=its, stdout=its, stderr=its, variables={"TERM": "xterm"}, loaded=True) as process:
        os.close(its)
        written = b""
        try:
            while chunk := os.read(ours, 4096):
                written += chunk
        except OSError:  # Linux has no end of file here: it is an error once nobody writes any more
            pass
        process.wait(timeout=PATIENCE_S)
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode()).splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "-f", "c.yaml"), "'nobody' is not an email address; write one such as billing@acme.example"),
        (("validate", "-f", "c.yaml"), "'nobody' is not an email address; write one such as billing@acme.example"),
        (("-e", "qqq", "plan"), "there is no environment 'qqq'; there are: production, demo, local."),
        (("state", "rm", "none"), "the ledger has none of them `reconciler state list` shows what it has"),
        (("plan", "--max-bytes", "10000"), "--max-bytes works only with --format markdown"),
    ],
)
@pytest.mark.parametrize("columns", [30, 40])
def test_no_word_of_an_error_is_torn_on_a_narrow_terminal(
    here: Place, words: tuple[str, ...], said: str, columns: int
) -> None:
    here.write("c.yaml", "customers:\n  acme: {name: A, email: nobody}\n")
    here.variables.update(AP_BASE_URL="http://127.0.0.1:1", AP_CLIENT_ID="a", AP_CLIENT_SECRET="b")
    if words[0] == "-e":
        del here.variables["AP_BASE_URL"]
    lines = on_a_terminal(here, columns, *words)
    assert [line for line in lines if len(line) > columns] == []
    assert said in " ".join(" ".join(lines).split())


def test_a_problem_stays_one_line_for_an_editor(here: Place) -> None:
    here.write("c.yaml", "customers:\n  acme: {name: A, email: nobody}\n")
    where = "c.yaml:2:26: customers.acme.email: "
    message = "'nobody' is not an email address; write one such as billing@acme.example"
    assert on_a_terminal(here, 90, "validate", "-f", "c.yaml")[0] == where + message


@pytest.mark.parametrize(("word", "hint"), [("aply", "; did you mean 'apply'?"), ("qqqqqq", ".")])
def test_a_command_that_is_misspelled_is_suggested(here: Place, word: str, hint: str) -> None:
    ran = here.run(word)
    assert (ran.code, ran.err.splitlines()[-1]) == (1, f"error: No such command '{word}'{hint}")
