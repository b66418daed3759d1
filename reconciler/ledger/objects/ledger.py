"""The ledger of one environment in object storage: a working copy in memory, and every commit an object first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self, TypeVar
from uuid import uuid4

from reconciler.errors import LedgerFailed
from reconciler.ledger.base import Copy, Meta
from reconciler.ledger.faults import locked, taken_over
from reconciler.ledger.lock import LEASE_S, Holder
from reconciler.ledger.objects import lease as leases
from reconciler.ledger.objects.replica import Behind, Replica
from reconciler.ledger.objects.sealing import end_log
from reconciler.ledger.objects.segments import NO_RUN, NOBODY, Kind, Segment, Writer
from reconciler.ledger.process import died
from reconciler.ledger.rows import statements
from reconciler.ledger.sqlite import SqliteLedger
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
    held: leases.Held | None = None
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

    def copy(self) -> Copy:
        """Return all that it holds, as one commit left it."""
        return self._read(SqliteLedger.copy)

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        TakenOver where another run has begun since; Locked, for one that has not begun, while a run writes.
        """
        kind = Kind.NOTE if self.held is None else Kind.COMMIT
        self._append(Segment(kind, uuid4().hex, self._writer(), tuple(statements(writes))))

    def overwrite(self, copy: Copy) -> None:
        """Replace all that it holds, lineage too, by `copy`, all or nothing."""
        rows, meta = tuple(statements(copy.writes)), copy.meta
        self._append(
            Segment(Kind.OVERWRITE, uuid4().hex, self._writer(), rows, lineage=meta.lineage, serial=meta.serial)
        )

    def begin(self, holder: Holder, *, account: str) -> ObjectLedger:
        """Return this ledger with the lease of `account` taken; Locked where another run holds it."""
        self._must_be_writable()
        run, store = uuid4().hex, self.replica.store
        wanted = leases.wanted(holder, self.replica.folder, run)
        held = leases.take(store, wanted, account=account, died=self.died, seal=self._sealed(holder))
        try:
            self._begin(Segment(Kind.BEGIN, uuid4().hex, Writer(run, account, holder)), account)
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

    def _sealed(self, holder: Holder) -> Callable[[leases.Lease], None]:
        """Return what makes the run of a lease that `holder` takes over commit no more, where it wrote elsewhere."""
        replica = self.replica

        def seal(lease: leases.Lease) -> None:
            if lease.ledger != replica.folder:
                end_log(replica.store, lease.ledger, lease.run, holder, known=len(replica.migrations))

        return seal

    def _must_be_writable(self) -> None:
        """Raise LedgerFailed where it was opened for reading."""
        if not self.writable:
            raise LedgerFailed(f"{self.replica.store.place}: the ledger was opened for reading only")
