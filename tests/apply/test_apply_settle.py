"""What became of a change whose answer was lost: each rule as a row, and every rule against the model of the API."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest
from api_ways import Ways as Server_ways
from api_ways import scripted
from emulated import NOON, Server
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.times import rfc3339
from reconciler.apply.settle import (
    BEFORE_S,
    Ambiguous,
    Customers,
    Done,
    Doubt,
    Facts,
    FieldValues,
    NotDone,
    NothingRead,
    Observed,
    Settlement,
    TooEarly,
    Users,
    Visibility,
    Ways,
    settle,
)
from reconciler.kinds.wire import read_customer
from reconciler.model.core import Action, Address, CustomerId, LiveCustomer
from reconciler.model.ledger import DOUBT_S, Intent

SENT_AT, LAG_S = 1_000_000.0, 10.0
A, B = CustomerId("cus_a"), CustomerId("cus_b")


def live(
    customer: CustomerId, external_id: str = "acme", *, age_s: float = 0.0, name: str = "Acme", created: str = ""
) -> LiveCustomer:
    """Return a customer that was created so many seconds after the change was sent."""
    return LiveCustomer(customer, external_id, created or rfc3339(SENT_AT + age_s), {"name": name})


PLANNED = Intent("run", 1, Action.CREATE, Address("acme"), None, SENT_AT, after={"name": "Acme"})
DIRECT = Intent("run", 1, Action.CREATE, Address("acme"), None, SENT_AT, after={"external_id": "acme", "name": "Acme"})
NAMELESS = Intent("run", 1, Action.CREATE, Address(""), None, SENT_AT, after={"external_id": None, "name": "Acme"})
USER = Intent("run", 1, Action.CREATE_USER, Address("acme", "Jane@x.example"), A, SENT_AT)
PATCH = Intent("run", 1, Action.PATCH, Address("acme"), A, SENT_AT, after={"name": "New", "city": None})
ARCHIVE = Intent("run", 1, Action.ARCHIVE, Address("acme"), A, SENT_AT)
RESTORE = Intent("run", 1, Action.RESTORE, Address("acme"), A, SENT_AT)

OLD = -BEFORE_S - 1.0
NOBODY = Customers(())
SEVERAL = Ambiguous(Doubt.SEVERAL, (A, B))
HIDDEN = Ambiguous(Doubt.HIDDEN)


@pytest.mark.parametrize(
    ("intent", "facts", "settlement"),
    [
        pytest.param(PLANNED, NOBODY, NotDone(), id="nobody: it was not done"),
        pytest.param(PLANNED, Customers([live(A), live(B, "other")]), Done(A), id="the one with its external_id"),
        pytest.param(
            PLANNED,
            Customers([live(A, age_s=OLD)]),
            Done(A),
            id="its key is bound to who has its external_id, however old",
        ),
        pytest.param(PLANNED, Customers([live(A), live(B)]), SEVERAL, id="two have its external_id"),
        pytest.param(
            PLANNED,
            Customers([live(A)], {A}),
            Ambiguous(Doubt.CLAIMED, (A,)),
            id="who has its external_id is bound to another key",
        ),
        pytest.param(PLANNED, Customers([live(A), live(B)], {B}), SEVERAL, id="two have it, one is bound elsewhere"),
        pytest.param(PLANNED, Customers([live(A, "ACME ")]), Done(A), id="the server changed its external_id"),
        pytest.param(
            PLANNED, Customers([live(A, "ACME", name="Renamed")]), Done(A), id="who has nearly it has any name"
        ),
        pytest.param(PLANNED, Customers([live(A, "ACME"), live(B, "acme")]), Done(B), id="the same before nearly"),
        pytest.param(PLANNED, Customers([live(A, "ACME"), live(B, " acme")]), SEVERAL, id="two have nearly it"),
        pytest.param(PLANNED, Customers([live(A, "ACME")], {A}), NotDone(), id="who has nearly it is bound"),
        pytest.param(
            PLANNED,
            Customers([live(A, "ACME"), live(B, "ACME")], {B}),
            Done(A),
            id="of two with nearly it one is bound",
        ),
        pytest.param(
            PLANNED, Customers([live(A, "ACME", age_s=OLD)]), NotDone(), id="who has nearly it was there before"
        ),
        pytest.param(
            PLANNED, Customers([live(A, "ACME", age_s=-BEFORE_S)]), Done(A), id="the first moment counts as since"
        ),
        pytest.param(
            PLANNED, Customers([live(A, "ACME", created="?")]), Done(A), id="a time that cannot be read may be since"
        ),
        pytest.param(PLANNED, Customers([live(B)], own=A), Done(A), id="its key is bound since"),
        pytest.param(DIRECT, NOBODY, NotDone(), id="direct: nobody"),
        pytest.param(DIRECT, Customers([live(A, name="Renamed")]), Done(A), id="direct: who has its external_id"),
        pytest.param(DIRECT, Customers([live(A)], {A}), Done(A), id="direct: bound since, as it has its external_id"),
        pytest.param(DIRECT, Customers([live(A), live(B)]), SEVERAL, id="direct: two have its external_id"),
        pytest.param(
            DIRECT, Customers([live(A), live(B, age_s=OLD)]), Done(A), id="direct: the other was there before"
        ),
        pytest.param(DIRECT, Customers([live(A, "ACME")]), Done(A), id="direct: the server changed its external_id"),
        pytest.param(DIRECT, Customers([live(A, "ACME")], {A}), NotDone(), id="direct: who has nearly it is known"),
        pytest.param(NAMELESS, Customers([live(A, "")]), Done(A), id="without external_id: like it, and since"),
        pytest.param(NAMELESS, Customers([live(A, "acme")]), NotDone(), id="without external_id: one has one"),
        pytest.param(NAMELESS, Customers([live(A, "", age_s=OLD)]), NotDone(), id="without external_id: before"),
        pytest.param(
            NAMELESS, Customers([live(A, "", name="Other")]), NotDone(), id="without external_id: not like it"
        ),
        pytest.param(NAMELESS, Customers([live(A, "")], {A}), NotDone(), id="without external_id: known otherwise"),
        pytest.param(NAMELESS, Customers([live(A, ""), live(B, "")]), SEVERAL, id="without external_id: two like it"),
        pytest.param(USER, Users(()), NotDone(), id="no user"),
        pytest.param(USER, Users(("joe@x.example",)), NotDone(), id="another user"),
        pytest.param(USER, Users(("joe@x.example", "jane@X.example")), Done(A), id="the user, in any case"),
        pytest.param(PATCH, FieldValues({"name": "New", "city": ""}), Done(A), id="all values are as sent"),
        pytest.param(PATCH, FieldValues({"name": "New", "city": "Rome"}), NotDone(), id="one value is not"),
        pytest.param(
            Intent("run", 1, Action.PATCH, Address("acme"), A, SENT_AT), FieldValues({}), NotDone(), id="no values"
        ),
    ],
)
def test_a_change_is_settled_by_what_was_read(intent: Intent, facts: Facts, settlement: Settlement) -> None:
    assert settle(intent, Observed(facts)) == settlement


@pytest.mark.parametrize(
    "intent", [PLANNED, DIRECT, NAMELESS, USER, PATCH, ARCHIVE, RESTORE], ids=lambda one: one.action
)
def test_where_nothing_was_read_nothing_is_known(intent: Intent) -> None:
    assert settle(intent, Observed(NothingRead())) == Ambiguous(Doubt.UNREAD)


KNOWN = [None, False, True]


@pytest.mark.parametrize("lists", KNOWN)
@pytest.mark.parametrize("gets", KNOWN)
@pytest.mark.parametrize("listed", KNOWN)
@pytest.mark.parametrize("got", KNOWN)
@pytest.mark.parametrize("missed", [False, True])
def test_an_archive_and_a_restore_are_settled_in_opposite_ways_wherever_it_shows_who_is_active(
    lists: bool | None, gets: bool | None, listed: bool | None, got: bool | None, missed: bool
) -> None:
    seen = Visibility(Ways(lists, gets), got=got, listed=listed, missed=missed)
    archived = got is False or listed is False
    active = (got is True and gets is False) or (listed is True and (missed or lists is False))
    expected = (Done(A), NotDone()) if archived else (NotDone(), Done(A)) if active else (HIDDEN, HIDDEN)
    assert (settle(ARCHIVE, Observed(seen)), settle(RESTORE, Observed(seen))) == expected


UNTIL = SENT_AT + LAG_S + DOUBT_S


@pytest.mark.parametrize("left_s", [3.0, 0.5])
@pytest.mark.parametrize("facts", [NOBODY, NothingRead()], ids=["nobody", "nothing read"])
def test_a_create_that_may_become_visible_yet_is_waited_for(facts: Facts, left_s: float) -> None:
    later = settle(PLANNED, Observed(facts, UNTIL, LAG_S))
    assert settle(PLANNED, Observed(facts, UNTIL - left_s, LAG_S)) == TooEarly(left_s)
    assert later == settle(PLANNED, Observed(facts)) != TooEarly(0.0)


@pytest.mark.parametrize(
    ("intent", "facts"),
    [
        pytest.param(PLANNED, Customers([live(A)]), id="it is there"),
        pytest.param(PLANNED, Customers([live(A), live(B)]), id="two may be it"),
        pytest.param(PLANNED, Customers([live(A)], {A}), id="it is bound elsewhere"),
        pytest.param(USER, Users(("jane@x.example",)), id="the user is there"),
        pytest.param(PATCH, FieldValues({}), id="a patch may be sent again"),
        pytest.param(PATCH, NothingRead(), id="so may one that nobody looked for"),
        pytest.param(ARCHIVE, Visibility(Ways(gets_archived=False), got=True), id="so may an archive"),
        pytest.param(RESTORE, Visibility(Ways(), got=False), id="and a restore"),
    ],
)
def test_nothing_else_is_waited_for(intent: Intent, facts: Facts) -> None:
    assert settle(intent, Observed(facts, SENT_AT, LAG_S)) == settle(intent, Observed(facts, inf))


# --- against the model of the API --------------------------------------------------------------------

KEYS = ("acme", "ACME", " acme", "other", "")
OTHERS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([-60.0, -1.0, 1.0, 20.0])), max_size=3)
DIGITS = st.sampled_from([0, 3, 6])


def narrowed(server: Server, since: float) -> list[LiveCustomer]:
    """Return the customers that the list narrowed to those since a moment holds."""
    rows = server.http.get("/customers", params={"created_at_start": rfc3339(since)}).json()["data"]
    return [one for one in map(read_customer, rows) if one is not None]


def others_come(server: Server, others: Sequence[tuple[str, float]], *, before: bool) -> None:
    """Let somebody else create customers, in their order, by the server's clock."""
    for key, after_s in sorted(others, key=lambda one: one[1]):
        if (after_s < 0) is before:
            server.time = max(server.time, NOON + after_s)
            server.account.create(external_id=key, name="Theirs")
    server.time = max(server.time, NOON)


