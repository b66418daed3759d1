"""
Mutants: small changes of the code that decides, each of which a quick test must find.

python bench/mutants.py [--seconds S] [--seed N] [--only PATTERN]... [--processes P] [--project FOLDER] [--json]

mutmut makes the mutants, finds the tests that reach each function, and plays each mutant in a fork of a process that
has collected them all: some tenths of a second of CPU each. Ours is what it lacks: a sample that `--seed` draws and
that ends with the time, conditions that are turned around, the SQL of the ledger (text outside of functions), and the
survivors that are explained (`mutants.toml`). Of calls and texts, half as many mutants are made as mutmut makes.
cosmic-ray, the other tool that is kept, starts pytest for each mutant, which takes four seconds here.

What is mutated and which tests are played is in `pyproject.toml`. `--only` is a pattern of names, `plan.prune` or
`rules.customers.archive`, and `--seconds 0` plays all of them. It prints the survivors; under 90% killed, the exit code
is 1. A mutant whose tests take too long is killed. Properties and other decorated functions have no mutants.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice, zip_longest
from math import ceil, inf
from pathlib import Path
from typing import TextIO

import libcst as cst
import pytest
from _pytest.runner import runtestprotocol
from mutmut import __main__ as mutmut
from mutmut.configuration import config, reset_config
from mutmut.mutation import mutators
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import change_cwd
from mutmut.utils.format_utils import mangled_name_from_mutant_name, orig_function_and_class_names_from_key
from mutmut.workers.isolation import ForkRunner

ROOT = Path(__file__).parents[1]
LEAST = 0.9
SURVIVED = ("survived", "no tests")
NOTHING_CHANGED = "nothing"
SQL_EDITS: Sequence[tuple[str, str]] = (
    (r" WHERE .*?(?=\)| ORDER| GROUP| LIMIT|$)", ""),
    (r" ORDER BY [^)]*", ""),
    (r" LIMIT \d+", ""),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bOR\b", "AND"),
    (r"\bUNION SELECT\b", "EXCEPT SELECT"),
    (r"<>", "="),
    (r" < \?", " > ?"),
    (r"(?<=\w) = (?=\?|:|coalesce)", " <> "),
    (r"\+ 1\b", "+ 2"),
    (r"- 1\b", "- 2"),
    (r"max\((\w+), \?\)", r"\1"),
    (r"coalesce\((\?), \w+\)", r"\1"),
    (r"'done'", "'failed'"),
    (r"(\w+) = excluded\.\w+", r"\1 = \1"),
)
"""What is changed in a statement, wherever it is found."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: mutmut's name of it or ours, its file, the tests that reach it; `change` is made in the child."""

    name: str
    label: str
    file: str
    tests: frozenset[str]
    change: Callable[[], None] | None = None
    line: int = 0
    diff: str = ""

    def __str__(self) -> str:
        """Return where it is, and its change."""
        return f"{self.file}:{self.line}: {self.label}\n{self.diff}"

    @property
    def key(self) -> tuple[str, ...]:
        """Return what an explanation knows it by: its file, and the lines that it takes out and puts in."""
        return self.file, *_changed(self.diff)


def _changed(diff: str) -> tuple[str, ...]:
    """Return the changed lines of a diff, without their indent."""
    return tuple(text[0] + text[1:].strip() for text in diff.splitlines() if text[:1] in "+-")


def turned(node: cst.If | cst.CompIf | cst.While) -> Iterator[cst.CSTNode]:
    """Turn a condition around, where it is not written with an operator that mutmut changes."""
    if not isinstance(node.test, cst.Comparison | cst.UnaryOperation | cst.BooleanOperation):
        whole = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(cst.SimpleWhitespace(" ")), whole))


