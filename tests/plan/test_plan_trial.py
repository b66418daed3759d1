"""A plan is tried in memory: one that does not keep its word is found, and no right one is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import plan_cases
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_values import TERMS, account, bound, customer, declared, ledger, there
from strategies import declared_fields, desired_states, keys, live_fields

from reconciler.errors import Incomplete, PlanFaulty, Refused, Source
from reconciler.model.core import (
    Action,
    Address,
    CustomerId,
    Desired,
    DesiredUser,
    Live,
    LiveCustomer,
    LiveUser,
    Reason,
)
from reconciler.model.ledger import BindingState, Records
from reconciler.model.plan import Change, FieldChange, Plan
from reconciler.model.policy import Prune, Terms
from reconciler.model.reports import TrialFailure, TrialFault
from reconciler.pipeline.plan import tried_first
from reconciler.plan.draft import Draft
from reconciler.plan.make import make_plan
from reconciler.plan.trial import cuts_of, try_plan

JANE = DesiredUser("jane@x.example", {"first_name": "Jane"}, Source("customers.yaml", 4, 5))
FOLDERS = sorted(path.parent for path in plan_cases.CASES.glob("*/desired.yaml"))
WHOLE = [
    folder for folder in FOLDERS if not {"reads", "refused"} & json.loads((folder / "plan.json").read_text()).keys()
]

# One customer of each: to be created with a user, patched, archived, restored, left as it is.
DESIRED = declared(
    customer("new", JANE),
    customer("moved-house", fields={"name": "moved-house", "city": "Boston", "state": "MA"}),
    customer("closed", archived=True),
    customer("back"),
    customer("same"),
)
LIVE = account(
    there("cus_1", "moved-house", city="Albany", state="NY"), there("cus_2", "closed"), there("cus_4", "same")
)
RECORDS = ledger(
    bound("moved-house", "cus_1"),
    bound("closed", "cus_2"),
    bound("back", "cus_3", state=BindingState.ARCHIVED),
    bound("same", "cus_4"),
)

Break = Callable[[Change], tuple[Change, ...]]


def right() -> Draft:
    """Return the right plan."""
    draft = make_plan(DESIRED, LIVE, RECORDS, TERMS)
    assert draft.reads == ()
    return draft


def broken(key: str, action: Action, change: Break) -> Plan:
    """Return the plan in which the changes of one customer with one action are others."""
    plan = right().plan
    changes = [
        after
        for one in plan.changes
        for after in (change(one) if one.address.external_id == key and one.action is action else (one,))
    ]
    return replace(plan, changes=tuple(changes))


def trial(plan: Plan) -> tuple[TrialFailure, ...]:
    """Return what the trial finds."""
    return try_plan(plan, DESIRED, LIVE, RECORDS, TERMS, right().learned)


def test_the_right_plan_of_all_actions_keeps_its_word() -> None:
    assert [change.action for change in right().plan.changes] == [
        Action.RESTORE,
        Action.PATCH,
        Action.CREATE,
        Action.CREATE_USER,
        Action.ARCHIVE,
    ]
    assert trial(right().plan) == ()


def test_a_patch_that_lacks_a_field_is_found() -> None:
    plan = broken("moved-house", Action.PATCH, lambda one: (replace(one, fields=one.fields[:1]),))
    assert trial(plan) == (
        TrialFailure(Address("moved-house"), TrialFault.NOT_AS_DECLARED, fields=("state",)),
        TrialFailure(Address("moved-house"), TrialFault.PLANNED_AGAIN, Action.PATCH, ("state",)),
    )


def test_a_create_that_carries_another_value_is_found() -> None:
    plan = broken(
        "new", Action.CREATE, lambda one: (replace(one, fields=tuple(replace(f, after="x") for f in one.fields)),)
    )
    assert trial(plan) == (TrialFailure(Address("new"), TrialFault.NOT_AS_DECLARED, fields=("name",)),)


def test_a_create_that_is_doubled_is_found() -> None:
    plan = broken("new", Action.CREATE, lambda one: (one, one))
    assert TrialFailure(Address("new"), TrialFault.DUPLICATED) in trial(plan)


def test_an_archive_of_the_wrong_customer_is_found() -> None:
    plan = broken("closed", Action.ARCHIVE, lambda one: (replace(one, id=CustomerId("cus_4")),))
    assert trial(plan)[-1] == TrialFailure(Address("closed"), TrialFault.PLANNED_AGAIN, Action.ARCHIVE)
    assert TrialFailure(Address("closed"), TrialFault.OTHER_ID, Action.ARCHIVE) in trial(plan)


def test_an_archive_of_a_customer_that_is_declared_active_is_found() -> None:
    wrong = Change(Action.ARCHIVE, Address("same"), CustomerId("cus_4"), Reason.ENTRY_GONE)
    plan = broken("closed", Action.ARCHIVE, lambda one: (one, wrong))
    assert trial(plan) == (
        TrialFailure(Address("same"), TrialFault.ARCHIVED),
        TrialFailure(Address("same"), TrialFault.PLANNED_AGAIN, Action.RESTORE),
    )


def test_a_patch_before_the_restore_of_its_customer_is_found() -> None:
    patch = Change(Action.PATCH, Address("back"), CustomerId("cus_3"), Reason.DECLARED)
    plan = broken("back", Action.RESTORE, lambda one: (patch, one))
    assert TrialFailure(Address("back"), TrialFault.REFUSED, Action.PATCH, status=404) in trial(plan)


def test_a_create_whose_row_is_missing_is_found() -> None:
    plan = right().plan
    plan = replace(plan, entries=tuple(entry for entry in plan.entries if entry.external_id != "new"))
    assert TrialFailure(Address("new"), TrialFault.NO_ROW, Action.CREATE) in trial(plan)


def test_a_user_that_is_left_out_beside_its_customer_is_found() -> None:
    plan = broken("new", Action.CREATE_USER, lambda _: ())
    assert trial(plan) == (
        TrialFailure(
            Address("new", "jane@x.example"), TrialFault.PLANNED_AGAIN, Action.CREATE_USER, ("email", "first_name")
        ),
        TrialFailure(Address("new", "jane@x.example"), TrialFault.USER_MISSING),
    )


def test_a_row_that_would_record_a_project_of_others_is_found_as_blocked_after_it() -> None:
    plan = right().plan
    entries = tuple(replace(row, project="others") if row.external_id == "new" else row for row in plan.entries)
    assert TrialFailure(Address("new"), TrialFault.BLOCKED) in trial(replace(plan, entries=entries))


def test_what_we_wrote_a_moment_ago_is_left_out() -> None:
    records = ledger(bound("acme", "cus_1", written_at=LIVE.read_at - 1.0))
    desired, live = declared(customer("acme", fields={"name": "New"})), account(there("cus_1", "acme"))
    draft = make_plan(desired, live, records, TERMS)
    plan = replace(draft.plan, changes=tuple(replace(one, fields=()) for one in draft.plan.changes))
    assert len(plan.changes) == 1
    assert try_plan(plan, desired, live, records, TERMS, draft.learned) == ()


def test_a_faulty_plan_is_refused_as_our_bug_and_its_report_holds_no_personal_value() -> None:
    plan = broken("new", Action.CREATE_USER, lambda _: ())
    plan = replace(plan, changes=(*plan.changes, replace(plan.changes[1], address=Address("new"))))
    with pytest.raises(PlanFaulty) as caught:
        tried_first(plan, DESIRED, LIVE, RECORDS, TERMS, right().learned)
    report = json.loads(caught.value.report)
    assert {row["address"] for row in report["faults"]} == {"new", "new/***"}
    assert {change["address"] for change in report["plan"]["changes"]} == {"new"}
    told = caught.value.report + str(caught.value)
    assert [text for text in ("jane@x.example", "Jane", "Boston", "Albany") if text in told] == []
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_the_plan_of_a_case_keeps_its_word(folder: Path) -> None:
    draft = plan_cases.drafted(folder)
    assert try_plan(draft.plan, *plan_cases.inputs(folder), draft.learned) == ()


# --- no false alarm, for any declared and live state ---------------------------------------------------


@st.composite
def lives(draw: st.DrawFn) -> Live:
    """Return an account in which some keys are carried by one customer or two, and everything was asked."""
    carried = draw(st.lists(keys() | st.just(""), max_size=4))
    ones = [
        LiveCustomer(CustomerId(f"cus_{place}"), key, "2025-01-01T00:00:00Z", draw(live_fields()))
        for place, key in enumerate(carried)
    ]
    users = st.lists(st.sampled_from(["jane@x.example", "Joe@x.example"]), max_size=2, unique=True)
    listed = {one.id: tuple(LiveUser("usr", email, {}) for email in draw(users)) for one in ones}
    return account(*ones, users=listed)


@st.composite
def ledgers(draw: st.DrawFn, live: Live) -> Records:
    """Return a ledger that binds some keys to customers that are there, or to such as are not."""
    rows = []
    ids = [*live.listed, CustomerId("cus_gone"), CustomerId("cus_away")]
    for key in draw(st.lists(keys(), max_size=3, unique=True)):
        if not ids:
            break
        one = ids.pop(draw(st.integers(0, len(ids) - 1)))
        carried = live.listed[one].external_id if one in live.listed else key
        state = draw(st.sampled_from(BindingState))
        said = draw(declared_fields())
        row = bound(key, one, live_external_id=carried, state=state, protected=draw(st.booleans()))
        rows.append(replace(row, applied_json=json.dumps(said)) if draw(st.booleans()) else row)
    return ledger(*rows)


def terms() -> st.SearchStrategy[Terms]:
    """Return terms that differ in what planning branches on."""
    known = st.sampled_from([None, True, False])
    return st.builds(
        lambda prune, owns, lists, gets, refresh: replace(
            TERMS, prune=prune, owns=owns, lists_archived=lists, gets_archived=gets, refresh_users=refresh
        ),
        st.sampled_from(Prune),
        st.sampled_from([(), ("*",)]),
        known,
        known,
        st.booleans(),
    )


@st.composite
def planned(draw: st.DrawFn) -> tuple[Desired, Live, Records, Terms]:
    """Return the planner's inputs, with all answered that a get could have been asked."""
    live = draw(lives())
    records, under = draw(ledgers(live)), draw(terms())
    got: dict[CustomerId, LiveCustomer | None] = {}
    for row in records.bindings.values():
        if row.bound_id not in live.listed:
            shown = LiveCustomer(row.bound_id, row.live_external_id, row.created_at, draw(live_fields()))
            got[row.bound_id] = draw(st.sampled_from([None, shown]))
    live = replace(live, got=got, sought=dict.fromkeys(got, False))
    return draw(desired_states(pins=True)), live, records, under


@given(planned())
def test_no_right_plan_is_found_wrong(given_inputs: tuple[Desired, Live, Records, Terms]) -> None:
    desired, live, records, under = given_inputs
    try:
        draft = make_plan(desired, live, records, under)
    except (Incomplete, Refused):
        return
    if not draft.reads:
        assert try_plan(draft.plan, desired, live, records, under, draft.learned) == ()


def test_a_run_is_cut_off_before_the_first_changes_of_a_kind_and_the_last_however_many_users_there_are() -> None:
    def made(action: Action, *names: str) -> Change:
        fields = tuple(FieldChange(name, "", "x") for name in names)
        return Change(action, Address("acme"), None, Reason.DECLARED, fields=fields)

    users = [made(Action.CREATE_USER, "email") for _ in range(300)]
    named = [made(Action.CREATE_USER, "email", "first_name") for _ in range(3)]
    assert cuts_of({"acme": [made(Action.CREATE, "name"), *users, *named]}) == [0, 1, 2, 301, 302, 303]
    assert cuts_of({"acme": [made(Action.CREATE, "name"), *users[:2]], "globex": named}) == [0, 1, 2]
