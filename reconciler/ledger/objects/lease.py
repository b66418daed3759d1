"""
One writing run per base URL and client id, on any machine: an object that its holder writes over, and nobody else.

When it was last written is reported by the store's own clock, and so is whether that is too long ago. It is never
deleted, as no store deletes an object only where it is a certain version: a lease that ended is marked as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.errors import LedgerFailed, TakenOver
from reconciler.ledger.lock import LEASE_S, Holder, process_key, this_machine
from reconciler.ledger.objects.segments import damaged
from reconciler.ledger.objects.store import ObjectStore
from reconciler.ledger.sqlite_file import locked, taken_over

if TYPE_CHECKING:
    from obstore import UpdateVersion

Died = Callable[[str, str], bool]

_CLOCK = "locks/clock"
_ROUNDED_S = 1.0  # the store's clock has whole seconds


class State(StrEnum):
    """Whether a lease is held, or how it ended."""

    HELD = "held"
    ENDED = "ended"
    BY_HAND = "ended by hand"


@dataclass(frozen=True, slots=True)
class LeaseObject:
    """
    Who may write: `run` tells one run from any other, `ledger` is the folder that it writes to.

    It ends `lasts_s` after it was written, unless it is written again; `count` says how often it was, so that
    no two contents are alike.
    """

    run: str
    holder: Holder
    ledger: str
    machine: str
    process: str
    state: State = State.HELD
    lasts_s: float = LEASE_S
    count: int = 0


@dataclass(slots=True)
class HeldLease:
    """A lease that this run holds, in its newest version."""

    store: ObjectStore
    account: str
    lease: LeaseObject
    version: UpdateVersion

    def renew(self) -> None:
        """Make it last from now; TakenOver where it is another's by now, or was ended by hand."""
        self._write(State.HELD)

    def end(self) -> None:
        """End it; TakenOver where it is another's by now."""
        self._write(State.ENDED)

    def _write(self, state: State) -> None:
        """Write it over the version that this run knows, or another one of its own."""
        while True:
            newer = replace(self.lease, state=state, lasts_s=LEASE_S, count=self.lease.count + 1)
            version = self.store.put_over(key_of(self.account), _bytes(newer), self.version)
            if version is not None:
                self.lease, self.version = newer, version
                return
            found = read(self.store, self.account)
            if found is None or found[0].run != self.lease.run or found[0].state is State.BY_HAND:
                raise lost(self.store.place, None if found is None else found[0], self.lease.run)
            self.lease, self.version = found[0], found[1]


def read(store: ObjectStore, account: str) -> tuple[LeaseObject, UpdateVersion, float] | None:
    """Return the lease of an account, its version, and when it was written; None where it never was."""
    got = store.get(key_of(account))
    if got is None:
        return None
    try:
        said = json.loads(got.content)
        said |= {"holder": Holder(**said["holder"]), "state": State(said["state"])}
        return LeaseObject(**said), got.version, got.written_at
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise damaged(store.place) from error


def take(
    store: ObjectStore, wanted: LeaseObject, *, account: str, died: Died, seal: Callable[[LeaseObject], None]
) -> HeldLease:
    """
    Return the lease of an account, taken; Locked where another run has it.

    One that has expired is taken over, and so is that of a process which `died` knows to be dead. Where it was not
    its run that ended it, `seal` is notified of it first, so that this commits no more wherever it wrote.
    """
    found = read(store, account)
    if found is None:
        if store.put_new(key_of(account), _bytes(wanted)):
            held = read(store, account)
            if held is not None and held[0].run == wanted.run:
                return HeldLease(store, account, held[0], held[1])
        raise locked(Holder(), LEASE_S)
    lease, version, written_at = found
    if is_live(store, lease, written_at, died):
        raise locked(lease.holder, LEASE_S)
    if lease.state is not State.ENDED:
        seal(lease)
    wanted = replace(wanted, count=lease.count + 1)
    newer = store.put_over(key_of(account), _bytes(wanted), version)
    if newer is None:
        winner = read(store, account)
        raise locked(Holder() if winner is None else winner[0].holder, LEASE_S)
    return HeldLease(store, account, wanted, newer)


def is_live(store: ObjectStore, lease: LeaseObject, written_at: float, died: Died) -> bool:
    """Say whether a lease is held now, by a process that is not proven to be dead."""
    if lease.state is not State.HELD or died(lease.machine, lease.process):
        return False
    return store.now(_CLOCK) - written_at <= lease.lasts_s + _ROUNDED_S


def holder_now(store: ObjectStore, account: str, died: Died) -> Holder | None:
    """Return who holds the lease of an account now, None for nobody."""
    found = read(store, account)
    if found is None:
        return None
    lease, _, written_at = found
    try:
        live = is_live(store, lease, written_at, died)
    except LedgerFailed:  # its clock is asked by a put, and these credentials may only read
        live = True
    return lease.holder if live else None


def end_by_hand(store: ObjectStore, account: str) -> LeaseObject | None:
    """End the lease of an account whoever holds it, and return it; None where nobody does."""
    while (found := read(store, account)) is not None and found[0].state is State.HELD:
        ended = replace(found[0], state=State.BY_HAND, count=found[0].count + 1)
        if store.put_over(key_of(account), _bytes(ended), found[1]) is not None:
            return ended
    return None


def wanted(holder: Holder, ledger: str, run: str) -> LeaseObject:
    """Return the lease that this process asks for."""
    return LeaseObject(run, holder, ledger, this_machine(), process_key())


def lost(place: str, now: LeaseObject | None, run: str) -> TakenOver:
    """Return why a run holds its lease no more: `now` is the one that is there."""
    if now is not None and now.run != run:
        return taken_over(place, str(now.holder), now.holder.since)
    return by_hand(place)


def by_hand(place: str) -> TakenOver:
    """Return that the lock of this run was ended by hand."""
    return TakenOver(
        f"{place}: someone ended this run's lock; it writes and sends nothing more",
        "run again: that settles what this run sent",
    )


def key_of(account: str) -> str:
    """Return the key of an account's lease: the account itself, which is a hash."""
    return f"locks/{quote(account, safe='').replace('%', '_')}"


def _bytes(lease: LeaseObject) -> bytes:
    return json.dumps(asdict(lease)).encode()
