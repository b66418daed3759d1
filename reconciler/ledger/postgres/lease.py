"""
One writing run per base URL and client id, on any machine: a row that its holder renews.

Its end is by the database's clock. `token` comes from a sequence, so it only grows. Whoever commits holds
the row's lock until then: taking the lease over waits for that, and what comes later finds another token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.errors import LedgerTooNew
from reconciler.ledger.faults import locked
from reconciler.ledger.lock import LEASE_S, Holder
from reconciler.ledger.postgres.session import BEGIN_WRITING, SETTINGS, Connection
from reconciler.ledger.process import this_machine, this_process

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
class Lease:
    """A lease that was taken; `account` is the hash that it is kept under."""

    account: str
    token: int


def take(
    connection: Connection, ledger: int, holder: Holder, *, account: str, run: str, known: int, died: Died
) -> Lease:
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
    taken = connection.execute(_TAKE, (account, run, *told, this_machine(), this_process(), dead)).fetchone()
    if taken is None:
        raise locked(Holder(*(connection.execute(_WHO, (account,)).fetchone() or ())), LEASE_S)
    for *who, machine, process in connection.execute(_OTHER, (ledger, account)).fetchall():
        if not died(machine, process):
            raise locked(Holder(*who), LEASE_S)
    (version,) = connection.execute("SELECT version FROM reconciler.format").fetchone() or (0,)
    if version != known:
        raise LedgerTooNew("the ledger was brought to another format a moment ago", "update reconciler")
    connection.execute(_BEGIN, (taken[0], str(holder), holder.since, ledger))
    connection.execute("COMMIT")
    return Lease(account, taken[0])


def renew(connection: Connection, lease: Lease) -> bool:
    """
    Make a lease last from now; say False where it is another's, or was ended.

    One that has expired is still its own as long as nobody took it: nobody has written meanwhile.
    """
    return connection.execute(_RENEW, (lease.account, lease.token)).rowcount == 1


def end(connection: Connection, lease: Lease) -> None:
    """End a lease."""
    connection.execute(_END, (lease.account, lease.token))


def holder_now(connection: Connection, account: str) -> Holder | None:
    """Return who holds the lease of an account now, None for nobody."""
    row = connection.execute(_WHO_NOW, (account,)).fetchone()
    return None if row is None else Holder(*row)


def end_by_hand(connection: Connection, account: str) -> None:
    """End the lease of an account whoever holds it: that run commits no more."""
    connection.execute("DELETE FROM reconciler.leases WHERE account = %s", (account,))
