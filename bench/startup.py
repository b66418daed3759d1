"""
How long the program takes to say its version, its help and a shell's completions, beside a bare import of click.

python bench/startup.py [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from workbench import measured, program, table, told

ROOT = Path(__file__).resolve().parent.parent
MOST_TIMES = 2.0
MOST_COMPLETION_S = 0.150
COMPLETIONS = {
    "reconciler pl<Tab>": ("plain,plan",),
    "reconciler plan --detailed<Tab>": ("plain,--detailed-exitcode",),
    "reconciler show -f examples/customers.yaml <Tab>": ("plain,acme", "plain,globex", "plain,initech"),
}
"""What is typed, and what a shell is to be offered."""


def main() -> int:
    """Measure the commands in turn, so that a busy machine slows all of them; 1 where one misses the goal."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=15, help="how often each is measured; the quickest counts")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    said = {
        "import click": [sys.executable, "-c", "import click"],
        "reconciler --version": program("--version"),
        "reconciler --help": program("--help"),
    }
    completes = [str(Path(sys.executable).with_name("reconciler"))]
    commands = {**said, **dict.fromkeys(COMPLETIONS, completes)}
    runs = [
        {name: measured(command, asked(name), ROOT) for name, command in commands.items()} for _ in range(given.runs)
    ]
    cpu_s = {name: min(run[name].cpu_s for run in runs) for name in commands}
    wall_s = {name: min(run[name].wall_s for run in runs) for name in commands}
    times = {name: cpu_s[name] / cpu_s["import click"] for name in commands}
    worked = all(one.code == 0 for run in runs for one in run.values())
    completed = all(
        tuple(run[name].stdout.split()) == offered and wall_s[name] <= MOST_COMPLETION_S
        for run in runs
        for name, offered in COMPLETIONS.items()
    )
    result = {
        "ok": worked and completed and all(times[name] < MOST_TIMES for name in said),
        "cpu_seconds": cpu_s,
        "wall_seconds": wall_s,
        "times": times,
    }
    rows = [
        (name, f"{cpu_s[name] * 1000:.0f} ms", f"{wall_s[name] * 1000:.0f} ms", f"{times[name]:.2f}")
        for name in commands
    ]
    text = table(("command", "CPU", "wall", "times"), rows) + f"\n\ngoal: less than {MOST_TIMES:.0f} times"
    text += f"; a completion in at most {MOST_COMPLETION_S * 1000:.0f} ms"
    return told(result, text, as_json=given.json)


def asked(typed: str) -> dict[str, str]:
    """Return the variables by which bash asks what completes `typed`; none for what is no completion."""
    words, tab, _ = typed.partition("<Tab>")
    last = str(len(words.split(" ")) - 1)
    return {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": last} if tab else {}


if __name__ == "__main__":
    sys.exit(main())
