"""
The pace of a key that all processes of this machine share: a file in the user's state folder, beside the lock.

It is locked while it is read and written, some microseconds for each request; the operating system ends that
with the process, and a slot that a dead process has reserved is one request's time. Moments in it are those
of the machine's monotonic clock, so that the file's name tells the machine: folders may be shared by several.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reconciler.clock import Clock
from reconciler.errors import LedgerFailed
from reconciler.ledger.lock import account_key, state_folder, try_lock
from reconciler.pace import Pace, from_text, to_text

Result = TypeVar("Result")

_log = logging.getLogger("reconciler.ledger")

_ASK_EVERY_S = 0.002
_ASKED = 500
_LONGEST = 1 << 20


class PaceFile:
    """
    A board of `api.limit` in a file; where it cannot be used, the pace of this process alone.

    A run that may not write there (a read-only disk, no home) goes on at its own pace: a 429 is obeyed, and
    nothing is lost by it.
    """

    def __init__(self, base_url: str, client_id: str, clock: Clock, folder: Path | None = None) -> None:
        state = folder or state_folder()
        self._file = state / f"{account_key(base_url, f'{client_id}@{platform.node()}')}.pace"
        self._clock = clock
        self._own = Pace()
        self._usable = state.is_absolute()

    async def change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Replace the pace and return what `move` says."""
        descriptor = await self._locked()
        if descriptor is None:
            self._own, result = move(self._own)
            return result
        try:
            self._own, result = move(_read(descriptor, self._clock.monotonic()))
            _write(descriptor, self._own)
        except OSError as error:
            self._give_up(error.strerror)
        finally:
            os.close(descriptor)
        return result

    async def _locked(self) -> int | None:
        """Return the file, open and locked; None where there is none, or somebody was stopped while he held it."""
        descriptor = self._opened()
        if descriptor is None:
            return None
        try:
            for _ in range(_ASKED):
                if try_lock(descriptor):
                    return descriptor
                await self._clock.sleep(_ASK_EVERY_S)
        except LedgerFailed as error:
            self._give_up(str(error))
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _opened(self) -> int | None:
        """Return the file, open; None where it cannot be written."""
        if not self._usable:
            return None
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            self._give_up(error.strerror)
            return None

    def close(self) -> None:
        """Leave it: nothing is kept open."""

    def _give_up(self, why: str | None) -> None:
        """Go on at this process's own pace."""
        self._usable = False
        _log.debug("the pace is not shared with other processes: %s", why)


def _read(descriptor: int, now_s: float) -> Pace:
    """Return the pace that the file holds; a new one where it holds none of this start of the machine."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return from_text(os.read(descriptor, _LONGEST), now_s)


def _write(descriptor: int, pace: Pace) -> None:
    """Put a pace into the file. Not synced: what a machine's end takes away is worth nothing after it."""
    text = to_text(pace).encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)
    os.ftruncate(descriptor, len(text))
