"""`import --from`: the rows of a sheet as customers, in a new file or in those that are there. It asks no server."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from reconciler.cli import output
from reconciler.cli.import_ import check_place, file_name, schema_from, write_folder
from reconciler.desired.files import read_files
from reconciler.desired.write import Written, write_customers
from reconciler.documents.scalars import did_you_mean
from reconciler.errors import Invalid, Problem, ReconcilerError, Source
from reconciler.escape import visible
from reconciler.file_patterns import is_customers_file
from reconciler.gc_pause import without_collector
from reconciler.input_file import read_file
from reconciler.model.reports import SheetUpdate
from reconciler.report.redact import masked_cell
from reconciler.report.sheet import SHOWN, sheet_json, sheet_lines
from reconciler.sheets.entries import SheetPass
from reconciler.sheets.map import SHIPPED, SheetMap, read_map, shipped_map
from reconciler.sheets.proposal import propose
from reconciler.sheets.read import Sheet, read_sheet
from reconciler.sheets.update import Update

AUTO = "auto"
_LARGEST_MAP = 1024**2


def run(
    ctx: click.Context,
    source: Path,
    map_name: str | None,
    out: str | None,
    *,
    archive: bool,
    sources: bool,
    dry_run: bool,
    form: str,
    redact: bool,
) -> None:
    """Write the customers of a sheet, and say what became of its rows; exit code 2 where an entry was not edited."""
    _check_words(map_name, out, form, dry_run=dry_run)
    content = _content(source)
    if map_name is None or map_name == AUTO:
        output.document(propose(read_sheet(content, _shown(source))))
        return
    sheet_map = _map(map_name)
    sheet = read_sheet(content, _shown(source), sheet=sheet_map.sheet)
    most = None if form == "json" else SHOWN
    rows = SheetPass(sheet, sheet_map, _opener(source), sources=sources, most_repairs=most)
    target = _Target(out)
    try:
        with without_collector():
            if target.contents:
                update, texts = _updated(rows, sheet_map, target, archive=archive)
            else:
                update, texts = _fresh(rows, target)
    except Invalid as exc:
        raise Invalid(list(map(masked_cell, exc.problems)) if redact else exc.problems) from exc
    if not dry_run and out is not None:
        target.write(texts)
    elif form != "json":
        output.document(_difference(target.contents, texts) if target.contents else "".join(texts.values()))
    if form == "json":
        files = [] if out is None else list(texts)
        output.json_result(sheet_json(rows.reading, update, files=files, dry_run=dry_run, redact=redact))
    else:
        for line in sheet_lines(rows.reading, update, redact=redact):
            output.note(line)
        if texts and out is not None:
            what = next(iter(texts)) if len(texts) == 1 else f"{len(texts)} files in {visible(out)}"
            output.note(f"{'would write' if dry_run else 'wrote'} {what}")
    ctx.exit(2 if update.refused else 0)


def _check_words(map_name: str | None, out: str | None, form: str, *, dry_run: bool) -> None:
    """Raise UsageError for options that do not go together."""
    if map_name is None:
        raise click.UsageError(f"--from needs --map: a file, {AUTO}, or one of {', '.join(SHIPPED)}")
    if map_name == AUTO and out is not None:
        raise click.UsageError("--map auto prints a map and writes no customers: leave -o out")
    if form == "json" and out is None and not dry_run:
        raise click.UsageError("--format json takes stdout: give -o PATH for the customers, or --dry-run")


def _content(path: Path) -> bytes:
    """Return what a file holds; ReconcilerError where it cannot be read."""
    try:
        return read_file(path)
    except OSError as exc:
        raise ReconcilerError(f"{_shown(path)}: it cannot be read: {exc.strerror}", "check the path") from exc


def _shown(path: Path) -> str:
    return visible(path.as_posix())


def _map(name: str) -> SheetMap:
    """Return the shipped map of this name, else the one in the file."""
    if name in SHIPPED:
        return read_map(shipped_map(name), f"{name} (shipped)")
    try:
        content = read_file(Path(name), _LARGEST_MAP)
    except OSError as exc:
        hint = did_you_mean(name, (*SHIPPED, AUTO)) or f"give a file, {AUTO}, or one of {', '.join(SHIPPED)}"
        raise ReconcilerError(f"{visible(name)}: this map cannot be read: {exc.strerror}", hint) from exc
    return read_map(content, visible(name))


def _opener(source: Path) -> Callable[[str], Sheet | None]:
    """Return what opens another sheet in the folder of the first."""

    def opened(name: str) -> Sheet | None:
        path = source.parent / name
        if Path(name).name != name:
            raise Invalid([Problem(Source(visible(name)), "", "this names a folder", "put it beside the first sheet")])
        return read_sheet(_content(path), _shown(path)) if path.exists() else None

    return opened


class _Target:
    """Where customers are written: `contents` are those of the files that are there, by name."""

    def __init__(self, out: str | None) -> None:
        """Read what is there; Invalid or ReconcilerError where nothing can be written."""
        self.out = out
        self.folder = out is not None and (out.endswith(("/", os.sep)) or Path(out).is_dir())
        self.contents: Mapping[str, bytes] = {}
        if out is None:
            return
        if not out:
            raise ReconcilerError("-o: an empty path", "name a file, or a folder")
        path = Path(out)
        if path.suffix.lower() not in ("", ".yaml", ".yml") and not self.folder:
            raise ReconcilerError(
                f"-o: customers are written as YAML, not as {visible(path.suffix)}", "name a .yaml file"
            )
        if self.folder:
            check_place(path)
        else:
            output.check_parent(path)
        if path.exists() and not (self.folder and _is_empty(path)):
            found = read_files([out], root=Path.cwd())
            if found.problems:
                raise Invalid(found.problems)
            self.contents = {file.name: file.content for file in found.files}
        if not self.folder and not all(content.strip() for content in self.contents.values()):
            self.contents = {}

    @property
    def schema(self) -> str:
        """Return the path of the project's schema for editors; "" where there is none."""
        return "" if self.out is None else schema_from(Path(self.out) if self.folder else Path(self.out).parent)

    def write(self, texts: Mapping[str, str]) -> None:
        """Write files, each whole or not at all; what is there is replaced only if it is what was read."""
        for name in texts.keys() & self.contents.keys():
            if Path(name).read_bytes() != self.contents[name]:
                raise ReconcilerError(f"{visible(name)}: someone else has written it meanwhile", "run it again")
        # New files first: they are written all or none.
        new = {name: text for name, text in texts.items() if name not in self.contents}
        if self.folder and new and self.out is not None:
            write_folder(Path(self.out), {Path(name).name: text for name, text in new.items()})
        for name, text in texts.items():
            if name in self.contents:
                output.replace_file(Path(name).resolve(), text.encode())
            elif not self.folder:
                output.write_private(Path(name), text)


