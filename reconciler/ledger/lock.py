"""
What processes of this machine agree on: one writing run per ledger and per account, and the pace of a key.

A lock is the operating system's, on a file in the user's state folder: it ends with the process that
holds it, however that dies, so it is never stale. The file stays when the lock ends: removing it would
let two runs hold two files of one name. Its text says who holds it, and means nothing without the lock.

A run holds two: that of its ledger keeps two keys of one account apart, that of its key two ledgers of one. All
take them in this order, so that no two runs wait for each other.

The file of a pace is locked while it is read and written, some microseconds for each request; the operating system
ends that with the process, and a slot that a dead process has reserved is one request's time. Moments in it are those
of the machine's monotonic clock, so that the file's name tells the machine: folders may be shared by several.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import os
import platform
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from reconciler.clock import Clock
from reconciler.errors import LedgerFailed, Locked
from reconciler.escape import visible
from reconciler.pace import Pace, from_text, to_text
from reconciler.system import HERE, System


def this_machine(system: System = HERE) -> str:
    """Return what tells this machine, since it started, from any other; "" where that is unknown."""
    return system.machine()


def process_key() -> str:
    """Return number and start of this process, `pid:ticks`: a number alone is used again."""
    return f"{os.getpid()}:{HERE.started(os.getpid()) or ''}"


def died(machine: str, process: str, system: System = HERE) -> bool:
    """Say whether a process is known to have died: False on another machine, or where it cannot be known."""
    if not machine or machine != this_machine(system):
        return False
    number, _, started = process.partition(":")
    if not number.isdecimal() or not started:
        return False
    return system.started(int(number)) != started


LEASE_S = 15.0
"""So long a lease lasts without being renewed, where the ledger is shared."""

_ASK_EVERY_S = 0.5
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock (`user@host pid`), since when (RFC 3339 UTC), doing what; "" where it is unknown."""

    who: str = ""
    since: str = ""
    doing: str = ""

    def __str__(self) -> str:
        """Return the holder for a message, safe to show."""
        if not self.who:
            return "another run"
        return visible(f"{self.doing} by {self.who} since {self.since}")


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock; leaving its context, or the death of the process, ends it. `file` is that of the account."""

    file: Path
    holder: Holder
    descriptors: tuple[int, ...]

    def __enter__(self) -> Self:
        """Return itself, held."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the lock."""
        for descriptor in reversed(self.descriptors):
            os.ftruncate(descriptor, 0)
            os.close(descriptor)


async def take_lock(
    *,
    base_url: str,
    client_id: str,
    doing: str,
    clock: Clock,
    timeout_s: float = 0.0,
    who: str | None = None,
    ledger: Path | None = None,
    folder: Path | None = None,
    otherwise: Path | None = None,
) -> Lock:
    """
    Return the lock of a ledger and an account, held; Locked, naming the holder, if another has it after `timeout_s`.

    It lies in `folder`, by default the user's state folder. Where nothing can be written there (no
    home, a read-only disk), it lies in `otherwise`, the ledger's own folder: runs on one ledger then
    still exclude each other, runs on two ledgers of one account do not. Where a user's lock lies does
    not change from run to run, so two runs never look in two places. LedgerFailed where neither can be
    written. `client_id` may be given hashed: it only has to be the same each time.
    """
    until = clock.monotonic() + timeout_s
    descriptors: list[int] = []
    try:
        for what, name in _names(base_url, client_id, ledger).items():
            descriptor, file = _open(name, folder, otherwise)
            descriptors.append(descriptor)
            await _wait(descriptor, file, clock, until, what)
        holder = Holder(who or this_process(), rfc3339(clock.now()), doing)
        for descriptor in descriptors:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(holder)).encode())
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return Lock(file, holder, tuple(descriptors))


def lock_holder(
    *,
    base_url: str,
    client_id: str,
    ledger: Path | None = None,
    folder: Path | None = None,
    otherwise: Path | None = None,
) -> Holder | None:
    """
    Return who holds the lock of a ledger or an account now, None for nobody.

    Makes no file and takes no lock for longer.
    """
    for name in _names(base_url, client_id, ledger).values():
        for place in _places(folder, otherwise):
            file = place / name
            try:
                descriptor = os.open(file, os.O_RDWR)
            except OSError:
                continue
            try:
                if not try_lock(descriptor):
                    return _read(file)
            finally:
                os.close(descriptor)
            break
    return None


def lock_folder(*, folder: Path | None = None, otherwise: Path | None = None) -> Path | None:
    """Return the folder in which a lock would lie, None where none can be written. Makes nothing."""
    return next((place for place in _places(folder, otherwise) if may_write(place)), None)


