"""`init`: a starter project."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import output
from reconciler.errors import ReconcilerError
from reconciler.shipped import shipped
from reconciler.text import visible

WRITTEN = {
    "reconciler.yaml": "examples/starter/reconciler.yaml",
    "customers/customers.yaml": "examples/starter/customers/customers.yaml",
    ".gitignore": "examples/starter/.gitignore",
    ".github/workflows/reconciler.yml": "examples/ci/github/reconciler.yml",
    ".github/workflows/reconciler-drift.yml": "examples/ci/github/reconciler-drift.yml",
    "schema/customers.schema.json": "schema/customers.schema.json",
    "schema/project.schema.json": "schema/project.schema.json",
}
"""What `init` writes, and which of the files in the package it is."""


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """
    Write a starter project into FOLDER: project file, customers, schemas for the editor, CI workflows, .gitignore.

    Nothing that is there already is written over.

    \b
    Example:
      reconciler init billing && cd billing && reconciler -e local plan
    """  # noqa: D301 - click's mark
    contents = {folder / name: shipped(source) for name, source in WRITTEN.items()}
    there = [path for path in contents if path.exists()]
    if there:
        raise ReconcilerError(
            f"{', '.join(map(str, there))}: there already; nothing was written", "choose another folder"
        )
    for path, source in contents.items():
        _write(path, source.read_text(encoding="utf-8"))
        output.sentence(visible(f"wrote {path}"))
    here = "" if folder == Path() else f"cd {folder} && "
    output.sentence(visible(f"Next: {here}reconciler -e local plan"))


def _write(path: Path, text: str) -> None:
    """Write a new file and the folders above it; ReconcilerError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "choose another folder") from exc
