"""
A working copy of the ledger in memory, kept as the log in the store says; nothing of it stays on the machine.

The log is a sequence of objects with numbers, each written only where there is none of its number. So there is one
order that all agree on, and whoever has not read the newest object cannot write the next one: that is the fence.
The head names the newest snapshot and the last number that is in it. What the snapshot holds of commits is deleted
from the log; what says that a run began or ended is not, for a run that wakes up after years must still find it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import RLock, Thread
from typing import TYPE_CHECKING
from uuid import uuid4

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.ledger.lock import Holder
from reconciler.ledger.objects.segments import (
    NO_RUN,
    Head,
    Segment,
    SegmentKind,
    Writer,
    damaged,
    log_key,
    number_of,
    read_head,
    read_segment,
    read_snapshot,
    write_head,
    write_segment,
    write_snapshot,
)
from reconciler.ledger.objects.store import Got, ObjectStore
from reconciler.ledger.sqlite import SqliteLedger, nothing
from reconciler.ledger.sqlite_file import hardened, ledger_errors, meta_of, migrate, named, version_of

if TYPE_CHECKING:
    from obstore import UpdateVersion


def made(place: str, whose: tuple[str, str], migrations: tuple[str, ...], lineage: str) -> bytes:
    """Return the database of a ledger that knows nothing, of the environment and base URL `whose`."""
    with ledger_errors(place), closing(_empty()) as connection:
        migrate(connection, place, migrations, None)
        named(connection, *whose, lineage)
        return connection.serialize()


def opened(
    database: bytes, place: str, whose: tuple[str, str], migrations: tuple[str, ...]
) -> tuple[SqliteLedger, bool]:
    """Return a ledger over a database, brought to today's format, and whether it had an older one."""
    connection = _empty()
    try:
        with ledger_errors(place):
            connection.deserialize(database)
            older = version_of(connection, place, known=len(migrations)) < len(migrations)
            migrate(connection, place, migrations, None)
            meta = meta_of(connection, place, *whose)
    except BaseException:
        connection.close()
        raise
    if meta is None:
        connection.close()
        raise damaged(place)
    return SqliteLedger(place, meta, writable=True, connection=connection), older


def shrink(connection: sqlite3.Connection) -> None:
    """Give back the free pages of a database where they are most of it: a snapshot of them would pass for a bomb."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free * 2 > connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("VACUUM")


def _empty() -> sqlite3.Connection:
    """Return an empty database; whoever uses it in several threads lets one at a time."""
    connection = hardened(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    # What is overwritten or deleted is personal data, and must not stay in free pages of a snapshot.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def end_log(store: ObjectStore, folder: str, run: str, holder: Holder, *, known: int) -> None:
    """Write at the end of a ledger's log that `run` may commit no more: `holder` took over, or nobody."""
    segment = write_segment(Segment(SegmentKind.END, uuid4().hex, Writer(run), by=holder), known)
    while (got := store.get(f"{folder}/head")) is not None:
        number = read_head(got.content, store.place).number
        keys = store.keys(f"{folder}/log", after=f"{folder}/{log_key(number)}")
        if keys:
            number = number_of(keys[-1])
        if store.put_new(f"{folder}/{log_key(number + 1)}", segment):
            return


_TRIES = 5  # a snapshot that is replaced while it is read is not replaced again so soon
NO_HEAD = Head("", 0, NO_RUN, 0)


class Behind(Exception):
    """The number is taken: there is a segment in the log that this copy has not read."""


