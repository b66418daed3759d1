"""What an import cannot write is named with its reason, and a plan of what it wrote does nothing about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command_line import Online

pytest_plugins = ("command_fixtures",)

TWINS = [
    {"email": "jane@x.example", "first_name": "Lower"},
    {"email": "Jane@X.Example", "first_name": "Upper"},
    {"email": "joe@x.example", "first_name": "Joe"},
]


def warnings(shop: Online, *words: str) -> list[str]:
    """Import everything into live.yaml, and return the warnings."""
    ran = shop.run("import", "-o", "live.yaml", *words)
    assert ran.code == 0, ran.err
    return [line.removeprefix("warning: ") for line in ran.err.splitlines() if line.startswith("warning: ")]


def nothing_to_do(shop: Online) -> None:
    """Assert that a plan of the import, an apply of it and the plan after that change nothing."""
    for words in (["plan", "--detailed-exitcode"], ["apply", "--auto-approve"], ["plan", "--detailed-exitcode"]):
        ran = shop.run(*words, "-f", "live.yaml")
        assert ran.code == 0, ran.all
    assert shop.writes() == []


@pytest.mark.parametrize("users", [TWINS, TWINS[::-1]])
def test_users_whose_addresses_differ_in_case_alone_are_named_and_planned_to_nothing(
    shop: Online, users: list[dict[str, str]]
) -> None:
    shop.load({"external_id": "acme", "name": "A", "email": "a@x.example", "users": users})
    assert warnings(shop) == [
        "acme: the user 'jane@x.example' is left out: its address is that of 'Jane@X.Example', ignoring case"
    ]
    assert "first_name: Upper" in (shop.folder / "live.yaml").read_text("utf-8")
    nothing_to_do(shop)


def test_users_without_an_address_and_with_one_that_is_none_are_named_and_planned_to_nothing(shop: Online) -> None:
    odd = [{"email": "", "first_name": "A"}, {"first_name": "B"}, {"email": "no address"}, TWINS[2]]
    shop.load({"external_id": "acme", "name": "A", "email": "a@x.example", "users": odd})
    assert warnings(shop) == [
        "acme: a user is left out: 'no address' is not an email address",
        "acme: 2 users are left out: a user without an email address cannot be declared",
    ]
    nothing_to_do(shop)


def test_values_that_no_file_may_hold_are_named_and_planned_to_nothing(shop: Online) -> None:
    shop.load({"external_id": "b", "name": "\u200b", "email": "nope", "ein": "12"})
    assert warnings(shop) == [
        "b: name is left out: '\\u200b' is blank",
        "b: ein is left out: '##' is not an EIN",
        "b: email is left out: 'nope' is not an email address",
    ]
    nothing_to_do(shop)


def test_customers_that_we_archived_and_that_are_listed_still_are_counted(shop: Online) -> None:
    shop.emulator.behaviour = replace(shop.emulator.behaviour, lists_archived=True)
    text = "customers:\n  acme: {name: A, email: a@x.example}\n  globex: {name: G, email: g@x.example}\n"
    assert shop.applied(text).code == 0
    assert shop.applied(text.replace("name: G,", "name: G, archived: true,")).code == 0
    shop.later()
    assert warnings(shop) == ["1 customer is left out: archived by Reconciler"]
