"""A mutant that a test finds is killed; one that none finds survives, and is shown with its line and its change."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from command_line import PATIENCE_S

BENCH = Path(__file__).parents[1] / "bench" / "mutants.py"
sys.path.append(str(BENCH.parent))  # benchmarks are no package

from mutants import Mutant, report  # noqa: E402

FILES = {
    "pyproject.toml": """\
[tool.mutmut]
source_paths = ["shop"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]
pytest_add_cli_args_test_selection = ["tests"]
""",
    "shop/__init__.py": "",
    "shop/rules.py": """\
OPEN = "SELECT id FROM orders WHERE paid IS NULL"


def may_archive(active, protected):
    if protected:
        return False
    return active


def may_create(found):
    return found < 1


def nobody_asks():
    return True


def opened():
    return OPEN
""",
    "shop/prices.py": "def price(count):\n    return count * 2\n",
    "tests/test_rules.py": """\
import pytest
from shop.rules import may_archive, may_create, opened


@pytest.mark.parametrize("name", ["\u2260"])
def test_rules(name):
    assert may_archive(True, False)
    assert may_archive(True, True) is False
    assert may_create(0)
    assert "IS NULL" in opened()
""",
    "bench/mutants.toml": """\
[[survivor]]
file = "shop/rules.py"
why = "Nobody asks."
diff = '''
-    return True
+    return False
'''
""",
}


def mutants(project: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(changed.get(Path(name).stem, text), "utf-8")
    words = ["--project", str(project), "--processes", "1", "--seconds", "0", "--only", "rules", "--json"]
    return subprocess.run(
        [sys.executable, BENCH, *words], cwd=project, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ran = mutants(tmp_path_factory.mktemp("project"))
    assert ran.returncode == 1, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_survivor_is_shown_with_its_line_and_its_change(result: dict[str, Any]) -> None:
    assert result["survived"] == [
        "shop/rules.py:11: rules.may_create\n def may_create(found):\n-    return found < 1\n+    return found < 2",
        "shop/rules.py:11: rules.may_create\n def may_create(found):\n-    return found < 1\n+    return found <= 1",
    ]


def test_conditions_and_statements_are_mutated_and_other_modules_are_not(result: dict[str, Any]) -> None:
    # Of `may_archive` its condition and its False, of the statement both edits.
    assert result["ended"] == {"killed": 4, "survived": 2, "no tests": 1}


def test_what_is_explained_does_not_count(result: dict[str, Any]) -> None:
    assert (result["played"], result["explained"], result["killed"]) == (7, 1, 1 - 2 / 6)


@pytest.mark.parametrize(("killed", "code"), [(18, 0), (17, 1)])
def test_one_of_ten_may_survive(killed: int, code: int) -> None:
    told = StringIO()
    survived = [Mutant("a", "rules.a", "rules.py", frozenset())] * (20 - killed)
    assert report({"killed": killed, "survived": 20 - killed}, survived, 0, as_json=False, out=told) == code
    assert f"Killed: {killed * 5:.1f}% of 20" in told.getvalue()


def test_a_test_that_fails_without_a_mutant_ends_it(tmp_path: Path) -> None:
    ran = mutants(tmp_path, test_rules="from shop.rules import opened\n\ndef test_rules():\n    assert opened() == 5\n")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "assert opened() == 5" in ran.stderr
