"""An account that an integration fills and edits, on servers of random ways: nothing is fought over, nobody doubled."""

from __future__ import annotations

from collections import Counter

import pytest
from synced_histories import history

HISTORIES = 40
"""`bench/matrix.py --integration 1000` tells a thousand."""


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_whatever_an_integration_does_a_run_fights_it_twice_at_most_and_doubles_nobody(seed: int) -> None:
    assert history(seed).wrong == []


def test_the_histories_have_all_that_they_are_about() -> None:
    wanted = {"runs", "create", "patch", "archive", "restore", "blocks", "integration created", "integration archived"}
    done: Counter[str] = Counter()
    for seed in range(HISTORIES):
        done += history(seed).counts
        if wanted <= done.keys():
            return
    assert wanted - done.keys() == set()
