"""
How big the house is: files, code lines, names that mean two things, what one plan and one apply of two creates enter.

python bench/house.py [--json] [--list]

Imports are warm: each command runs once before it is watched. `--list` names the files that were entered.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from workbench import emulator, table, told

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tests are no package

from house_figures import Entered, code_lines, importers, sources, twice_defined

from reconciler.cli.app import run

MOST_FILES = 201
MOST_ENTERED = {"plan": (70, 380), "apply": (90, None)}
MOST_IMPORTED_ONCE = 40
MOST_CODE_LINES = 19_700
FEWEST_LINES_A_FILE = 95
CUSTOMERS = """\
customers:
  acme: {name: Acme, email: billing@acme.example}
  globex: {name: Globex, email: accounts@globex.example}
"""


def entered() -> dict[str, Entered]:
    """Return what a plan, and then an apply, of two customers who are to be created enter."""
    found = {}
    for command, options in (("plan", []), ("apply", ["--auto-approve"])):
        found[command] = Entered()
        for watched in (False, True):
            with emulator() as server, tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "customers.yaml").write_text(CUSTOMERS, encoding="utf-8")
                os.environ.update(server.variables(Path(folder) / "state.db"))
                words = [command, "-f", str(Path(folder) / "customers.yaml"), *options]

                def call(words: list[str] = words) -> None:
                    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
                        if run(words) != 0:
                            raise RuntimeError(err.getvalue())

                if watched:
                    found[command].during(call)
                else:
                    call()
    return found


def main() -> int:
    """Print the figures; 1 where one is worse than its goal."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--list", action="store_true", help="name the files that were entered")
    given = arguments.parse_args()
    modules = sources()
    lines = sum(map(code_lines, modules))
    once = [name for name, by in importers().items() if len(by) == 1]
    twice = twice_defined()
    ran = entered()
    figures: dict[str, tuple[float, float]] = {
        "Python files": (len(modules), MOST_FILES),
        "modules imported by exactly one other": (len(once), MOST_IMPORTED_ONCE),
        "class names defined more than once": (len(twice), 0),
        "code lines": (lines, MOST_CODE_LINES),
    }
    for command, (files, functions) in MOST_ENTERED.items():
        figures[f"files entered by {command} of two creates"] = (len(ran[command].files), files)
        if functions is not None:
            figures[f"functions entered by {command} of two creates"] = (ran[command].functions, functions)
    mean = lines / len(modules)
    ok = all(value <= most for value, most in figures.values()) and mean >= FEWEST_LINES_A_FILE
    rows = [(name, f"{value:g}", f"at most {most:g}") for name, (value, most) in figures.items()]
    rows.append(("code lines a file, mean", f"{mean:.0f}", f"at least {FEWEST_LINES_A_FILE}"))
    text = table(("figure", "is", "goal"), rows)
    if given.list:
        text += "".join(f"\n\n{command}\n" + "\n".join(one.files) for command, one in ran.items())
        text += "\n\nimported by one other\n" + "\n".join(once)
        text += "\n\ndefined more than once\n" + "\n".join(f"{name}: {', '.join(by)}" for name, by in twice.items())
    result = {"ok": ok, "figures": {name: value for name, (value, _) in figures.items()}, "lines_a_file": mean}
    return told(result, text, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
