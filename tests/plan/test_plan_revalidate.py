"""A saved plan held against the plan of now: what of it is approved, what of the ledger is written with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_values import TERMS, account, bound, customer, declared, ledger, there

from reconciler.model.core import Action, Address, CustomerId, Desired, Reason, Status
from reconciler.model.ledger import Binding, Intent, PutUsers, Records, SeenUser
from reconciler.model.plan import BindingAction, BindingChange, Blocked, Change, FieldChange, Note, Plan, StaleReason
from reconciler.model.reasons import BlockedReason, NoteKind
from reconciler.plan.revalidate import Earlier, Revalidated, earlier_of, revalidate
from reconciler.plan.saved_plan import SavedPlan, row_digest, users_digest
from reconciler.report.outcome import stale_text

NOTHING_YET = Earlier()
ONE, TWO = CustomerId("cus_1"), CustomerId("cus_2")
CITY, NAME = FieldChange("city", "Boston", "Dover"), FieldChange("name", "A", "B")


def change(action: Action, key: str = "a", customer_id: CustomerId | None = ONE, *fields: FieldChange) -> Change:
    return Change(action, Address(key), customer_id, Reason.DECLARED, fields=fields)


def saved(*changes: Change, **said: object) -> SavedPlan:
    plan = SavedPlan(TERMS.environment, "f" * 64, "e" * 64, 0.0, changes=changes)
    return replace(plan, **said)  # type: ignore[arg-type]


def held(
    plan: SavedPlan,
    *now: Change,
    earlier: Earlier = NOTHING_YET,
    desired: Desired | None = None,
    records: Records | None = None,
    bindings: Iterable[BindingChange] = (),
    entries: Iterable[Binding] = (),
    users: Iterable[PutUsers] = (),
    notes: Iterable[Note] = (),
) -> Revalidated:
    """Hold a saved plan against a plan of now that has these parts."""
    made = Plan(
        TERMS.environment,
        "default",
        changes=now,
        bindings=tuple(bindings),
        entries=tuple(entries),
        users=tuple(users),
        notes=tuple(notes),
    )
    live = account(there("cus_1", "a"), there("cus_2", "b"))
    desired = declared(customer("a"), customer("b")) if desired is None else desired
    return revalidate(plan, made, earlier, desired, live, records or ledger(bound("a", "cus_1")), TERMS)


def intents(*ended: tuple[Change, Status | None]) -> Earlier:
    """Return what an earlier run did, from changes and how they ended."""
    return earlier_of(
        Intent("run", seq, one.action, one.address, one.id, 0.0, status=status)
        for seq, (one, status) in enumerate(ended)
    )


PATCH = change(Action.PATCH, "a", ONE, CITY)


def test_what_is_planned_again_is_approved_and_the_rest_is_needed() -> None:
    other = change(Action.PATCH, "b", TWO, NAME)
    made = held(saved(PATCH), PATCH, other)
    assert (made.plan.changes, made.needed, made.stale) == ((PATCH,), (other,), ())
    assert (made.plan.cost.requests, made.plan.fingerprint) == (1, "e" * 64)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (replace(PATCH, id=TWO), StaleReason.CUSTOMER),
        (replace(PATCH, reason=Reason.UNDO), StaleReason.REASON),
        (replace(PATCH, otherwise=Action.CREATE), StaleReason.REASON),
        (replace(PATCH, fields=(replace(CITY, before="Lima"),)), StaleReason.FIELDS),
        (replace(PATCH, fields=(replace(CITY, after=None),)), StaleReason.FIELDS),
        (replace(PATCH, fields=(CITY, NAME)), StaleReason.FIELDS),
        (replace(PATCH, payment_methods=1), StaleReason.PAYMENT_METHODS),
    ],
)
def test_a_change_that_is_another_one_now_is_stale(now: Change, reason: StaleReason) -> None:
    (stale,) = held(saved(PATCH), now).stale
    assert (stale.change, stale.reason) == (PATCH, reason)


@pytest.mark.parametrize("first", [Action.RESTORE, Action.CREATE])
def test_what_waits_for_a_change_that_nobody_approved_is_in_no_plan_and_all_else_is(first: Action) -> None:
    needed, other = change(first), change(Action.PATCH, "b", TWO, NAME)
    made = held(saved(PATCH, other), needed, PATCH, other)
    assert (made.plan.changes, made.needed) == ((other,), (needed, PATCH))
    assert [(one.change, one.reason, one.now) for one in made.stale] == [(PATCH, StaleReason.WAITS, needed)]


_CHANGES = st.lists(
    st.builds(
        change,
        st.sampled_from([Action.RESTORE, Action.PATCH, Action.CREATE, Action.ARCHIVE]),
        st.sampled_from("ab"),
        st.sampled_from([ONE, TWO, None]),
        st.sampled_from([CITY, NAME]),
    ),
    unique_by=lambda one: (one.action, one.address),
)


@given(_CHANGES, _CHANGES)
def test_what_is_made_of_a_plan_was_shown_just_so_and_the_rest_of_both_is_named(
    then: list[Change], now: list[Change]
) -> None:
    made = held(saved(*then), *now)
    assert set(made.plan.changes) <= set(then) & set(now)
    assert {*made.plan.changes, *made.needed} == set(now)
    assert {*made.plan.changes, *(one.change for one in made.stale)} == set(then)
    begun = {one.address for one in made.needed if one.action in (Action.RESTORE, Action.CREATE)}
    assert not [one for one in made.plan.changes if one.action is Action.PATCH and one.address in begun]


def test_who_moved_and_where_it_is_declared_are_no_difference() -> None:
    now = replace(PATCH, fields=(replace(CITY, cause=CITY.cause.BOTH),), source=customer("a").source)
    assert held(saved(PATCH), now).stale == ()


def test_every_reason_has_its_words() -> None:
    (stale,) = held(saved(PATCH)).stale
    for reason in StaleReason:
        blocked = Blocked(stale.change.address, BlockedReason.PROTECTED_BY_POLICY)
        text = stale_text([replace(stale, reason=reason, blocked=blocked)], width=200)
        assert text.startswith("stale: patch a: ")
        assert "{" not in text


def test_of_a_hundred_and_more_stale_changes_the_rest_is_counted() -> None:
    (stale,) = held(saved(PATCH)).stale
    assert stale_text([stale] * 103, width=80).splitlines()[-1] == "... and 3 more"


# --- what an earlier run of the plan did --------------------------------------------------------------


def test_what_an_earlier_run_did_is_no_difference() -> None:
    other = change(Action.CREATE, "b", None, NAME)
    made = held(saved(PATCH, other), other, earlier=intents((PATCH, Status.DONE)))
    assert (made.plan.changes, made.needed, made.stale) == ((other,), (), ())


@pytest.mark.parametrize("before", ["Boston", "Lima"])
def test_an_approval_is_used_up_by_what_was_done_with_it(before: str) -> None:
    again = replace(PATCH, fields=(replace(CITY, before=before),))
    made = held(saved(PATCH), again, earlier=intents((PATCH, Status.DONE)))
    assert (made.plan.changes, made.needed, made.stale) == ((), (again,), ())


def test_what_was_sent_without_an_answer_and_is_needed_still_is_approved() -> None:
    for change_again, approved in ((PATCH, True), (replace(PATCH, fields=(replace(CITY, before="Lima"),)), False)):
        made = held(saved(PATCH), change_again, earlier=intents((PATCH, None)))
        assert (bool(made.plan.changes), bool(made.needed), made.stale) == (approved, not approved, ())


def test_a_patch_that_failed_is_stale_where_it_is_another_one_now() -> None:
    other = replace(PATCH, fields=(replace(CITY, before="Lima"),))
    assert [one.reason for one in held(saved(PATCH), other, earlier=intents((PATCH, Status.FAILED))).stale] == [
        StaleReason.FIELDS
    ]


def test_what_failed_in_an_earlier_run_must_be_planned_again() -> None:
    archive = change(Action.ARCHIVE, "c", ONE)
    (stale,) = held(saved(archive), earlier=intents((archive, Status.FAILED))).stale
    assert stale.reason is StaleReason.UNKNOWN


def test_of_a_patch_of_which_the_server_took_a_part_the_rest_is_approved() -> None:
    both = replace(PATCH, fields=(CITY, NAME))
    rest = replace(PATCH, fields=(NAME,))
    assert held(saved(both), rest, earlier=intents((both, Status.FAILED))).plan.changes == (rest,)
    assert held(saved(both), earlier=intents((both, Status.FAILED))).stale == ()
    assert [one.names for one in held(saved(both), rest).stale] == [("city",)]


def test_the_user_of_a_customer_that_an_earlier_run_created_has_an_id_by_now() -> None:
    create = change(Action.CREATE, "b", None, NAME)
    user = Change(Action.CREATE_USER, Address("b", "jane@b.example"), None, Reason.DECLARED)
    now = replace(user, id=TWO)
    for status in (Status.DONE, None):
        earlier = intents((replace(create, id=TWO if status else None), status))
        assert held(saved(create, user), now, earlier=earlier).plan.changes == (now,)
    (stale,) = held(saved(create, user), now, earlier=intents((replace(create, id=ONE), Status.DONE))).stale
    assert (stale.change, stale.reason) == (user, StaleReason.CUSTOMER)


def test_what_came_with_a_customer_that_was_created_in_place_of_its_restore_is_no_difference() -> None:
    restore = replace(change(Action.RESTORE, "a", ONE, NAME), otherwise=Action.CREATE)
    user = Change(Action.CREATE_USER, Address("a", "jane@a.example"), ONE, Reason.DECLARED, unless_listed=True)
    created = change(Action.CREATE, "a", TWO, NAME)
    made = held(saved(restore, PATCH, user), earlier=intents((restore, Status.FAILED), (created, Status.DONE)))
    assert (made.plan.changes, made.needed, made.stale) == ((), (), ())


# --- what is recorded ---------------------------------------------------------------------------------


def test_rows_and_bindings_of_other_keys_are_left_to_the_next_plan() -> None:
    rows = (bound("a", "cus_1", source="x.yaml"), bound("b", "cus_2"))
    adopted = BindingChange(BindingAction.ADOPT, Address("b"), TWO)
    users = (PutUsers(ONE, ()), PutUsers(TWO, ()))
    made = held(saved(PATCH), PATCH, bindings=[adopted], entries=rows, users=users)
    assert (made.plan.bindings, made.plan.entries, made.plan.users) == ((), rows[:1], users[:1])


def test_notes_on_what_is_not_done_are_left_out() -> None:
    whole = Note(NoteKind.ONLY_TARGETS_READ)
    notes = (whole, *(Note(NoteKind.SYNCED, Address(key)) for key in "abc"))
    made = held(saved(PATCH), PATCH, change(Action.PATCH, "b", TWO, NAME), notes=notes)
    assert made.plan.notes == (notes[0], notes[1], notes[3])


def test_a_binding_that_was_shown_is_recorded_and_one_that_is_not_needed_any_more_is_not() -> None:
    adopted = BindingChange(BindingAction.ADOPT, Address("b"), TWO)
    gone = BindingChange(BindingAction.FORGET, Address("c"), ONE)
    row = bound("b", "cus_2")
    made = held(saved(bindings=(adopted, gone)), bindings=[adopted], entries=[row])
    assert (made.plan.bindings, made.plan.entries, made.stale) == ((adopted,), (row,), ())


def test_a_row_that_nothing_was_shown_for_is_written_if_it_is_as_the_saved_plan_has_it() -> None:
    row, seen = bound("b", "cus_2", protected=True), PutUsers(TWO, (SeenUser("jane@b.example", {}, {}),))
    shown = saved(rows={"b": row_digest(row)}, users={TWO: users_digest(seen)})
    written = replace(row, written_at=9.0)
    made = held(shown, entries=[written], users=[seen])
    assert (made.plan.entries, made.plan.users) == ((written,), (seen,))
    other = held(shown, entries=[replace(row, protected=False)], users=[replace(seen, users=())])
    assert (other.plan.entries, other.plan.users) == ((), ())


def test_a_row_as_the_saved_plan_has_it_is_not_written_without_the_binding_that_it_needs_now() -> None:
    row = bound("b", "cus_1")
    moved = BindingChange(BindingAction.MOVE, Address("b"), ONE, origin="a")
    made = held(saved(rows={"b": row_digest(row)}), bindings=[moved], entries=[row])
    assert (made.plan.bindings, made.plan.entries) == ((), ())


def test_keys_that_change_places_are_recorded_together() -> None:
    there_again = bound("a", "cus_2"), bound("b", "cus_1")
    moves = (
        BindingChange(BindingAction.MOVE, Address("a"), TWO, origin="b"),
        BindingChange(BindingAction.MOVE, Address("b"), ONE, origin="a"),
        BindingChange(BindingAction.MOVE, Address("d"), CustomerId("cus_4"), origin="c"),
    )
    patch = change(Action.PATCH, "b", ONE, CITY)
    records = ledger(bound("a", "cus_1"), bound("b", "cus_2"), bound("c", "cus_4"))
    made = held(saved(patch), patch, bindings=moves, entries=there_again, records=records)
    assert (made.plan.bindings, made.plan.entries) == (moves[:2], there_again)


def test_a_protection_ends_only_with_the_plan_that_was_saved_so() -> None:
    lifted = bound("a", "cus_1", protected=False)
    records = ledger(bound("a", "cus_1", protected=True))
    assert [row.protected for row in held(saved(PATCH), PATCH, entries=[lifted], records=records).plan.entries] == [
        True
    ]
    shown = saved(PATCH, rows={"a": row_digest(lifted)})
    assert [row.protected for row in held(shown, PATCH, entries=[lifted], records=records).plan.entries] == [False]


def test_a_protection_goes_with_its_customer_to_another_key() -> None:
    moved = BindingChange(BindingAction.MOVE, Address("b"), ONE, origin="a")
    patch = change(Action.PATCH, "b", ONE, CITY)
    records = ledger(bound("a", "cus_1", protected=True))
    made = held(saved(patch), patch, bindings=[moved], entries=[bound("b", "cus_1")], records=records)
    assert [row.protected for row in made.plan.entries] == [True]


def test_limits_are_those_of_what_is_left_to_do() -> None:
    archives = [change(Action.ARCHIVE, key, CustomerId(f"cus_{key}")) for key in "abc"]
    rows = [bound(key, f"cus_{key}") for key in "abc"]
    made = held(saved(*archives[:2]), *archives, records=ledger(*rows))
    assert [(row.planned, row.allowed) for row in made.plan.limits] == [(2, 1)]
    assert held(saved(archives[0]), *archives, records=ledger(*rows)).plan.limits == ()
