"""What became of a sheet: as text, and as a value for JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.documents.scalars import quoted
from reconciler.model.reports import LeftOutReason, Repair, SheetReading, SheetUpdate
from reconciler.report.layout import count
from reconciler.report.redact import masked

SHOWN = 10
"""So many of each are listed as text; as JSON all are."""
_REASONS = {
    LeftOutReason.BELOW_TABLE: "it is below the table, after an empty row",
    LeftOutReason.NO_EMAIL: "it has no email address, so it makes no user",
    LeftOutReason.NO_CUSTOMER: "it belongs to no customer that is written",
}


def sheet_lines(reading: SheetReading, update: SheetUpdate, *, redact: bool = False) -> Iterator[str]:
    """Yield what became of a sheet, line by line."""
    yield f"{reading.file}: {reading.how}; the header is on line {reading.header}"
    parts = (
        (f"{reading.written} written", reading.written),
        (f"{reading.filtered} filtered", reading.filtered),
        (f"{len(reading.left_out)} left out", len(reading.left_out)),
    )
    yield f"{count(reading.read, 'row')} read: {', '.join(words for words, number in parts if number)}"
    if total := reading.repaired.total():
        each = ", ".join(f"{number} {kind}" for kind, number in reading.repaired.most_common())
        yield f"{count(total, 'cell')} repaired: {each}"
        listed = sorted(reading.repairs, key=lambda one: one.source)[:SHOWN]
        yield from (f"  {_repair(one, redact=redact)}" for one in listed)
        if len(listed) < total:
            yield f"  and {total - len(listed)} more: --format json lists all"
    for left in reading.left_out[:SHOWN]:
        yield f"left out: {left.source}: {_REASONS[left.reason]}"
    if len(reading.left_out) > SHOWN:
        yield f"left out: {len(reading.left_out) - SHOWN} more"
    yield from _update_lines(update)


def _repair(one: Repair, *, redact: bool) -> str:
    """Return a repair in words; of an EIN its shape alone, as what is printed ends in logs."""
    old, new = (masked(one.field, value) if redact else value for value in (one.old, one.new))
    if one.field == "ein":
        old, new = (re.sub("[0-9]", "#", value) for value in (old, new))
    return f"{one.source}: {one.column}: {quoted(old)} -> {quoted(new)}"


def _update_lines(update: SheetUpdate) -> Iterator[str]:
    """Yield what changes in the files, and what is left to the reader."""
    parts = (
        (f"{len(update.new)} new", len(update.new)),
        (f"{len(update.changed)} changed", len(update.changed)),
        (f"{len(update.archived)} archived", len(update.archived)),
        (f"{update.unchanged} unchanged", update.unchanged),
    )
    yield f"customers: {', '.join(words for words, number in parts if number) or 'none'}"
    if update.gone:
        them = "it" if len(update.gone) == 1 else "them"
        yield f"no longer in the sheet, and left as declared: {_keys(update.gone)}; --gone archive archives {them}"
    if update.returned:
        yield f"in the sheet, and declared archived: {_keys(update.returned)}; remove `archived: true` to restore"
    for key, why in update.refused:
        yield f"not edited: {quoted(key)}: {why}; edit it by hand"


def _keys(keys: Sequence[str]) -> str:
    """Return keys in words."""
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(map(quoted, keys[:SHOWN])) + more


def sheet_json(
    reading: SheetReading, update: SheetUpdate, *, files: Sequence[str], dry_run: bool, redact: bool = False
) -> dict[str, Any]:
    """Return the same as a value for JSON; `files` are those that were written, or would be."""
    return {
        "file": reading.file,
        "recognized": reading.how,
        "header_line": reading.header,
        "dry_run": dry_run,
        "files": list(files),
        "rows": {
            "read": reading.read,
            "written": reading.written,
            "filtered": reading.filtered,
            "left_out": len(reading.left_out),
            "repaired": len({(one.source.file, one.source.line) for one in reading.repairs}),
        },
        "repaired": [
            {
                "file": one.source.file,
                "line": one.source.line,
                "column": one.source.column,
                "name": one.column,
                "field": one.field,
                "old": masked(one.field, one.old) if redact else one.old,
                "new": masked(one.field, one.new) if redact else one.new,
                "by": one.by,
            }
            for one in reading.repairs
        ],
        "left_out": [
            {
                "file": one.source.file,
                "line": one.source.line,
                "reason": one.reason.value,
                "message": _REASONS[one.reason],
            }
            for one in reading.left_out
        ],
        "customers": {
            "new": update.new,
            "changed": [{"key": key, "fields": fields} for key, fields in update.changed.items()],
            "unchanged": update.unchanged,
            "gone": update.gone,
            "archived": update.archived,
            "returned": update.returned,
            "refused": [{"key": key, "message": why} for key, why in update.refused],
        },
    }
