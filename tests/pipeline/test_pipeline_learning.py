from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from api_ways import Ways
from world import World, done

from reconciler.errors import Source
from reconciler.model import Desired, DesiredCustomer, Reading, SourceFile

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

    learning = world.apply(declared(range(249)))

    with world.ledger() as ledger:
        learned = ledger.records().learned
    assert (learned.lists_archived, learned.gets_archived) == (lists_archived, True)
    assert (learning.planning, learning.requests) == (4, 2)
    assert learning.plan.cost.overhead == 6
