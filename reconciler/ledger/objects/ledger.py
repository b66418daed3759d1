"""The ledger of one environment in object storage: a working copy in memory, every commit an object first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from obstore.exceptions import PermissionDeniedError

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.ledger.base import Copy, EmptyLedger, Ledger, Meta
from reconciler.ledger.lock import LEASE_S, Holder, died
from reconciler.ledger.lock import died as process_died
from reconciler.ledger.objects import lease as leases
from reconciler.ledger.objects.replica import Behind, Replica, end_log, made
from reconciler.ledger.objects.segments import (
    NO_RUN,
    NOBODY,
    Head,
    Segment,
    SegmentKind,
    Writer,
    damaged,
    read_head,
    write_head,
    write_snapshot,
)
from reconciler.ledger.objects.store import PATIENCE_S, ObjectStore, open_store
from reconciler.ledger.rows import statements
from reconciler.ledger.sqlite import SqliteLedger
from reconciler.ledger.sqlite_file import locked, shipped, taken_over
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write

Result = TypeVar("Result")

LONG_LOG = 500
"""After so many commits a snapshot is written beside the run, so that whoever follows it need not read them all."""


@dataclass(frozen=True, slots=True)
class ObjectLedger:
    """
    A ledger over a working copy; leaving the context ends the lease, where one was taken, and closes it.

    What others wrote is seen by `records`, `runs` and `copy`, unless this run has begun: then nobody else writes.
    `remote` says whether a commit is to be waited for beside the event loop, `long_log` after how many commits a
    snapshot is written.
    """

    replica: Replica
    writable: bool
    held: leases.HeldLease | None = None
    died: leases.Died = died
    remote: bool = True
    long_log: int = LONG_LOG

    @property
    def meta(self) -> Meta:
        """Return whose ledger it is."""
        return self.replica.local.meta

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write a snapshot where this run has committed, end the lease, and forget the copy."""
        self.replica.rest()
        if self.held is not None:
            # What fails here is found by the next run: the log is whole, and the lease ends by itself.
            with suppress(LedgerFailed):
                if self.replica.commits:
                    self.replica.snapshot()
            with suppress(LedgerFailed):
                self.held.end()
        self.replica.close()

    def records(self) -> Records:
        """Return all that planning asks, as one commit left it."""
        return self._read(SqliteLedger.records)

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row, as it was when this ledger last asked the store."""
        with self.replica.lock:
            return self.replica.local.binding(external_id)

    def runs(self) -> tuple[Run, ...]:
        """Return every run, in the order in which they began."""
        return self._read(SqliteLedger.runs)

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, as they were when this ledger last asked the store."""
        with self.replica.lock:
            return self.replica.local.intents(run)

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id."""
        return self._read(SqliteLedger.tallies)

    def history(self, name: str) -> tuple[Intent, ...]:
        """Return the intents of every run about one customer and its users, oldest first."""
        return self._read(lambda local: local.history(name))

    def disconnect(self) -> None:
        """Do nothing: a store is asked by requests."""

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        return self._read(SqliteLedger.copy)

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        TakenOver where another run has begun since; Locked, for one that has not begun, while a run writes.
        """
        kind = SegmentKind.NOTE if self.held is None else SegmentKind.COMMIT
        self._append(Segment(kind, uuid4().hex, self._writer(), tuple(statements(writes))))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""
        rows, meta = tuple(statements(copy.writes)), copy.meta
        self._append(
            Segment(SegmentKind.OVERWRITE, uuid4().hex, self._writer(), rows, lineage=meta.lineage, serial=meta.serial)
        )

    def begin(self, holder: Holder, *, account: str) -> ObjectLedger:
        """Return this ledger with the lease of `account` taken; Locked where another run holds it."""
        self._must_be_writable()
        run, store = uuid4().hex, self.replica.store
        wanted = leases.wanted(holder, self.replica.folder, run)
        held = leases.take(store, wanted, account=account, died=self.died, seal=self._sealed(holder))
        try:
            self._begin(Segment(SegmentKind.BEGIN, uuid4().hex, Writer(run, account, holder)), account)
        except BaseException:
            with suppress(LedgerFailed):
                held.end()
            raise
        return replace(self, held=held)

    @property
    def lease_s(self) -> float:
        """Return how long the lease lasts without `renew`; 0 before `begin`."""
        return 0.0 if self.held is None else LEASE_S

    def renew(self) -> None:
        """Make the lease last from now; TakenOver where it is another's by now."""
        if self.held is not None:
            self.held.renew()

    def _read(self, ask: Callable[[SqliteLedger], Result]) -> Result:
        """Return what the copy answers, what others wrote taken up before."""
        with self.replica.lock:
            if self.held is None:
                self.replica.catch_up()
            return ask(self.replica.local)

    def _writer(self) -> Writer:
        """Return who commits."""
        return NO_RUN if self.held is None else Writer(self.held.lease.run, self.held.account)

    def _append(self, segment: Segment) -> None:
        """Write a commit, after all that others have written; TakenOver or Locked where it may not be."""
        self._must_be_writable()
        replica = self.replica
        with replica.lock:
            if self.held is None:
                replica.catch_up()
            while True:
                self._may_write()
                try:
                    replica.append(segment, announced=True)
                except Behind:
                    replica.read_next()
                    continue
                if self.held is None and not self._stands():
                    continue
                if self.remote and replica.commits and len(replica.commits) % self.long_log == 0:
                    replica.snapshot_beside()
                return

    def _may_write(self) -> None:
        """Raise TakenOver where what was read says that this run may not write; Locked where it has not begun."""
        if self.held is None:
            self._nobody_writes()
            return
        run, writer, ended = self.held.lease.run, self.replica.writer, self.replica.ended
        by = writer.holder if writer.run != run else ended.get(run)
        if by is not None:
            place = self.replica.store.place
            raise leases.by_hand(place) if by == NOBODY else taken_over(place, str(by), by.since)

    def _stands(self) -> bool:
        """
        Say whether what was just written by one that had not begun is in the log that others read.

        While it was on its way a run may have committed, whose snapshot emptied the log at this number.
        """
        last = self.replica.number
        self.replica.catch_up()
        return self.replica.head.number < last

    def _nobody_writes(self) -> None:
        """Raise Locked where the run that began last holds its lease."""
        writer = self.replica.writer
        found = leases.read(self.replica.store, writer.account) if writer.account else None
        if found is not None and found[0].run == writer.run:
            lease, _, written_at = found
            if leases.is_live(self.replica.store, lease, written_at, self.died):
                raise locked(lease.holder, LEASE_S)

    def _begin(self, segment: Segment, account: str) -> None:
        """Write that a run begins, after all that others have written."""
        replica = self.replica
        with replica.lock:
            while True:
                replica.catch_up()
                if replica.writer.account != account:
                    self._nobody_writes()
                with suppress(Behind):
                    replica.append(segment)
                    if self._stands():
                        break
            if replica.older or len(replica.commits) >= self.long_log:
                replica.snapshot()

    def _sealed(self, holder: Holder) -> Callable[[leases.LeaseObject], None]:
        """Return what makes the run of a lease that `holder` takes over commit no more, where it wrote elsewhere."""
        replica = self.replica

        def seal(lease: leases.LeaseObject) -> None:
            if lease.ledger != replica.folder:
                end_log(replica.store, lease.ledger, lease.run, holder, known=len(replica.migrations))

        return seal

    def _must_be_writable(self) -> None:
        """Raise LedgerFailed where it was opened for reading."""
        if not self.writable:
            raise LedgerFailed(f"{self.replica.store.place}: the ledger was opened for reading only")


