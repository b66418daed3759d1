"""
What machines that share a database agree on: the lease of an account, and the pace of a key.

A lease ends by the database's clock. Its `token` comes from a sequence, so it only grows. Whoever commits holds
the row's lock until then: taking the lease over waits for that, and what comes later finds another token.

Moments in a pace are those of the database's clock, so that a machine whose clock is wrong, or counts from another
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
from reconciler.errors import LedgerFailed, LedgerTooNew
from reconciler.ledger.lock import LEASE_S, Holder, PaceFile, process_key, this_machine
from reconciler.ledger.postgres.session import BEGIN_WRITING, SETTINGS, Connection, DatabaseSession
from reconciler.ledger.sqlite_file import locked
from reconciler.pace import Pace, from_text, shift, to_text

Died = Callable[[str, str], bool]

_UNTIL = f"clock_timestamp() + make_interval(secs => {LEASE_S:g})"
_HELD = "SELECT token, machine, process FROM reconciler.leases WHERE account = %s"
_TAKE = f"""
    INSERT INTO reconciler.leases AS l (account, token, run, who, since, doing, machine, process, expires_at)
    VALUES (%s, nextval('reconciler.tokens'), %s, %s, %s, %s, %s, %s, {_UNTIL})
    ON CONFLICT (account) DO UPDATE SET token = excluded.token, run = excluded.run, who = excluded.who,
        since = excluded.since, doing = excluded.doing, machine = excluded.machine, process = excluded.process,
        expires_at = excluded.expires_at
    WHERE l.expires_at <= clock_timestamp() OR l.run = excluded.run OR l.token = %s
    RETURNING token
"""  # noqa: S608 - a constant
_WHO = "SELECT who, since, doing FROM reconciler.leases WHERE account = %s"
_WHO_NOW = f"{_WHO} AND expires_at > clock_timestamp()"
# Somebody who writes to the same ledger with another client id.
_OTHER = """
    SELECT l.who, l.since, l.doing, l.machine, l.process
    FROM reconciler.leases AS l JOIN reconciler.ledgers AS g ON g.token = l.token
    WHERE g.id = %s AND l.account <> %s AND l.expires_at > clock_timestamp()
"""
_BEGIN = "UPDATE reconciler.ledgers SET token = %s, taken_by = %s, taken_at = %s WHERE id = %s"
_RENEW = f"UPDATE reconciler.leases SET expires_at = {_UNTIL} WHERE account = %s AND token = %s"  # noqa: S608 - a constant
_END = "DELETE FROM reconciler.leases WHERE account = %s AND token = %s"

FENCE = f"""
    WITH lease AS (
        UPDATE reconciler.leases SET expires_at = {_UNTIL} WHERE account = %s AND token = %s RETURNING token
    )
    UPDATE reconciler.ledgers AS g SET serial = serial + 1 FROM lease
    WHERE g.id = %s AND g.token = lease.token RETURNING txid_current()
"""  # noqa: S608 - a constant
"""Counts a commit and renews the lease; both rows stay locked to its end. No row where the lease is another's."""

UNFENCED = """
    UPDATE reconciler.ledgers AS g SET serial = serial + 1
    WHERE g.id = %s AND NOT EXISTS (
        SELECT 1 FROM reconciler.leases AS l WHERE l.token = g.token AND l.expires_at > clock_timestamp()
    ) RETURNING txid_current()
"""
"""Counts a commit of one that has not begun; no row while another run writes."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease that was taken; `account` is the hash that it is kept under."""

    account: str
    token: int


def take(
    connection: Connection, ledger: int, holder: Holder, *, account: str, run: str, known: int, died: Died
) -> LeaseRow:
    """
    Return the lease of an account, taken for a run that writes to `ledger`; Locked where another has it.

    One that has expired is taken over, and so is that of a process which `died` knows to be dead. `run`
    is the same where this is asked again, as no answer came. LedgerTooNew where the format is not `known`.
    """
    row = connection.execute(_HELD, (account,)).fetchone()
    dead = row[0] if row is not None and died(row[1], row[2]) else -1
    connection.execute(BEGIN_WRITING)
    connection.execute(SETTINGS)
    told = (holder.who, holder.since, holder.doing)
    taken = connection.execute(_TAKE, (account, run, *told, this_machine(), process_key(), dead)).fetchone()
    if taken is None:
        raise locked(Holder(*(connection.execute(_WHO, (account,)).fetchone() or ())), LEASE_S)
    for *who, machine, process in connection.execute(_OTHER, (ledger, account)).fetchall():
        if not died(machine, process):
            raise locked(Holder(*who), LEASE_S)
    (version,) = connection.execute("SELECT version FROM reconciler.format").fetchone() or (0,)
    if version != known:
        raise LedgerTooNew("the ledger was just migrated to another format", "update reconciler")
    connection.execute(_BEGIN, (taken[0], str(holder), holder.since, ledger))
    connection.execute("COMMIT")
    return LeaseRow(account, taken[0])


def renew(connection: Connection, lease: LeaseRow) -> bool:
    """
    Make a lease last from now; say False where it is another's, or was ended.

    One that has expired is still its own as long as nobody took it: nobody has written meanwhile.
    """
    return connection.execute(_RENEW, (lease.account, lease.token)).rowcount == 1


def end(connection: Connection, lease: LeaseRow) -> None:
    connection.execute(_END, (lease.account, lease.token))


def holder_now(connection: Connection, account: str) -> Holder | None:
    """Return who holds the lease of an account now, None for nobody."""
    row = connection.execute(_WHO_NOW, (account,)).fetchone()
    return None if row is None else Holder(*row)


def end_by_hand(connection: Connection, account: str) -> None:
    """End the lease of an account whoever holds it: that run commits no more."""
    connection.execute("DELETE FROM reconciler.leases WHERE account = %s", (account,))


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
        self._session = DatabaseSession(url)
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
