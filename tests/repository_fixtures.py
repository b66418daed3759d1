"""Fixtures of CI on GitHub, as a plugin: a host, and a clone of its repository."""

from __future__ import annotations

import pytest
from billing_repository import FILE, KNOWN, Clone, host_of
from command_line import Online
from github_host import GitHub


@pytest.fixture
def host(shop: Online) -> GitHub:
    return host_of(shop)


@pytest.fixture
def ana(host: GitHub) -> Clone:
    """Return a clone of a repository that declares nobody yet, and whose workflow has not run."""
    clone = Clone(host, "ana")
    clone.start({FILE: "customers: {}\n"})
    return clone


@pytest.fixture
def known(shop: Online, ana: Clone) -> Clone:
    """Return that clone, where three customers are declared and were applied: they tell one account from others."""
    ana.push_only({"customers/known.yaml": KNOWN})
    place = ("-p", str(ana.folder / "reconciler.yaml"), "-e", "production")
    ran = shop.run(*place, "apply", "--auto-approve", RECONCILER_STATE=str(shop.folder / "ledger.db"))
    assert ran.code == 0, ran.err
    shop.emulator.requests.clear()
    return ana
