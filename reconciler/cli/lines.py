"""The lines of the customers files that were read, for what shows where a problem is."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from reconciler.desired.files import read_files
from reconciler.errors import Source

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts lines by


def again(typed: bytes | None) -> io.BytesIO | None:
    """Return standard input once more, as it was read; None where it was closed or is not asked for."""
    return None if typed is None else io.BytesIO(typed)


def lines_of(
    paths: Sequence[str | Path], *, root: Path, typed: bytes | None, within: Sequence[Path] | None
) -> Callable[[Source], str]:
    """
    Return what gives the line of a customers file at a place, "" for one of another file.

    Only of what is read as customers: a line of the project file may be a secret that was written by mistake.
    """
    found = read_files(paths, root=root, stdin=again(typed), within=within)
    contents = {file.name: file.content for file in found.files}

    @cache
    def lines(name: str) -> list[str]:
        text = contents.get(name, b"").decode("utf-8-sig", "replace")
        return _BREAK.split(text)

    def line(source: Source) -> str:
        known = lines(source.file)
        return known[source.line - 1] if 0 < source.line <= len(known) else ""

    return line
