"""What is known of the server: learned from what nothing else explains, stated, and contradicted by a listing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_values import NOW_S, TERMS, account, bound, ledger, there

from reconciler.model.core import Live
from reconciler.model.ledger import Binding, BindingState, Learned
from reconciler.plan.server_behavior import MANY, concluded, known_ways, learned_from, to_learn_from

LISTS = Learned(lists_archived=True, gets_archived=True, longest_page=100, empties="null", how="asked cus_1")
HIDES = replace(LISTS, lists_archived=False)
UNKNOWN = replace(LISTS, lists_archived=None, gets_archived=None, how="contradicted")


def shelved(number: int, *, written_s_ago: float = 60.0) -> Binding:
    key = f"k{number}"
    return bound(key, f"cus_{number}", state=BindingState.ARCHIVED, written_at=NOW_S - written_s_ago)


BOTH = account(there("cus_1", "k1"), there("cus_2", "k2"))
ONE = account(there("cus_1", "k1"))
NONE = account()
ALL = account(*(there(f"cus_{number}", f"k{number}") for number in range(MANY)))
SEEN = "not_listed cus_2"


@pytest.mark.parametrize(
    ("learned", "rows", "live", "after"),
    [
        (LISTS, [shelved(1), shelved(2)], BOTH, LISTS),
        (LISTS, [shelved(1), shelved(2)], ONE, UNKNOWN),
        (LISTS, [shelved(1), shelved(2, written_s_ago=5)], ONE, LISTS),  # it may be unseen yet
        (LISTS, [bound("k1", "cus_1")], NONE, LISTS),  # not archived by us
        (LISTS, [shelved(2)], NONE, replace(HIDES, gets_archived=None, how=SEEN)),
        (Learned(), [shelved(2)], NONE, Learned(lists_archived=False, how=SEEN)),
        (Learned(), [shelved(2, written_s_ago=5)], NONE, Learned()),
        (Learned(), [shelved(1), shelved(2)], ONE, Learned()),
        (Learned(), [shelved(1), shelved(2)], BOTH, Learned()),
        (Learned(), [shelved(1)], replace(NONE, narrowed=True), Learned()),
        (HIDES, [shelved(1), shelved(2)], NONE, HIDES),
        (HIDES, [shelved(1), shelved(2)], ONE, HIDES),
        (HIDES, [shelved(1), shelved(2)], BOTH, HIDES),  # both may have been restored by hand
        (HIDES, [shelved(number) for number in range(MANY)], ALL, UNKNOWN),
        (HIDES, [shelved(number) for number in range(MANY + 1)], ALL, HIDES),
        (HIDES, [], BOTH, HIDES),
    ],
)
def test_only_what_a_restore_by_hand_does_not_explain_is_learned_from_a_listing(
    learned: Learned, rows: list[Binding], live: Live, after: Learned
) -> None:
    assert learned_from(ledger(*rows, learned=learned), live, TERMS) == after


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
        ([shelved(1, written_s_ago=5)], "cus_1"),
        ([shelved(1), shelved(2, written_s_ago=30)], "cus_2"),
        ([shelved(1, written_s_ago=30), shelved(3)], "cus_3"),  # not listed, which tells most
        ([replace(shelved(1), created_at="")], None),
        ([replace(shelved(1), written_at=0.0)], None),
    ],
)
def test_the_newest_archive_of_ours_that_is_old_enough_is_asked_about(rows: list[Binding], asked: str | None) -> None:
    row = to_learn_from(ledger(*rows), Learned(), TERMS, BOTH)
    assert (row and row.id) == asked


def test_one_that_was_asked_about_in_vain_is_not_asked_about_again_while_it_is_listed() -> None:
    asked = concluded(Learned(), shelved(1), listed=True, got=True)
    assert asked == Learned(asked_at=NOW_S - 60)
    assert to_learn_from(ledger(shelved(1)), asked, TERMS, BOTH) is None
    assert to_learn_from(ledger(shelved(1)), asked, TERMS, NONE) is not None
    assert to_learn_from(ledger(shelved(1), shelved(2, written_s_ago=30)), asked, TERMS, BOTH) == shelved(
        2, written_s_ago=30
    )


@pytest.mark.parametrize(
    ("listed", "got", "ways"),
    [
        (False, False, (False, False)),
        (False, True, (False, True)),
        (True, False, (True, False)),
        (True, True, (None, None)),  # so it is where it was restored by hand, too
    ],
)
def test_what_the_server_answers_of_an_archived_customer_is_learned_unless_a_restore_explains_it(
    *, listed: bool, got: bool, ways: tuple[bool | None, bool | None]
) -> None:
    assert known_ways(concluded(Learned(), shelved(1), listed=listed, got=got), TERMS) == ways


def test_nothing_is_asked_where_both_ways_are_known_or_stated() -> None:
    stated = replace(TERMS, lists_archived=False, gets_archived=True)

    assert to_learn_from(ledger(shelved(1)), LISTS, TERMS, BOTH) is None
    assert to_learn_from(ledger(shelved(1)), Learned(), stated, BOTH) is None
    assert to_learn_from(ledger(shelved(1)), Learned(), replace(stated, gets_archived=None), BOTH) is not None
