"""`show --why` tells no other story than the plan: for any world, and for each rule that decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_ways import Ways
from hypothesis import given
from hypothesis import strategies as st
from plan_values import TERMS, account, bound, customer, declared, ledger, there
from story import Apply, Declared, LiveEdit, SomeoneEdits, TimePasses, story, terms
from strategies import desired_states, histories, live_states, ways
from world import Stages

from reconciler.model.core import Action, Address, Cause, CustomerId, Desired, DesiredUser, Live
from reconciler.model.ledger import Binding, BindingState, Records
from reconciler.model.policy import Prune, Terms
from reconciler.model.reports import Explanation, FieldOutcome, Remark, RemarkCode, Row, UserSides
from reconciler.pipeline import plan
from reconciler.plan.explain import alike, explain
from reconciler.plan.make import make_plan


def _told(
    key: str, desired: Desired, live: Live, records: Records, under: Terms = TERMS, email: str | None = None
) -> Explanation:
    told = explain(Address(key, email), make_plan(desired, live, records, under).plan, desired, live, records, under)
    assert told is not None
    return told


def _another_story(told: Explanation) -> list[str]:
    """Return where the evidence does not lead to the outcome."""
    wrong = []
    archiving = {check.rule for check in told.archiving if check.rule.archives and check.holds}
    kept = [check.rule for check in told.archiving if not check.rule.archives and check.holds]
    active = {one.code for one in told.presence} & {RemarkCode.ACTIVE, RemarkCode.COUNTS_AS_ACTIVE}
    nobody = Remark(RemarkCode.NOBODY) in told.identity
    for change in told.outcome.changes:
        match change.action:
            case Action.ARCHIVE if change.reason.value not in archiving or kept:
                wrong.append(f"archived as {change.reason}, though {archiving} hold and {kept} keep it")
            case Action.CREATE if not nobody:
                wrong.append("created, though somebody is it")
            case Action.RESTORE if active:
                wrong.append("restored, though active")
            case Action.PATCH:
                rows = {row.name: row.cause for row in told.fields if row.cause is not None}
                if rows != {field.name: field.cause for field in change.fields}:
                    wrong.append(f"patched otherwise than {rows}")
            case _:
                pass
    if archiving - {"declared"} and active and not kept and not told.outcome.changes and not told.outcome.blocked:
        wrong.append(f"{archiving} hold, nothing keeps it, and nothing comes of it")
    patched = any(change.action is Action.PATCH for change in told.outcome.changes)
    if not patched and not told.outcome.blocked and any(row.cause is not None for row in told.fields):
        wrong.append("differs and is not patched")
    return wrong


@given(ways(), live_states(), terms(), histories(faults=False), desired_states())
def test_what_is_told_of_each_key_is_the_plan_of_that_key(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, past: list[Any], last: Desired
) -> None:
    made: list[tuple[plan.Planned, Desired, Terms]] = []

    async def kept(client: Any, ledger: Any, desired: Desired, under: Terms, **said: Any) -> plan.Planned:  # noqa: ANN401
        planned = await plan.make(client, ledger, desired, under, **said)
        made.append((planned, desired, under))
        return planned

    with story(server, under, stages=Stages(make=kept)) as one:
        one.tell([SomeoneEdits(edits), TimePasses(20.0), *past, Declared(last), Apply()])
    for planned, desired, limited in made:
        keys = {*desired.customers, *planned.records.bindings, *(move.origin for move in desired.moved)}
        keys |= {customer.external_id for customer in planned.live.listed.values()}
        told = [
            explain(Address(key), planned.plan, desired, planned.live, planned.records, limited) for key in sorted(keys)
        ]
        outcomes = [one.outcome for one in told if one is not None]
        assert sorted(map(str, (change for one in outcomes for change in one.changes))) == sorted(
            map(str, planned.plan.changes)
        )
        assert sorted(map(str, (row for one in outcomes for row in one.blocked))) == sorted(
            map(str, planned.plan.blocked)
        )
        assert [wrong for one in told if one is not None for wrong in _another_story(one)] == []


@given(st.sampled_from(["acme", "globex"]))
def test_a_key_that_nobody_knows_is_not_explained(key: str) -> None:
    desired, live, records = declared(customer("initech")), account(), ledger()
    plan = make_plan(desired, live, records, TERMS).plan

    assert explain(Address(key), plan, desired, live, records, TERMS) is None


def test_keys_written_much_alike_are_found_among_the_declared_and_the_recorded() -> None:
    assert alike("acne", declared(customer("acme")), ledger(bound("acmes", "cus_1"))) == ("acme", "acmes")


def test_a_field_is_told_with_its_sides_and_the_row_of_the_table() -> None:
    told = _told(
        "acme",
        declared(customer("acme", fields={"name": "acme", "city": "Boston"})),
        account(there("cus_1", "acme", city="Lima")),
        ledger(bound("acme", "cus_1")),
    )

    assert told.fields == (
        Row(
            "name",
            (("declared", "acme"), ("applied", "acme"), ("observed", "acme"), ("live", "acme")),
            Remark(RemarkCode.COMPARED, {"applied": True, "live": True, "observed": True}),
            FieldOutcome.UNCHANGED,
        ),
        Row(
            "city",
            (("declared", "Boston"), ("live", "Lima")),
            Remark(RemarkCode.UNRECORDED, {"live": False}),
            FieldOutcome.PATCH,
            Cause.UNKNOWN,
        ),
    )


def test_an_entry_that_has_gone_is_told_with_its_file_and_the_rule() -> None:
    told = _told("acme", declared(), account(there("cus_1", "acme")), ledger(bound("acme", "cus_1")))

    assert [one.code for one in told.declared] == ["not_declared", "was_in_read"]
    assert told.declared[1].parts == {"file": "customers.yaml"}
    assert [check.rule for check in told.archiving if check.holds] == ["entry_gone"]
    assert [change.action for change in told.outcome.changes] == [Action.ARCHIVE]


def test_an_entry_of_a_file_that_was_not_read_is_no_reason() -> None:
    row = bound("acme", "cus_1", source="west.yaml")
    told = _told("acme", declared(), account(there("cus_1", "acme")), ledger(row))

    assert told.declared == (
        Remark(RemarkCode.NOT_DECLARED),
        Remark(RemarkCode.WAS_IN_UNREAD, {"file": "west.yaml"}),
    )
    assert told.archiving[1].why == Remark(RemarkCode.FILE_NOT_READ, {"file": "west.yaml"})


@pytest.mark.parametrize(
    ("desired", "row", "under", "why"),
    [
        (declared(), bound("acme", "cus_1", project="east"), TERMS, Remark(RemarkCode.IN_PROJECT, {"project": "east"})),
        (replace(declared(), exclude=("ac*",)), bound("acme", "cus_1"), TERMS, Remark(RemarkCode.LEFT_OUT)),
        (declared(), bound("acme", "cus_1", source=""), TERMS, Remark(RemarkCode.FILE_UNKNOWN)),
        (
            declared(),
            bound("acme", "cus_1"),
            replace(TERMS, prune=Prune.NONE),
            Remark(RemarkCode.PRUNE_IS, {"prune": Prune.NONE}),
        ),
        (
            declared(),
            bound("acme", "cus_1", state=BindingState.ABSENT),
            TERMS,
            Remark(RemarkCode.STATE_IS, {"state": BindingState.ABSENT}),
        ),
    ],
)
def test_why_the_entry_of_a_row_does_not_count_as_removed_is_told(
    desired: Desired, row: Binding, under: Terms, why: Remark
) -> None:
    told = _told("acme", desired, account(there("cus_1", "acme")), ledger(row), under)

    assert (told.archiving[1].rule, told.archiving[1].holds, told.archiving[1].why) == ("entry_gone", False, why)
    assert told.outcome.changes == ()


def test_a_customer_of_another_project_that_the_environment_leaves_out_is_told_as_both() -> None:
    desired = replace(declared(), exclude=("ac*",))
    told = _told("acme", desired, account(there("cus_1", "acme")), ledger(bound("acme", "cus_1", project="east")))

    assert [one.code for one in told.declared] == ["not_declared", "was_in_read", "in_project", "left_out"]


def test_a_key_that_may_be_two_live_customers_is_told_as_undecided() -> None:
    live = account(there("cus_1", "acme"), there("cus_2", "acme"))
    told = _told("acme", declared(customer("acme")), live, ledger())

    assert told.identity[-1] == Remark(RemarkCode.UNDECIDED)
    assert [one.ids for one in told.outcome.blocked] == [("cus_1", "cus_2")]


def test_a_user_whom_nobody_declared_or_listed_is_not_explained() -> None:
    desired, live, records = declared(customer("acme")), account(there("cus_1", "acme")), ledger()
    plan_of = make_plan(desired, live, records, TERMS).plan
    assert explain(Address("acme", "x@x.example"), plan_of, desired, live, records, TERMS) is None


@pytest.mark.parametrize(
    ("desired", "row", "why"),
    [
        (declared(customer("acme", id="cus_1")), None, RemarkCode.CLAIMED),
        (declared(customer("acme"), moved={"old": "acme"}), None, RemarkCode.OTHER_KEY),
        (declared(), bound("old", "cus_1", project="east"), RemarkCode.IN_LEDGER),
        (
            declared(),
            bound("old", "cus_1", source="", project="east"),
            RemarkCode.IN_LEDGER,
        ),
        (
            declared(),
            bound("east", "cus_1", live_external_id="old", project="east"),
            RemarkCode.IN_LEDGER,
        ),
    ],
)
def test_what_spares_a_live_customer_that_is_owned_is_told(
    desired: Desired, row: Binding | None, why: RemarkCode
) -> None:
    under = replace(TERMS, prune=Prune.ALL, owns=("*",))
    told = _told("old", desired, account(there("cus_1", "old")), ledger(*([] if row is None else [row])), under)
    assert [change.action for change in told.outcome.changes if change.action is Action.ARCHIVE] == []
    archives = [check for check in told.archiving if check.rule.archives and check.holds]
    keeps = [check for check in told.archiving if not check.rule.archives and check.holds]
    assert (bool(archives) and not keeps, why in {check.why.code for check in told.archiving}) == (False, True)


def test_who_owns_and_protects_a_live_customer_is_told() -> None:
    under = Terms(TERMS.environment, prune=Prune.ALL, owns=("a*",), protect=("ac*",))
    told = _told("acme", declared(), account(there("cus_1", "acme")), ledger(), under)

    assert [check.rule for check in told.archiving if check.holds] == ["owned", "policy.protect"]
    assert told.outcome.changes == ()


@pytest.mark.parametrize(
    ("entry", "row", "protect", "keepers"),
    [
        ({"protect": True}, bound("acme", "cus_1"), (), ["protected"]),
        ({"protect": False}, bound("acme", "cus_1", protected=True), (), ["protected"]),
        # Another customer is to have the key; the ledger holds the key as protected.
        ({"protect": False}, bound("acme", "cus_2", protected=True), (), ["protected"]),
        # The customer has another key in the ledger.
        ({"protect": False}, bound("former", "cus_1", protected=True), (), ["protected"]),
        ({}, bound("acme", "cus_1", live_external_id="vip-1"), ("vip-*",), ["policy.protect"]),
        ({}, bound("vip-1", "cus_1"), ("vip-*",), ["policy.protect"]),
    ],
)
def test_whatever_protects_a_declared_customer_is_told_and_keeps_it(
    entry: dict[str, Any], row: Binding, protect: tuple[str, ...], keepers: list[str]
) -> None:
    desired = declared(replace(customer("acme"), id=CustomerId("cus_1"), archived=True, **entry))
    live = account(there("cus_1", "other"), there(row.bound_id, row.live_external_id))
    told = _told("acme", desired, live, ledger(row), replace(TERMS, protect=protect))

    assert [check.rule for check in told.archiving if check.holds and not check.rule.archives] == keepers
    assert (told.outcome.changes, len(told.outcome.blocked)) == ((), 1)


def test_a_user_is_told_alone() -> None:
    source = customer("acme").source
    jane, joe = (DesiredUser(f"{name}@x.example", {}, source) for name in ("jane", "joe"))
    told = _told("acme", declared(customer("acme", jane, joe)), account(), ledger(), email="Joe@x.example")

    assert told.users == (UserSides("joe@x.example", "customers.yaml:2:3", recorded=False, listed=None),)
    assert [str(change.address) for change in told.outcome.changes] == ["acme/joe@x.example"]
