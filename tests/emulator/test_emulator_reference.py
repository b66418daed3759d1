from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from reconciler.cli.commands.files import emulator as command
from reconciler.cli.emulator import switch_rows
from reconciler.emulator import control
from reconciler.emulator.fault_settings import amount_rows, fault_rows, read_flags, read_odds

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "emulator.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table that begins with `head`."""
    lines = REFERENCE.partition(f"\n| {head} |")[2].splitlines()[2:]
    cells: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip().strip("`") for cell in line.strip("|").split(" | ")])
    return cells


def test_the_reference_has_each_switch_in_its_words() -> None:
    assert rows("Switch") == [list(row) for row in switch_rows()]


def test_the_reference_has_each_fault_and_amount_in_its_words() -> None:
    assert rows("Fault") == [[name, meaning] for name, _, meaning in fault_rows()]
    assert rows("Amount") == [list(row) for row in amount_rows()]


def test_the_reference_has_each_control_request() -> None:
    documented = {tuple(cells[0].split()) for cells in rows("Request")}
    assert documented == {(method, f"/_emulator/{name}") for method, name in control.REQUESTS}


def test_the_reference_has_each_option() -> None:
    documented = {option for cells in rows("Option") for option in re.findall(r"--[a-z-]+", cells[0])}
    with click.Context(command) as ctx:
        own = [one for one in command.params if one.get_help_record(ctx) is not None]
    options = {option for parameter in own for option in parameter.opts if option != "--help"}
    assert documented | {"--switches"} == options


@pytest.mark.parametrize("row", rows("`--fault`"), ids=lambda row: row[0])
def test_each_flag_of_the_reference_means_its_json(row: list[str]) -> None:
    flag, written, _ = row
    flags = [flag.removeprefix("--").replace(" ", "=")]
    assert f"`{written}`" in REFERENCE
    assert read_flags(flags) == read_odds(json.loads(written))
