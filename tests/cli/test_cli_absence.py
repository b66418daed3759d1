"""A customer is created only where two listings prove that it does not exist; what that costs, and where it is free."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import postgres_server
import pytest
from command_line import Online, Ran

from reconciler.emulator.calls import Call
from reconciler.emulator.faults import Amounts, Fault
from reconciler.rules import Behaviour
from reconciler.rules.behaviour import Order, Paging, Unique

pytest_plugins = ("command_fixtures",)

COUNT, PAGE = 35, 10
PAGES = 4
DAY_S = 24 * 3600


class Between:
    """Somebody else who does `act` between two pages of a list, `times` times."""

    amounts = Amounts()
    kept_s = 0.0

    def __init__(self, act: Callable[[], None], times: int) -> None:
        self._act = act
        self._left = times

    def draw(self, call: Call) -> Fault | None:
        """Do it before the list's next page is answered; no request fails by it."""
        if self._left and call.path == "/customers" and "after" in call.parameters:
            self._left -= 1
            self._act()
        return None

    def as_json(self) -> Mapping[str, object]:
        """Return nothing: nobody asks."""
        return {}


def text(count: int, *more: str) -> str:
    keys = (*(f"c{number}" for number in range(count)), *more)
    return "customers:\n" + "".join(f"  {key}: {{name: C, email: {key}@x.example}}\n" for key in keys)


def account(shop: Online, count: int = COUNT) -> None:
    """Let an account of several pages be there, and all of it be declared."""
    shop.emulator.behaviour = Behaviour(
        page_max=PAGE, paging=Paging.OFFSET, unique=Unique.NONE, order=Order.NEWEST, lag_s=0.0
    )
    shop.load(
        *(
            {
                "external_id": f"c{number}",
                "name": "C",
                "email": f"c{number}@x.example",
                "created_at": f"2026-01-01T00:{number:02}:00Z",
            }
            for number in range(count)
        )
    )
    shop.write("customers.yaml", text(count))


def bound(shop: Online, count: int = COUNT) -> None:
    """Let a ledger bind all of them, and time pass."""
    account(shop, count)
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    shop.later()


def apply(shop: Online, *words: str) -> Ran:
    return shop.run("apply", *(words or ("-f", "customers.yaml")), "--auto-approve")


def sent(shop: Online, *words: str, code: int = 0) -> int:
    """Run a command, and return how many requests it sent."""
    before = shop.requests()
    ran = shop.run(*words)
    assert ran.code == code, ran.all
    return shop.requests() - before


def price(shop: Online, *words: str) -> int:
    """Return what a plan says that an apply of it costs."""
    ran = shop.run("plan", "-f", "customers.yaml", "--format", "json", *words)
    cost = ran.json["cost"]
    return cost["requests"] + cost["overhead"]


def lose(shop: Online) -> None:
    """Lose the ledger."""
    for path in Path(shop.variables["RECONCILER_STATE"]).parent.glob("ledger.db*"):
        path.unlink()


def twice(shop: Online) -> list[str]:
    """Return who is active more than once."""
    active = Counter(fields["external_id"] for fields, archived, _ in shop.account().values() if not archived)
    return [key for key, count in active.items() if count > 1]


def archive_one(shop: Online, number: int, chance: random.Random) -> None:
    """Archive a customer that a list shows early."""
    alive = [one for one in shop.emulator.account.customers.values() if not one.archived]
    alive.sort(key=lambda one: -one.created_us)
    shop.load({"id": chance.choice(alive[:number]).id, "archived": True})


@pytest.mark.parametrize("seed", range(20))
def test_without_a_ledger_nobody_is_doubled_whom_a_listing_passed_over(shop: Online, seed: int) -> None:
    account(shop)
    chance = random.Random(seed)  # noqa: S311 - a test of the same chances each time
    shop.emulator.faults = Between(lambda: archive_one(shop, PAGE, chance), times=1 + seed % 3)
    ran = apply(shop)
    assert (ran.code, twice(shop)) == (0, [])
    shop.later()
    assert apply(shop).code == 0
    assert twice(shop) == []


def test_while_every_listing_is_disturbed_nothing_is_created_and_the_plan_says_why(shop: Online) -> None:
    account(shop)
    chance = random.Random(1)  # noqa: S311 - the same
    shop.write("customers.yaml", text(COUNT, "new"))
    shop.emulator.faults = Between(lambda: archive_one(shop, 3, chance), times=1000)
    ran = apply(shop)
    assert (ran.code, shop.writes(), twice(shop)) == (3, [], [])
    assert "It may exist already: 4 listings of the account in a row held different customers" in " ".join(
        ran.out.split()
    )
    shop.emulator.faults = Between(lambda: None, times=0)
    shop.later()
    assert (apply(shop).code, "POST /customers" in shop.writes(), twice(shop)) == (0, True, [])