def open_objects(
    url: str,
    *,
    environment: str,
    base_url: str,
    writable: bool = True,
    create: bool = True,
    lineage: str | None = None,
    migrations: tuple[str, ...] | None = None,
    died: leases.Died = process_died,
    step: Step = no_hook,
    remote: bool = True,
    long_log: int = LONG_LOG,
    patience_s: float = PATIENCE_S,
) -> Ledger:
    """Return the ledger of one environment in object storage, open (see `open.open_ledger`)."""
    migrations = shipped() if migrations is None else migrations
    store = open_store(url, patience_s=patience_s)
    replica = Replica(store, folder_of(environment, base_url), (environment, base_url), migrations, step)
    try:
        if not _found(replica, (lineage or str(uuid4())) if writable and create else None):
            return EmptyLedger(store.place)
    except BaseException:
        replica.close()
        raise
    return ObjectLedger(replica, writable, died=died, remote=remote, long_log=long_log)


def usable(url: str) -> tuple[int, bool]:
    """Return the format of the ledgers at a URL, 0 for none, and whether objects may be written there; see `probe`."""
    store = open_store(url)
    heads = store.get_all([key for key in store.keys("") if key.endswith("/head")])
    known = max((read_head(head.content, store.place).format for head in heads if head is not None), default=0)
    try:
        probe(store)
    except LedgerFailed as failure:
        if not isinstance(failure.__cause__, PermissionDeniedError):
            raise
        return known, False
    return known, True