def left_out(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Leave out each argument that has its name, and pass None for each other; mutmut does both, of each."""
    for at, one in enumerate(node.args):
        if one.keyword is not None and len(node.args) > 1:
            yield node.with_changes(args=[*node.args[:at], *node.args[at + 1 :]])
        elif not one.star and not (isinstance(one.value, cst.Name) and one.value.value == "None"):
            instead = one.with_changes(value=cst.Name("None"))
            yield node.with_changes(args=[*node.args[:at], instead, *node.args[at + 1 :]])


def marked(node: cst.BaseString) -> Iterator[cst.CSTNode]:
    """Change a text once; mutmut does it three times."""
    yield from islice(mutators.operator_string(node), 1)


_REPLACED = (mutators.operator_arg_removal, mutators.operator_string)
OPERATORS = [
    *((cst.If, turned), (cst.CompIf, turned), (cst.While, turned), (cst.Call, left_out), (cst.BaseString, marked)),
    *(one for one in mutators.mutation_operators if one[1] not in _REPLACED),
]


def code_mutants(path: Path) -> Iterator[Mutant]:
    """Yield mutmut's mutants of a file."""
    data = SourceFileMutationData(path=path)
    data.load()
    for name in data.exit_code_by_key:
        function, _ = orig_function_and_class_names_from_key(name)
        tests = frozenset(state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(name), ()))
        yield Mutant(name, f"{_module(path)}.{function}", str(path), tests)


def sql_mutants(path: Path) -> Iterator[Mutant]:
    """Yield a mutant for each change of a statement that a file has as text under a name, or in a table of texts."""
    lines = path.read_text("utf-8").splitlines()
    names = {
        found[1]: at for at, text in enumerate(lines, 1) if (found := re.match(r"([A-Z]+(?:_[A-Z]+)*)\b.*=", text))
    }
    if not any(re.search("SELECT|UPDATE|DELETE|INSERT", text) for text in lines):
        return
    module = import_module(".".join(path.with_suffix("").parts))
    reached = (tests for key, tests in state().tests_by_mangled_function_name.items() if f"{module.__name__}.x" in key)
    tests = frozenset[str]().union(*reached)
    for name, line in names.items():
        value = getattr(module, name)
        for key, text in (value if isinstance(value, dict) else {None: value}).items():
            if not isinstance(text, str) or not re.match("SELECT|UPDATE|DELETE|INSERT", text):
                continue
            label = f"{_module(path)}.{name}" + (f".{key}" if key else "")
            for edit, instead in SQL_EDITS:
                for at, found in enumerate(re.finditer(edit, text, re.DOTALL)):
                    after = text[: found.start()] + found.expand(instead) + text[found.end() :]
                    around = text[max(0, found.start() - 50) : found.start()], text[found.end() :][:50]
                    pieces = (("-", found[0]), ("+", found.expand(instead)))
                    diff = "\n".join(f"{sign}{' '.join(one.join(around).split())}" for sign, one in pieces)
                    change = _stated(value, key, after) if key else _renamed(name, value, after)
                    yield Mutant(f"{label} {edit} {at}", label, str(path), tests, change, line, diff)


def _stated(table: dict[object, str], key: object, after: str) -> Callable[[], None]:
    return lambda: table.__setitem__(key, after)


def _renamed(name: str, before: str, after: str) -> Callable[[], None]:
    """Return what puts a text into place in each module that has it under its name."""

    def change() -> None:
        for module in [*sys.modules.values()]:
            if vars(module).get(name) is before:
                setattr(module, name, after)

    return change


def located(mutant: Mutant) -> Mutant:
    """Return a mutant of mutmut's with its line and its diff."""
    if mutant.change is not None:
        return mutant
    diff = get_diff_for_mutant(mutant.name, path=mutant.file).splitlines()[3:]
    gone = next((text[1:] for text in diff if text.startswith("-")), "")
    function, owner = orig_function_and_class_names_from_key(mutant.name)
    lines = Path(mutant.file).read_text("utf-8").splitlines()
    begin = _at(lines, 0, lambda text: owner is None or text.startswith(f"class {owner}"))
    begin = _at(lines, begin, lambda text: re.match(rf"\s*(async )?def {function}\b", text) is not None)
    return replace(mutant, line=_at(lines, begin, lambda text: text == gone) + 1, diff="\n".join(diff))


