"""The quick way past customers that need nothing gives the plan that planning each in full gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_ways import Ways
from hypothesis import event, given, settings
from hypothesis import strategies as st
from plan_values import FILE, NOW_S, TERMS, account, bound, customer, declared, ledger, there
from story import LiveEdit, Step, Switched, story, switches, terms
from strategies import histories, live_states, ways
from world import Stages

from reconciler.errors import Incomplete, Refused, Source
from reconciler.kinds.wire import with_record
from reconciler.model.core import CustomerId, Desired, DesiredCustomer, DesiredUser, Live, LiveCustomer, LiveUser
from reconciler.model.ledger import (
    Binding,
    BindingState,
    Recent,
    RecentWrite,
    Records,
    Reversals,
    SeenUser,
    Trouble,
    Via,
    reversals_json,
    trouble_json,
)
from reconciler.model.policy import Prune, Terms
from reconciler.pipeline import plan
from reconciler.plan.draft import Draft
from reconciler.plan.make import make_plan, plan_context, to_be_planned

KEYS = ("ann", "ben", "cat", "dan")
PLACE = "local:/home/x/customers"
JANE = DesiredUser("jane@x.example", {"first_name": "Jane"}, Source(FILE, 4, 5))


def in_full(desired: Desired, live: Live, records: Records, under: Terms, **rest: Any) -> Draft | str:  # noqa: ANN401
    """Return the draft of the long way, or the words of the refusal."""
    return _made(desired, live, records, under, each_in_full=True, **rest)


def quickly(desired: Desired, live: Live, records: Records, under: Terms, **rest: Any) -> Draft | str:  # noqa: ANN401
    """Return the same of the quick way."""
    return _made(desired, live, records, under, **rest)


def _made(*given: Any, **rest: Any) -> Draft | str:  # noqa: ANN401
    try:
        return make_plan(*given, **rest)
    except (Incomplete, Refused) as refusal:
        return str(refusal)


# --- any sides, near to such that need nothing ----------------------------------------------------------


def _id(key: str) -> CustomerId:
    return CustomerId(f"cus_{key}")


OTHER_KEYS = st.sampled_from(KEYS)
OTHER_IDS = OTHER_KEYS.map(_id)

ENTRIES = st.one_of(
    st.just({"archived": True}),
    st.builds(dict, id=OTHER_IDS),
    OTHER_IDS.map(lambda one: {"id": one, "archived": True}),
    st.builds(dict, protect=st.booleans()),
    st.builds(dict, ignore_changes=st.just(frozenset({"name"}))),
    st.builds(dict, users=st.just((JANE,))),
    st.builds(dict, source=st.sampled_from([Source(FILE, 9, 9), Source("more.yaml", 2, 3)])),
    st.builds(dict, fields=st.sampled_from([{}, {"name": "ann"}, {"name": "x", "city": None}, {"name": None}])),
    st.builds(dict, distinct_from=OTHER_KEYS.map(lambda key: (key,))),
)
LIVES = st.one_of(
    st.builds(dict, external_id=st.one_of(OTHER_KEYS, st.just(""), st.just("Ann"))),
    st.builds(dict, created_at=st.sampled_from(["", "2025-02-02T00:00:00Z"])),
    st.builds(dict, fields=st.sampled_from([{}, {"name": "x"}, {"name": "ann", "city": "Ulm"}, {"name": "ann"}])),
    st.just({"integration_id": "crm-1"}),
)
RECENT = Recent(NOW_S - 3.0, {"name": RecentWrite("ann", (("x", NOW_S - 3.0),))}).as_json()
REVERSED = st.sampled_from([BindingState.ACTIVE, BindingState.ARCHIVED]).map(
    lambda made: reversals_json(Reversals(made, (NOW_S - 99.0,)))
)
ROWS = st.one_of(
    st.builds(dict, id=OTHER_IDS),
    st.builds(dict, state=st.sampled_from(BindingState)),
    st.builds(dict, project=st.just("other")),
    st.builds(dict, source=st.sampled_from(["more.yaml", "gone.yaml", ""])),
    st.builds(dict, place=st.sampled_from(["", PLACE, "local:/elsewhere"])),
    st.just({"protected": True}),
    st.builds(dict, via=st.sampled_from(Via)),
    st.builds(dict, live_external_id=OTHER_KEYS),
    st.builds(dict, created_at=st.just("")),
    st.builds(dict, written_at=st.just(NOW_S - 2.0)),
    st.builds(dict, written_at=st.just(NOW_S - 2.0), recent_json=st.just(RECENT)),
    st.builds(dict, reversals_json=REVERSED),
    st.builds(dict, trouble_json=st.just(trouble_json({"name": Trouble(refused=("x", "ann"))}))),
)
UNDERS = st.one_of(
    st.builds(dict, place=st.sampled_from([PLACE, "local:/elsewhere"])),
    st.builds(dict, prune=st.just(Prune.ALL), owns=st.just(("*",))),
    st.builds(dict, targets=st.just(("a*", "b*"))),
    st.builds(dict, excludes=st.just(("ann",))),
    st.builds(dict, protect=st.just(("*",))),
    st.builds(dict, lists_archived=st.booleans()),
    st.just({"refresh_users": True}),
    st.builds(dict, recreate=OTHER_KEYS.map(lambda key: (key,))),
    st.builds(dict, equal=st.just({"name": {"x": "ann"}})),
)


@st.composite
def sides(draw: st.DrawFn) -> tuple[Desired, Live, Records, Terms]:
    """Return customers that need nothing, and a few things besides that may be otherwise."""
    keys = st.sampled_from(KEYS)

    def some(of: st.SearchStrategy[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return draw(st.dictionaries(keys, of, max_size=2))

    entries, lives, rows = some(ENTRIES), some(LIVES), some(ROWS)
    gone = {side: draw(st.sets(keys, max_size=1)) for side in ("entry", "live", "row")}
    # What was applied may be another value than what is there, and than what is declared.
    applied = draw(
        st.dictionaries(keys, st.sampled_from([{}, {"name": "x"}, {"name": "ann", "city": None}]), max_size=1)
    )
    wanted = [replace(customer(key), **entries.get(key, {})) for key in KEYS if key not in gone["entry"]]
    seen = [replace(there(_id(key), key), **lives.get(key, {})) for key in KEYS if key not in gone["live"]]
    if draw(st.booleans()):
        seen.append(there("cus_twin", draw(keys)))
    held = [_row(key, rows.get(key, {}), applied.get(key)) for key in KEYS if key not in gone["row"]]
    moved = draw(st.dictionaries(st.sampled_from((*KEYS, "old")), keys, max_size=1))
    users = draw(st.dictionaries(OTHER_IDS, st.just((SeenUser(JANE.email, JANE.fields, JANE.fields),)), max_size=1))
    listed = draw(st.dictionaries(OTHER_IDS, st.just((LiveUser("usr_1", JANE.email, JANE.fields),)), max_size=1))
    got: dict[CustomerId, LiveCustomer | None] = draw(st.dictionaries(OTHER_IDS, st.none(), max_size=1))
    forget = dict.fromkeys(draw(st.sets(keys, max_size=1)), Source(FILE, 8, 1))
    desired = replace(declared(*wanted, moved=moved), forget=forget)
    live = account(*seen, got=got, users=listed, listings=draw(st.integers(1, 2)))
    return desired, live, ledger(*held, users=users), replace(TERMS, **draw(st.one_of(st.just({}), UNDERS)))


def _row(key: str, said: dict[str, Any], applied: dict[str, str | None] | None) -> Binding:
    row = replace(bound(key, _id(key)), **said)
    return row if applied is None else with_record(row, applied, {"name": key}, {})


@settings(max_examples=6 * (settings.default.max_examples if settings.default else 100))
@given(sides(), st.sampled_from([None, {}]))
def test_the_quick_way_plans_what_the_long_way_plans(
    given_sides: tuple[Desired, Live, Records, Terms], lacked: dict[str, Any] | None
) -> None:
    full = in_full(*given_sides, lacked=lacked)
    assert quickly(*given_sides, lacked=lacked) == full
    desired, live, records, under = given_sides
    if isinstance(full, Draft) and not full.reads:
        left = to_be_planned(desired, plan_context(desired, live, records, under).register, records.users, under.place)
        event(f"{len(desired.customers) - len(left)} of {len(desired.customers)} need nothing")


# --- any history ----------------------------------------------------------------------------------------


async def _made_both_ways(*given: Any, **rest: Any) -> plan.Planned:  # noqa: ANN401
    """Plan as a run does, and once more in full."""
    planned = await plan.make(*given, **rest)
    _, _, desired, under = given
    lacked = rest.get("lacked")
    made = (desired, planned.live, planned.records, under)
    assert quickly(*made, lacked=lacked) == in_full(*made, lacked=lacked)
    return planned


@given(ways(), live_states(), terms(), switches(), histories(faults=False))
def test_in_any_history_the_quick_way_plans_what_the_long_way_plans(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, switch: Switched, past: list[Step]
) -> None:
    with story(server, under, stages=Stages(make=_made_both_ways)) as one:
        for edit in edits:
            edit.do(one.world.api.account)
        one.tell([switch, *past])
        one.settled_run()
        one.settled_run()


# --- what each of its conditions is for -----------------------------------------------------------------


def left(entry: DesiredCustomer, live: LiveCustomer, row: Binding, **under: Any) -> list[DesiredCustomer]:  # noqa: ANN401
    """Return who of one customer is left to be planned."""
    desired, records = declared(entry), ledger(row)
    register = plan_context(desired, account(live), records, replace(TERMS, **under)).register
    return to_be_planned(desired, register, records.users, under.get("place", ""))


def test_a_customer_that_is_bound_listed_and_recorded_as_declared_needs_nothing() -> None:
    assert left(customer("ann"), there("cus_ann", "ann"), bound("ann", "cus_ann")) == []


def test_what_a_customer_has_and_does_not_declare_is_no_reason_to_look_further() -> None:
    assert left(customer("ann"), there("cus_ann", "ann", city="Ulm"), bound("ann", "cus_ann")) == []


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ({"archived": True}, {}),
        ({"users": (JANE,)}, {}),
        ({"protect": True}, {}),
        ({"id": "cus_ann"}, {}),
        ({"fields": {"name": "Ann"}}, {}),
        ({"fields": {"name": "ann", "city": None}}, {}),
        ({}, {"state": BindingState.ABSENT}),
        ({}, {"project": "other"}),
        ({}, {"source": "other.yaml"}),
        ({}, {"created_at": ""}),
        ({}, {"live_external_id": "ben"}),
        ({}, {"applied_json": "{}"}),
        ({}, {"trouble_json": "{}"}),
        ({}, {"recent_json": RECENT}),
        ({}, {"reversals_json": reversals_json(Reversals(BindingState.ACTIVE, (NOW_S,)))}),
    ],
    ids=str,
)
def test_a_customer_of_which_that_is_not_plain_is_planned(said: dict[str, Any], held: dict[str, Any]) -> None:
    entry = replace(customer("ann"), **said)
    assert left(entry, there("cus_ann", "ann"), bound("ann", "cus_ann", **held)) == [entry]
