"""
Ctrl-C, once or often: exit code 130 and no traceback, at any moment.

The first does what the work at hand has asked for: it unwinds, or lets requests in flight finish. Each later one ends
the process at once, and so does the first where there is nothing to unwind. Nothing is lost by that, as the ledger
has what is sent before it leaves. SIGTERM counts as Ctrl-C.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

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


@contextmanager
def first_signal(act: Callable[[], object], last_words: str = "error: interrupted") -> Iterator[None]:
    """Let the first signal inside do `act`, as `Interruption.first`; nothing where no process of ours handles them."""
    installed = _installed()
    if installed is None:
        yield
        return
    with installed.first(act, last_words):
        yield


def _installed() -> Interruption | None:
    """Return this process's handler, None where the command line is run by another program, as by tests."""
    handlers = map(signal.getsignal, _SIGNALS)
    return next((handler for handler in handlers if isinstance(handler, Interruption)), None)


def _ignore() -> None:
    """Ignore the signals."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