def _at(lines: Sequence[str], begin: int, wanted: Callable[[str], bool]) -> int:
    """Return the place of the first wanted line from `begin` on, `begin` where there is none."""
    return next((at for at in range(begin, len(lines)) if wanted(lines[at])), begin)


class Player(PytestRunner):
    """
    Plays all mutants in one run of pytest, each in a child that has what was collected.

    mutmut would collect again in each child.
    """

    def __init__(self, mutants: Sequence[Mutant], until: float, processes: int) -> None:
        super().__init__()
        self.mutants = {one.name: one for one in mutants}
        self.until = until
        self.runner = ForkRunner(processes, self)
        self.items: dict[str, pytest.Item] = {}
        self.ended: list[tuple[Mutant, str]] = []

    def play(self) -> list[tuple[Mutant, str]]:
        """Play the mutants in their order until the time is over; return each with what became of it."""
        with change_cwd("mutants"):
            words = ["-q", "--capture=no", "--tb=no", *config().pytest_add_cli_args_test_selection]
            code = self.execute_pytest(words, plugins=[self])
        if code:
            sys.exit(f"pytest ended with exit code {code}")
        return self.ended

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Play mutants instead of running the tests."""
        self.items = {_once(item.nodeid): item for item in session.items}
        lost = {name for one in self.mutants.values() for name in map(_once, one.tests)} - self.items.keys()
        assert not lost, f"not collected again: {sorted(lost)[:3]}"
        self.runner.startup()
        self._submit(NOTHING_CHANGED, {name for one in self.mutants.values() for name in one.tests})
        if self.runner.wait_for_result().exit_code:
            sys.exit("a test fails where nothing is changed, once it is played in a child")
        for number, mutant in enumerate(self.mutants.values()):
            if time.monotonic() > self.until:
                break
            if number % 50 == 0:
                print(f"{number} of {len(self.mutants)} played", file=sys.stderr)
            if not mutant.tests:
                self._end(mutant, "no tests")
                continue
            while not self.runner.has_capacity():
                self._wait()
            self._submit(mutant.name, mutant.tests)
        while self.runner.pending_count():
            self._wait()
        return True

    def _submit(self, name: str, tests: Collection[str]) -> None:
        took = sum(state().duration_by_test[name] for name in tests)
        limit = ceil((took + config().timeout_constant) * config().timeout_multiplier * 2)
        self.runner.submit(name, [*tests], limit, took)

    def _wait(self) -> None:
        result = self.runner.wait_for_result()
        self._end(self.mutants[result.mutant_name], status_by_exit_code[result.exit_code])

    def _end(self, mutant: Mutant, end: str) -> None:
        if end in SURVIVED:
            with change_cwd(".."):
                mutant = located(mutant)
            print(f"{end}: {mutant}", file=sys.stderr)
        self.ended.append((mutant, end))

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """Return 0 where no test fails, in the child of a mutant."""
        try:
            if (mutant := self.mutants.get(mutant_name or "")) and mutant.change:
                mutant.change()
            items = [self.items[_once(name)] for name in tests]
            for item, after in zip_longest(items, items[1:]):
                if any(report.failed for report in runtestprotocol(item, nextitem=after, log=False)):
                    return 1
        except BaseException:  # noqa: BLE001 - a child that left here would clear the folder of all
            return 1
        return 0


def _once(name: str) -> str:
    """Return a test's name as it is collected for the first time: pytest escapes what is not ASCII again each time."""
    return re.sub(r"\\+", r"\\", name)


def explanations(project: Path) -> Mapping[tuple[str, ...], str]:
    """Return why some mutants change nothing that a test can see, by their keys."""
    file = project / "bench" / "mutants.toml"
    found = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    return {(one["file"], *_changed(one["diff"])): one["why"] for one in found.get("survivor", ())}


