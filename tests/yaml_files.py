"""Customers files written to a folder and loaded: what they declare, or what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from reconciler.desired.load import Loaded, load_desired
from reconciler.errors import Invalid

FILE = "customers.yaml"
Option: TypeAlias = Any  # what load_desired takes by name


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def load(folder: Path, files: str | bytes | Mapping[str, str | bytes], *paths: str, **options: Option) -> Loaded:
    """Return what `files` (or one FILE) declare; `paths` are read, FILE without any."""
    write(folder, files if isinstance(files, Mapping) else {FILE: files})
    return load_desired(paths or (FILE,), root=folder, **options)


def problems(folder: Path, files: str | bytes | Mapping[str, str | bytes], *paths: str, **options: Option) -> list[str]:
    """Return what is wrong with `files`, as the user reads it."""
    with pytest.raises(Invalid) as caught:
        load(folder, files, *paths, **options)
    return [str(problem) for problem in caught.value.problems]


def warnings(folder: Path, files: str | Mapping[str, str | bytes], *paths: str, **options: Option) -> list[str]:
    """Return the warnings of files that are no error."""
    return [str(problem) for problem in load(folder, files, *paths, **options).warnings]