def test_customers_that_others_create_while_the_account_is_listed_cost_nothing(shop: Online) -> None:
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    shop.emulator.faults = Between(lambda: shop.load({"external_id": "theirs", "name": "T"}) and None, times=1)
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == 1 + 2 * PAGES + 1


def test_a_plan_lists_once_and_so_does_the_apply_after_it_as_the_ledger_remembers_it(shop: Online) -> None:
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    assert price(shop) == 1 + PAGES + 1
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == 1 + PAGES + 1
    assert twice(shop) == []


def test_a_ledger_that_machines_share_remembers_it_for_all(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = postgres_server.database("absence")
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    assert sent(shop, "plan", "-f", "customers.yaml") == 1 + PAGES
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == 1 + PAGES + 1


def test_a_saved_plan_carries_it_where_there_is_no_ledger(shop: Online) -> None:
    account(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    assert sent(shop, "plan", "-f", "customers.yaml", "--out", "a.plan") == 1 + PAGES
    assert sent(shop, "apply", "a.plan", "-f", "customers.yaml", "--auto-approve") == 1 + PAGES + 1
    assert json.loads((shop.folder / "a.plan").read_text())["saved"]["held"]


def test_a_plan_that_is_kept_nowhere_prices_the_second_listing_and_says_so(shop: Online) -> None:
    account(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    shown = " ".join(shop.run("plan", "-f", "customers.yaml").out.split())
    assert f"That takes {PAGES} more requests; a plan saved with `--out` does not need them." in shown
    priced = price(shop)
    assert priced == 1 + 2 * PAGES + 1
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == priced


@pytest.mark.parametrize("count", [30, 31])
def test_a_full_last_page_is_asked_for_its_successor_in_each_listing(shop: Online, count: int) -> None:
    account(shop, count)
    shop.write("customers.yaml", text(count, "new"))
    priced = price(shop)
    assert priced == 1 + 2 * 4 + 1
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == priced


def test_a_plan_of_yesterday_proves_nothing(shop: Online) -> None:
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    shop.run("plan", "-f", "customers.yaml", "--out", "a.plan")
    shop.emulator.offset_s += DAY_S + 1
    assert sent(shop, "apply", "a.plan", "-f", "customers.yaml", "--auto-approve") == 1 + 2 * PAGES + 1


def test_where_somebody_was_archived_since_the_plan_the_account_is_listed_once_more(shop: Online) -> None:
    bound(shop)
    shop.load({"external_id": "strange", "name": "S", "created_at": "2026-01-01T00:40:00Z"})
    shop.write("customers.yaml", text(COUNT, "new"))
    shop.run("plan", "-f", "customers.yaml", "--out", "a.plan")
    shop.load({"id": shop.id_of("strange"), "archived": True})
    assert sent(shop, "apply", "a.plan", "-f", "customers.yaml", "--auto-approve") == 1 + 2 * PAGES + 1


def test_an_apply_that_its_budget_ended_need_not_prove_the_rest_again(shop: Online) -> None:
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new-1", "new-2", "new-3"))
    # The token, two listings, two creates, and one that is kept for settling.
    words = ("apply", "-f", "customers.yaml", "--auto-approve")
    sent(shop, *words, "--max-requests", str(1 + 2 * PAGES + 3), code=2)
    assert shop.writes().count("POST /customers") == 2
    shop.later()
    assert sent(shop, *words) == 1 + PAGES + 1
    assert twice(shop) == []


def test_a_listing_from_before_a_create_proves_nothing_after_it(shop: Online) -> None:
    bound(shop)
    shop.write("customers.yaml", text(COUNT, "new"))
    shop.run("plan", "-f", "customers.yaml")
    assert apply(shop).code == 0
    shop.run("state", "rm", "new")
    shop.later()
    shop.load({"id": shop.id_of("new"), "created_at": "2026-01-01T00:24:30Z"})
    # It is bound no more, and the listing passes over it: it stands first on the second page.
    shop.emulator.faults = Between(lambda: shop.load({"id": shop.id_of("c30"), "archived": True}) and None, times=1)
    apply(shop)
    assert twice(shop) == []


def test_an_account_of_one_page_and_a_plan_without_a_create_are_listed_once(shop: Online) -> None:
    bound(shop, PAGE - 1)
    shop.write("customers.yaml", text(PAGE - 1, "new"))
    # The token, the page and what follows a full one, the create.
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == 1 + 2 + 1
    bigger = text(PAGE - 1, "new").replace("c1: {name: C", "c1: {name: Other")
    shop.write("customers.yaml", bigger)
    shop.later()
    assert sent(shop, "apply", "-f", "customers.yaml", "--auto-approve") == 1 + 1 + 1


def test_a_seed_proves_it_too(shop: Online) -> None:
    account(shop)
    assert sent(shop, "seed", "--customers", "3", "--auto-approve") == 1 + 2 * PAGES + 3