def pool(project: Path, only: Sequence[str], processes: int) -> list[Mutant]:
    """Make the mutants of a project in this folder, an empty one, play its tests without any, and return them."""
    shutil.copy(project / "pyproject.toml", "pyproject.toml")
    reset_config()
    for name in (*config().source_paths, *config().also_copy):
        if (project / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".hypothesis", "out", "site")
            shutil.copytree(project / name, name, ignore=ignored, dirs_exist_ok=True)
        elif (project / name).exists():
            shutil.copy(project / name, name)
    if only:
        files = {str(path): _module(path) for path in mutmut.walk_mutatable_files()}
        heads = [*only, *(pattern.rpartition(".")[0] for pattern in only)]
        wanted = [file for file, module in files.items() if any(fnmatch.fnmatch(module, head) for head in heads)]
        config().only_mutate = wanted or sys.exit(f"no file is named like {' or '.join(only)}")
    mutators.mutation_operators[:] = OPERATORS  # type: ignore[index]
    mutmut.set_mutant_under_test("mutant_generation")
    with mutmut.CatchOutput():
        mutmut.copy_src_dir()
        mutmut.copy_also_copy_files()
        mutmut.setup_source_paths()
        mutmut.create_mutants(processes)
    mutmut.collect_or_load_stats(ForkRunner(1, PytestRunner()))
    mutmut.set_mutant_under_test("")
    return [
        one
        for path in sorted(mutmut.walk_mutatable_files())
        for one in (*code_mutants(path), *sql_mutants(path))
        if not only or any(fnmatch.fnmatch(name, pattern) for name in (_module(path), one.label) for pattern in only)
    ]


def _module(path: Path) -> str:
    """Return a module's name below the package."""
    return ".".join(path.with_suffix("").parts[1:])


def report(counts: Mapping[str, int], survived: Sequence[Mutant], known: int, *, as_json: bool, out: TextIO) -> int:
    """Print what became of the mutants, and return the exit code."""
    judged = sum(counts.values()) - known
    share = 1 - len(survived) / max(1, judged)
    if as_json:
        result = {"played": sum(counts.values()), "explained": known, "killed": share, "ended": dict(counts)}
        print(json.dumps({**result, "survived": list(map(str, survived))}, indent=2), file=out)
    else:
        print(*(f"{one}\n" for one in survived), sep="\n", end="", file=out)
        words = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        print(f"Played {sum(counts.values())} mutants: {words}.", file=out)
        print(f"Killed: {share:.1%} of {judged}, without {known} whose survival is explained.", file=out)
    return 0 if sum(counts.values()) and share >= LEAST else 1


def main() -> int:
    """Play mutants; 1 where too many survive, or where the tests fail without any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--project", type=Path, default=ROOT)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    project = given.project.resolve()
    sys.path.remove(str(Path(__file__).parent))  # its modules are no modules of the tests
    os.environ["CI"] = "true"  # so that property tests have the same examples each time
    until = time.monotonic() + given.seconds if given.seconds else inf
    # mutmut prints as it goes, in its children too: what is asked for is all that is printed on stdout.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as home:
        os.chdir(home)
        os.chmod(home, 0o755)  # noqa: PTH101, S103 - a test reads as nobody
        os.environ["PYTEST_DEBUG_TEMPROOT"] = home
        mutants = pool(project, given.only, given.processes)
        if given.seconds:
            random.Random(given.seed).shuffle(mutants)  # noqa: S311 - it must repeat
        ended = Player(mutants, until, given.processes).play()
        os.chdir(project)
    survived = [one for one, end in ended if end in SURVIVED]
    known = explanations(project)
    left = [one for one in survived if one.key not in known]
    counts = Counter(end for _, end in ended)
    return report(counts, sorted(left, key=str), len(survived) - len(left), as_json=given.json, out=out)


if __name__ == "__main__":
    sys.exit(main())
