"""Ledgers that several machines share: which URLs name one, and their drivers, loaded where one is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.clock import Clock
from reconciler.crash_points import Step, no_hook
from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import Ledger
from reconciler.ledger.lock import Holder, account_key
from reconciler.ledger.pace_file import PaceFile
from reconciler.ledger.schema import shipped, shipped_in
from reconciler.resources import to_install

if TYPE_CHECKING:
    from types import ModuleType

    from reconciler.ledger.postgres.pace import PaceTable


class Kind(StrEnum):
    """What a ledger is stored in."""

    FILE = "file"
    DATABASE = "postgresql"
    STORE = "objects"


_KINDS = {
    **dict.fromkeys(("postgresql", "postgres"), Kind.DATABASE),
    **dict.fromkeys(("s3", "gs", "az"), Kind.STORE),
}


def kind_of(url_or_path: str) -> Kind:
    """
    Return what a ledger is stored in; LedgerFailed for a URL that names nothing of it.

    >>> str(kind_of("postgresql://db.example/state")), str(kind_of("s3://bucket/state")), str(kind_of("ledger.db"))
    ('postgresql', 'objects', 'file')
    """
    scheme, colon, _ = url_or_path.partition("://")
    if not colon:
        return Kind.FILE
    if scheme not in _KINDS:
        # Not the rest of the URL: it may hold a password.
        raise LedgerFailed(
            f"{visible(scheme)}:// ledgers are not supported by this version",
            "give the path of a file, or a postgresql://, s3://, gs:// or az:// URL, in `state:` or RECONCILER_STATE",
        )
    return _KINDS[scheme]


def is_shared(url_or_path: str) -> bool:
    """
    Say whether a ledger is shared, and its lock a lease.

    >>> is_shared("postgresql://db.example/state"), is_shared("s3://bucket/state"), is_shared("ledger.db")
    (True, True, False)
    """
    return url_or_path.partition("://")[0] in _KINDS and "://" in url_or_path


def open_shared(
    url: str,
    *,
    environment: str,
    base_url: str,
    writable: bool,
    create: bool,
    lineage: str | None,
    step: Step = no_hook,
) -> Ledger:
    """Return the ledger that a URL names, open (see `open.open_ledger`)."""
    opening = _opening(url)
    opened = opening.open_postgres if kind_of(url) is Kind.DATABASE else opening.open_objects
    ledger: Ledger = opened(
        url,
        environment=environment,
        base_url=base_url,
        writable=writable,
        create=create,
        lineage=lineage,
        step=step,
    )
    return ledger


def usable(url: str) -> tuple[int, bool]:
    """Return the format of the ledgers at a URL, 0 for none, and whether they may be written, or made."""
    found: tuple[int, bool] = _opening(url).usable(url)
    return found


def known_format(url: str) -> int:
    """Return the format that this version writes at a URL."""
    return len(shipped_in("reconciler.ledger.postgres")) if kind_of(url) is Kind.DATABASE else len(shipped())


def lease_holder(url: str, account: str) -> Holder | None:
    """Return who holds the lease of an account (`lock.account_key`), None for nobody."""
    holder: Holder | None = _opening(url).lease_holder(url, account)
    return holder


def shared_pace(url_or_path: str, base_url: str, client_id: str, clock: Clock) -> PaceFile | PaceTable:
    """Return where the pace of a key is kept: in the ledger's database if it has one, else on this machine."""
    own = PaceFile(base_url, client_id, clock)
    if not is_shared(url_or_path) or kind_of(url_or_path) is not Kind.DATABASE:
        return own
    try:
        from reconciler.ledger.postgres.pace import PaceTable  # noqa: PLC0415
    except ImportError:
        return own  # whoever opens the ledger says what to install
    return PaceTable(url_or_path, account_key(base_url, client_id), clock, own)


def end_lease(url: str, account: str) -> None:
    """End the lease of an account, whoever holds it: that run writes and sends nothing more."""
    _opening(url).end_lease(url, account)


def _opening(url: str) -> ModuleType:
    """Return the module that opens such ledgers."""
    if kind_of(url) is Kind.DATABASE:
        with _driver("PostgreSQL", "postgres"):
            from reconciler.ledger.postgres import opening as database  # noqa: PLC0415 - most ledgers are files
        return database
    with _driver("object storage", "objects"):
        from reconciler.ledger.objects import opening as objects  # noqa: PLC0415
    return objects


@contextmanager
def _driver(where: str, extra: str) -> Iterator[None]:
    """Raise LedgerFailed, with what to install, where the driver is not there."""
    try:
        yield
    except ImportError as error:
        raise LedgerFailed(f"a ledger in {where} needs a driver that is not installed", to_install(extra)) from error