@dataclass(slots=True)
class Replica:
    """
    A working copy. `folder` is the ledger's in the store, `whose` its environment and base URL.

    `number` is that of the last segment that was read, `writer` the run that began last; `commits` are the numbers
    of the commits since the snapshot; `ended` are the runs that may commit no more, and who ended them. Its methods
    may be called from several threads.
    """

    store: ObjectStore
    folder: str
    whose: tuple[str, str]
    migrations: tuple[str, ...]
    step: Step = no_hook
    head: Head = NO_HEAD
    version: UpdateVersion = field(default_factory=dict)  # type: ignore[assignment]
    number: int = 0
    writer: Writer = NO_RUN
    ended: dict[str, Holder] = field(default_factory=dict)
    commits: list[int] = field(default_factory=list)
    older: bool = False
    lock: RLock = field(default_factory=RLock)
    _local: SqliteLedger | None = None
    _beside: Thread | None = None

    @property
    def local(self) -> SqliteLedger:
        """Return the copy; LedgerFailed once it is closed."""
        if self._local is None:
            raise LedgerFailed(f"{self.store.place}: the ledger is closed")
        return self._local

    def load(self) -> bool:
        """Read head, snapshot and log; say False where there is no ledger. What was read before is forgotten."""
        with self.lock:
            for _ in range(_TRIES):
                got = self.store.get(f"{self.folder}/head")
                if got is None:
                    return False
                head = read_head(got.content, self.store.place)
                snapshot = self.store.get(f"{self.folder}/{head.snapshot}", large=True)
                if snapshot is not None and self._follow(head, got, snapshot):
                    return True
            raise damaged(self.store.place)

    def catch_up(self) -> None:
        """Read what others have written since."""
        with self.lock:
            got = self.store.get(f"{self.folder}/head")
            if got is None:
                raise damaged(self.store.place)
            head = read_head(got.content, self.store.place)
            if head.number > self.number or (head.number == self.number and head != self.head):
                self.load()
            while self.read_next() is not None:
                pass

    def read_next(self) -> Segment | None:
        """Read the next segment and return it, None where there is none yet."""
        got = self.store.get(f"{self.folder}/{log_key(self.number + 1)}")
        return None if got is None else self._take(got)

    def append(self, segment: Segment, *, announced: bool = False) -> None:
        """
        Write a segment, and take it up here; raises Behind where others wrote one first.

        With `announced` the hook of `reconciler.crash_points` is called.
        """
        content = write_segment(segment, len(self.migrations))
        key = f"{self.folder}/{log_key(self.number + 1)}"
        step = self.step if announced else no_hook

        def put() -> None:
            step("commit")
            if not self.store.put_new(key, content):
                raise Behind
            step("committed")

        self._do(segment, put)
        self._read(segment)

    def snapshot(self) -> None:
        """
        Write a snapshot of what is there now, let the head name it, and delete what is in it from the log.

        Where another run has written a newer one meanwhile, that stays. What cannot be deleted is left, and so is
        all of an older format: it is the copy that a migration leaves.
        """
        with self.lock:
            number, commits, writer = self.number, tuple(self.commits), self.writer
            with ledger_errors(self.store.place):
                shrink(self.local.connection)
                database = self.local.connection.serialize()
        head = Head(f"snapshots/{number:012d}-{uuid4().hex}", number, writer, len(self.migrations))
        self.store.put_new(f"{self.folder}/{head.snapshot}", write_snapshot(database))
        with self.lock:
            before = self._name(head)
            dead = [head.snapshot] if before is None else [before.snapshot, *map(log_key, commits)]
            if before is not None:
                self.commits = [one for one in self.commits if one > number]
                dead = [] if self.older else dead
                self.older = False
        with suppress(LedgerFailed):
            self.store.delete(f"{self.folder}/{key}" for key in dead)

    def snapshot_beside(self) -> None:
        """Write a snapshot in a thread, unless one is being written; what goes wrong there is left to the next."""
        if self._beside is not None and self._beside.is_alive():
            return

        def work() -> None:
            with suppress(LedgerFailed):
                self.snapshot()

        self._beside = Thread(target=work)
        self._beside.start()

    def rest(self) -> None:
        """Wait until no snapshot is being written."""
        if self._beside is not None:
            self._beside.join()

    def _name(self, head: Head) -> Head | None:
        """Write the head and return the one before; None where that is as new, and stays."""
        before, version = self.head, self.version
        while (newer := self.store.put_over(f"{self.folder}/head", write_head(head), version)) is None:
            got = self.store.get(f"{self.folder}/head")
            if got is None:
                raise damaged(self.store.place)
            before, version = read_head(got.content, self.store.place), got.version
            if before.number >= head.number:
                return None
        self.head, self.version = head, newer
        return before

    def close(self) -> None:
        """Forget the copy."""
        with self.lock:
            if self._local is not None:
                self._local.connection.close()
                self._local = None

    def _follow(self, head: Head, got: Got, snapshot: Got) -> bool:
        """Take up a snapshot and the log after it; say False where others deleted of it meanwhile."""
        self.close()
        database = read_snapshot(snapshot.content, self.store.place)
        self._local, self.older = opened(database, self.store.place, self.whose, self.migrations)
        self.head, self.version = head, got.version
        self.number, self.writer, self.commits = head.number, head.writer, []
        after = f"{self.folder}/{log_key(head.number)}"
        keys = self.store.keys(f"{self.folder}/log", after=after)
        if [number_of(key) for key in keys] != list(range(head.number + 1, head.number + 1 + len(keys))):
            return False
        for segment in self.store.get_all(keys):
            if segment is None:
                return False
            self._take(segment)
        return True

    def _take(self, got: Got) -> Segment:
        """Take up a segment that is in the log."""
        segment = read_segment(got.content, len(self.migrations), self.store.place)
        self._do(segment, nothing)
        self._read(segment)
        return segment

    def _do(self, segment: Segment, then: Callable[[], None]) -> None:
        """Do to the copy what a segment says, and `then`: what that raises undoes it."""
        match segment.kind:
            case SegmentKind.COMMIT | SegmentKind.NOTE:
                self.local.write(segment.rows, then=then)
            case SegmentKind.OVERWRITE:
                self.local.replace_all(segment.lineage, segment.serial, segment.rows, then=then)
            case SegmentKind.BEGIN | SegmentKind.END:
                then()

    def _read(self, segment: Segment) -> None:
        """Remember that a segment was read."""
        self.number += 1
        if segment.kind is SegmentKind.BEGIN:
            self.writer = segment.writer
        elif segment.kind is SegmentKind.END:
            self.ended[segment.writer.run] = segment.by
        elif segment.kind in (SegmentKind.COMMIT, SegmentKind.OVERWRITE):
            self.commits.append(self.number)
