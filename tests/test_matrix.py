"""
Every pair of ways of two open questions in one server: plan and apply reach what is declared, or say why not.

What somebody does right after a write of ours counts on each of them as soon as a list shows it. `bench/matrix.py` is
the long form: with deaths, drift and import, edits at more moments, and questions three by three.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from edits_by_hand import MOMENTS_S, wrong_at_once
from switch_matrix import SHIFTS, behaviour_of, history, rows, wrong

from reconciler.rules.questions import QUESTIONS

ROWS = list(rows())


def test_every_pair_of_ways_stands_in_a_row() -> None:
    pairs = {pair for row in ROWS for pair in combinations(row.items(), 2)}
    wanted = {
        ((one.key, way), (other.key, another))
        for one, other in combinations(QUESTIONS, 2)
        for way in one.ways
        for another in other.ways
    }
    assert wanted - pairs == set()


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_on_a_server_of_any_ways_a_run_reaches_what_it_can_and_says_what_it_cannot(number: int) -> None:
    # One way of losing the ledger for each row: all of them are in `bench/matrix.py`.
    shifts = [SHIFTS[number % len(SHIFTS)]]
    assert list(wrong(history(behaviour_of(ROWS[number]), shifts=shifts))) == []


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_on_a_server_of_any_ways_an_edit_right_after_our_write_counts_and_lag_is_no_edit(number: int) -> None:
    moment_s = MOMENTS_S[number % len(MOMENTS_S)]
    assert list(wrong_at_once(behaviour_of(ROWS[number]), [moment_s])) == []
