from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from api_ways import Ways
from world import World, done

from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredCustomer, Reading, SourceFile

FILE = "customers.yaml"


def declared(keys: Iterable[int]) -> Desired:
    customers = {f"key-{key}": DesiredCustomer(f"key-{key}", {"name": f"Name {key}"}, Source(FILE, 1)) for key in keys}
    return Desired(customers, reading=Reading(files=(SourceFile(FILE, "0" * 64),)))


@pytest.mark.parametrize("lists_archived", [False, True])
def test_learning_takes_two_requests_also_where_many_customers_were_created_at_once(
    tmp_path: Path, *, lists_archived: bool
) -> None:
    world = World(tmp_path, Ways(lists_archived=lists_archived, gets_archived=True))
    assert done(world.apply(declared(range(250))).outcomes)
    world.wait(60)
    assert done(world.apply(declared(range(249))).outcomes)
    world.wait(60)

    learning, later = world.apply(declared(range(249))), world.apply(declared(range(249)))

    with world.ledger() as ledger:
        learned = ledger.records().learned
    # One that is listed and found may have been restored by hand: that is asked about once, and teaches nothing.
    assert (learned.lists_archived, learned.gets_archived) == ((None, None) if lists_archived else (False, True))
    assert (learning.planning, learning.requests) == (4, 2)
    assert learning.plan.cost.overhead == 6
    assert later.requests == 0


@pytest.mark.parametrize(
    ("ways", "first", "later", "learned"),
    [
        (Ways(page_max=1000), 1 + 1 + 1, 1 + 1, 1000),
        (Ways(page_max=100), 1 + 3 + 1, 1 + 3, 100),
        (Ways(page_max=100, larger_refused=True), 1 + 3 + 1, 1 + 3, 100),
        (Ways(page_max=40), 1 + 7, 1 + 7, 0),
    ],
    ids=["taken", "cut", "refused", "short already"],
)
def test_longer_pages_are_tried_in_one_run_and_remembered(
    tmp_path: Path, ways: Ways, first: int, later: int, learned: int
) -> None:
    world = World(tmp_path, ways)
    world.apply(declared(range(250)))
    world.wait(60)

    spent = [world.apply(declared(range(250))) for _ in range(3)]

    assert [run.planning for run in spent] == [first, later, later]
    assert [run.plan.cost.overhead for run in spent] == [first, later, later]
    with world.ledger() as ledger:
        assert ledger.records().learned.page_limit == learned


def test_a_server_that_takes_long_pages_no_more_is_found_out_once(tmp_path: Path) -> None:
    world = World(tmp_path, Ways(page_max=1000))
    for _ in range(2):
        world.apply(declared(range(250)))
        world.wait(60)
    world.api.ways = replace(world.api.ways, page_max=100, larger_refused=True)

    spent = [world.apply(declared(range(250))).planning for _ in range(2)]

    assert spent == [1 + 1 + 3, 1 + 3]
    with world.ledger() as ledger:
        assert (ledger.records().learned.page_limit, ledger.records().learned.longest_page) == (100, 100)
