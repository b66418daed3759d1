"""Where what is imported is written: stdout, a file or a folder, and entries with an `id` line apart from others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli import output
from reconciler.cli.folder import check_place, write_folder
from reconciler.desired.write import Written, write_customers
from reconciler.errors import Invalid, ReconcilerError
from reconciler.escape import visible
from reconciler.report.layout import count
from reconciler.settings import Environment, Settings
from reconciler.settings.project import PROJECT_FILE

SCHEMA = "schema/customers.schema.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of a new file or a folder: `out`, None for stdout, and `pinned` for entries with an `id` line, if apart."""

    out: str | None
    pinned: str | None

    def check(self) -> None:
        """Raise ReconcilerError where nothing new can be written, before anything is asked of the account."""
        if self.out is not None:
            _check("-o", self.out)
        if self.pinned is not None:
            _check("--pinned", self.pinned)
            if self.out is not None and Path(self.out).resolve() == Path(self.pinned).resolve():
                raise ReconcilerError("-o and --pinned: they are one path", "name two")

    def check_apart(self, settings: Settings) -> None:
        """
        Raise ReconcilerError where the project reads what is written: a plan would create it beside its originals.

        That concerns customers who are made up of those of this account.
        """
        try:
            read = settings.files()
        except Invalid:  # the project names no files
            return
        if self.out is not None and _is_read(self.out, read, settings):
            raise ReconcilerError(
                f"{visible(self.out)}: every environment of this project reads it, so a plan for this one would "
                "create who is made up beside the originals",
                "write it elsewhere, -o demo/ say, and name it with -f when you seed",
            )

    def check_pins(self, entries: Sequence[Written], settings: Settings, environment: Environment) -> str:
        """
        Return why a plan would refuse the `id` lines where they are to be written, "" where it takes them.

        In a project of several environments it takes them in an overlay, as an id belongs to one account.
        """
        number = sum(entry.id is not None for entry in entries)
        place = self.out if self.pinned is None else self.pinned
        if not number or settings.pins_allowed or (place is not None and _is_overlay(place, settings, environment)):
            return ""
        name = visible(environment.name)
        stand = count(number, "customer stands", "customers stand")
        return (
            f"{stand} with an `id:` line, which a project of several environments takes in an overlay alone: write "
            f"`overlays: [overlays/{name}.yaml]` under {name} in the project file, and give "
            f"--pinned overlays/{name}.yaml"
        )

    def write(self, entries: Sequence[Written]) -> list[Path]:
        """Write all entries, and return the files; none for stdout."""
        if self.pinned is None:
            return _write(self.out, entries)
        apart = _write(self.pinned, [entry for entry in entries if entry.id is not None])
        return [*apart, *_write(self.out, [entry for entry in entries if entry.id is None])]


def _check(option: str, path: str) -> None:
    """Raise ReconcilerError where nothing new can be written to a path."""
    if not path:
        raise ReconcilerError(f"{option}: an empty path", "name a new file, or a folder")
    if _is_folder(path):
        check_place(Path(path))
        return
    output.check_new(Path(path))
    if not Path(path).absolute().parent.is_dir():
        raise ReconcilerError(f"{visible(str(Path(path).parent))}: there is no such folder", "make it first")


def _is_folder(path: str) -> bool:
    """Say whether a path is written as a folder's, or is one."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def schema_from(folder: Path) -> str:
    """Return the path of the project's schema for editors, from a folder of the project; "" where there is none."""
    here = folder.resolve()
    for above in (here, *here.parents):
        if (above / SCHEMA).is_file():
            return Path(os.path.relpath(above / SCHEMA, here)).as_posix()
        if (above / PROJECT_FILE).exists() or (above / ".git").exists():
            break
    return ""


def _is_read(path: str, read: Sequence[str], settings: Settings) -> bool:
    """Say whether a file at a path would be read for one of the project's paths: a file, a folder, or a glob."""
    full = Path(path).resolve()
    return any(
        full.is_relative_to((settings.root / one).resolve()) or full.match(str(settings.root.resolve() / one))
        for one in read
    )


def _is_overlay(path: str, settings: Settings, environment: Environment) -> bool:
    """Say whether a path is, or is in, one that the environment has for an overlay."""
    full = Path(path).resolve()
    return any(full.is_relative_to((settings.root / one).resolve()) for one in environment.overlays)


def _write(path: str | None, entries: Sequence[Written]) -> list[Path]:
    """Write entries to stdout, to one file, or to one file each; return the files."""
    if path is not None and _is_folder(path):
        schema = schema_from(Path(path))
        return write_folder(Path(path), {one.key: write_customers([one], schema=schema) for one in entries})
    schema = "" if path is None else schema_from(Path(path).parent)
    output.document_to(None if path is None else Path(path), write_customers(entries, schema=schema))
    return [] if path is None else [Path(path)]
