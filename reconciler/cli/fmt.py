"""`fmt`: customers files in their canonical layout."""

from __future__ import annotations

import difflib
import io
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.session import settings_of, standard_input
from reconciler.desired.files import STDIN, File, FoundFiles, read_files
from reconciler.desired.format import format_text
from reconciler.errors import Invalid, Problem, Source
from reconciler.escape import visible
from reconciler.settings import Options


def run(ctx: click.Context, paths: tuple[str, ...], *, options: Options, check: bool, diff: bool) -> None:
    """Write the files in their canonical layout, or name those that are not in it."""
    found, root = _found(options, (*paths, *options.files))
    problems = list(found.problems)
    changed = 0
    for file in found.files:
        after, wrong = format_text(file.content, file.name)
        problems += wrong
        changed += after != file.content
        if diff:
            if after != file.content:
                output.result(_difference(file.content, after, file.name))
        elif check:
            if after != file.content:
                output.result(visible(file.name))
        elif file.name == STDIN:
            output.document(after.decode())
        elif after != file.content:
            _write(root, file, after)
            if not output.quiet():
                output.result(visible(file.name))
    if problems:
        raise Invalid(problems)
    ctx.exit(1 if check and changed else 0)


def _found(options: Options, paths: tuple[str, ...]) -> tuple[FoundFiles, Path]:
    """Return the files that are named, else the project's with its overlays, and where their names start."""
    stdin = standard_input() if "-" in paths else None
    typed = None if stdin is None else io.BytesIO(stdin.read())
    if paths:
        return read_files(paths, root=Path.cwd(), stdin=typed), Path.cwd()
    settings = settings_of(options)
    every = (*settings.files(), *settings.overlays)
    return read_files(every, root=settings.root, within=settings.within), settings.root


def _write(root: Path, file: File, content: bytes) -> None:
    """Replace a file, unless somebody else has written it since it was read."""
    path = (root / file.name).resolve()
    if path.read_bytes() != file.content:
        raise Invalid([Problem(Source(file.name), "", "it was written by somebody else meanwhile", "run fmt again")])
    output.replace_file(path, content)


def _difference(before: bytes, after: bytes, name: str) -> str:
    """Return what changes from `before` to `after` as a unified diff; "" for nothing."""
    old, new = before.decode().split("\n"), after.decode().split("\n")
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{visible(line.removesuffix(chr(13)), keep=chr(9))}\n" for line in lines)
