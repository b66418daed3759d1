"""`init`: a starter project."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import output
from reconciler.errors import ReconcilerError
from reconciler.shipped import shipped
from reconciler.text import visible

STARTER = (
    "reconciler.yaml",
    "customers/customers.yaml",
    ".gitignore",
    ".github/workflows/reconciler.yml",
)
SCHEMAS = ("schema/customers.schema.json", "schema/project.schema.json")


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """
    Write a starter project into FOLDER: project file, customers, schemas for the editor, CI workflow, .gitignore.

    Nothing that is there already is written over.

    \b
    Example:
      reconciler init billing && cd billing && reconciler -e local plan
    """  # noqa: D301 - click's mark
    contents = {folder / name: shipped(f"examples/starter/{name}") for name in STARTER}
    contents |= {folder / name: shipped(name) for name in SCHEMAS}
    there = [path for path in contents if path.exists()]
    if there:
        raise ReconcilerError(
            f"{', '.join(map(str, there))}: there already; nothing was written", "choose another folder"
        )
    for path, source in contents.items():
        _write(path, source.read_text(encoding="utf-8"))
        output.result(visible(f"wrote {path}"))
    here = "" if folder == Path() else f"cd {folder} && "
    output.result(visible(f"Next: {here}reconciler -e local plan"))


def _write(path: Path, text: str) -> None:
    """Write a new file and the folders above it; ReconcilerError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "choose another folder") from exc
