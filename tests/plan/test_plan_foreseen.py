"""What planning is known to ask for before the listing is there."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from plan_values import FILE, NOW_S, TERMS, bound, customer, declared

from reconciler.errors import Source
from reconciler.model.core import CustomerId, Desired, DesiredUser, ListUsers
from reconciler.model.ledger import Binding, BindingState, Records, SeenUser
from reconciler.model.policy import Terms
from reconciler.plan.prefetch import expected_reads

JANE = DesiredUser("jane@acme.example", {}, Source(FILE, 4))
ID = CustomerId("cus_1")
ROW = bound("acme", ID)
WITH_JANE = declared(customer("acme", JANE))
SEEN = {ID: (SeenUser("jane@acme.example", {}),)}


def _foreseen(
    desired: Desired = WITH_JANE,
    row: Binding = ROW,
    users: dict[CustomerId, tuple[SeenUser, ...]] | None = None,
    terms: Terms = TERMS,
    now_s: float = NOW_S,
) -> tuple[ListUsers, ...]:
    records = Records(bindings={row.external_id: row}, users=users or {}, known=True)
    return expected_reads(desired, records, terms, now_s)


def test_users_of_a_bound_customer_that_were_never_listed_are_asked_for() -> None:
    assert _foreseen() == (ListUsers(ID),)


def test_users_of_which_the_ledger_lacks_one_are_asked_for() -> None:
    assert _foreseen(users={ID: ()}) == (ListUsers(ID),)


def test_users_that_the_ledger_knows_are_not_asked_for_unless_all_are() -> None:
    assert _foreseen(users=SEEN) == ()
    assert _foreseen(users=SEEN, terms=replace(TERMS, refresh_users=True)) == (ListUsers(ID),)


@pytest.mark.parametrize(
    "desired",
    [
        declared(),
        declared(customer("acme")),
        declared(customer("acme", JANE, archived=True)),
        declared(customer("acme", JANE, id=CustomerId("cus_2"))),
        declared(customer("globex", JANE)),
    ],
    ids=["not declared", "no users", "archived", "pinned to another", "not bound"],
)
def test_where_it_is_not_certain_nothing_is_asked(desired: Desired) -> None:
    assert _foreseen(desired) == ()


@pytest.mark.parametrize("state", [BindingState.ARCHIVED, BindingState.ABSENT])
def test_users_of_a_customer_that_was_not_active_are_not_asked_for(state: BindingState) -> None:
    assert _foreseen(row=replace(ROW, state=state)) == ()


def test_users_of_a_customer_that_was_written_a_moment_ago_are_not_asked_for() -> None:
    assert _foreseen(row=replace(ROW, written_at=NOW_S - 9.0)) == ()
    assert _foreseen(row=replace(ROW, written_at=NOW_S - 9.0), now_s=inf) == (ListUsers(ID),)
    assert _foreseen(row=replace(ROW, written_at=NOW_S - 11.0)) == (ListUsers(ID),)


def test_users_of_a_customer_that_is_no_target_are_not_asked_for() -> None:
    assert _foreseen(terms=replace(TERMS, targets=("globex",))) == ()
