"""What every ledger does, however it is stored: a `Protocol` of few verbs; and the ledger that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.lock import Holder
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write


@dataclass(frozen=True, slots=True)
class Meta:
    """
    Whose ledger it is, and how far it has come; `created_at` is RFC 3339 UTC.

    `lineage` is a UUID made with the ledger: copies of one ledger share it, two ledgers never do.
    `serial` grows with each commit.
    """

    environment: str
    base_url: str
    lineage: str
    created_at: str
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """All that a ledger holds, as the writes that make it again in an empty one."""

    meta: Meta
    writes: tuple[Write, ...]


class Ledger(Protocol):
    """
    What is known of one environment between runs.

    It is a help, not the truth: lost or absent, planning works from the live account. Every method
    raises LedgerFailed where the storage does.
    """

    @property
    def meta(self) -> Meta | None:
        """Return whose ledger it is, None where there is none."""

    @property
    def writable(self) -> bool:
        """Say whether it can be written: not where it was opened for reading only, or is not there."""

    @property
    def remote(self) -> bool:
        """Say whether a commit waits for a network and may be made in another thread, so that nothing else waits."""

    def __enter__(self) -> Self:
        """Return itself, open."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""

    def records(self) -> Records:
        """Return all that planning asks; read as one consistent state."""

    def binding(self, external_id: str) -> Binding | None:
        """Return one customer's row."""

    def commit(self, writes: Iterable[Write]) -> None:
        """
        Make `writes` durable, in their order, all or none of them, before returning.

        After `begin`, TakenOver where another writing run has begun since. Without it, where the lock is
        a lease, Locked while another run holds that.
        """

    def runs(self) -> tuple[Run, ...]:
        """Return every run, oldest first."""

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""

    def tallies(self) -> Mapping[str, Tally]:
        """Return what the intents of each run come to, by its id; a run without any is left out."""

    def history(self, name: str) -> tuple[Intent, ...]:
        """
        Return the intents of every run about one customer and its users, oldest first.

        `name` is an external_id or an id. What was done to a customer under a former key is among them.
        """

    def begin(self, holder: Holder, *, account: str) -> Ledger:
        """
        Return this ledger as the writing run `holder` has it: whoever began before commits no more.

        `account` names the account that is written to; where the lock is a lease, it is taken, and
        Locked is raised where another run holds it. Otherwise the caller holds the lock. Leaving the
        context of either ledger closes both.
        """

    @property
    def lease_s(self) -> float:
        """Return how long a lease lasts without `renew`, in seconds; 0 where there is none to renew."""

    def renew(self) -> None:
        """Make the lease last for `lease_s` from now; TakenOver where it is another's by now."""

    def disconnect(self) -> None:
        """
        Close the connection until the ledger is next used, where it has one and does not write.

        Reading an account takes minutes, in which a server would keep a connection for nothing.
        """

    def copy(self) -> Copy:
        """Return all that it holds; read as one consistent state."""

    def overwrite(self, copy: Copy) -> None:
        """
        Replace all that it holds, lineage too, by `copy`, all or nothing; as durable and fenced as a commit.

        Its serial becomes greater than both were.
        """


@dataclass(frozen=True, slots=True)
class EmptyLedger:
    """What reading finds where no ledger was made yet; `path` is where it would be."""

    path: str
    writable: bool = False
    meta: None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: nothing was opened."""

    def records(self) -> Records:
        """Return that nothing is known."""
        return Records()

    def binding(self, external_id: str) -> Binding | None:  # noqa: ARG002 - the Protocol's parameter
        """Return None: nothing is bound."""
        return None

    def commit(self, writes: Iterable[Write]) -> None:  # noqa: ARG002 - the Protocol's parameter
        """Raise LedgerFailed: there is nothing to write to."""
        raise self._absent()

    def runs(self) -> tuple[Run, ...]:
        """Return no runs."""
        return ()

    def intents(self, run: str) -> tuple[Intent, ...]:  # noqa: ARG002 - the Protocol's parameter
        """Return no intents."""
        return ()

    def tallies(self) -> Mapping[str, Tally]:
        """Return nothing: there are no runs."""
        return {}

    def history(self, name: str) -> tuple[Intent, ...]:  # noqa: ARG002 - the Protocol's parameter
        """Return no intents."""
        return ()

    def begin(self, holder: Holder, *, account: str) -> EmptyLedger:  # noqa: ARG002 - the Protocol's parameters
        """Raise LedgerFailed: there is nothing to write to."""
        raise self._absent()

    @property
    def remote(self) -> bool:
        """Return False: there is no commit."""
        return False

    @property
    def lease_s(self) -> float:
        """Return 0: there is no lease."""
        return 0.0

    def renew(self) -> None:
        """Do nothing: there is no lease."""

    def disconnect(self) -> None:
        """Do nothing: there is no connection."""

    def copy(self) -> Copy:
        """Raise LedgerFailed: there is nothing to copy."""
        raise self._absent()

    def overwrite(self, copy: Copy) -> None:  # noqa: ARG002 - the Protocol's parameter
        """Raise LedgerFailed: there is nothing to write to."""
        raise self._absent()

    def _absent(self) -> LedgerFailed:
        """Return that there is no ledger."""
        return LedgerFailed(f"{visible(self.path)}: there is no ledger here", "the first apply creates one")
