"""
What is printed, made inert: a CI runner reads a job's output line by line, and obeys some of the lines.

A customer's name, a server's message or a file's line may hold such a command. It is looked for in what is written,
as laid out, so that no layout makes one of two harmless parts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from reconciler.escape import inert, line_so_far


class InertStream:
    """A text stream that escapes one letter of each command; all but writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = ""

    def write(self, text: str) -> int:
        """Write `text`, and return its length."""
        self._stream.write(inert(text, before=self._line))
        self._line = line_so_far(self._line + text)
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write each of `texts`."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has."""
        return getattr(self._stream, name)


@contextmanager
def inert_output() -> Iterator[None]:
    """Let stdout and stderr be inert inside; a closed one (`<&-`) is None."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        cast("TextIO", stream if stream is None else InertStream(stream)) for stream in (sys.stdout, sys.stderr)
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
