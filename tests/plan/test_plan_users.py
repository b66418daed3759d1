"""The users of a customer, where the cases do not reach."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from plan_values import FILE, customer

from reconciler.errors import Source
from reconciler.model.core import Action, Address, CustomerId, DesiredUser, ListUsers, LiveUser
from reconciler.model.ledger import PutUsers, SeenUser
from reconciler.model.plan import NOTHING, Part
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind
from reconciler.plan.users import known_users, merged, new_users

ID = CustomerId("cus_1")
AT = Source(FILE, 5, 7)


def user(email: str, **names: str | None) -> DesiredUser:
    return DesiredUser(email, names, AT)


def live(email: str, **names: str) -> LiveUser:
    return LiveUser(f"usr_{email}", email, names)


def planned(
    *users: DesiredUser,
    recorded: tuple[SeenUser, ...] | None = None,
    listed: tuple[LiveUser, ...] | None = None,
    read_again: bool = False,
    fresh: bool = False,
    doubted: tuple[str, ...] = (),
) -> Part:
    return known_users(
        customer("acme", *users),
        ID,
        recorded,
        listed,
        read_again=read_again,
        fresh=fresh,
        in_doubt=lambda address: address.email in doubted,
    )


def created(part: Part) -> list[str | None]:
    return [change.address.email for change in part.changes if change.action is Action.CREATE_USER]


def test_a_customer_with_no_users_on_any_side_costs_nothing() -> None:
    assert planned() is NOTHING
    assert planned(recorded=()) is NOTHING


def test_users_that_were_never_listed_are_asked_for() -> None:
    assert planned(user("jane@x.example")) == Part(reads=(ListUsers(ID),))
    assert planned(user("jane@x.example"), recorded=(), read_again=True) == Part(reads=(ListUsers(ID),))


def test_what_was_asked_for_again_and_answered_is_not_asked_for_once_more() -> None:
    assert created(planned(user("jane@x.example"), recorded=(), listed=(), read_again=True)) == ["jane@x.example"]


def test_a_user_that_the_listing_no_longer_holds_is_created_again() -> None:
    recorded = (SeenUser("jane@x.example", {}, {}),)

    assert created(planned(user("jane@x.example"), recorded=recorded, listed=())) == ["jane@x.example"]


def test_a_user_created_within_the_lag_bound_need_not_be_listed_yet() -> None:
    recorded = (SeenUser("jane@x.example", {}, {}),)

    assert planned(user("jane@x.example"), recorded=recorded, listed=(), fresh=True) is NOTHING


def test_users_listed_twice_under_one_address_count_once() -> None:
    twice = (live("Jane@x.example", first_name="Jane"), live("jane@x.example", first_name="Other"))

    assert merged(None, twice, fresh=False) == (SeenUser("Jane@x.example", {"first_name": "Jane"}),)


def test_a_listing_keeps_what_we_applied() -> None:
    recorded = (SeenUser("jane@x.example", {"first_name": "J"}, {"first_name": "Jane"}),)

    assert merged(recorded, (live("JANE@x.example", first_name="Jane"),), fresh=False) == (
        SeenUser("JANE@x.example", {"first_name": "Jane"}, {"first_name": "Jane"}),
    )


@pytest.mark.parametrize(
    ("declared", "held", "differing"),
    [
        ({"first_name": "Jane"}, {"first_name": "Jane"}, []),
        ({"first_name": " Jane "}, {"first_name": "Jane"}, []),
        ({"first_name": None}, {}, []),
        ({}, {"first_name": "Jane"}, []),
        ({"first_name": "Jane"}, {"first_name": "jane"}, ["first_name"]),
        ({"first_name": None}, {"first_name": "Jane"}, ["first_name"]),
        ({"first_name": "Jane", "last_name": "Doe"}, {}, ["first_name", "last_name"]),
    ],
)
def test_a_name_that_differs_is_blocked_and_nothing_is_sent(
    declared: Mapping[str, str | None], held: Mapping[str, str], differing: list[str]
) -> None:
    part = planned(user("jane@x.example", **declared), listed=(live("jane@x.example", **held),))

    assert [one.field for one in part.blocked] == differing
    assert {one.address for one in part.blocked} <= {Address("acme", "jane@x.example")}
    assert part.changes == ()


def test_a_name_that_the_server_wrote_in_its_own_way_is_no_difference() -> None:
    recorded = (SeenUser("jane@x.example", {"first_name": "JANE"}, {"first_name": "Jane"}),)

    assert planned(user("jane@x.example", first_name="Jane"), recorded=recorded) is NOTHING


def test_a_blocked_name_shows_both_values_and_names_them_for_the_mask() -> None:
    part = planned(user("jane@x.example", last_name="Doe"), listed=(live("jane@x.example", last_name="Roe"),))

    (blocked,) = part.blocked
    names = {"live": FieldValue("last_name", "Roe"), "declared": FieldValue("last_name", "Doe")}
    assert (blocked.reason, blocked.parts) == (BlockedReason.USER_FIXED, {"field": "last_name", **names})


def test_a_released_user_is_noted_once() -> None:
    recorded = (SeenUser("jane@x.example", {}, {"first_name": None}),)

    (put,) = planned(recorded=recorded).users
    assert put == PutUsers(ID, (SeenUser("jane@x.example", {}),))
    assert [note.kind for note in planned(recorded=recorded).notes] == [NoteKind.USER_RELEASED]
    assert planned(recorded=put.users) is NOTHING


def test_a_user_whose_create_is_in_doubt_is_blocked_until_it_is_seen() -> None:
    jane, joe = user("jane@x.example"), user("joe@x.example")

    unseen = planned(jane, joe, listed=(), doubted=("jane@x.example",))
    seen = planned(jane, joe, listed=(live("jane@x.example"),), doubted=("jane@x.example",))

    assert ([one.address.email for one in unseen.blocked], created(unseen)) == (["jane@x.example"], ["joe@x.example"])
    assert (seen.blocked, created(seen)) == ((), ["joe@x.example"])


def test_a_create_carries_the_address_as_written_and_what_is_not_empty() -> None:
    part = new_users(customer("acme", user("Jane@X.example", first_name="Jane", last_name=None)), None)

    (change,) = part.changes
    assert [(one.name, one.after) for one in change.fields] == [("email", "Jane@X.example"), ("first_name", "Jane")]
    assert (change.id, change.unless_listed, change.source) == (None, False, AT)
