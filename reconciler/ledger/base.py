"""What every ledger does, whatever it is stored in: a `Protocol` of few verbs."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

from reconciler.records import Binding, Intent, Records, Run, Write


class Ledger(Protocol):
    """
    What is known of one environment between runs.

    It is a help, not the truth: lost or absent, planning works from the live account. Every method
    raises LedgerFailed where the storage does.
    """

    @property
    def writable(self) -> bool:
        """Say whether it can be written: not where it was opened for reading only, or is not there."""

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
        """Make `writes` durable, in their order, all or none of them, before returning."""

    def runs(self) -> tuple[Run, ...]:
        """Return every run, oldest first."""

    def intents(self, run: str) -> tuple[Intent, ...]:
        """Return the intents of one run, in the order of their seq."""
