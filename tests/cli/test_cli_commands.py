"""The list of commands: headings, one line for each command, former names, and flags that change a command."""

from __future__ import annotations

import re

import click
import pytest
from command_line import Place

from reconciler.cli.app import FORMER_NAMES, cli

pytest_plugins = ("command_fixtures",)

MOST = 20


def _groups(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command that has commands below it."""
    if not isinstance(command, click.Group):
        return []
    return [words, *(one for name, below in command.commands.items() for one in _groups(below, (*words, name)))]


def _all(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command."""
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [words, *(one for name, under in below for one in _all(under, (*words, name)))]


@pytest.mark.parametrize("words", _all(cli)[1:], ids=" ".join)
def test_help_of_every_command_names_the_global_options_in_one_place(here: Place, words: tuple[str, ...]) -> None:
    options, named, rest = here.run(*words, "--help").out.partition("Global options, ")
    assert "-e ENVIRONMENT, -p FILE, -q, --log-level LEVEL." in " ".join(rest.split())
    assert (bool(named), re.findall(r"^  +(-e|-p|-q|--log-level)[ ,]", options, re.MULTILINE)) == (True, [])


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "one.yaml", "-e", "west", "--log-level", "debug", "validate"),
        ("validate", "-p", "one.yaml", "-e", "west", "--log-level", "debug"),
        ("-p", "none.yaml", "-e", "none", "--log-level", "error", "validate", "-p", "one.yaml", "-e", "west"),
        ("validate", "-p", "none.yaml", "-p", "one.yaml", "--log-level", "error", "--log-level", "info"),
    ],
    ids=" ".join,
)
def test_a_global_option_counts_before_and_after_the_command_and_the_last_one_wins(
    here: Place, words: tuple[str, ...]
) -> None:
    here.write("one.yaml", "files: [c.yaml]\nenvironments: {west: {}}\n")
    here.write("c.yaml", "customers: {acme: {name: Acme, email: a@acme.example}}\n")
    ran = here.run(*words)
    assert (ran.code, ran.out) == (0, "Valid: 1 customer declared.\n"), ran.all


def test_help_lists_each_command_once_under_a_heading(here: Place) -> None:
    out = here.run("--help", COLUMNS="80").out
    _, _, listed = out.partition("Main commands:\n")
    assert re.findall(r"^(\S.*):$", listed, re.MULTILINE) == ["Inspect", "Adopt and repair", "Many accounts", "Tools"]
    names = re.findall(r"^  (\S+)  ", listed, re.MULTILINE)
    assert (sorted(names), len(names) <= MOST) == (sorted(cli.commands), True)


@pytest.mark.parametrize("words", _groups(cli), ids=" ".join)
def test_each_command_of_a_group_is_one_line_of_eighty_columns(here: Place, words: tuple[str, ...]) -> None:
    out = here.run(*words, "--help", COLUMNS="80").out
    listed = re.split(r"^(?:Main c|C)ommands:\n", out, flags=re.MULTILINE)[1].partition("\n  Global options")[0]
    assert [row for row in listed.splitlines() if row.startswith("   ")] == []


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("explain acme -f c.yaml", "'explain' is now 'show --why'; run `reconciler show --why acme -f c.yaml`"),
        ("-e demo match --redact", "'match' is now 'import --match'; run `reconciler -e demo import --match --redact`"),
        ("generate --users 2", "'generate' is now 'seed --print'; run `reconciler seed --print --users 2`"),
        ("explain --help", "'explain' is now 'show --why'; run `reconciler show --why --help`"),
    ],
)
def test_a_former_name_runs_nothing_and_shows_the_command_line_of_today(here: Place, typed: str, told: str) -> None:
    ran = here.run(*typed.split())
    unknown = here.run("no-such-command")
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (unknown.code, "", f"error: {told}")


def test_a_former_name_is_quoted_for_a_shell(here: Place) -> None:
    assert "`reconciler show --why 'a b'`" in here.run("explain", "a b").err


def test_a_former_name_leads_to_a_command_that_has_the_flag() -> None:
    for name, flag in FORMER_NAMES.values():
        assert [param for param in cli.commands[name].params if flag in param.opts], (name, flag)
    assert cli.commands.keys() & FORMER_NAMES.keys() == set()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("show acme --max-archives 3", "'--max-archives' needs '--why'"),
        ("show acme --why --raw", "'--raw' cannot be used with '--why'"),
        ("import -f c.yaml", "'-f' / '--file' needs '--match'"),
        ("import --redact", "'--redact' needs '--match' or '--from'"),
        ("import --map xero", "'--map' needs '--from'"),
        ("import --from c.csv --bind", "'--bind' cannot be used with '--from'"),
        ("import --match west-*", "'[GLOB]...' cannot be used with '--match'"),
        ("import --match --bind", "'--bind' cannot be used with '--match'"),
        ("seed -o c.yaml", "'-o' / '--out' / '--output' needs '--print'"),
        ("seed --print -f c.yaml", "'-f' / '--file' cannot be used with '--print'"),
        ("seed --print --auto-approve", "'--auto-approve' cannot be used with '--print'"),
    ],
)
def test_an_option_of_the_other_use_of_a_command_is_refused(here: Place, typed: str, told: str) -> None:
    ran = here.run(*typed.split())
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (1, "", f"error: {told}")


def test_generated_customers_are_printed_without_an_environment(here: Place) -> None:
    ran = here.run("-e", "none-of-that-name", "-p", "missing.yaml", "seed", "--print", "--customers", "1")
    assert (ran.code, ran.out.startswith("version: 1\ncustomers:\n")) == (0, True)
