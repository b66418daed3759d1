"""
The whole way, for any declared state, live state, server and ledger.

Ledgers are made by earlier runs of other declared states, of another project too, with other people's edits in
between, or are lost. `--hypothesis-profile=long` looks a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Iterable

from api_ways import Ways, healthy, scripted
from hypothesis import given
from hypothesis import strategies as st
from prices import PRICES
from remedies import follow
from rulebook import RULES, complaints, left, nobody_is_doubled
from story import TERMS, LiveEdit, Ran, SomeoneEdits, Step, Story, Switched, TimePasses, story, switches, terms
from strategies import histories, live_states, ways

from reconciler.errors import Source
from reconciler.model.core import Action, Desired, DesiredCustomer, DesiredUser, Reading, SourceFile, Status
from reconciler.model.ledger import BindingState
from reconciler.model.policy import Terms
from reconciler.model.reasons import BlockedReason
from reconciler.plan.server_behavior import LAG_S

PROTECTED = {BlockedReason.PROTECTED, BlockedReason.REMOVED_BUT_PROTECTED}
ROUNDS = 8
"""A way out may uncover what was hidden behind the block: who it is, then what differs, then what the server keeps."""


def _pasts() -> st.SearchStrategy[list[Step | Switched]]:
    """Return what happened before: one or two histories, and which project each was of."""
    told = st.tuples(switches(), histories(faults=False)).map(lambda pair: [pair[0], *pair[1]])
    again = switches().map(lambda switch: [switch])
    return st.one_of(histories(faults=False), st.tuples(told, again).map(lambda pair: [*pair[0], *pair[1]]))


def _begun(one: Story, edits: tuple[LiveEdit, ...], past: Iterable[Step | Switched]) -> Story:
    """Tell a story from its account on, and return it."""
    one.tell([SomeoneEdits(edits), TimePasses(20.0), *past])
    return one


def _in_the_dark(one: Story) -> bool:
    """Say whether somebody restored what we archived: what the server lists is then learned wrong, and later right."""
    with one.world.ledger() as ledger:
        rows = ledger.records().bindings.values()
    ours = {row.id for row in rows if row.state is BindingState.ARCHIVED}
    return any(customer.id in ours for customer in one.world.api.account.active())


def _judged(one: Story) -> list[str]:
    """Return what the rules and the model of the API complain of."""
    return complaints(one.runs, *RULES, *PRICES) + one.world.api.complaints


@given(ways(), live_states(), terms(), _pasts())
def test_a_run_keeps_the_rules_and_costs_what_it_says(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, past: list[Step | Switched]
) -> None:
    with story(server, under) as one:
        assert _judged(_begun(one, edits, past)) == []


@given(ways(), live_states(), terms(), _pasts())
def test_a_plan_applied_leaves_nothing_to_plan(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, past: list[Step | Switched]
) -> None:
    with story(server, under) as one:
        _begun(one, edits, past)
        dark = _in_the_dark(one)
        first, second, *rest = (one.settled_run() for _ in range(3 + 2 * dark))
        # What differs after a restore was not to be seen before; a protection is lifted only once that is applied.
        restored = {change.address for change in first.applied.plan.changes if change.action is Action.RESTORE}
        lifted = {row.address for row in first.applied.plan.blocked if row.reason in PROTECTED}
        # Of two candidates none is chosen; where the plan archives one of them for another key, the other is left.
        gone = {change.id for change in first.applied.plan.changes if change.action is Action.ARCHIVE}
        freed = {row.address for row in first.applied.plan.blocked if gone.intersection(row.ids)}
        late = {Action.PATCH: restored | freed, Action.ARCHIVE: lifted}
        again = left(first, second)
        assert dark or [change for change in again if change.address not in late.get(change.action, ())] == []
        assert left([second, *rest][-2], rest[-1]) == []
        assert _judged(one) == []


@given(ways(), live_states(), terms(), _pasts())
def test_the_ways_out_leave_nothing_blocked(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, past: list[Step | Switched]
) -> None:
    with story(server, under) as one:
        _begun(one, edits, past)
        ran = one.settled_run()
        for _ in range(ROUNDS):
            if not ran.applied.plan.blocked:
                break
            follow(one, ran.applied.plan.blocked)
            one.settled_run()
            ran = one.settled_run()
        assert ran.applied.plan.blocked == ()
        assert _judged(one) == []


@given(ways(), live_states(), terms(), histories(ledger_lost=False))
def test_after_any_faults_nothing_is_doubled_and_two_runs_without_faults_end_every_doubt(
    server: Ways, edits: tuple[LiveEdit, ...], under: Terms, past: list[Step]
) -> None:
    with story(server, under) as one:
        _begun(one, edits, past)
        first, second, *rest = (one.settled_run() for _ in range(3 + 2 * _in_the_dark(one)))
        assert complaints(one.runs, nobody_is_doubled) == []
        assert one.world.api.complaints == []
        assert first.ended(Status.IN_DOUBT) == []
        assert second.records.intents == ()
        assert [row for row in first.applied.plan.blocked if row.reason is BlockedReason.CREATE_IN_DOUBT] == []
        assert left([second, *rest][-2], rest[-1]) == []


_SOURCE = Source("customers.yaml", 2, 3)
_ACME = DesiredCustomer(
    "acme", {"name": "Acme"}, _SOURCE, users=(DesiredUser("jane@x.example", {"first_name": "Jane"}, _SOURCE),)
)
_DESIRED = Desired({"acme": _ACME}, reading=Reading((SourceFile("customers.yaml", "0" * 64),)))


def _statuses(ran: Ran | None) -> list[Status]:
    assert ran is not None
    return [one.status for one in ran.applied.outcomes]


def _creates(one: Story) -> list[float]:
    return [seen.at for seen in one.world.api.writes() if seen.path == "/customers"]


def test_a_create_whose_answer_was_lost_is_looked_for_and_not_sent_again() -> None:
    with story(Ways(lag_s=8.0), TERMS, _DESIRED) as one:
        one.world.api.fault = scripted(["lost_after"])
        assert _statuses(one.run()) == [Status.DONE, Status.DONE]
        assert len(_creates(one)) == 1
        assert [customer.external_id for customer in one.world.api.account.customers()] == ["acme"]
        after = one.settled_run()
        assert (after.applied.plan.changes, after.applied.plan.blocked) == ((), ())


def test_a_create_that_was_lost_on_its_way_is_sent_again_once_the_lag_bound_has_passed() -> None:
    with story(Ways(lag_s=8.0), TERMS, _DESIRED) as one:
        one.world.api.fault = scripted(["lost_before"])
        assert _statuses(one.run()) == [Status.DONE, Status.DONE]
        first, second = _creates(one)
        assert second - first >= LAG_S
        assert [customer.external_id for customer in one.world.api.account.customers()] == ["acme"]


def test_a_user_whose_create_was_not_answered_is_not_created_twice() -> None:
    with story(Ways(lag_s=8.0), TERMS, _DESIRED) as one:
        one.world.api.fault = scripted([None, "500_after"])
        assert _statuses(one.run()) == [Status.DONE, Status.DONE]
        one.settled_run()
        (acme,) = one.world.api.account.customers()
        assert [user.email for user in acme.users] == ["jane@x.example"]


def test_a_create_that_is_lost_time_after_time_is_in_doubt_and_no_duplicate() -> None:
    with story(Ways(), TERMS, _DESIRED) as one:
        one.world.api.fault = scripted(["lost_before"] * 50)
        assert _statuses(one.run()) == [Status.IN_DOUBT, Status.SKIPPED]
        one.world.api.fault = healthy
        assert _statuses(one.settled_run()) == [Status.DONE, Status.DONE]
        assert [customer.external_id for customer in one.world.api.account.customers()] == ["acme"]