@given(
    others=OTHERS,
    key=st.sampled_from(["acme", ""]),
    binds=st.booleans(),
    done=st.booleans(),
    lag_s=st.sampled_from([0.0, 8.0]),
    wait_s=st.sampled_from([0.0, 9.0, 30.0, 46.0]),
    digits=DIGITS,
)
def test_a_create_is_never_sent_again_that_was_done(
    others: list[tuple[str, float]],
    key: str,
    binds: bool,
    done: bool,
    lag_s: float,
    wait_s: float,
    digits: int,
) -> None:
    server = Server(Server_ways(lag_s=lag_s, created_digits=digits))
    server.time = NOON - 60.0
    others_come(server, others, before=True)
    sent = {"name": "Acme", **({"external_id": key} if key else {})}
    after = {"name": "Acme"} if binds and key else {"external_id": key or None, "name": "Acme"}
    intent = Intent("run", 1, Action.CREATE, Address(key), None, NOON, after=after)
    ours = server.account.create(**sent) if done else None
    others_come(server, others, before=False)
    server.time = max(server.time, NOON + wait_s)
    read = Customers(narrowed(server, NOON - BEFORE_S))
    found = settle(intent, Observed(read, server.time, LAG_S))
    match found:
        case Done(one):
            assert one is not None
            assert server.account.customer(one).external_id.strip().lower() == key
            assert server.account.customer(one).created_us >= (NOON - BEFORE_S - 1) * 1e6
            assert one == ours or ours not in [one.id for one in read.listed]
        case NotDone():
            assert ours is None
        case Ambiguous(Doubt.SEVERAL, ids):
            assert len(ids) > 1
            assert ours is None or ours in ids
        case TooEarly(left_s):
            assert 0 < left_s <= LAG_S + DOUBT_S
        case _:
            raise AssertionError(found)


