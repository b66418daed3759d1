"""The inverse of a run: what is planned, what is blocked, and what is only noted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_values import CREATED_AT, NOW_S, TERMS, account, bound, ledger, there

from reconciler.kinds.wire import with_record
from reconciler.model.core import Action, Address, CustomerId, Get, Live, Reason, Seek, Status
from reconciler.model.ledger import BindingState, Intent, Records, Trouble
from reconciler.model.plan import Blocked, Change, FieldChange, Note, Plan
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason, FieldValue, NoteKind
from reconciler.plan.undo import make_undo

ACME = Address("acme")
ONE, TWO = CustomerId("cus_1"), CustomerId("cus_2")
OURS = bound("acme", "cus_1")
ARCHIVED = replace(OURS, state=BindingState.ARCHIVED)


def did(action: Action, address: Address = ACME, customer: CustomerId | None = ONE, **said: object) -> Intent:
    """Return a change that a run did."""
    given: dict[str, object] = {"seq": 1, "status": Status.DONE, "opened_at": NOW_S - 3600, **said}
    return Intent("run", action=action, address=address, id=customer, **given)  # type: ignore[arg-type]


def undone(*intents: Intent, live: Live, records: Records, under: Terms = TERMS) -> Plan:
    """Return the plan that undoes `intents`; nothing more is to be read for it."""
    draft = make_undo(intents, live, records, replace(under, lists_archived=False))
    assert draft.reads == ()
    return draft.plan


def patched(before: str, after: str | None) -> Intent:
    """Return a patch of the city."""
    return did(Action.PATCH, before={"city": before}, after={"city": after})


def recorded(city: str | None, observed: str) -> Records:
    """Return a ledger in which the city was applied, and what the server then held."""
    return ledger(with_record(OURS, {"city": city}, {"city": observed}, {}))


def test_what_was_created_is_archived() -> None:
    plan = undone(
        did(Action.CREATE, after={"name": "acme"}), live=account(there("cus_1", "acme")), records=ledger(OURS)
    )
    assert plan.changes == (Change(Action.ARCHIVE, ACME, ONE, Reason.UNDO, payment_methods=0),)
    assert plan.blocked == ()


def test_what_was_patched_is_patched_back() -> None:
    live = account(there("cus_1", "acme", city="Dover"))
    plan = undone(patched("Boston", "Dover"), live=live, records=recorded("Dover", "Dover"))
    fields = (FieldChange("city", "Dover", "Boston"),)
    assert plan.changes == (Change(Action.PATCH, ACME, ONE, Reason.UNDO, fields=fields),)


def test_what_was_empty_is_emptied_again() -> None:
    live = account(there("cus_1", "acme", city="Dover"))
    plan = undone(patched("", "Dover"), live=live, records=recorded("Dover", "Dover"))
    assert plan.changes[0].fields == (FieldChange("city", "Dover", None),)


def test_what_the_server_made_of_the_value_is_still_as_the_run_left_it() -> None:
    live = account(there("cus_1", "acme", city="DOVER, DE"))
    plan = undone(patched("Boston", "Dover"), live=live, records=recorded("Dover", "DOVER, DE"))
    assert (plan.changes[0].fields, plan.blocked) == ((FieldChange("city", "DOVER, DE", "Boston"),), ())


def test_a_field_that_was_changed_since_is_blocked_and_the_others_are_patched_back() -> None:
    live = account(there("cus_1", "acme", city="Lima", state="DE"))
    intent = did(Action.PATCH, before={"city": "Boston", "state": "MA"}, after={"city": "Dover", "state": "DE"})
    plan = undone(intent, live=live, records=recorded("Dover", "Dover"))
    assert plan.changes[0].fields == (FieldChange("state", "DE", "MA"),)
    assert plan.blocked == (
        Blocked(
            ACME,
            BlockedReason.UNDO_CHANGED_SINCE,
            field="city",
            ids=(ONE,),
            parts={"field": "city", "live": FieldValue("city", "Lima"), "left": FieldValue("city", "Dover")},
        ),
    )


def test_a_field_that_is_as_it_was_before_needs_nothing() -> None:
    live = account(there("cus_1", "acme", city="Boston"))
    plan = undone(patched("Boston", "Dover"), live=live, records=recorded("Boston", "Boston"))
    assert (plan.changes, plan.blocked, plan.notes) == ((), (), ())


def test_a_created_customer_that_was_changed_since_is_not_archived() -> None:
    live = account(there("cus_1", "acme", name="Other"))
    plan = undone(did(Action.CREATE, after={"name": "acme"}), live=live, records=ledger(OURS))
    assert plan.changes == ()
    (blocked,) = plan.blocked
    assert (blocked.field, blocked.reason) == ("name", BlockedReason.UNDO_CHANGED_SINCE)
    assert (blocked.parts["live"], blocked.parts["left"]) == (FieldValue("name", "Other"), FieldValue("name", "acme"))


def test_what_was_archived_is_restored() -> None:
    plan = undone(did(Action.ARCHIVE), live=account(), records=ledger(ARCHIVED))
    assert plan.changes == (Change(Action.RESTORE, ACME, ONE, Reason.UNDO),)


def test_what_was_archived_is_not_restored_beside_another_active_one_of_its_external_id() -> None:
    plan = undone(did(Action.ARCHIVE), live=account(there("cus_2", "acme")), records=ledger(ARCHIVED))
    assert (plan.changes, plan.blocked[0].ids) == ((), (ONE, TWO))


def test_an_archived_duplicate_that_the_ledger_does_not_bind_is_restored_once_nobody_has_its_external_id() -> None:
    plan = undone(did(Action.ARCHIVE), live=account(), records=ledger())
    assert plan.changes == (Change(Action.RESTORE, ACME, ONE, Reason.UNDO),)


def test_one_that_the_ledger_does_not_bind_may_be_listed_though_archived_and_is_restored() -> None:
    draft = make_undo([did(Action.ARCHIVE)], account(there("cus_1", "acme")), ledger(), TERMS)
    assert [(change.action, change.id) for change in draft.plan.changes] == [(Action.RESTORE, ONE)]
    known = undone(did(Action.ARCHIVE), live=account(there("cus_1", "acme")), records=ledger())
    assert (known.changes, [note.kind for note in known.notes]) == ((), [NoteKind.UNDO_ACTIVE_AGAIN])


def test_a_value_that_the_server_did_not_take_is_still_as_the_run_left_it() -> None:
    row = with_record(OURS, {"name": "acme"}, {"name": "acme"}, {"city": Trouble(refused=("Dover", ""))})
    intent = did(Action.CREATE, after={"name": "acme", "city": "Dover"})
    plan = undone(intent, live=account(there("cus_1", "acme")), records=ledger(row))
    assert ([change.action for change in plan.changes], plan.blocked) == ([Action.ARCHIVE], ())


def test_what_was_restored_is_patched_back_and_archived() -> None:
    live = account(there("cus_1", "acme", city="Dover"))
    intents = (did(Action.RESTORE), patched("Boston", "Dover"))
    plan = undone(*intents, live=live, records=recorded("Dover", "Dover"))
    assert [change.action for change in plan.changes] == [Action.PATCH, Action.ARCHIVE]


def test_a_created_user_is_blocked_as_the_api_cannot_delete_one() -> None:
    intent = did(Action.CREATE_USER, Address("acme", "jane@acme.example"))
    plan = undone(intent, live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert (plan.changes, [one.reason for one in plan.blocked]) == ((), [BlockedReason.UNDO_USER])


def test_a_user_of_a_customer_that_the_run_created_goes_with_it() -> None:
    intents = (did(Action.CREATE, after={"name": "acme"}), did(Action.CREATE_USER, Address("acme", "j@acme.example")))
    plan = undone(*intents, live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert ([change.action for change in plan.changes], plan.blocked) == ([Action.ARCHIVE], ())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.FAILED, NoteKind.UNDO_FAILED),
        (None, NoteKind.UNDO_IN_DOUBT),
        (Status.IN_DOUBT, NoteKind.UNDO_IN_DOUBT),
    ],
)
def test_what_failed_or_is_in_doubt_is_noted(status: Status | None, kind: NoteKind) -> None:
    intent = replace(patched("Boston", "Dover"), status=status)
    plan = undone(intent, live=account(there("cus_1", "acme", city="Dover")), records=recorded("Dover", "Dover"))
    assert (plan.notes, plan.changes) == ((Note(kind, ACME, parts={"action": Action.PATCH}),), ())


def test_what_was_sent_twice_counts_as_it_ended() -> None:
    first = replace(patched("Boston", "Dover"), status=Status.FAILED)
    live = account(there("cus_1", "acme", city="Dover"))
    plan = undone(first, replace(patched("Boston", "Dover"), seq=2), live=live, records=recorded("Dover", "Dover"))
    assert [change.action for change in plan.changes] == [Action.PATCH]


def test_a_create_that_was_sent_twice_counts_as_it_ended() -> None:
    first = did(Action.CREATE, customer=None, after={"name": "acme"}, status=Status.FAILED)
    second = did(Action.CREATE, after={"name": "acme"}, seq=2)
    plan = undone(first, second, live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert [note.address for note in plan.notes if note.address] == []
    assert [change.action for change in plan.changes] == [Action.ARCHIVE]


def test_a_customer_that_is_not_active_any_more_needs_no_archive() -> None:
    plan = undone(did(Action.CREATE, after={"name": "acme"}), live=account(), records=ledger(ARCHIVED))
    assert (plan.changes, [note.kind for note in plan.notes]) == ((), [NoteKind.UNDO_INACTIVE_ALREADY])


def test_a_customer_that_is_active_again_needs_no_restore() -> None:
    plan = undone(did(Action.ARCHIVE), live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert (plan.changes, [note.kind for note in plan.notes]) == ((), [NoteKind.UNDO_ACTIVE_AGAIN])


def test_a_protected_customer_is_not_archived() -> None:
    records = ledger(replace(OURS, protected=True))
    plan = undone(did(Action.CREATE, after={"name": "acme"}), live=account(there("cus_1", "acme")), records=records)
    assert (plan.changes, len(plan.blocked)) == ((), 1)


def test_a_customer_whose_external_id_the_policy_protects_is_not_archived_under_another_key() -> None:
    records = ledger(replace(OURS, live_external_id="vip-1"))
    live = account(there("cus_1", "vip-1", name="acme"))
    under = replace(TERMS, protect=("vip-*",))
    plan = undone(did(Action.CREATE, after={"name": "acme"}), live=live, records=records, under=under)
    assert (plan.changes, [one.reason for one in plan.blocked]) == (
        (),
        [BlockedReason.UNDO_PROTECTED],
    )


def test_a_create_whose_customer_the_ledger_does_not_hold_is_blocked() -> None:
    plan = undone(did(Action.CREATE, customer=None), live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert (plan.changes, len(plan.blocked)) == ((), 1)


def test_a_customer_that_carries_another_external_id_by_now_is_blocked() -> None:
    plan = undone(
        did(Action.CREATE, after={"name": "acme"}),
        live=account(there("cus_1", "other", name="acme"), there("cus_2", "globex"), there("cus_3", "initech")),
        records=ledger(OURS, bound("globex", "cus_2"), bound("initech", "cus_3")),
    )
    assert (plan.changes, plan.blocked[0].field, plan.blocked[0].ids) == ((), None, (ONE,))


def test_a_customer_is_found_under_the_key_that_it_was_moved_to() -> None:
    live = account(there("cus_1", "acme", city="Dover"))
    row = replace(recorded("Dover", "Dover").bindings["acme"], external_id="new")
    plan = undone(patched("Boston", "Dover"), live=live, records=ledger(row))
    assert plan.changes[0].address == Address("new")


def test_limits_hold_for_an_undo() -> None:
    rows = [bound(f"c{number}", f"cus_{number}") for number in range(3)]
    intents = [did(Action.CREATE, Address(row.external_id), row.id, after={"name": row.external_id}) for row in rows]
    live = account(*(there(row.bound_id, row.external_id) for row in rows))
    plan = undone(*intents, live=live, records=ledger(*rows))
    assert [(row.name, row.planned, row.allowed) for row in plan.limits] == [("max_archives", 3, 1)]


def test_only_the_touched_customers_that_the_listing_lacks_are_sought() -> None:
    records = ledger(OURS, bound("globex", "cus_2"))
    draft = make_undo([did(Action.CREATE, after={"name": "acme"})], account(), records, TERMS)
    assert draft.reads == (Seek(ONE, CREATED_AT),)


def test_a_touched_customer_that_the_narrow_list_lacks_too_is_got() -> None:
    live = account(sought={ONE: False})
    draft = make_undo([did(Action.CREATE, after={"name": "acme"})], live, ledger(OURS), TERMS)
    assert draft.reads == (Get(ONE),)


def test_a_restore_that_became_a_create_is_undone_as_that() -> None:
    failed = did(Action.RESTORE, status=Status.FAILED)
    created = did(Action.CREATE, seq=2, after={"name": "acme"})
    plan = undone(failed, created, live=account(there("cus_1", "acme")), records=ledger(OURS))
    assert [change.action for change in plan.changes] == [Action.ARCHIVE]
    assert NoteKind.UNDO_FAILED not in {note.kind for note in plan.notes}
