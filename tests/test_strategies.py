"""The worlds that property tests draw are legal, and rich enough to be worth drawing."""

from __future__ import annotations

from dataclasses import fields

from api_account import Account
from api_ways import Ways
from hypothesis import Phase, find, given, settings
from story import Apply, Declared, LiveEdit
from strategies import desired_states, histories, live_states, ways

from reconciler.model.core import Desired

NOON = 1_767_614_400.0
_FIND = settings(max_examples=2000, database=None, phases=[Phase.generate])
_SIMPLEST = settings(max_examples=1, database=None, phases=[Phase.generate])
"""The first example is the one that every other shrinks to."""


def account_of(edits: tuple[LiveEdit, ...], server: Ways) -> Account:
    """Return the account that `edits` make."""
    account = Account(server, lambda: NOON)
    for edit in edits:
        edit.do(account)
    return account


@given(desired_states())
def test_what_is_declared_could_have_been_read(desired: Desired) -> None:
    origins = {move.origin for move in desired.moved}
    assert origins.isdisjoint(desired.customers)
    assert origins.isdisjoint(desired.forget)
    assert {name for former in desired.former_keys().values() for name in former} == origins
    assert set(desired.forget).isdisjoint(desired.customers)
    assert all(key == customer.external_id for key, customer in desired.customers.items())
    assert {one.source.file for one in desired.customers.values()} <= {file.name for file in desired.reading.files}


@given(live_states(), ways())
def test_a_live_world_obeys_its_server(edits: tuple[LiveEdit, ...], server: Ways) -> None:
    account = account_of(edits, server)
    assert [one for one in account.active() if account.taken(one.external_id, besides=one.id)] == []


def test_there_are_worlds_with_two_active_customers_of_one_external_id() -> None:
    def twins(edits: tuple[LiveEdit, ...]) -> bool:
        held = [one.external_id for one in account_of(edits, Ways()).active() if one.external_id]
        return len(held) > len(set(held))

    assert twins(find(live_states(), twins, settings=_FIND))


def test_there_are_declarations_with_users_pins_moves_and_what_is_forgotten() -> None:
    def full(desired: Desired) -> bool:
        customers = desired.customers.values()
        return bool(desired.moved and desired.forget) and any(one.id and one.users for one in customers)

    assert full(find(desired_states(), full, settings=_FIND))


def test_every_way_of_a_server_can_be_fixed() -> None:
    plain = {one.name: getattr(Ways(), one.name) for one in fields(Ways)}
    assert find(ways(**plain), lambda _: True, settings=_FIND) == Ways()


def test_a_server_shrinks_to_the_plainest() -> None:
    assert find(ways(), lambda _: True, settings=_SIMPLEST) == Ways()


def test_a_history_shrinks_to_a_declaration_of_nothing_and_a_run() -> None:
    shortest = find(histories(), lambda _: True, settings=_SIMPLEST)
    assert [type(step) for step in shortest] == [Declared, Apply]
    assert "DesiredCustomer" not in repr(shortest)
