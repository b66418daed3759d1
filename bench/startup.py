"""
How much CPU a command takes beside what it cannot do without: its help, a check of one customer, a plan of two.

The goals are of a machine on which importing the libraries takes 155 ms, and are scaled by what it takes here.

python bench/startup.py [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
from workbench import Measure, Server, emulator, measured, program, table, told

from reconciler.cli.app import cli

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = "the libraries"
LIBRARIES_CODE = "import click, httpx, yaml, sqlite3, asyncio, jsonschema_rs; httpx.AsyncClient()"
LIBRARIES_S = 0.155
HELP_S = 0.100
VALIDATE_S = 0.130
PLAN_TIMES = 1.7
COMPLETION_S = 0.150

COMPLETIONS = {
    "pl<Tab>": ("plain,plan",),
    "plan --detailed<Tab>": ("plain,--detailed-exitcode",),
    "show -f examples/customers.yaml <Tab>": ("plain,acme", "plain,globex", "plain,initech"),
}
"""What is typed, and what a shell is to be offered."""


@dataclass(frozen=True, slots=True)
class Case:
    """A command that is measured; `goal_s` of CPU on the machine of the goals, None for none."""

    command: list[str]
    goal_s: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    offered: tuple[str, ...] | None = None


def main() -> int:
    """Measure the commands in turn, so that a busy machine slows all of them; 1 where one misses its goal."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=7, help="how often each is measured; the quickest counts")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, emulator() as server:
        measures = dict(cases(Path(folder), server))
        runs = [
            {name: measured(case.command, case.variables, ROOT) for name, case in measures.items()}
            for _ in range(given.runs)
        ]
    cpu_s = {name: min(run[name].cpu_s for run in runs) for name in measures}
    wall_s = {name: min(run[name].wall_s for run in runs) for name in measures}
    slower = cpu_s[LIBRARIES] / LIBRARIES_S
    goals_s = {name: case.goal_s * slower for name, case in measures.items() if case.goal_s is not None}
    missed = [name for name, goal_s in goals_s.items() if cpu_s[name] > goal_s]
    failed = [name for name, case in measures.items() if not all(worked(run[name], case) for run in runs)]
    result = {
        "ok": not missed and not failed,
        "missed": missed,
        "failed": failed,
        "cpu_seconds": cpu_s,
        "wall_seconds": wall_s,
        "goal_cpu_seconds": goals_s,
    }
    rows = [
        (
            name,
            _ms(cpu_s[name]),
            _ms(goals_s[name]) if name in goals_s else "",
            _ms(wall_s[name]),
            f"{cpu_s[name] / cpu_s[LIBRARIES]:.2f}",
        )
        for name in measures
    ]
    text = table(("command", "CPU", "goal", "wall", "times"), rows)
    text += f"\n\ntimes: of the libraries' CPU, {_ms(LIBRARIES_S)} of which each goal goes by\n"
    text += "".join(f"\nmissed: {name}" for name in missed) + "".join(f"\nfailed: {name}" for name in failed)
    return told(result, text, as_json=given.json)


def cases(folder: Path, server: Server) -> Iterator[tuple[str, Case]]:
    """Yield what is measured, by name; the files that it needs are written to `folder`."""
    one, two = folder / "one.yaml", folder / "two.yaml"
    one.write_text("customers:\n  acme: {name: Acme, email: a@acme.example}\n")
    two.write_text(f"{one.read_text()}  globex: {{name: Globex, email: g@globex.example}}\n")
    yield LIBRARIES, Case([sys.executable, "-c", LIBRARIES_CODE])
    yield "import click", Case([sys.executable, "-c", "import click"])
    yield "import reconciler", Case([sys.executable, "-c", "import reconciler"])
    yield "--version", Case(program("--version"), HELP_S)
    for words in helped(cli, ()):
        yield " ".join((*words, "--help")), Case(program(*words, "--help"), HELP_S)
    yield "validate, one customer", Case(program("validate", "-f", str(one)), VALIDATE_S)
    planned = program("plan", "-f", str(two))
    yield "plan, two customers", Case(planned, PLAN_TIMES * LIBRARIES_S, server.variables(folder / "ledger.db"))
    for typed, offered in COMPLETIONS.items():
        command = [str(Path(sys.executable).with_name("reconciler"))]
        yield typed, Case(command, COMPLETION_S, _asking(f"reconciler {typed}"), offered)


def helped(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of every command below it."""
    yield words
    for name, one in command.commands.items() if isinstance(command, click.Group) else ():
        yield from helped(one, (*words, name))


def worked(measure: Measure, case: Case) -> bool:
    """Say whether a command ended well, and offered what it was to."""
    return measure.code == 0 and (case.offered is None or tuple(measure.stdout.split()) == case.offered)


def _asking(typed: str) -> dict[str, str]:
    """Return the variables by which bash asks what completes `typed`."""
    words = typed.removesuffix("<Tab>")
    last = str(len(words.split(" ")) - 1)
    return {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": last}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