def lease_holder(url: str, account: str) -> Holder | None:
    """Return who holds the lease of an account, None for nobody."""
    return leases.holder_now(open_store(url), account, process_died)


def end_lease(url: str, account: str) -> None:
    """End the lease of an account, whoever holds it: that run writes and sends nothing more."""
    store = open_store(url)
    ended = leases.end_by_hand(store, account)
    if ended is not None:
        end_log(store, ended.ledger, ended.run, NOBODY, known=len(shipped()))


def folder_of(environment: str, base_url: str) -> str:
    """
    Return the folder of a ledger: what can be read of the environment's name, and a hash that tells it from others.

    >>> folder_of("west/1", "https://api.example")
    'west_1-63053b35322c'
    """
    digest = sha256(f"{environment}\n{base_url}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{re.sub('[^A-Za-z0-9_-]', '_', environment)[:40]}-{digest[:12]}"


def probe(store: ObjectStore) -> None:
    """Raise LedgerFailed where the store does not keep to conditions: two runs could not be kept apart there."""
    key = f"probe/{uuid4().hex}"
    try:
        first = store.put_new(key, b"1") and not store.put_new(key, b"2")
        got = store.get(key)
        kept = first and got is not None and store.put_over(key, b"3", got.version) is not None
        if not kept or got is None or store.put_over(key, b"4", got.version) is not None:
            raise LedgerFailed(
                f"{store.place}: this store overwrites objects even when it should refuse, so it cannot keep two "
                "runs apart",
                "use a store that supports If-None-Match and If-Match, such as Amazon S3, or a PostgreSQL database",
            )
    finally:
        with suppress(LedgerFailed):
            store.delete([key])


def _found(replica: Replica, lineage: str | None) -> bool:
    """Load the ledger and say whether there is one; made with `lineage` where there is none and that is not None."""
    if replica.load():
        return True
    # An absent bucket answers as an absent object does; a listing tells them apart.
    replica.store.keys(replica.folder)
    if lineage is None:
        return False
    probe(replica.store)
    _make(replica, lineage)
    if not replica.load():
        raise damaged(replica.store.place)
    return True


def _make(replica: Replica, lineage: str) -> None:
    """Make a ledger that knows nothing; where another process was quicker, its ledger stays."""
    store, folder = replica.store, replica.folder
    database = made(store.place, replica.whose, replica.migrations, lineage)
    head = Head(f"snapshots/{0:012d}-{uuid4().hex}", 0, NO_RUN, len(replica.migrations))
    store.put_new(f"{folder}/{head.snapshot}", write_snapshot(database))
    if not store.put_new(f"{folder}/head", write_head(head)):
        store.delete([f"{folder}/{head.snapshot}"])
