"""What objects of a ledger hold is read back, whichever version of the program wrote it."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest

from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.ledger.lock import Holder
from reconciler.ledger.objects.segments import (
    Head,
    Segment,
    SegmentKind,
    Writer,
    read_head,
    read_segment,
    read_snapshot,
    write_head,
    write_segment,
)
from reconciler.ledger.rows import RUN_COLUMNS, Statement, statements
from reconciler.model.ledger import PutRun, Run

WRITER = Writer("run_1", "ab", Holder("ana@host 7", "2026-01-01T00:00:00Z", "apply"))
RUN = Run("run_1", "2026-01-01T00:00:00.000000Z", "apply", who="ana@host 7")
SEGMENT = Segment(SegmentKind.COMMIT, "1", WRITER, tuple(statements([PutRun(RUN)])))


def test_a_segment_and_a_head_are_read_back() -> None:
    head = Head("snapshots/7", 7, WRITER, 5)
    assert read_segment(write_segment(SEGMENT, 5), 5, "s3://b") == SEGMENT
    assert read_head(write_head(head), "s3://b") == head


def test_a_row_of_an_older_format_is_read_with_what_it_lacks() -> None:
    older = json.loads(zlib.decompress(write_segment(SEGMENT, 5)))
    lacking = ("actor", "key_name", "plan_digest", "pruned_at")
    assert RUN_COLUMNS.split(", ")[-4:] == list(lacking)
    older["rows"] = [row[: -len(lacking)] for row in older["rows"]]
    older["format"] = 2
    ((statement, row),) = read_segment(zlib.compress(json.dumps(older).encode()), 5, "s3://b").rows
    assert (statement, row) == (Statement.PUT_RUN, SEGMENT.rows[0][1])


def test_a_segment_of_a_newer_format_is_refused() -> None:
    with pytest.raises(LedgerTooNew, match="has format 6"):
        read_segment(write_segment(SEGMENT, 6), 5, "s3://b")


@pytest.mark.parametrize("content", [b"", b"\0", zlib.compress(b"[]"), zlib.compress(b'{"format": 1}')])
def test_what_is_no_segment_and_no_head_is_told(content: bytes) -> None:
    with pytest.raises(LedgerFailed, match="something else has altered it"):
        read_segment(content, 5, "s3://b")
    with pytest.raises(LedgerFailed, match="something else has altered it"):
        read_head(content, "s3://b")


def bomb(unit: bytes, mib: int) -> bytes:
    """Return an object of a few bytes that inflates to so many MiB."""
    packer = zlib.compressobj(9)
    chunk = unit * (1024**2 // len(unit))
    return b"".join([*(packer.compress(chunk) for _ in range(mib)), packer.flush()])


def test_an_object_that_inflates_to_far_more_than_a_ledger_does_is_refused() -> None:
    content = bomb(b"\0", 200)
    assert len(content) < 250_000
    for read in (lambda: read_snapshot(content, "s3://b"), lambda: read_segment(content, 5, "s3://b")):
        with pytest.raises(LedgerFailed, match="s3://b: an object of the ledger of a few bytes holds more than 96 MiB"):
            read()


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,"])
def test_a_step_of_more_values_than_a_ledger_has_is_refused(unit: bytes) -> None:
    content = zlib.compress(b"[" + unit * 1_100_000 + b"0]")
    with pytest.raises(LedgerFailed, match="holds more than 1000000 values"):
        read_segment(content, 5, "s3://b")


def test_an_object_that_is_nested_deeply_or_cut_is_told() -> None:
    for content in (zlib.compress(b"[" * 100_000), write_segment(SEGMENT, 5)[:-1]):
        with pytest.raises(LedgerFailed, match="something else has altered it"):
            read_segment(content, 5, "s3://b")


def test_a_step_of_many_rows_is_read() -> None:
    runs = [PutRun(replace(RUN, id=f"run_{number:06}", commit=f"{number * 7919:040x}")) for number in range(60_000)]
    segment = replace(SEGMENT, rows=tuple(statements(runs)))
    assert read_segment(write_segment(segment, 5), 5, "s3://b") == segment
