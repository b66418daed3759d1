"""Who is who, where the cases do not reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_values import CREATED_AT, FILE, TERMS, account, bound, customer, declared, ledger, there

from reconciler.errors import Source
from reconciler.model.core import Action, Address, CustomerId, Desired, Live, Move
from reconciler.model.ledger import Binding, BindingState, Records, Via
from reconciler.model.plan import BindingAction, BindingChange, Blocked, Note, Plan
from reconciler.model.reasons import BlockedReason, NoteKind, ReasonParts
from reconciler.plan.make import make_plan
from reconciler.report.messages.plan import blocked_wording

ODD_KEYS = (
    "a/b",
    "a%2Fb",
    "50%",
    " acme",
    "acme ",
    "ACME",
    "acme",
    "caf\u00e9",
    "cafe\u0301",
    "*",
    "[a]",
    "\u202eacme",
    "-",
)


def plan(desired: Desired, live: Live, records: Records) -> Plan:
    draft = make_plan(desired, live, records, TERMS)
    assert draft.reads == ()
    return draft.plan


def test_each_odd_external_id_is_only_itself() -> None:
    live = account(*(there(f"cus_{number}", key) for number, key in enumerate(ODD_KEYS)))

    made = plan(declared(*map(customer, ODD_KEYS)), live, ledger())

    assert {row.address.external_id: row.id for row in made.bindings} == {
        key: f"cus_{number}" for number, key in enumerate(ODD_KEYS)
    }
    assert (made.changes, made.unchanged) == ((), len(ODD_KEYS))


@pytest.mark.parametrize("key", ODD_KEYS)
def test_beside_all_other_odd_external_ids_one_that_is_not_live_is_created(key: str) -> None:
    live = account(*(there(f"cus_{number}", other) for number, other in enumerate(ODD_KEYS) if other != key))

    made = plan(declared(*map(customer, ODD_KEYS)), live, ledger())

    assert [(change.action, change.address) for change in made.changes] == [(Action.CREATE, Address(key))]


def test_moved_lines_lead_to_the_nearest_former_key_that_is_bound() -> None:
    desired = declared(customer("new", fields={"name": "oldest"}), moved={"oldest": "older", "older": "new"})

    made = plan(desired, account(there("cus_1", "oldest")), ledger(bound("oldest", "cus_1")))

    moved = BindingChange(BindingAction.MOVE, Address("new"), CustomerId("cus_1"), origin="oldest")
    assert (made.bindings, made.changes) == ((moved,), ())


def test_without_a_ledger_moved_lines_lead_to_the_live_external_id() -> None:
    desired = declared(customer("new", fields={"name": "oldest"}), moved={"oldest": "older", "older": "new"})

    made = plan(desired, account(there("cus_1", "oldest")), Records())

    assert made.bindings == (BindingChange(BindingAction.ADOPT, Address("new"), CustomerId("cus_1")),)
    assert made.changes == ()


@pytest.mark.parametrize("bindings", [(), (bound("other", "cus_9"),)])
def test_moved_lines_that_go_in_a_circle_end(bindings: tuple) -> None:
    desired = declared(customer("a"), moved={"a": "b", "b": "a"})

    made = plan(desired, account(there("cus_9", "other")), ledger(*bindings))

    assert [(change.action, change.address) for change in made.changes if change.action is Action.CREATE] == [
        (Action.CREATE, Address("a"))
    ]


def test_a_moved_customer_that_we_archived_is_restored_under_its_new_key() -> None:
    row = bound("old", "cus_1", state=BindingState.ARCHIVED)

    made = plan(declared(customer("new", fields={"name": "old"}), moved={"old": "new"}), account(), ledger(row))

    assert [(change.action, change.address, change.id) for change in made.changes] == [
        (Action.RESTORE, Address("new"), "cus_1")
    ]
    assert [(row.external_id, row.live_external_id) for row in made.entries] == [("new", "old")]


@pytest.mark.parametrize(
    ("moved", "row", "carried"),
    [
        ({"old": "new"}, bound("old", "cus_1"), "third"),
        ({}, bound("new", "cus_1", live_external_id="old"), "new"),
        ({}, bound("new", "cus_1", state=BindingState.ARCHIVED), "third"),
        ({}, bound("new", "cus_1"), ""),
    ],
    ids=["moved, and it carries a third", "it carries the key, and was bound with another", "archived by us", "none"],
)
def test_a_binding_whose_customer_carries_what_nothing_explains_is_blocked(
    moved: Mapping[str, str], row: Binding, carried: str
) -> None:
    beside = [bound(key, f"cus_{key}") for key in ("b", "c", "d")]
    live = account(there("cus_1", carried), *(there(f"cus_{one.external_id}", one.external_id) for one in beside))

    desired = declared(*map(customer, ("new", "b", "c", "d")), moved=moved)
    made = make_plan(desired, live, ledger(row, *beside), replace(TERMS, lists_archived=True)).plan

    reason = BlockedReason.BINDING_EXTERNAL_ID_CHANGED if carried else BlockedReason.BINDING_EXTERNAL_ID_LOST
    parts: ReasonParts = {"key": "new", "id": row.bound_id, "recorded": row.live_external_id}
    parts = {**parts, "external_id": carried} if carried else parts
    assert made.blocked == (Blocked(Address("new"), reason, parts=parts, source=PINNED.source, ids=(row.bound_id,)),)
    assert (made.changes, made.bindings) == ((), ())


PINNED = customer("a", id=CustomerId("cus_1"))


@pytest.mark.parametrize(
    "row", [bound("b", "cus_1", project="east"), bound("b", "cus_1", source="unread.yaml")], ids=["project", "file"]
)
def test_a_pin_takes_no_customer_from_an_entry_that_is_not_read(row: Binding) -> None:
    made = plan(declared(PINNED), account(there("cus_1", "a")), ledger(row))

    parts: ReasonParts = {"id": row.id, "key": "b", "project": row.project, "file": row.source}
    reason = BlockedReason.BOUND_TO_OTHER_PROJECT
    assert made.blocked == (Blocked(Address("a"), reason, parts=parts, source=PINNED.source, ids=(row.bound_id,)),)
    assert (made.changes, made.bindings, made.entries) == ((), (), ())


def test_a_pinned_customer_that_we_archived_is_restored_though_the_listing_holds_archived_ones() -> None:
    row = bound("a", "cus_1", state=BindingState.ARCHIVED)
    draft = make_plan(declared(PINNED), account(there("cus_1", "a")), ledger(row), replace(TERMS, lists_archived=True))
    assert [(one.action, one.id) for one in draft.plan.changes] == [(Action.RESTORE, "cus_1")]


@pytest.mark.parametrize(("rows", "blocked"), [((), ["a"]), ((bound("a", "cus_1", created_at=""),), [])])
def test_a_pin_that_should_be_archived_and_that_nobody_knows_is_blocked_unless_it_was_bound(
    rows: tuple[Binding, ...], blocked: list[str]
) -> None:
    live = account(there("cus_9", "other"), got={CustomerId("cus_1"): None})

    made = plan(declared(replace(PINNED, archived=True)), live, ledger(*rows))

    assert ([str(one.address) for one in made.blocked], made.changes) == (blocked, ())


@pytest.mark.parametrize("rows", [(), (bound("a", "cus_1"),)], ids=["never bound", "bound with another external_id"])
def test_a_pinned_customer_is_not_restored_beside_an_active_one_with_the_external_id_that_it_carries_now(
    rows: tuple[Binding, ...],
) -> None:
    rival, got = there("cus_2", "x"), {CustomerId("cus_1"): there("cus_1", "x")}

    made = make_plan(
        declared(PINNED), account(rival, got=got, sought={CustomerId("cus_1"): None}), ledger(*rows), TERMS
    ).plan

    assert [(one.reason, one.ids) for one in made.blocked] == [
        (BlockedReason.INACTIVE_BESIDE_ACTIVE, ("cus_1", "cus_2"))
    ]
    assert made.changes == ()


def test_a_pinned_customer_that_should_be_archived_and_is_needs_nothing_whoever_carries_its_external_id() -> None:
    live = account(there("cus_2", "a"), got={CustomerId("cus_1"): there("cus_1", "a")})

    made = plan(declared(replace(PINNED, archived=True)), live, ledger())

    assert (made.blocked, made.changes) == ((), ())


def test_a_customer_whose_moved_line_was_removed_since_keeps_its_binding() -> None:
    made = plan(declared(customer("a")), account(there("cus_1", "a")), ledger(bound("a", "cus_1", via=Via.MOVED)))

    assert (made.blocked, made.changes, made.unchanged) == ((), (), 1)


@pytest.mark.parametrize("lists_archived", [None, True])
@pytest.mark.parametrize(
    ("project", "sent", "blocked"), [("default", [(Action.RESTORE, "cus_1")], []), ("east", [], ["a"])]
)
def test_no_customer_is_created_beside_one_that_we_archived_under_another_key_and_that_is_listed(
    lists_archived: bool | None, project: str, sent: list[object], blocked: list[str]
) -> None:
    row = bound("old", "cus_1", state=BindingState.ARCHIVED, live_external_id="a", project=project)
    terms = replace(TERMS, lists_archived=lists_archived)

    desired, live = declared(customer("a"), customer("c")), account(there("cus_1", "a"), there("cus_3", "c"))

    made = make_plan(desired, live, ledger(bound("c", "cus_3"), row), terms).plan

    assert [(one.action, one.id) for one in made.changes] == sent
    assert [str(one.address) for one in made.blocked] == blocked


ARCHIVED = [
    bound(key, one, state=BindingState.ARCHIVED, live_external_id="a") for key, one in (("o", "cus_2"), ("p", "cus_3"))
]


def test_of_two_that_we_archived_and_that_are_listed_with_the_key_none_is_chosen() -> None:
    live = account(there("cus_2", "a"), there("cus_3", "a"))

    made = make_plan(declared(customer("a")), live, ledger(*ARCHIVED), replace(TERMS, lists_archived=True)).plan

    reason = BlockedReason.EXTERNAL_ID_ON_SEVERAL
    assert [(one.reason, one.ids) for one in made.blocked] == [(reason, ("cus_2", "cus_3"))]
    assert made.changes == ()


def test_one_that_we_archived_and_that_is_listed_is_no_rival_of_one_to_be_restored() -> None:
    live = account(there("cus_2", "a"), got={CustomerId("cus_1"): there("cus_1", "a")})

    made = make_plan(declared(PINNED), live, ledger(ARCHIVED[0]), replace(TERMS, lists_archived=True)).plan

    assert [(one.action, one.id) for one in made.changes] == [(Action.RESTORE, "cus_1")]
    assert made.blocked == ()


def test_swapped_pins_swap_the_bindings_and_send_nothing() -> None:
    desired = declared(
        customer("a", id=CustomerId("cus_2"), fields={"name": "b"}),
        customer("b", id=CustomerId("cus_1"), fields={"name": "a"}),
    )

    made = plan(
        desired, account(there("cus_1", "a"), there("cus_2", "b")), ledger(bound("a", "cus_1"), bound("b", "cus_2"))
    )

    assert made.changes == ()
    assert made.blocked == ()
    assert {row.external_id: row.id for row in made.entries} == {"a": "cus_2", "b": "cus_1"}


def test_two_keys_that_would_be_one_customer_block_each_other_and_no_others() -> None:
    desired = declared(PINNED, *map(customer, ("b", "c", "d")))

    made = plan(desired, account(there("cus_1", "b"), there("cus_3", "c")), ledger())

    assert [str(one.address) for one in made.blocked] == ["a", "b"]
    assert [(one.action, str(one.address)) for one in made.changes] == [(Action.CREATE, "d")]
    assert [(one.action, str(one.address)) for one in made.bindings] == [(BindingAction.ADOPT, "c")]


def test_two_keys_that_would_bear_one_external_id_block_each_other_and_no_others() -> None:
    desired = declared(customer("a"), customer("b", id=CustomerId("cus_1")), customer("c"))

    made = plan(desired, account(there("cus_9", "x"), got={CustomerId("cus_1"): there("cus_1", "a")}), ledger())

    reason = BlockedReason.EXTERNAL_ID_OF_SEVERAL_KEYS
    assert [(str(one.address), one.reason) for one in made.blocked] == [("a", reason), ("b", reason)]
    assert [(one.action, str(one.address)) for one in made.changes] == [(Action.CREATE, "c")]


def test_a_key_is_blocked_where_its_pin_is_the_customer_of_another_key_by_its_external_id() -> None:
    desired = declared(customer("a", id=CustomerId("cus_1")), customer("b"))

    made = plan(desired, account(there("cus_1", "b")), ledger())

    assert [(one.address, one.ids) for one in made.blocked] == [
        (Address("a"), ("cus_1",)),
        (Address("b"), ("cus_1",)),
    ]


def test_a_customer_that_a_blocked_key_may_be_is_not_archived() -> None:
    live = account(there("cus_1", "a"), there("cus_2", "a"))

    made = plan(declared(customer("a")), live, ledger(bound("gone", "cus_1", live_external_id="a")))

    assert [change.action for change in made.changes] == []
    assert [one.address for one in made.blocked] == [Address("a")]


def test_an_external_id_edited_once_more_under_a_pin_is_noted_and_recorded_anew() -> None:
    row = bound("a", "cus_1", live_external_id="a-1")

    made = plan(
        declared(customer("a", id=CustomerId("cus_1"), fields={"name": "a-2"})),
        account(there("cus_1", "a-2")),
        ledger(row),
    )

    assert made.notes == (
        Note(NoteKind.EXTERNAL_ID_DIFFERS, Address("a"), parts={"id": "cus_1", "external_id": "a-2"}),
    )
    assert [row.live_external_id for row in made.entries] == ["a-2"]


CHAINS = (
    (Move("a", "b", Source(FILE, 8, 3)), Move("b", "c", Source(FILE, 9, 3))),
    (Move("b", "c", Source(FILE, 8, 3)), Move("a", "b", Source(FILE, 9, 3))),
    (Move("a", "c", Source(FILE, 8, 3)), Move("b", "c", Source(FILE, 9, 3))),
)


@pytest.mark.parametrize("moved", CHAINS)
@pytest.mark.parametrize("known", ["a", "b", "c"])
@pytest.mark.parametrize("lost", [False, True], ids=["ledger", "no ledger"])
def test_a_customer_with_several_former_keys_is_found_by_the_one_that_is_known(
    moved: tuple[Move, ...], known: str, lost: bool
) -> None:
    desired = replace(declared(customer("c", fields={"name": "a"})), moved=moved)
    rows = () if lost else (bound(known, "cus_1", live_external_id="a", created_at=CREATED_AT),)
    live = account(there("cus_1", known if lost else "a", name="a"))
    made = plan(desired, live, ledger(*rows))
    assert (made.changes, made.blocked) == ((), ())
    if not lost and known != "c":
        assert made.bindings == (BindingChange(BindingAction.MOVE, Address("c"), CustomerId("cus_1"), origin=known),)


@pytest.mark.parametrize("moved", CHAINS)
def test_a_customer_whose_former_keys_nobody_knows_is_created(moved: tuple[Move, ...]) -> None:
    made = plan(replace(declared(customer("c")), moved=moved), account(), ledger())
    assert [(one.action, str(one.address)) for one in made.changes] == [(Action.CREATE, "c")]


@pytest.mark.parametrize("moved", CHAINS)
@pytest.mark.parametrize("rows", [("a", "b"), ("a", "c"), ("a",), ()], ids=str)
def test_two_live_customers_of_one_key_are_blocked(moved: tuple[Move, ...], rows: tuple[str, ...]) -> None:
    desired = replace(declared(customer("c")), moved=moved)
    ids = {"a": "cus_1", "b": "cus_2", "c": "cus_2"}
    live = account(there("cus_1", "a"), there("cus_2", "c" if "c" in rows else "b"))
    made = plan(desired, live, ledger(*(bound(key, ids[key]) for key in rows)))
    assert (made.changes, [set(one.ids) for one in made.blocked]) == ((), [{"cus_1", "cus_2"}])
    assert "`id:` line" in blocked_wording(made.blocked[0]).fix
