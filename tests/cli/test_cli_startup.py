"""What a command imports before it writes its first line: a count of modules, which no busy machine changes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from command_line import ONE, Place

from reconciler.cli import options
from reconciler.cli.app import cli
from reconciler.model.core import Action
from reconciler.settings import Options

pytest_plugins = ("command_fixtures",)

MOST_FOR_HELP = 65
"""Of modules, the standard library's too, which has more of them with each version, beside those of click."""
OF_HELP = {
    "reconciler",
    "reconciler.cli",
    "reconciler.cli.completion",
    "reconciler.cli.app",
    "reconciler.cli.options",
    "reconciler.cli.terminal",
    "reconciler.errors",
    "reconciler.many",
    "reconciler.kinds",
    "reconciler.kinds.kind",
    "reconciler.escape",
}
OF_A_SERVER = {"httpx", "reconciler.api.client", "reconciler.pipeline.plan", "rich.progress"}
OF_A_LEDGER = {"asyncio", "reconciler.ledger", "sqlite3"}


def _imported(here: Place, *commands: str) -> set[str]:
    """Return the modules that a process imports that runs these commands, beside those of click."""
    code = "import sys, click; before = set(sys.modules); from reconciler.cli.app import run\n"
    code += f"for words in {commands!r}: assert run(words.split()) == 0, words\n"
    code += "print(*sys.modules.keys() - before, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=here.folder, env=here.given(), capture_output=True, text=True, check=True
    )
    return set(ran.stderr.splitlines()[-1].split())


def _words(command: click.Command, words: str = "") -> list[str]:
    """Return the words of every command."""
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [words, *(one for name, under in below for one in _words(under, f"{words} {name}"))]


def test_help_of_every_command_imports_the_declarations_and_little_else(here: Place) -> None:
    every = [f"{words} --help" for words in _words(cli)]
    imported = _imported(here, *every)
    ours = {name for name in imported if name.startswith("reconciler")}
    assert {name for name in ours if not name.startswith("reconciler.cli.commands")} == OF_HELP
    assert len(imported) <= MOST_FOR_HELP, sorted(imported)


def test_what_reads_files_imports_nothing_to_ask_a_server_or_open_a_ledger_with(here: Place) -> None:
    here.write("customers.yaml", ONE)
    imported = _imported(here, "validate -f customers.yaml", "fmt --check customers.yaml", "schema", "init project")
    assert imported & (OF_A_SERVER | OF_A_LEDGER) == set()


def test_what_reads_the_ledger_imports_nothing_to_ask_a_server_with(here: Place) -> None:
    assert _imported(here, "-e local state list", "-e local history") & OF_A_SERVER == set()


def test_the_actions_that_can_be_approved_are_those_of_the_model() -> None:
    assert tuple(Action) == options.ACTIONS


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_what_goes_to_the_settings_is_declared_once(name: str) -> None:
    declared = {str(param.name) for param in cli.commands[name].params}
    # Given otherwise: by the global options, and `since` by what --changed-since leads to.
    others = {"project_file", "environment", "since"}
    assert set(Options.__dataclass_fields__) - others <= declared
