"""Leases of the database that tests fill, changed past the ledger: time that passes, a holder that dies."""

from __future__ import annotations

from typing import Any

import postgres_server
import psycopg


def ask(statement: str, *values: object, url: str | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of one statement."""
    with psycopg.connect(url or postgres_server.url(), autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def expire(account: str) -> None:
    """Let the lease of an account expire, where there is one."""
    if ask("SELECT to_regclass('reconciler.leases')") != [(None,)]:
        ask("UPDATE reconciler.leases SET expires_at = now() - interval '1 second' WHERE account = %s", account)


def lasts_s(account: str) -> float:
    """Return how long the lease of an account still lasts, in seconds."""
    ((seconds,),) = ask(
        "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM reconciler.leases WHERE account = %s",
        account,
    )
    return float(seconds)
