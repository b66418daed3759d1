"""Is a known id active? From what was listed, sought and got, and what the ledger did to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_parts import CREATED_AT, NOW_S, account, bound, sight, there

from reconciler.model import CustomerId, Get, Live, Seek
from reconciler.plan.presence import Active, Elsewhere, Hidden, Presence, Shelved, Unread, as_recorded, presence
from reconciler.records import Binding, BindingState

ID = CustomerId("cus_1")
ACME = there("cus_1", "acme")
LISTED = account(ACME)
ABSENT = account()
SOUGHT = replace(ABSENT, sought={ID: False})
ROW = bound("acme", "cus_1")
FRESH = replace(ROW, written_at=NOW_S - 9)
ARCHIVED = replace(ROW, state=BindingState.ARCHIVED, written_at=NOW_S - 60)
GONE = replace(ROW, state=BindingState.ABSENT)


@pytest.mark.parametrize(
    ("row", "live", "expected"),
    [
        (None, LISTED, Active(ACME)),
        (None, ABSENT, Unread(Get(ID))),
        (None, replace(ABSENT, got={ID: ACME}), Elsewhere(ACME)),
        (None, replace(ABSENT, got={ID: None}), Hidden()),
        (ROW, LISTED, Active(ACME)),
        (ROW, ABSENT, Unread(Seek(ID, CREATED_AT))),
        (ROW, SOUGHT, Unread(Get(ID))),
        (ROW, replace(SOUGHT, got={ID: ACME}), Elsewhere(ACME)),
        (ROW, replace(SOUGHT, got={ID: None}), Hidden()),
        (FRESH, ABSENT, Active(as_recorded(FRESH), unseen=True)),
        (GONE, LISTED, Active(ACME)),
        (GONE, ABSENT, Unread(Get(ID))),
        (GONE, replace(ABSENT, got={ID: None}), Hidden()),
        (ARCHIVED, ABSENT, Shelved(None)),
        (ARCHIVED, LISTED, Active(ACME)),
        (replace(ARCHIVED, written_at=NOW_S - 9), LISTED, Shelved(ACME)),
    ],
)
def test_where_archived_ones_are_not_listed_reading_tells_what_a_customer_is(
    row: Binding | None, live: Live, expected: Presence
) -> None:
    assert presence(sight(live), ID, row) == expected


@pytest.mark.parametrize(
    ("lists_archived", "expected"), [(True, Shelved(ACME)), (None, Shelved(ACME, doubted=True)), (False, Active(ACME))]
)
def test_a_listed_customer_that_we_archived_is_what_the_server_makes_of_it(
    lists_archived: bool | None, expected: Presence
) -> None:
    assert presence(sight(LISTED, lists_archived=lists_archived), ID, ARCHIVED) == expected


def test_a_customer_just_written_is_as_its_reply_held_it_and_the_rest_as_listed() -> None:
    listed = there("cus_1", "acme", name="Stale", city="Boston", state="MA")
    row = replace(FRESH, applied_json='{"country": "USA", "name": "acme", "state": null}', observed_json=None)
    row = replace(row, observed_json='{"country": "US", "name": "acme", "state": ""}')

    held = as_recorded(row, listed)

    assert held == replace(listed, fields={"name": "acme", "city": "Boston", "country": "US"})
