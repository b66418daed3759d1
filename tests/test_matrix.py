"""
Every pair of ways of two open questions in one server: plan and apply reach what is declared, or say why not.

`bench/matrix.py` is the long form: with deaths, drift and import, and questions three by three.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from crossed import behaviour_of, history, rows
from crossed_rules import wrong

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
    assert list(wrong(history(behaviour_of(ROWS[number])))) == []
