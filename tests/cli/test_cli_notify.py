"""Notifications of drift: each state once, nobody's values, and a failure is a warning."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from command_line import THREE, Online, Ran, Reply, web_server

pytest_plugins = ("command_fixtures",)


class Inbox:
    """What came to a URL, and how it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""
        self.came: list[str] = []

    def page(self, method: str, target: str) -> Reply:
        return self.status, "application/json", json.dumps([method, target]).encode()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    with web_server(box.page) as (url, heard):
        box.url = url.replace("http://", "json://user:marked-password@") + "/hook"
        box.came = heard
        yield box


@pytest.fixture
def kept(shop: Online) -> Online:
    assert shop.applied(THREE).code == 0
    shop.later()
    return shop


def drift(shop: Online, inbox: Inbox, *more: str) -> Ran:
    return shop.run("drift", "-f", "customers.yaml", RECONCILER_NOTIFY=" ".join([inbox.url, *more]))


def move(shop: Online, city: str) -> None:
    shop.load({"id": shop.id_of("acme"), "city": city})


def test_each_state_of_drift_is_told_once_and_so_is_its_end(kept: Online, inbox: Inbox) -> None:
    told = []
    for city in ("Boston", "Dover", "Dover", "Salem", "Boston", "Boston"):
        move(kept, city)
        drift(kept, inbox)
        told.append(len(inbox.came))
    assert told == [0, 1, 1, 2, 3, 3]


def test_a_notification_that_fails_is_a_warning_and_is_tried_again(kept: Online, inbox: Inbox) -> None:
    move(kept, "Dover")
    inbox.status = 500
    failed = drift(kept, inbox)
    inbox.status = 200
    drift(kept, inbox)
    assert (failed.code, "warning: not every URL" in failed.err, len(inbox.came)) == (2, True, 2)


def test_no_url_is_ever_shown(kept: Online, inbox: Inbox) -> None:
    move(kept, "Dover")
    inbox.status = 500
    ran = kept.run(
        "--log-level",
        "debug",
        "drift",
        "-f",
        "customers.yaml",
        RECONCILER_NOTIFY=f"{inbox.url} nothing://marked-password",
    )
    assert ("marked-password" in ran.all, "URL 2 of RECONCILER_NOTIFY" in ran.err) == (False, True)


def test_without_a_ledger_drift_is_told_and_its_absence_is_not(shop: Online, inbox: Inbox) -> None:
    shop.write("customers.yaml", THREE)
    drift(shop, inbox)
    assert inbox.came == []
    shop.load({"external_id": "acme", "name": "Other"})
    assert (drift(shop, inbox).code, len(inbox.came)) == (2, 1)


def test_nothing_is_sent_unless_a_url_is_set(kept: Online, inbox: Inbox) -> None:
    move(kept, "Dover")
    assert (kept.run("drift", "-f", "customers.yaml").code, inbox.came) == (2, [])


def test_the_end_of_drift_is_not_told_while_it_cannot_be_verified(kept: Online, inbox: Inbox) -> None:
    move(kept, "Dover")
    drift(kept, inbox)
    kept.applied(THREE)
    move(kept, "Dover")
    ran = drift(kept, inbox)
    assert (ran.code, len(inbox.came)) == (0, 1)
    assert "cannot be verified yet" in ran.out
