"""Ledgers that several machines share: which URLs name one, and the driver, loaded where one is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.clock import Clock
from reconciler.errors import LedgerFailed
from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder, account_key
from reconciler.ledger.pace_file import PaceFile
from reconciler.ledger.schema import shipped_in
from reconciler.step import Step, unheard
from reconciler.text import visible

if TYPE_CHECKING:
    from reconciler.ledger.postgres.pace import PaceTable

_SCHEMES = ("postgresql", "postgres")


def is_shared(url_or_path: str) -> bool:
    """
    Say whether a ledger is shared, and its lock a lease.

    >>> is_shared("postgresql://db.example/state"), is_shared("ledger.db")
    (True, False)
    """
    scheme, colon, _ = url_or_path.partition("://")
    return bool(colon) and scheme in _SCHEMES


def open_shared(
    url: str,
    *,
    environment: str,
    base_url: str,
    writable: bool,
    create: bool,
    lineage: str | None,
    step: Step = unheard,
) -> Ledger:
    """Return the ledger that a URL names, open (see `open.open_ledger`)."""
    _supported(url)
    with _driver():
        from reconciler.ledger.postgres.opening import open_postgres  # noqa: PLC0415 - most ledgers are files
    return open_postgres(
        url,
        environment=environment,
        base_url=base_url,
        writable=writable,
        create=create,
        lineage=lineage,
        step=step,
    )


def usable(url: str) -> tuple[int, bool]:
    """Return the format of the ledgers in a database, 0 for none, and whether they may be written, or made."""
    _supported(url)
    with _driver():
        from reconciler.ledger.postgres import opening  # noqa: PLC0415
    return opening.usable(url)


def known_format() -> int:
    """Return the format that this version writes into a database."""
    return len(shipped_in("reconciler.ledger.postgres"))


def lease_holder(url: str, account: str) -> Holder | None:
    """Return who holds the lease of an account (`lock.account_key`), None for nobody."""
    with _driver():
        from reconciler.ledger.postgres import opening  # noqa: PLC0415
    return opening.lease_holder(url, account)


def shared_pace(url_or_path: str, base_url: str, client_id: str, clock: Clock) -> PaceFile | PaceTable:
    """Return where the pace of a key is kept: in the ledger's database if it has one, else on this machine."""
    own = PaceFile(base_url, client_id, clock)
    if not is_shared(url_or_path):
        return own
    try:
        from reconciler.ledger.postgres.pace import PaceTable  # noqa: PLC0415
    except ImportError:
        return own  # whoever opens the ledger says what to install
    return PaceTable(url_or_path, account_key(base_url, client_id), clock, own)


def end_lease(url: str, account: str) -> None:
    """End the lease of an account, whoever holds it: that run writes and sends nothing more."""
    with _driver():
        from reconciler.ledger.postgres import opening  # noqa: PLC0415
    opening.end_lease(url, account)


def _supported(url: str) -> None:
    """Raise LedgerFailed where a URL names no kind of ledger that there is."""
    if not is_shared(url):
        # Not the rest of the URL: it may hold a password.
        raise LedgerFailed(
            f"{visible(url.partition('://')[0])}:// ledgers are not supported by this version",
            "give the path of a file, or a postgresql:// URL, in `state:` or RECONCILER_STATE",
        )


@contextmanager
def _driver() -> Iterator[None]:
    """Raise LedgerFailed, with what to install, where the driver is not there."""
    try:
        yield
    except ImportError as error:
        raise LedgerFailed(
            "a ledger in PostgreSQL needs a driver that is not installed", "pip install 'reconciler[postgres]'"
        ) from error
