"""
Variants of the planner with one line of its source changed, imported beside the right one.

The variant is read, changed and compiled here; nothing of the right package is touched. `Planted` names the module,
the line as it stands, and the line instead: where the line is not found once, the plant has rotted, and that is an
error.
"""

from __future__ import annotations

import importlib
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from world import Stages

_HOUSE = Path(__file__).parent.parent / "reconciler"
_ROOMS = ("plan", "apply", "pipeline")
_OURS = re.compile(rf"\breconciler\.({'|'.join(_ROOMS)})\b")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Planted:
    """A bug: in `module` (`plan.diff`), `line` is replaced by `instead`, both without indentation."""

    words: str
    module: str
    line: str
    instead: str

    def __str__(self) -> str:
        """Return the bug in plain words."""
        return self.words


@contextmanager
def planted(bug: Planted | None) -> Iterator[Stages]:
    """Yield the stages of a run with `bug` in them; with None a copy that is right."""
    name = f"planted_{next(_NUMBERS)}"
    finder = _Finder(name, bug)
    sys.meta_path.append(finder)
    try:
        made = importlib.import_module(f"{name}.pipeline.plan")
        carried = importlib.import_module(f"{name}.pipeline.apply")
        if bug is not None and not finder.planted:
            raise LookupError(f"{bug}: {bug.module} was not imported")
        yield Stages(made.make, carried.carry_out, carried.new_run)
    finally:
        sys.meta_path.remove(finder)
        for module in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[module]


class _Finder(MetaPathFinder, Loader):
    """Finds `<name>.plan.diff` in the source of `reconciler.plan.diff`."""

    def __init__(self, name: str, bug: Planted | None) -> None:
        self._name = name
        self._bug = bug
        self.planted = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how a module of the variant is loaded; None for any other."""
        del path, target
        if fullname != self._name and not fullname.startswith(f"{self._name}."):
            return None
        return spec_from_loader(fullname, self, is_package=self._path(fullname).name == "__init__.py")

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source in `module`."""
        if module.__name__ == self._name:
            return
        path = self._path(module.__name__)
        inner = module.__name__.removeprefix(f"{self._name}.")
        source = path.read_text("utf-8")
        if self._bug is not None and inner == self._bug.module:
            source = _changed(source, self._bug)
            self.planted = True
        source = _OURS.sub(rf"{self._name}.\1", source)
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - our own source, one line changed

    def _path(self, fullname: str) -> Path:
        """Return the file of the right module."""
        inner = fullname.removeprefix(self._name).removeprefix(".").replace(".", "/")
        folder = _HOUSE / inner
        return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _changed(source: str, bug: Planted) -> str:
    """Return `source` with the bug in it; LookupError where its line does not stand there exactly once."""
    found = re.findall(rf"^( *){re.escape(bug.line)}$", source, flags=re.MULTILINE)
    if len(found) != 1:
        raise LookupError(f"{bug}: {bug.line!r} stands {len(found)} times in {bug.module}; plant it anew")
    (indent,) = found
    return source.replace(f"\n{indent}{bug.line}\n", f"\n{indent}{bug.instead}\n")
