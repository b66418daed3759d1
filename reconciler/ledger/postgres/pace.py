"""
The pace of a key that all machines with one database share: a row, locked while it is read and written.

Moments in it are those of the database's clock, so that a machine whose clock is wrong, or counts from another
start, keeps the same pace. A change takes two round trips, and none of it is flushed: what a crash takes away is
worth nothing after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import errors, sql

from reconciler.clock import Clock
from reconciler.errors import LedgerFailed
from reconciler.ledger.pace_file import PaceFile
from reconciler.ledger.postgres.session import Connection, Session
from reconciler.pace import Pace, from_text, shift, to_text

Result = TypeVar("Result")

_log = logging.getLogger("reconciler.ledger")

CLOCK = "extract(epoch FROM clock_timestamp())"
"""The database's time of day, in seconds since 1970, as SQL."""

# Each in one round trip. A process that was stopped in the middle holds up nobody for longer than a second.
_READ = """
    BEGIN;
    SET LOCAL synchronous_commit TO off; SET LOCAL lock_timeout TO '1s';
    SET LOCAL idle_in_transaction_session_timeout TO '1s';
    INSERT INTO reconciler.paces (account, pace) VALUES ({account}, '') ON CONFLICT (account) DO NOTHING;
    SELECT pace, ({clock})::float8 FROM reconciler.paces WHERE account = {account} FOR UPDATE
"""
_WRITE = "UPDATE reconciler.paces SET pace = {pace} WHERE account = {account}; COMMIT"
_DRIFT = 1e-4
"""So much, and no more, two clocks part in a second: what a measure of their difference loses by age."""
# A reader's privileges, tables of an older format, none at all: as it should be.
_NOT_FOR_US = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction, errors.UndefinedTable)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How far the database's clock is ahead of this machine's, measured at `at_s`, give or take `error_s`."""

    by_s: float
    error_s: float
    at_s: float

    def better(self, other: Ahead) -> Ahead:
        """Return the one to go by: `other`, unless this one is still more exact and does not contradict it."""
        error_s = self.error_s + (other.at_s - self.at_s) * _DRIFT
        moved = abs(self.by_s - other.by_s) > error_s + other.error_s
        return other if moved or other.error_s <= error_s else self


class PaceTable:
    """
    A board of `api.limit` in a database; where that cannot be used, the pace of this machine.

    `account` is `lock.account_key`; `moment` replaces the database's clock.
    """

    def __init__(self, url: str, account: str, clock: Clock, beside: PaceFile, *, moment: str = CLOCK) -> None:
        self._session = Session(url)
        self._clock = clock
        self._beside = beside
        self._ahead: Ahead | None = None
        self._usable = True
        self._account = sql.Literal(account)
        self._read = sql.SQL(_READ).format(account=self._account, clock=sql.SQL(moment))

    async def change(self, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Replace the pace and return what `move` says."""
        if self._usable:
            try:
                return self._session.once_more(lambda connection: self._changed(connection, move))
            except (psycopg.Error, LedgerFailed) as error:
                self._give_up(error)
        return await self._beside.change(move)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _changed(self, connection: Connection, move: Callable[[Pace], tuple[Pace, Result]]) -> Result:
        """Change the row in one transaction."""
        began_s = self._clock.monotonic()
        cursor = connection.execute(self._read)
        while cursor.nextset():
            pass
        text, moment_s = cursor.fetchone() or ("", 0.0)
        now_s = self._clock.monotonic()
        seen = Ahead(moment_s - (began_s + now_s) / 2, (now_s - began_s) / 2, now_s)
        self._ahead = self._ahead.better(seen) if self._ahead else seen
        pace, result = move(shift(from_text(text, now_s + self._ahead.by_s), -self._ahead.by_s))
        text = to_text(shift(pace, self._ahead.by_s))
        connection.execute(sql.SQL(_WRITE).format(account=self._account, pace=sql.Literal(text)))
        return result

    def _give_up(self, error: Exception) -> None:
        """Go on at this machine's pace."""
        self._usable = False
        self._session.close()
        level = logging.DEBUG if isinstance(error, _NOT_FOR_US) else logging.WARNING
        why = error if isinstance(error, LedgerFailed) else type(error).__name__
        _log.log(level, "the pace is shared with this machine alone: %s: %s", self._session.place, why)
