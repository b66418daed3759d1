from __future__ import annotations

import pytest
from command_line import THREE, Online

pytest_plugins = ("command_fixtures",)


def test_the_first_run_knows_no_size_and_the_next_one_the_price_that_is_then_paid(shop: Online) -> None:
    shop.load(*({"name": f"C{number}", "external_id": f"c{number}"} for number in range(130)))
    shop.write("customers.yaml", THREE)
    words = ("plan", "--rate", "300", "-f", "customers.yaml")
    assert shop.run("apply", "--auto-approve", "--rate", "300", "-f", "customers.yaml").err.startswith(
        "reading the account: its size is still unknown\n"
    )
    before = shop.requests()
    assert shop.run(*words).err == "reading the account: about 3 requests, 0 s at 300 per second\n"
    assert shop.requests() - before == 3


@pytest.mark.parametrize("words", [("plan", "-f", "customers.yaml"), ("import",)])
def test_without_a_limit_no_price_is_worth_a_line(shop: Online, words: tuple[str, ...]) -> None:
    shop.applied(THREE)
    assert "reading the account" not in shop.run(*words).err


def test_import_says_its_price_too(shop: Online) -> None:
    shop.applied(THREE)
    shop.run("plan", "-f", "customers.yaml")
    err = shop.run("import", "--rate", "300").err
    assert err.startswith("reading the account: about 2 requests, 0 s at 300 per second\n")


def test_users_that_are_to_be_listed_are_in_the_price(shop: Online) -> None:
    shop.applied("customers:\n  acme: {name: Acme, email: billing@acme.example}\n")
    shop.applied(THREE)
    shop.later()
    words = ("plan", "--rate", "300", "--refresh", "full", "-f", "customers.yaml")
    before = shop.requests()
    assert shop.run(*words).err == "reading the account: about 3 requests, 0 s at 300 per second\n"
    assert shop.requests() - before == 3
