"""What is known of the server: learned, stated, and overruled by what a listing shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_parts import CREATED_AT, NOW_S, TERMS, account, bound, ledger, there

from reconciler.model import CustomerId, Live
from reconciler.plan.ways import known_ways, overruled, to_learn_from
from reconciler.records import Binding, BindingState, Learned

LISTS = Learned(lists_archived=True, gets_archived=True, longest_page=100, empties="null", how="from cus_1")
HIDES = replace(LISTS, lists_archived=False)
UNKNOWN = replace(LISTS, lists_archived=None, gets_archived=None, how="a later listing contradicted it")


def shelved(number: int, *, written_s_ago: float = 60.0) -> Binding:
    key = f"k{number}"
    return bound(key, f"cus_{number}", state=BindingState.ARCHIVED, written_at=NOW_S - written_s_ago)


BOTH = account(there("cus_1", "k1"), there("cus_2", "k2"))
ONE = account(there("cus_1", "k1"))


@pytest.mark.parametrize(
    ("learned", "rows", "live", "after"),
    [
        (LISTS, [shelved(1), shelved(2)], BOTH, LISTS),
        (LISTS, [shelved(1), shelved(2)], ONE, UNKNOWN),
        (LISTS, [shelved(1), shelved(2, written_s_ago=5)], ONE, LISTS),  # it may be unseen yet
        (LISTS, [bound("k1", "cus_1")], account(), LISTS),  # not archived by us
        (HIDES, [shelved(1), shelved(2)], account(), HIDES),
        (HIDES, [shelved(1), shelved(2)], ONE, HIDES),  # one was restored by hand
        (HIDES, [shelved(1)], ONE, HIDES),
        (HIDES, [shelved(1), shelved(2)], BOTH, UNKNOWN),
        (HIDES, [shelved(1), shelved(2, written_s_ago=5)], BOTH, HIDES),
        (HIDES, [], BOTH, HIDES),
        (Learned(), [shelved(1), shelved(2)], BOTH, Learned()),
    ],
)
def test_a_listing_that_contradicts_what_was_learned_makes_it_unknown(
    learned: Learned, rows: list[Binding], live: Live, after: Learned
) -> None:
    assert overruled(ledger(*rows, learned=learned), live, TERMS) == after


def test_what_the_environment_states_goes_before_what_was_learned() -> None:
    assert known_ways(LISTS, TERMS) == (True, True)
    assert known_ways(LISTS, replace(TERMS, lists_archived=False)) == (False, True)
    assert known_ways(Learned(), replace(TERMS, gets_archived=False)) == (None, False)


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        ([], None),
        ([bound("k1", "cus_1", written_at=NOW_S - 60)], None),
        ([shelved(1, written_s_ago=4)], None),
        ([shelved(1, written_s_ago=5)], ("cus_1", CREATED_AT)),
        ([shelved(1), shelved(2, written_s_ago=30)], ("cus_2", CREATED_AT)),
        ([replace(shelved(1), created_at="")], None),
        ([replace(shelved(1), written_at=0.0)], None),
    ],
)
def test_the_newest_archive_of_ours_that_is_old_enough_is_asked_about(
    rows: list[Binding], asked: tuple[CustomerId, str] | None
) -> None:
    assert to_learn_from(ledger(*rows), Learned(), TERMS, NOW_S) == asked


def test_nothing_is_asked_where_both_ways_are_known_or_stated() -> None:
    stated = replace(TERMS, lists_archived=False, gets_archived=True)

    assert to_learn_from(ledger(shelved(1)), LISTS, TERMS, NOW_S) is None
    assert to_learn_from(ledger(shelved(1)), Learned(), stated, NOW_S) is None
    assert to_learn_from(ledger(shelved(1)), Learned(), replace(stated, gets_archived=None), NOW_S) is not None
