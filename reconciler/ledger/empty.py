"""The ledger that is not there: nothing is known, and nothing can be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reconciler.errors import LedgerFailed
from reconciler.escape import visible
from reconciler.ledger.base import Copy
from reconciler.ledger.lock import Holder
from reconciler.model.ledger import Binding, Intent, Records, Run, Tally, Write


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

    def copy(self) -> Copy:
        """Raise LedgerFailed: there is nothing to copy."""
        raise self._absent()

    def overwrite(self, copy: Copy) -> None:  # noqa: ARG002 - the Protocol's parameter
        """Raise LedgerFailed: there is nothing to write to."""
        raise self._absent()

    def _absent(self) -> LedgerFailed:
        """Return that there is no ledger."""
        return LedgerFailed(f"{visible(self.path)}: there is no ledger here", "an apply makes one")
