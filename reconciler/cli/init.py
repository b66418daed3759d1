"""`init`: a starter project."""

from __future__ import annotations

from pathlib import Path

from reconciler.cli import output
from reconciler.errors import ReconcilerError
from reconciler.escape import visible
from reconciler.resources import shipped

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

SAMPLE = "customers/customers.yaml"
LEDGERS = ".reconciler/"
"""What `.gitignore` must name: the ledger holds personal data."""


def run(folder: Path) -> None:
    """Write what is not there yet."""
    kept = {name for name in WRITTEN if (folder / name).exists()}
    # Where customers are declared already, made-up ones must not join them.
    own = (folder / "customers").exists() or "reconciler.yaml" in kept
    for name, source in WRITTEN.items():
        path = folder / name
        if name in kept:
            output.report(visible(f"kept  {path}, which is there already"))
        elif name == SAMPLE and own:
            output.report(visible(f"left  {path} out: the project has customers of its own"))
        else:
            _write(path, shipped(source).read_text(encoding="utf-8"))
            output.report(visible(f"wrote {path}"))
    if ".gitignore" in kept and LEDGERS not in _lines(folder / ".gitignore"):
        output.say(f"{folder / '.gitignore'}: add a line `{LEDGERS}`, as the ledger there holds personal data")
    here = "" if folder == Path() else f"cd {folder} && "
    output.report(visible(f"Next: {here}reconciler -e local plan"))


def _lines(path: Path) -> list[str]:
    """Return the lines of a file, none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _write(path: Path, text: str) -> None:
    """Write a new file and the folders above it; ReconcilerError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ReconcilerError(f"{path}: it cannot be written: {exc.strerror}", "choose another folder") from exc
