"""
The process at a terminal: Ctrl-C, once or often; output whose reader may go away, or that a CI host obeys.

One rule of output for all commands: what nobody reads goes nowhere, the command does its work to the end, and its
exit code is what it would have been. An apply is neither cut short nor called a failure because its report was not
read.

A customer's name, a server's message or a file's line may hold a command for a CI host. It is looked for in what is
written, as laid out, so that no layout makes one of two harmless parts.

The first Ctrl-C does what the work at hand has asked for: it unwinds, or lets requests in flight finish. Each later
one ends the process at once, and so does the first where there is nothing to unwind. Nothing is lost by that, as the
ledger has what is sent before it leaves. SIGTERM counts as Ctrl-C.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from reconciler.escape import inert, line_so_far

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from _typeshed import ReadableBuffer


def outlive_readers() -> None:
    """Let this process's standard output and error take what is written to them after their reader is gone."""
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


EXIT_CODE = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"  # a progress bar hides it


class Interruption:
    """The handler of this process's signals; `asked` says how many have come."""

    def __init__(self) -> None:
        self.asked = 0
        self._code = EXIT_CODE
        self._first: Callable[[], object] | None = None
        self._last_words = "error: interrupted"

    def install(self) -> None:
        """Handle the signals to the very end of the process; one that is ignored, as below nohup, stays so."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)
        sys.unraisablehook = self._unraisable
        # Registered first, it runs last: after it the interpreter would have a signal kill the process.
        atexit.register(_ignore)

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's shape
        """Take a signal."""
        self.asked += 1
        # What is raised while Python holds the lock of a module leaves it locked, and whoever imports that waits.
        importing = frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")
        if self._first is None or self.asked > 1 or (self._first is interrupt and importing):
            self.end()
        self._first()

    @contextmanager
    def first(self, act: Callable[[], object], last_words: str = "error: interrupted") -> Iterator[None]:
        """Let the first signal inside do `act`; `last_words` are written where a later one ends the process."""
        before = self._first, self._last_words
        self._first, self._last_words = act, last_words
        try:
            yield
        finally:
            self._first, self._last_words = before

    def finish(self, code: int) -> int:
        """Return the exit code of a process whose command ended with `code`; a signal from now on says nothing."""
        self._first, self._last_words = None, ""
        self._code = EXIT_CODE if self.asked else code
        return self._code

    def end(self) -> NoReturn:
        """End the process at once."""
        with suppress(OSError):
            if self._last_words:
                terminal = os.isatty(2)
                os.write(2, (_SHOW_CURSOR if terminal else b"") + f"{self._last_words}\n".encode())
        os._exit(self._code)

    def _unraisable(self, unraisable: UnraisableHookArgs) -> None:
        """End the process where a signal came while Python could raise nothing, as in a finalizer."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            self.end()
        sys.__unraisablehook__(unraisable)


def interrupt() -> None:
    """Raise what unwinds a command."""
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Say whether a signal has come already."""
    installed = _installed()
    return installed is not None and installed.asked > 0


ACTING: ContextVar[Callable[[Callable[[], object]], AbstractContextManager[None]] | None] = ContextVar(
    "acting", default=None
)
"""What replaces the process's handler in a thread beside the main one, as `Interruption.first` does."""


@contextmanager
def first_signal(act: Callable[[], object], last_words: str = "error: interrupted") -> Iterator[None]:
    """Let the first signal inside do `act`, as `Interruption.first`; nothing where no process of ours handles them."""
    acting = ACTING.get()
    if acting is not None:
        with acting(act):
            yield
        return
    installed = _installed()
    if installed is None:
        yield
        return
    with installed.first(act, last_words):
        yield


def typed_line() -> str:
    """
    Return the line that is typed next, with its end; "" at the end of input.

    A signal that comes just before the wait for it would be handled only after it, and so a Ctrl-C seem ignored:
    the wait is for either.
    """
    if not sys.stdin.isatty() or _installed() is None:
        return sys.stdin.readline()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes)
    try:
        select.select([sys.stdin, woken], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wakes)
    return sys.stdin.readline()


def _installed() -> Interruption | None:
    """Return this process's handler, None where the command line is run by another program, as by tests."""
    handlers = map(signal.getsignal, _SIGNALS)
    return next((handler for handler in handlers if isinstance(handler, Interruption)), None)


def _ignore() -> None:
    """Ignore the signals."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
