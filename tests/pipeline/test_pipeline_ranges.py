"""A listing in ranges, from run to run: what is learned, what it costs, what comes of a server that plays tricks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path

import httpx
import pytest
from api_account import Customer, Endpoint
from api_ways import Order, Ways
from prices import PRICES, is_narrow, window
from rulebook import RULES, complaints
from story import TERMS, Ran, Story
from world import World

from reconciler.errors import Source
from reconciler.model.core import Desired, DesiredCustomer, DesiredUser, Reading, SourceFile
from reconciler.model.ledger import Learned

FILE = "customers.yaml"
COUNT = 46


def _declared(count: int = COUNT, users: int = 0) -> Desired:
    """Return customers as the account holds them, the first `users` with a user."""
    customers = {}
    for number in range(count):
        jane = (DesiredUser(f"jane@c{number}.example", {}, Source(FILE, 1)),) if number < users else ()
        key = f"key-{number}"
        customers[key] = DesiredCustomer(key, {"name": f"Name {number}"}, Source(FILE, 1), jane)
    return Desired(customers, reading=Reading(files=(SourceFile(FILE, "0" * 64),)))


def _world(folder: Path, ways: Ways, count: int = COUNT) -> Story:
    """Return an account whose customers were created a minute apart, and are declared as they are."""
    world = World(folder, ways, rate_per_s=5.0)
    for number in range(count):
        world.api.account.create(external_id=f"key-{number}", name=f"Name {number}")
        world.wait(60)
    return Story(world, TERMS, _declared(count))


def _ran(told: Story) -> Ran:
    """Return one run, a minute later, that keeps every rule."""
    told.world.wait(60)
    ran = told.run()
    assert ran is not None
    assert complaints([ran], *RULES, *PRICES) == []
    return ran


def _ranges(ran: Ran) -> int:
    """Return how many ranges a run read."""
    lists = [one for one in ran.sent(Endpoint.LIST) if not is_narrow(one)]
    return len({window(one) for one in lists} - {""})


def _learned(told: Story) -> Learned:
    with told.world.ledger() as ledger:
        return ledger.records().learned


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("digits", [0, 6])
def test_the_second_run_reads_in_ranges_and_pays_what_it_says(tmp_path: Path, order: Order, digits: int) -> None:
    bounds = {"start_inclusive": False, "end_inclusive": False}
    told = _world(tmp_path, Ways(page_max=2, order=order, created_digits=digits, **bounds))
    first, second = _ran(told), _ran(told)
    assert [_ranges(first), _ranges(second)] == [0, 2]
    assert (second.applied.plan.empty, second.applied.plan.unchanged) == (True, COUNT)
    assert second.applied.plan.cost.overhead == second.applied.planning == 1 + 23 + 1
    assert _learned(told).narrows is True


def test_ranges_follow_an_account_that_grows(tmp_path: Path) -> None:
    told = _world(tmp_path, Ways(page_max=2), count=38)
    assert [_ranges(_ran(told)) for _ in range(2)] == [0, 0]
    for number in range(38, 70):
        told.world.api.account.create(external_id=f"key-{number}", name=f"Name {number}")
        told.world.wait(60)
    told.desired = _declared(70)
    assert [_ranges(_ran(told)) for _ in range(2)] == [0, 3]


@pytest.mark.parametrize(("count", "pages", "successors"), [(46, 12 + 12, 0 + 1), (47, 12 + 12, 1 + 0)])
def test_a_create_asks_the_last_page_of_a_range_for_its_successor_where_it_is_full(
    tmp_path: Path, count: int, pages: int, successors: int
) -> None:
    told = _world(tmp_path, Ways(page_max=2), count)
    _ran(told)
    told.desired = _declared(count + 1)
    ran = _ran(told)
    assert (_ranges(ran), ran.applied.plan.cost.requests) == (2, 1)
    # Without a plan before it, the account is listed a second time, in one.
    assert ran.applied.plan.cost.overhead == 1 + pages + ceil(count / 2) + successors


def test_a_server_that_does_not_narrow_is_asked_for_ranges_once(tmp_path: Path) -> None:
    told = _world(tmp_path, Ways(page_max=2, narrows=False))
    runs = [_ran(told) for _ in range(3)]
    assert [_ranges(ran) for ran in runs] == [0, 1, 0]
    assert runs[1].applied.planning == 1 + 1 + 23
    assert runs[2].applied.planning == 1 + 23
    assert (_learned(told).narrows, _learned(told).cuts) == (False, ())


def _hiding(world: World, hidden: Customer) -> Callable[[httpx.Request], httpx.Response]:
    """Return a server whose lists lack one customer wherever they are narrowed to more than a few seconds."""

    def answer(request: httpx.Request) -> httpx.Response:
        response = world.api.handler(request)
        query = request.url.params
        if "created_at_start" in query and "created_at_end" in query:
            return response
        if "created_at_start" not in query and "created_at_end" not in query:
            return response
        body = response.json()
        body["data"] = [row for row in body["data"] if row["id"] != hidden.id]
        return httpx.Response(response.status_code, json=body, headers={"date": response.headers["date"]})

    return answer


def test_a_server_whose_ranges_lack_somebody_is_found_out_and_nobody_is_taken_for_gone(tmp_path: Path) -> None:
    told = _world(tmp_path, Ways(page_max=2))
    told.world.wait(60)
    told.run()
    hidden = told.world.api.account.active()[3]
    told.world.answers = _hiding(told.world, hidden)
    told.world.wait(60)
    ran = told.run()
    assert ran is not None
    assert (ran.applied.plan.empty, ran.applied.plan.unchanged) == (True, COUNT)
    assert _learned(told).narrows is False
    assert _ranges(_ran(told)) == 0


def test_users_that_are_known_to_be_needed_are_listed_beside_the_pages(tmp_path: Path) -> None:
    told = _world(tmp_path, Ways(page_max=2))
    _ran(told)
    told.desired = _declared(users=5)
    ran = _ran(told)
    kinds = [one.endpoint for one in ran.seen[: ran.applied.planning] if one.endpoint is not Endpoint.TOKEN]
    assert kinds.count(Endpoint.USERS) == 5
    assert Endpoint.USERS in kinds[: kinds[::-1].index(Endpoint.LIST) * -1 - 1]
    assert ran.applied.plan.cost.overhead == ran.applied.planning


def test_users_of_a_customer_that_turns_out_to_be_archived_say_nothing(tmp_path: Path) -> None:
    told = _world(tmp_path, Ways(page_max=2))
    _ran(told)
    account = told.world.api.account
    account.put(replace(account.active()[0], archived=True))
    told.desired = _declared(users=1)
    ran = _ran(told)
    assert [change.action for change in ran.applied.plan.changes] == ["restore", "create_user"]
