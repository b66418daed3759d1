"""Windows of a policy: when they are open, by the clocks of their zone, and what a closed one holds back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from plan_values import TERMS, account, customer, declared, ledger

from reconciler.errors import Source
from reconciler.model.core import Action, Address, Reason
from reconciler.model.plan import Change, Exceeded
from reconciler.model.policy import Terms, Window
from reconciler.plan.limits import closed, is_open, opens_at
from reconciler.plan.make import make_plan

EVERY_DAY = frozenset(range(7))
BERLIN = ZoneInfo("Europe/Berlin")
RULE = Source("reconciler.yaml", 9, 11)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def window(opens: int, closes: int, *days: int, actions: frozenset[Action] = frozenset(Action)) -> Window:
    return Window(actions, frozenset(days) or EVERY_DAY, opens * 60, closes * 60, BERLIN, f"{opens}-{closes}", RULE)


def archive(key: str) -> Change:
    return Change(Action.ARCHIVE, Address(key), None, Reason.ENTRY_GONE)


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ("2026-01-05T07:59:59", False),  # a Monday in winter: Berlin is an hour ahead
        ("2026-01-05T08:00:00", True),
        ("2026-01-05T15:59:59", True),
        ("2026-01-05T16:00:00", False),
        ("2026-01-04T10:00:00", False),  # a Sunday
        ("2026-07-06T07:00:00", True),  # a Monday in summer: two hours ahead
        ("2026-07-06T06:59:59", False),
    ],
)
def test_a_window_is_open_by_the_clocks_of_its_zone(moment: str, opened: bool) -> None:
    assert is_open(window(9, 17, 0, 1, 2, 3, 4), at(moment)) is opened


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ("2026-01-09T20:59:00", False),
        ("2026-01-09T21:00:00", True),  # Friday 22:00
        ("2026-01-10T04:59:00", True),  # Saturday 05:59 belongs to Friday's night
        ("2026-01-10T05:00:00", False),
        ("2026-01-10T21:00:00", False),  # Saturday 22:00 opens nothing
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens(moment: str, opened: bool) -> None:
    assert is_open(window(22, 6, 4), at(moment)) is opened


def test_an_hour_that_the_clocks_leave_out_opens_nothing_and_its_rest_does() -> None:
    # On 29 March 2026 Berlin's clocks go from 02:00 to 03:00, at 01:00 UTC.
    gone, longer = window(2, 3, 6), window(2, 4, 6)
    assert [is_open(gone, at("2026-03-29T00:59:00")), is_open(gone, at("2026-03-29T01:00:00"))] == [False, False]
    assert opens_at([gone], at("2026-03-28T12:00:00")) == at("2026-04-05T00:00:00")
    assert opens_at([longer], at("2026-03-28T12:00:00")) == at("2026-03-29T01:00:00")


def test_an_hour_that_the_clocks_show_twice_is_open_twice() -> None:
    # On 25 October 2026 Berlin's clocks show 02:30 at 00:30 and at 01:30 UTC.
    one = window(2, 3, 6)
    moments = ("2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-25T02:00:00")
    assert [is_open(one, at(moment)) for moment in moments] == [True, True, False]


def test_a_closed_window_says_how_many_it_holds_back_where_it_is_written_and_when_it_opens() -> None:
    rule = window(9, 17, 0, 1, 2, 3, 4, actions=frozenset({Action.ARCHIVE}))
    create = Change(Action.CREATE, Address("new"), None, Reason.DECLARED)
    assert closed([archive("a"), archive("b"), create], [rule], at("2026-01-09T20:00:00")) == (
        Exceeded("windows", 2, 0, "", RULE, Action.ARCHIVE, "9-17", "2026-01-12T08:00:00Z"),
    )


def test_of_several_windows_for_an_action_one_that_is_open_allows_it() -> None:
    assert closed([archive("a")], [window(9, 10), window(10, 11)], at("2026-01-09T09:30:00")) == ()


def test_a_window_that_holds_back_nothing_of_the_plan_is_not_shown() -> None:
    assert closed([], [window(9, 10)], at("2026-01-09T20:00:00")) == ()


def test_a_window_that_never_opens_again_has_no_moment() -> None:
    never = Window(frozenset(Action), frozenset(), 0, 60, BERLIN, "never")
    assert opens_at([never], at("2026-01-09T20:00:00")) is None


def test_a_plan_shows_the_windows_that_are_closed_when_it_is_made() -> None:
    # The listing of the tests' account began at 2026-01-01T00:00:00Z, a Thursday.
    terms = Terms(TERMS.environment, windows=(window(9, 17),))
    plan = make_plan(declared(customer("acme")), account(), ledger(), terms).plan
    assert plan.limits == (Exceeded("windows", 1, 0, "", RULE, Action.CREATE, "9-17", "2026-01-01T08:00:00Z"),)
