"""The ledger that is not there: nothing is known, and nothing can be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reconciler.errors import LedgerFailed
from reconciler.records import Binding, Intent, Records, Run, Write
from reconciler.text import visible


@dataclass(frozen=True, slots=True)
class EmptyLedger:
    """What reading finds where no ledger was made yet; `path` is where it would be."""

    path: str
    writable: bool = False

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
        raise LedgerFailed(f"{visible(self.path)}: there is no ledger here to write to", "an apply makes one")

    def runs(self) -> tuple[Run, ...]:
        """Return no runs."""
        return ()

    def intents(self, run: str) -> tuple[Intent, ...]:  # noqa: ARG002 - the Protocol's parameter
        """Return no intents."""
        return ()
