"""What is archived without an entry, where the cases do not reach."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_values import NOW_S, TERMS, account, bound, customer, declared, ledger, there

from reconciler.errors import Source
from reconciler.kinds.kind import fingerprint
from reconciler.model.core import Action, Address, CustomerId, Desired, Live
from reconciler.model.ledger import Binding, BindingState, Via
from reconciler.model.plan import Blocked, Note, Plan
from reconciler.model.policy import Prune
from reconciler.model.reasons import BlockedReason, NoteKind
from reconciler.plan.make import make_plan

ALL = replace(TERMS, prune=Prune.ALL, owns=("*",))
LIVE = account(there("cus_1", "acme"), there("cus_2", "globex"))
ROW = bound("acme", "cus_1")


def plan(desired: Desired, live: Live, *rows: Binding, terms=TERMS) -> Plan:  # noqa: ANN001 - Terms
    draft = make_plan(desired, live, ledger(*rows), terms)
    assert draft.reads == ()
    return draft.plan


def archived(made: Plan) -> list[tuple[str, str | None]]:
    return [(str(change.address), change.id) for change in made.changes if change.action is Action.ARCHIVE]


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, project="east"),
        replace(ROW, source="unread.yaml"),
        replace(ROW, source="<stdin>"),
        replace(ROW, source=""),
        replace(ROW, protected=True),
        replace(ROW, state=BindingState.ARCHIVED),
        replace(ROW, state=BindingState.ABSENT),
        replace(ROW, live_external_id="another"),
    ],
)
def test_a_binding_without_an_entry_is_archived_only_if_all_speaks_for_it(row: Binding) -> None:
    beside = [bound("globex", "cus_2"), bound("initech", "cus_3")]
    live = replace(LIVE, listed={**LIVE.listed, CustomerId("cus_3"): there("cus_3", "initech")})
    desired = declared(customer("globex"), customer("initech"))

    assert archived(plan(desired, live, ROW, *beside)) == [("acme", "cus_1")]
    assert archived(plan(desired, live, row, *beside)) == []


def test_what_is_bound_is_never_archived_as_owned_too() -> None:
    unread = replace(ROW, source="unread.yaml")

    assert archived(plan(declared(customer("globex")), LIVE, unread, terms=ALL)) == []


def test_the_former_key_of_a_moved_line_is_not_archived_as_owned() -> None:
    desired = declared(customer("acme"), moved={"globex": "acme"})

    assert archived(plan(desired, LIVE, ROW, terms=ALL)) == []


def test_a_pinned_customer_is_not_archived_as_owned() -> None:
    desired = declared(customer("acme", id=CustomerId("cus_2"), fields={"name": "globex"}))

    assert archived(plan(desired, account(there("cus_2", "globex")), terms=ALL)) == []


def test_a_customer_that_a_key_outside_the_targets_is_is_not_archived() -> None:
    desired = declared(customer("acme"))
    row = bound("gone", "cus_1", live_external_id="acme")

    assert archived(plan(desired, account(there("cus_1", "acme")), row, terms=replace(TERMS, targets=("gone",)))) == []


def test_what_is_archived_as_owned_is_bound_as_it_is_listed() -> None:
    live = account(replace(there("cus_1", "west-1"), integration_id="int_1"))

    made = plan(declared(), live, terms=ALL)

    assert archived(made) == [("west-1", "cus_1")]
    row = bound("west-1", "cus_1", applied_hash=fingerprint({}), applied_json="{}", observed_json=None)
    assert made.entries == (replace(row, source="", via=Via.MATCHED, integration_id="int_1"),)


def test_owned_customers_outside_the_targets_or_the_environment_are_left_alone() -> None:
    live = account(there("cus_1", "west-1"), there("cus_2", "west-2"), there("cus_3", "west-3"))
    desired = replace(declared(), exclude=("west-2",))

    assert archived(plan(desired, live, terms=replace(ALL, excludes=("west-3",)))) == [("west-1", "cus_1")]


def test_what_was_archived_as_owned_is_not_planned_again() -> None:
    row = bound("acme", "cus_1", source="", state=BindingState.ARCHIVED)
    terms = replace(ALL, lists_archived=True)

    made = plan(declared(customer("globex")), LIVE, row, terms=terms)

    assert (archived(made), made.out_of_scope) == ([], 0)


def test_an_owned_customer_whose_archive_failed_and_that_has_another_key_now_is_blocked() -> None:
    row = bound("west-1", "cus_1", source="")

    other = bound("acme", "cus_2")
    live = account(there("cus_1", "west-2"), there("cus_2", "acme"))

    made = plan(declared(customer("acme")), live, row, other, terms=ALL)

    assert (archived(made), [str(one.address) for one in made.blocked]) == ([], ["west-1"])
    assert made.blocked[0].reason is BlockedReason.BINDING_EXTERNAL_ID_CHANGED
    assert made.blocked[0].parts == {"key": "west-1", "id": "cus_1", "external_id": "west-2", "recorded": "west-1"}


def _forgetting(*keys: str) -> Desired:
    return replace(declared(), forget={key: Source("customers.yaml", 9, 3) for key in keys})


def test_a_key_is_not_forgotten_whose_customer_would_then_be_archived_under_the_external_id_that_it_carries() -> None:
    row, live = bound("acme", "cus_1", live_external_id="west-1"), account(there("cus_1", "west-1"))

    made = plan(_forgetting("acme"), live, row, terms=ALL)

    assert (archived(made), made.bindings) == ([], ())
    assert made.blocked == (
        Blocked(
            Address("acme"),
            BlockedReason.OWNED_ONCE_FORGOTTEN,
            parts={"id": "cus_1", "external_id": "west-1"},
            ids=(CustomerId("cus_1"),),
        ),
    )


def test_what_a_forgotten_key_carries_is_what_is_listed_now() -> None:
    rows = [bound("acme", "cus_1"), *(bound(key, f"cus_{key}") for key in "bcd")]
    live = account(there("cus_1", "west-1"), *(there(f"cus_{key}", key) for key in "bcd"))

    made = plan(replace(declared(*map(customer, "bcd")), forget=_forgetting("acme").forget), live, *rows, terms=ALL)

    assert [(one.reason, one.parts["external_id"]) for one in made.blocked] == [
        (BlockedReason.OWNED_ONCE_FORGOTTEN, "west-1")
    ]


def test_a_customer_that_was_just_created_and_is_not_listed_is_forgotten_later() -> None:
    row = replace(ROW, written_at=NOW_S - 2)

    made = plan(_forgetting("acme"), account(there("cus_9", "x")), row)

    assert (made.bindings, made.changes) == ((), ())
    assert Note(NoteKind.FORGOTTEN_LATER, Address("acme")) in made.notes


def test_both_keys_forgotten_it_is_left_as_it_is_then_and_later() -> None:
    row, live = bound("acme", "cus_1", live_external_id="west-1"), account(there("cus_1", "west-1"))

    first, later = (plan(_forgetting("acme", "west-1"), live, *rows, terms=ALL) for rows in ((row,), ()))

    assert [(one.action, str(one.address)) for one in first.bindings] == [("forget", "acme")]
    assert (archived(first), first.blocked, archived(later), later.blocked) == ([], (), [], ())


def test_no_binding_is_archived_while_reads_are_missing() -> None:
    draft = make_plan(declared(), account(), ledger(ROW), TERMS)

    assert draft.plan.changes == ()
    assert len(draft.reads) == 1