@given(
    lists=st.booleans(),
    gets=st.booleans(),
    action=st.sampled_from([Action.ARCHIVE, Action.RESTORE]),
    done=st.booleans(),
    known=st.booleans(),
)
def test_an_archive_or_restore_is_settled_as_it_ended_or_not_at_all(
    lists: bool, gets: bool, action: Action, done: bool, known: bool
) -> None:
    server = Server(Server_ways(lists_archived=lists, gets_archived=gets))
    one = CustomerId(server.account.create(external_id="acme", name="Acme"))
    if action is Action.RESTORE:
        server.account.archive(one)
    server.api.fault = scripted(["lost_after" if done else "lost_before"])
    send = server.http.delete if action is Action.ARCHIVE else server.http.post
    path = f"/customers/{one}" + ("" if action is Action.ARCHIVE else "/restore")
    with pytest.raises(Exception, match="the connection broke"):
        send(path)
    listed = any(row.id == one for row in narrowed(server, NOON - BEFORE_S))
    seen = Visibility(
        Ways(lists, gets) if known else Ways(),
        got=server.http.get(f"/customers/{one}").status_code == 200,
        listed=listed,
    )
    found = settle(Intent("run", 1, action, Address("acme"), one, NOON), Observed(seen))
    assert found in ({Done(one), HIDDEN} if done else {NotDone(), HIDDEN})
    assert not known or lists or gets or found != HIDDEN
