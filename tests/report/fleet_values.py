"""A fleet with an account in each state, for tests of its status."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.fleet import AccountState, AccountStatus, Day
from reconciler.report.fleet_page import FleetStatus

NOW = 1_790_000_000.0


def account(name: str, state: AccountState, **known: object) -> AccountStatus:
    known = {"since": NOW - 7200, "checked_at": NOW - 600, "ok_at": NOW - 600, "next_due": NOW + 3000, **known}
    return replace(AccountStatus(name, "production", state), **known)  # type: ignore[arg-type]


EVERY = FleetStatus(
    environment="production",
    project="msp-west",
    accounts=(
        account("acme", AccountState.IN_SYNC, customers=1200, requests=13),
        account("globex", AccountState.DRIFTED, customers=40, drifted=3, since=NOW - 3600),
        account("hooli", AccountState.FAILED, failures=2, message="the key may not list customers", next_due=NOW - 90),
        account("initech", AccountState.BLOCKED, customers=7, blocked=1, pending=1),
        account("soylent", AccountState.NEW, since=0.0, checked_at=0.0, ok_at=0.0, next_due=0.0),
        account("stark", AccountState.SUSPENDED, next_due=NOW - 9999),
        account("umbrella", AccountState.PENDING, customers=9, pending=2),
        account("wayne", AccountState.DRIFTED, customers=60, drifted=1, since=NOW - 86400),
    ),
    now=NOW,
    labels={"acme": {"wave": "canary", "region": "west"}},
    days=(Day("2026-09-20", "production", 8, 4, 0), Day("2026-09-21", "production", 8, 2, 1)),
)


def many(number: int) -> FleetStatus:
    states = (AccountState.IN_SYNC, AccountState.IN_SYNC, AccountState.DRIFTED, AccountState.FAILED)
    rows = [account(f"a{at:05}", states[at % 4], customers=at, drifted=at % 4 == 2) for at in range(number)]
    return replace(EVERY, accounts=rows, labels={})
