"""The manual pages and the completion files hold every command and option."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import preloaded
import pytest
from click.shell_completion import ShellComplete
from command_line import PATIENCE_S

from reconciler.cli.app import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "man").glob("*.1"))
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def walk(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, click.Context(below, info_name=name, parent=context))


CONTEXTS = list(walk(cli, click.Context(cli, info_name="reconciler", **cli.context_settings)))


def shown(context: click.Context) -> set[str]:
    """Return the options that a command's help lists."""
    records = [record for one in context.command.params if (record := one.get_help_record(context)) and record[1]]
    return {name for names, _ in records for name in OPTION.findall(names)}


def parsed(page: str) -> dict[str, list[str]]:
    """Return a page's lines by section, with its escapes resolved."""
    sections: dict[str, list[str]] = {}
    section = ""
    for line in page.splitlines():
        if line.startswith(".SH "):
            section = line.removeprefix(".SH ")
        sections.setdefault(section, []).append(re.sub(r"\\f[BRI]", "", line).replace("\\-", "-"))
    return sections


def test_every_command_has_a_page_with_its_options_and_no_page_is_left_over() -> None:
    wanted = {f"{one.command_path.replace(' ', '-')}.1": one for one in CONTEXTS}
    assert [path.name for path in PAGES] == sorted(wanted)
    for path in PAGES:
        page = parsed(path.read_text("utf-8"))
        named = [
            after
            for before, after in zip(page.get("OPTIONS", []), page.get("OPTIONS", [])[1:], strict=False)
            if before == ".TP"
        ]
        assert {name for line in named for name in OPTION.findall(line)} == shown(wanted[path.name]), path.name


def test_the_first_page_names_every_command() -> None:
    text = (ROOT / "man" / "reconciler.1").read_text("utf-8").replace("\\-", "-")
    assert [name for name in cli.list_commands(CONTEXTS[0]) if f"\\fBreconciler-{name}\\fR(1)" not in text] == []


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_pages_are_set_without_a_warning() -> None:
    words = ["groff", "-man", "-Tutf8", "-K", "utf8", "-rLL=78n", "-ww", "-z", *map(str, PAGES)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ran.returncode, [one for one in ran.stderr.splitlines() if "break line" not in one]) == (0, [])


def test_a_shell_is_offered_every_command_and_option() -> None:
    shell = ShellComplete(cli, {}, "reconciler", "_RECONCILER_COMPLETE")
    for context in CONTEXTS:
        words = context.command_path.split()[1:]
        offered = {one.value for one in shell.get_completions(words, "--")}
        assert {name for name in shown(context) if name.startswith("--")} <= offered, context.command_path
        # The first word of `history` may be a run: the runs are offered.
        if isinstance(context.command, click.Group) and words != ["history"]:
            commands = {one.value for one in shell.get_completions(words, "")}
            assert set(context.command.list_commands(context)) <= commands


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_file_for_bash_offers_the_commands_when_a_package_installs_it(tmp_path: Path) -> None:
    program = tmp_path / "reconciler"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(preloaded.client())} "$@"\n', "utf-8")
    program.chmod(0o755)
    script = (
        f"export PATH={tmp_path}:$PATH; source {ROOT}/completions/bash/reconciler; COMP_WORDS=(reconciler ''); "
        "COMP_CWORD=1; _reconciler_completion reconciler; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    ran = subprocess.run(
        [shutil.which("bash") or "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=tmp_path,
    )
    assert set(cli.list_commands(CONTEXTS[0])) <= set(ran.stdout.split()), ran.stderr
