"""
What the objects of a ledger hold: a segment of its log, its head, a snapshot. Pure.

A segment is one step of the ledger's life. Its rows are those that every ledger of this program writes, so that
whatever is done to a row (`reconciler.ledger.rows`) is done to it here too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.ledger.export import lacking
from reconciler.ledger.lock import Holder
from reconciler.ledger.rows import PUTS, Row, Statement


class SegmentKind(StrEnum):
    """What a segment is."""

    COMMIT = "commit"  # of a run that has begun
    NOTE = "note"  # of one that has not: what a plan learned
    OVERWRITE = "overwrite"  # all that was there is replaced
    BEGIN = "begin"  # a run begins to write: whoever began before commits no more
    END = "end"  # a run may commit no more: its lease was taken over, or ended by hand


NOBODY = Holder()

MOST_BYTES = 96 * 1024**2
MOST_RATIO = 50
"""The most that an object larger than `MOST_BYTES` may inflate by; a ledger's rows inflate by ten."""

MOST_VALUES = 1_000_000
"""A step of more values has as many bytes in its object: a ledger's rows have three times as many."""

_RESTORE = (
    "restore the objects, or name another prefix: planning works without "
    "it, but archives nothing that you removed from the files"
)


@dataclass(frozen=True, slots=True)
class Writer:
    """A run as the log names it, the account (`lock.account_key`) whose lease it holds, and who it is."""

    run: str = ""
    account: str = ""
    holder: Holder = NOBODY


NO_RUN = Writer()


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One step. `id` tells it from any other; `writer` is the owner, for END the run that may commit no more.

    `by` is who took over (END; nobody where it was ended by hand). `lineage` and `serial` are those of the copy that
    OVERWRITE replaces all by.
    """

    kind: SegmentKind
    id: str
    writer: Writer
    rows: tuple[tuple[Statement, Row], ...] = ()
    by: Holder = NOBODY
    lineage: str = ""
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """
    Which snapshot is the newest, the number of the last segment that is in it, and who began to write last.

    `format` is the snapshot's.
    """

    snapshot: str
    number: int
    writer: Writer
    format: int


def log_key(number: int) -> str:
    """
    Return the key of a segment, below the ledger's own.

    >>> log_key(7), number_of("production-1f3a/log/000000000007")
    ('log/000000000007', 7)
    """
    return f"log/{number:012d}"


def number_of(key: str) -> int:
    """Return the number of the segment that has a key."""
    return int(key.rpartition("/")[2])


def write_segment(segment: Segment, known: int) -> bytes:
    """Return a segment as bytes, in the format that this program knows."""
    rows = [[statement.value, *map(_written, row)] for statement, row in segment.rows]
    return _packed({"format": known, **asdict(segment), "rows": rows})


def read_segment(content: bytes, known: int, place: str) -> Segment:
    """Return the segment that an object holds; LedgerTooNew beyond `known`, LedgerFailed where it is none."""
    document = _unpacked(content, place)
    if isinstance(document, dict) and isinstance(document.get("format"), int) and document["format"] > known:
        raise too_new(place, document["format"], known)
    try:
        return Segment(
            kind=SegmentKind(document["kind"]),
            id=document["id"],
            writer=_writer(document["writer"]),
            rows=tuple(_rows(document["rows"])),
            by=Holder(**document["by"]),
            lineage=document["lineage"],
            serial=document["serial"],
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise damaged(place) from error


def write_head(head: Head) -> bytes:
    return json.dumps(asdict(head)).encode()


def read_head(content: bytes, place: str) -> Head:
    """Return the head that an object holds; LedgerFailed where it is none."""
    try:
        document = json.loads(content)
        return Head(document["snapshot"], int(document["number"]), _writer(document["writer"]), int(document["format"]))
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise damaged(place) from error


def write_snapshot(database: bytes) -> bytes:
    """Return a database as an object holds it."""
    return zlib.compress(database, 1)


def read_snapshot(content: bytes, place: str) -> bytes:
    """Return the database that an object holds; LedgerFailed where it is none."""
    return _inflated(content, place)


def too_new(place: str, found: int, known: int) -> LedgerTooNew:
    """Return that a ledger has a format that this program does not know."""
    return LedgerTooNew(
        f"{place}: the ledger has format {found}, but this version of Reconciler knows formats up to {known}",
        "update reconciler",
    )


def damaged(place: str) -> LedgerFailed:
    """Return that an object is not as this program writes it."""
    return LedgerFailed(
        f"{place}: an object of the ledger cannot be read, because something else has altered it",
        _RESTORE,
    )


def _writer(document: dict[str, Any]) -> Writer:
    """Return the run that a document names."""
    return Writer(document["run"], document["account"], Holder(**document["holder"]))


def _rows(documents: list[list[Any]]) -> Iterator[tuple[Statement, Row]]:
    """Yield the rows of a segment; what a row of an older format lacks at its end is added."""
    for name, *values in documents:
        statement = Statement(name)
        columns = PUTS[statement].columns.split(", ") if statement in PUTS else []
        yield statement, (*map(_read, values), *lacking(columns[len(values) :]))


def _written(value: object) -> object:
    """Return a value of a row as JSON has it: bytes, which JSON lacks, as a list of one text."""
    return [value.hex()] if isinstance(value, bytes) else value


def _read(value: Any) -> Any:  # noqa: ANN401 - of the type that the column has
    """Return what `_written` was given."""
    return bytes.fromhex(value[0]) if isinstance(value, list) else value


def _packed(document: object) -> bytes:
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def _unpacked(content: bytes, place: str) -> Any:  # noqa: ANN401 - what it holds is not known yet
    """Return the document that bytes hold."""
    text = _inflated(content, place)
    if sum(map(text.count, (b",", b"[", b"{"))) > max(MOST_VALUES, len(content)):
        raise _too_large(place, f"{MOST_VALUES} values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(place) from error


def _inflated(content: bytes, place: str) -> bytes:
    """Return what an object was packed from; LedgerFailed where it is none, or far larger than what it came from."""
    most = max(MOST_BYTES, len(content) * MOST_RATIO)
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(content, most)
    except zlib.error as error:
        raise damaged(place) from error
    if inflater.unconsumed_tail:
        raise _too_large(place, f"{most // 1024**2} MiB")
    if not inflater.eof:
        raise damaged(place)
    return text


def _too_large(place: str, than: str) -> LedgerFailed:
    """Return that an object would fill the memory."""
    return LedgerFailed(
        f"{place}: an object of the ledger of a few bytes holds more than {than}; something else has altered it",
        _RESTORE,
    )
