"""From a URL to an open ledger: the store probed, the ledger found or made; and its lease, asked for past it."""

from __future__ import annotations

import re
from contextlib import suppress
from hashlib import sha256
from uuid import uuid4

from obstore.exceptions import PermissionDeniedError

from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.ledger.base import Ledger
from reconciler.ledger.empty import EmptyLedger
from reconciler.ledger.lock import Holder
from reconciler.ledger.objects import lease as leases
from reconciler.ledger.objects.ledger import LONG_LOG, ObjectLedger
from reconciler.ledger.objects.memory import made
from reconciler.ledger.objects.replica import Replica
from reconciler.ledger.objects.sealing import end_log
from reconciler.ledger.objects.segments import NO_RUN, NOBODY, Head, damaged, read_head, write_head, write_snapshot
from reconciler.ledger.objects.store import PATIENCE_S, Store, open_store
from reconciler.ledger.process import died as process_died
from reconciler.ledger.schema import shipped


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


def probe(store: Store) -> None:
    """Raise LedgerFailed where the store does not keep to conditions: two runs could not be kept apart there."""
    key = f"probe/{uuid4().hex}"
    try:
        first = store.put_new(key, b"1") and not store.put_new(key, b"2")
        got = store.get(key)
        kept = first and got is not None and store.put_over(key, b"3", got.version) is not None
        if not kept or got is None or store.put_over(key, b"4", got.version) is not None:
            raise LedgerFailed(
                f"{store.place}: this store writes over objects also where it is told not to; two runs at once could "
                "not be kept apart",
                "use one that honours If-None-Match and If-Match, as Amazon S3 does, or a PostgreSQL database",
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
