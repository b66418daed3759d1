"""Figures of the house: files, code lines, names that mean two things, and what one plan and one apply enter."""

from __future__ import annotations

import ast
import io
import re
import sys
import threading
import tokenize
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_CLASS = re.compile(r"^ *class (\w+)", re.MULTILINE)
PACKAGE = Path(__file__).parents[1] / "reconciler"


@dataclass(slots=True)
class Entered:
    """What ran: the files of the package and the functions in them."""

    codes: set[CodeType] = field(default_factory=set)

    @property
    def files(self) -> list[str]:
        """Return the files in which a function ran, below the package's folder."""
        names = {Path(code.co_filename) for code in self._ours()}
        return sorted(str(name.relative_to(PACKAGE)) for name in names)

    @property
    def functions(self) -> int:
        """Return how many functions ran; a comprehension or a lambda is a part of its function."""
        return len({(code.co_filename, code.co_qualname.partition(".<locals>.<")[0]) for code in self._ours()})

    def _ours(self) -> list[CodeType]:
        own = [code for code in self.codes if code.co_filename.startswith(f"{PACKAGE}/")]
        return [code for code in own if code.co_name != "<module>"]

    def _seen(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - the interpreter's
        if event == "call":
            self.codes.add(frame.f_code)

    def during(self, call: Callable[[], object]) -> None:
        """Run `call`, and note what it enters, in threads that it starts too."""
        threading.setprofile(self._seen)
        sys.setprofile(self._seen)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


@cache
def sources() -> Mapping[str, ast.Module]:
    """Return the modules of the package by dotted name, without the package's own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def path_of(module: str) -> Path:
    """Return the file of a module."""
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def twice_defined() -> Mapping[str, list[str]]:
    """Return the class names that more than one module defines, with those modules."""
    where: dict[str, list[str]] = defaultdict(list)
    for module in sources():
        for name in _CLASS.findall(path_of(module).read_text("utf-8")):
            where[name].append(module)
    return {name: modules for name, modules in sorted(where.items()) if len(modules) > 1}


def importers() -> Mapping[str, set[str]]:
    """Return who imports each module of the package."""
    trees = sources()
    found: dict[str, set[str]] = {name: set() for name in trees}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("reconciler"):
                continue
            origin = (node.module or "").removeprefix("reconciler").removeprefix(".")
            for alias in node.names:
                name = f"{origin}.{alias.name}" if origin else alias.name
                found[name if name in found else origin].add(module)
    return found


def code_lines(module: str) -> int:
    """Return how many lines of a module are code: no docstring, comment, blank line or import."""
    text = path_of(module).read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(sources()[module]):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or (is_text and isinstance(node.value.value, str)):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - skipped)
