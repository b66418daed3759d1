"""
Standard output and standard error whose reader may go away, as `head` does.

One rule for all commands: what nobody reads goes nowhere, the command does its work to the end, and its exit code is
what it would have been. An apply is neither cut short nor called a failure because its report was not read.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def outlive_readers() -> None:
    """Let this process's standard output and error take what is written to them after their reader has gone."""
    sys.stdout = _outliving(sys.stdout)
    sys.stderr = _outliving(sys.stderr)


class _Pipe(io.RawIOBase):
    """A stream that drops what it is given once nobody reads it any more."""

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self._unread = False

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream below."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Say whether the stream below is a terminal."""
        return self._raw.isatty()

    def write(self, data: ReadableBuffer) -> int | None:
        """Write to the stream below while it has a reader."""
        if self._unread:
            return memoryview(data).nbytes
        try:
            return self._raw.write(data)
        except BrokenPipeError:
            self._unread = True
            return memoryview(data).nbytes


def _outliving(stream: TextIO) -> TextIO:
    """Return a stream that outlives its reader; one that is closed, or no plain text stream, as it is."""
    buffer = getattr(stream, "buffer", None)
    # Without buffering (PYTHONUNBUFFERED) the raw stream stands in the buffer's place.
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream
    pipe = _Pipe(raw)
    return io.TextIOWrapper(
        pipe if raw is buffer else io.BufferedWriter(pipe),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