def _is_empty(folder: Path) -> bool:
    """Say whether a folder holds no customers file."""
    return not any(is_customers_file(path.name) for path in folder.rglob("*"))


def _fresh(rows: SheetPass, target: _Target) -> tuple[SheetUpdate, dict[str, str]]:
    """Return the texts of new files by name."""
    update = SheetUpdate()

    def noted() -> Iterator[Written]:
        for entry in rows.entries():
            update.new.append(entry.key)
            yield entry

    if target.folder:
        return update, _one_each(list(noted()), target)
    return update, {target.out or "-": write_customers(noted(), schema=target.schema)}


def _one_each(entries: Sequence[Written], target: _Target) -> dict[str, str]:
    """Return the text of a file for each entry, by the file's name."""
    folder = Path(target.out or "")
    return {(folder / file_name(one.key)).as_posix(): write_customers([one], schema=target.schema) for one in entries}


def _updated(
    rows: SheetPass, sheet_map: SheetMap, target: _Target, *, archive: bool
) -> tuple[SheetUpdate, dict[str, str]]:
    """Return the texts of the files that change or are new, by name."""
    update = Update(target.contents, sheet_map)
    new = [entry for entry in rows.entries() if not update.compare(entry)]
    update.finish(archive=archive)
    into = "" if target.folder else next(iter(target.contents))
    texts = update.texts(new, into)
    if target.folder and new:
        files = _one_each(new, target)
        if taken := sorted(files.keys() & target.contents.keys()):
            message = (
                f"{visible(taken[0])}: another customer is in the file that a new one would get; nothing is written"
            )
            raise ReconcilerError(message, "rename that file")
        texts |= files
    return update.done, texts


def _difference(before: Mapping[str, bytes], after: Mapping[str, str]) -> str:
    """Return what changes as a unified diff."""
    parts = []
    for name, text in after.items():
        old = before.get(name, b"").decode().splitlines()
        lines = difflib.unified_diff(old, text.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
        parts += [f"{visible(line, keep=chr(9))}\n" for line in lines]
    return "".join(parts)
