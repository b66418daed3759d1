"""Is a known id active? From what was listed, sought and got, and what the ledger did to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from plan_values import CREATED_AT, NOW_S, account, bound, sight, there

from reconciler.model.core import CustomerId, Get, Live, LiveCustomer, Seek
from reconciler.model.ledger import Binding, BindingState, Recent, RecentWrite
from reconciler.plan.presence import (
    Active,
    ArchivedByUs,
    Elsewhere,
    Hidden,
    Presence,
    Unread,
    active,
    as_recorded,
    presence,
    unverified,
)

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
        (None, replace(LISTED, got={ID: None}), Elsewhere(ACME)),
        (ROW, replace(LISTED, got={ID: None}), Elsewhere(ACME)),
        (ROW, replace(LISTED, got={ID: ACME}), Active(ACME)),
        (FRESH, replace(LISTED, got={ID: None}), Active(ACME)),
        (ROW, ABSENT, Unread(Seek(ID, CREATED_AT))),
        (ROW, SOUGHT, Unread(Get(ID))),
        (ROW, replace(SOUGHT, got={ID: ACME}), Elsewhere(ACME)),
        (ROW, replace(SOUGHT, got={ID: None}), Hidden()),
        (FRESH, ABSENT, Active(as_recorded(FRESH), unseen=True)),
        (GONE, LISTED, Active(ACME)),
        (GONE, ABSENT, Unread(Get(ID))),
        (GONE, replace(ABSENT, got={ID: None}), Hidden()),
        (ARCHIVED, ABSENT, ArchivedByUs(None)),
        (ARCHIVED, LISTED, Active(ACME)),
        (replace(ARCHIVED, written_at=NOW_S - 9), LISTED, ArchivedByUs(ACME)),
    ],
)
def test_where_archived_ones_are_not_listed_reading_tells_what_a_customer_is(
    row: Binding | None, live: Live, expected: Presence
) -> None:
    assert presence(sight(live), ID, row) == expected


@pytest.mark.parametrize(
    ("lists_archived", "expected"),
    [(True, ArchivedByUs(ACME)), (None, ArchivedByUs(ACME, doubted=True)), (False, Active(ACME))],
)
def test_a_listed_customer_that_we_archived_is_what_the_server_makes_of_it(
    lists_archived: bool | None, expected: Presence
) -> None:
    assert presence(sight(LISTED, lists_archived=lists_archived), ID, ARCHIVED) == expected


PATCHED = replace(
    FRESH, recent_json=Recent(fields={"city": RecentWrite("New York", (("Boston", NOW_S - 9),))}).as_json()
)


@pytest.mark.parametrize(
    ("listed", "held"), [("Boston", "New York"), (" Boston ", "New York"), ("New York", "New York"), ("Paris", "Paris")]
)
def test_only_a_value_from_before_our_patch_is_taken_for_lag(listed: str, held: str) -> None:
    there_now = there("cus_1", "acme", name="acme", city=listed, state="MA")
    seen = presence(sight(account(there_now)), ID, PATCHED)
    assert seen == Active(replace(there_now, fields={"name": "acme", "city": held, "state": "MA"}))


def test_a_value_that_the_server_did_not_take_is_recorded_as_what_it_held_instead() -> None:
    trouble = {"city": {"patched": "", "runs": 0, "seen": [], "refused": ["Rome", "Bonn"]}}
    assert as_recorded(replace(ROW, trouble_json=json.dumps(trouble))).fields["city"] == "Bonn"


def test_what_cannot_be_verified_yet_is_in_the_order_of_the_keys() -> None:
    rows = [replace(FRESH, external_id=key) for key in ("b", "a")]
    found = unverified(sight(ABSENT), rows, lambda _: True)
    assert [str(one.address) for one in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "live", "lists_archived", "expected"),
    [
        (None, LISTED, False, [ACME]),
        (ROW, LISTED, False, [ACME]),
        (FRESH, LISTED, False, [ACME]),
        (PATCHED, account(there("cus_1", "acme", city="Boston")), False, [there("cus_1", "acme", city="New York")]),
        (ARCHIVED, LISTED, False, [ACME]),
        (ARCHIVED, LISTED, True, []),
        (ARCHIVED, LISTED, None, []),
        (FRESH, ABSENT, False, [as_recorded(FRESH)]),
        (ROW, ABSENT, False, []),
        (replace(FRESH, state=BindingState.ABSENT), ABSENT, False, []),
    ],
)
def test_who_is_active_is_listed_or_was_just_written_and_was_not_archived_by_us(
    row: Binding | None, live: Live, lists_archived: bool | None, expected: list[LiveCustomer]
) -> None:
    assert [*active(sight(live, lists_archived=lists_archived), {} if row is None else {ID: row})] == expected


LAG_AGO = NOW_S - 10


def test_what_we_did_just_the_lag_ago_is_seen_by_now() -> None:
    fields = {"city": RecentWrite("New York", (("Boston", LAG_AGO),))}
    row = replace(ROW, written_at=NOW_S - 2, recent_json=Recent(LAG_AGO, fields).as_json())
    listed = there("cus_1", "acme", city="Boston")
    assert presence(sight(ABSENT), ID, row) == Unread(Seek(ID, CREATED_AT))
    assert presence(sight(account(listed)), ID, row) == Active(listed)
    assert sight(ABSENT).unverified(row) is None


def test_each_field_of_a_patch_is_taken_for_lag_by_itself() -> None:
    fields = {name: RecentWrite("New", (("Old", NOW_S - 9),)) for name in ("city", "country", "name")}
    row = replace(FRESH, recent_json=Recent(fields=fields).as_json())
    listed = there("cus_1", "acme", city="New", country="Old", name="Old")
    expected = there("cus_1", "acme", city="New", country="New", name="New")
    assert presence(sight(account(listed)), ID, row) == Active(expected)


def test_a_field_that_our_patch_filled_may_be_listed_empty_and_one_that_it_emptied_may_be_listed_full() -> None:
    fields = {"city": RecentWrite("Paris", (("", NOW_S - 9),)), "state": RecentWrite("", (("MA", NOW_S - 9),))}
    row = replace(FRESH, recent_json=Recent(fields=fields).as_json())
    seen = presence(sight(account(there("cus_1", "acme", name="acme", state="MA"))), ID, row)
    assert seen == Active(there("cus_1", "acme", name="acme", city="Paris"))


def test_what_was_patched_and_not_created_or_restored_of_late_is_sought_where_it_is_not_listed() -> None:
    assert presence(sight(ABSENT), ID, PATCHED) == Unread(Seek(ID, CREATED_AT))


def test_a_customer_created_and_patched_within_the_lag_may_be_unlisted_until_its_create_is_old_enough() -> None:
    recent = Recent(NOW_S - 9.5, {"city": RecentWrite("New York", (("Boston", NOW_S - 2),))})
    row = replace(ROW, written_at=NOW_S - 2, recent_json=recent.as_json())
    later = replace(ABSENT, read_at=NOW_S + 1)
    assert isinstance(presence(sight(ABSENT), ID, row), Active)
    assert presence(sight(later), ID, row) == Unread(Seek(ID, CREATED_AT))


def test_what_a_get_shows_from_before_our_patch_is_taken_for_lag_too() -> None:
    row = replace(PATCHED, state=BindingState.ABSENT)
    live = replace(ABSENT, got={ID: there("cus_1", "acme", city="Boston")})
    assert presence(sight(live), ID, row) == Elsewhere(there("cus_1", "acme", city="New York"))


@pytest.mark.parametrize(
    ("row", "live", "lists_archived", "until"),
    [
        (FRESH, ABSENT, False, 1.0),
        (FRESH, LISTED, False, None),
        (ROW, ABSENT, False, None),
        (PATCHED, ABSENT, False, None),
        (PATCHED, account(there("cus_1", "acme", city="Boston")), False, 1.0),
        (PATCHED, account(there("cus_1", "acme", city="Paris")), False, None),
        (PATCHED, account(there("cus_1", "acme", city="New York")), False, None),
        (replace(FRESH, state=BindingState.ARCHIVED), LISTED, False, 1.0),
        (replace(FRESH, state=BindingState.ARCHIVED), LISTED, None, 1.0),
        (replace(FRESH, state=BindingState.ARCHIVED), LISTED, True, None),
        (replace(FRESH, state=BindingState.ARCHIVED), ABSENT, False, None),
        (replace(FRESH, state=BindingState.ABSENT), ABSENT, False, None),
    ],
)
def test_what_is_read_as_before_our_write_cannot_be_verified_until_the_lag_has_passed(
    row: Binding, live: Live, lists_archived: bool | None, until: float | None
) -> None:
    left = sight(live, lists_archived=lists_archived).unverified(row)
    assert left == (None if until is None else NOW_S + until)
