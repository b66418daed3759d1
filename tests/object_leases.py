"""Leases of the store that tests fill, changed past the ledger: time that passes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import object_server

from reconciler.ledger.objects.lease import State, key_of, read
from reconciler.ledger.objects.store import open_store

LONG_S = 3600.0


def expire(account: str, url: str | None = None) -> None:
    """Let the lease of an account expire, where there is one."""
    store = open_store(url or object_server.url())
    found = read(store, account)
    if found is not None and found[0].state is State.HELD:
        expired = replace(found[0], lasts_s=found[0].lasts_s - LONG_S)
        assert store.put_over(key_of(account), json.dumps(asdict(expired)).encode(), found[1]) is not None


def lasts_s(account: str) -> float:
    """Return how long the lease of an account lasts from its last writing, in seconds."""
    found = read(open_store(object_server.url()), account)
    assert found is not None
    return found[0].lasts_s