def may_write(path: Path) -> bool:
    """Say whether a file or folder can be written or, where it is not there, made. Changes nothing."""
    there = next(place for place in (path, *path.parents) if place.exists())
    return os.access(there, os.W_OK) and (there == path or there.is_dir())


def this_process(system: System = HERE) -> str:
    """Return `user@host pid` of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = system.user_number()
    return f"{user}@{socket.gethostname()} {os.getpid()}"


def account_key(base_url: str, client_id: str) -> str:
    """Return the name under which an account is locked: nothing of the account can be read from it."""
    return hashlib.sha256(f"{base_url}\n{client_id}".encode()).hexdigest()


def _names(base_url: str, client_id: str, ledger: Path | None) -> dict[str, str]:
    """Return the names of the lock files, by what each is the lock of, in the order in which they are taken."""
    names = {"account": f"{account_key(base_url, client_id)}.lock"}
    if ledger is None:
        return names
    # No client id holds a line break.
    key = account_key(base_url, f"ledger\n{ledger.resolve()}")
    return {"ledger": f"{key}.lock", **names}


def state_folder() -> Path:
    """Return the folder in which this program keeps what is no project's; without any home, it is not absolute."""
    from platformdirs import user_state_dir  # noqa: PLC0415 - most commands keep nothing there

    return Path(user_state_dir("reconciler"))


def _places(folder: Path | None, otherwise: Path | None) -> Iterator[Path]:
    """Yield the folders in which the lock may lie, the best first."""
    state = folder or state_folder()
    if state.is_absolute():
        yield state
    if otherwise is not None:
        yield otherwise


def _open(name: str, folder: Path | None, otherwise: Path | None) -> tuple[int, Path]:
    """Return the lock file, open, from the first place where it can be written."""
    why = "there is no home folder"
    for place in _places(folder, otherwise):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(place / name, os.O_RDWR | os.O_CREAT, 0o600), place / name
        except OSError as error:
            why = f"{visible(str(place))}: {visible(error.strerror or type(error).__name__)}"
    raise LedgerFailed(
        f"the lock of this account cannot be written: {why}",
        "make the user's state folder writable, or set XDG_STATE_HOME to one that is",
    )


async def _wait(descriptor: int, file: Path, clock: Clock, until: float, what: str) -> None:
    """Take the lock of an account or a ledger, asking again until then by the clock's count; then raise Locked."""
    while not try_lock(descriptor):
        wait_s = min(_ASK_EVERY_S, until - clock.monotonic())
        if wait_s <= 0:
            raise Locked(
                f"another run on this {what} holds the lock: {_read(file)}",
                "wait for it to end, or use --lock-timeout; the lock ends with its process",
            )
        await clock.sleep(wait_s)


def try_lock(descriptor: int, system: System = HERE) -> bool:
    """Take the lock if nobody holds it; say whether it is held now. LedgerFailed where the disk has no locks."""
    try:
        system.lock(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise LedgerFailed(
            f"the lock of this account cannot be taken: {visible(error.strerror or type(error).__name__)}",
            "set XDG_STATE_HOME to a folder on a local disk",
        ) from error
    return True


def _read(file: Path) -> Holder:
    """Return what the lock file says; nothing known where it says nothing yet."""
    try:
        with file.open("rb") as text:
            said = json.loads(text.read(_LONGEST))
        return Holder(str(said["who"]), str(said["since"]), str(said["doing"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Holder()


def rfc3339(now_s: float) -> str:
    """
    Return seconds since 1970 as RFC 3339 UTC.

    >>> rfc3339(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Result = TypeVar("Result")

_log = logging.getLogger("reconciler.ledger")

_ASK_PACE_EVERY_S = 0.002
_ASKED = 500
_LONGEST_PACE_FILE = 1 << 20


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
            self._own, result = move(_read_pace(descriptor, self._clock.monotonic()))
            _write(descriptor, self._own)
        except OSError as error:
            self._give_up(error.strerror)
        finally:
            os.close(descriptor)
        return result

    async def _locked(self) -> int | None:
        """Return the file, open and locked; None where there is none, or someone was stopped while he held it."""
        descriptor = self._opened()
        if descriptor is None:
            return None
        try:
            for _ in range(_ASKED):
                if try_lock(descriptor):
                    return descriptor
                await self._clock.sleep(_ASK_PACE_EVERY_S)
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


def _read_pace(descriptor: int, now_s: float) -> Pace:
    """Return the pace that the file holds; a new one where it holds none of this start of the machine."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return from_text(os.read(descriptor, _LONGEST_PACE_FILE), now_s)


def _write(descriptor: int, pace: Pace) -> None:
    """Put a pace into the file. Not synced: what a machine's end takes away is worth nothing after it."""
    text = to_text(pace).encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)
    os.ftruncate(descriptor, len(text))
