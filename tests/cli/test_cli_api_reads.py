"""`api … list` and `get`: the reply as it came, whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_line import Online, Place, answers, raw, variables_of, web_server

from reconciler import __version__
from reconciler.emulator.faults import Fault, On, Scripted
from reconciler.rules import Behaviour

pytest_plugins = ("command_fixtures",)


def loaded(shop: Online, number: int) -> list[str]:
    """Put so many customers into the account and return their ids in the order of a list."""
    made = (
        {"external_id": f"c{place}", "name": f"Customer {place}", "created_at": f"2026-01-01T00:00:0{place}Z"}
        for place in range(number)
    )
    return sorted(shop.load(*made))


def ids(document: Any) -> list[str]:  # noqa: ANN401 - a document
    return [row["id"] for row in document["data"]]


def test_a_customer_is_printed_as_the_api_replies_with_fields_that_are_not_known(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(extra_fields=True)
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("api", "customers", "get", customer)
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["id"], ran.json["name"], ran.json["balance"]) == (
        customer,
        "Acme",
        {"amount": 0, "currency": "USD"},
    )


def test_a_list_is_one_page_unless_all_are_asked_for(shop: Online) -> None:
    every = loaded(shop, 5)
    page = shop.run("api", "customers", "list", "--limit", "2")
    assert (ids(page.json), page.json["has_next_page"]) == (every[:2], True)
    following = shop.run("api", "customers", "list", "--limit", "2", "--after", page.json["end_cursor"])
    assert ids(following.json) == every[2:4]
    before = shop.run("api", "customers", "list", "--limit", "2", "--before", following.json["start_cursor"])
    assert ids(before.json) == every[:2]


def test_all_pages_are_one_list_with_each_customer_once(shop: Online) -> None:
    every = loaded(shop, 5)
    ran = shop.run("api", "customers", "list", "--limit", "2", "--all")
    assert (ran.code, list(ran.json), ids(ran.json)) == (0, ["data"], every)
    assert shop.requests() == 4  # a token and three pages


def test_a_full_page_that_says_it_is_the_last_is_asked_for_what_follows_it(shop: Online) -> None:
    every = loaded(shop, 4)
    shop.emulator.faults = Scripted({2: Fault.PAGE_ENDS_EARLY}, of=On.ALL.takes)
    ran = shop.run("api", "customers", "list", "--limit", "2", "--all")
    assert (ran.code, ids(ran.json)) == (0, every)


def test_all_pages_of_a_list_that_ends_nowhere_print_nothing(here: Place) -> None:
    page = {"data": [{"id": "cus_1"}], "has_next_page": True, "end_cursor": "same"}
    with web_server(answers(lambda _: page)) as (url, _):
        ran = here.run("api", "customers", "list", "--all", **variables_of(url))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: GET /customers: a page's cursor is a repeat, so the list has no end\n"


def test_all_pages_that_the_budget_has_no_room_for_print_nothing(shop: Online) -> None:
    loaded(shop, 3)
    ran = shop.run("api", "customers", "list", "--all", "--limit", "2", "--max-requests", "2")
    assert (ran.code, ran.out) == (2, "")


def test_the_filters_of_a_list_reach_the_api(shop: Online) -> None:
    loaded(shop, 3)
    ran = shop.run("api", "customers", "list", "--company-name", "Customer 1", "--all")
    assert [row["external_id"] for row in ran.json["data"]] == ["c1"]
    for option, number in (("--created-at-start", 0), ("--created-at-end", 3)):
        assert len(ids(shop.run("api", "customers", "list", option, "2027-01-01T00:00:00+01:00").json)) == number


def test_users_and_payment_methods_are_printed_as_the_api_replies(shop: Online) -> None:
    shop.applied("customers: {acme: {name: A, email: a@b.example, users: {jane@acme.example: {first_name: Jane}}}}")
    acme = shop.id_of("acme")
    shop.emulator.account.payment_methods[acme] = [{"id": "pm_1", "type": "card", "last4": "4242"}]
    users = shop.run("api", "users", "list", acme, "--all").json["data"]
    assert [(user["email"], user["first_name"]) for user in users] == [("jane@acme.example", "Jane")]
    methods = shop.run("api", "payment-methods", "list", acme).json
    assert methods == {"data": [{"id": "pm_1", "type": "card", "last4": "4242"}]}
    assert shop.run("api", "payment-methods", "get", acme, "pm_1").json == methods["data"][0]


@pytest.mark.parametrize(
    ("body", "printed"),
    [(b"", "null\n"), (b"[1]", "[\n  1\n]\n"), (b'{"a": NaN}', '{"a": null}\n'), (b'"\xe2\x80\xae"', '"\\u202e"\n')],
)
def test_a_reply_of_any_shape_is_printed_as_json(here: Place, body: bytes, printed: str) -> None:
    def page(_: str, target: str) -> tuple[int, str, bytes]:
        token = json.dumps({"access_token": "tok", "expires_in": 3600}).encode()
        return 200, "application/json", token if target == "/oauth/token" else body

    with web_server(page) as (url, _):
        ran = here.run("api", "customers", "get", "cus_1", **variables_of(url))
    assert (ran.code, ran.out, ran.err) == (0, printed, "")


def test_no_character_of_a_reply_moves_a_terminal(shop: Online) -> None:
    hostile = "A\x1b[2J\u202eB\x7f\x85\u2028"
    (customer,) = shop.load({"external_id": "acme", "name": hostile})
    for words in (("get", customer), ("list",), ("list", "--all")):
        ran = shop.run("api", "customers", *words)
        row = ran.json if words[0] == "get" else ran.json["data"][0]
        assert (ran.code, raw(ran.all), row["name"]) == (0, [], hostile)


def test_redacted_a_reply_keeps_ids_and_masks_what_it_does_not_know(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(extra_fields=True)
    (customer,) = shop.load({"external_id": "acme", "name": "Acme", "country": "USA", "city": "Boston"})
    found = shop.run("api", "customers", "get", customer, "--redact").json
    assert [found[name] for name in ("id", "external_id", "name", "city", "country", "ein", "tags")] == [
        customer,
        "acme",
        "***",
        "***",
        "USA",
        "",
        ["***"],
    ]


def test_a_dry_run_prints_the_request_without_its_secret_and_sends_nothing(shop: Online) -> None:
    ran = shop.run("api", "customers", "list", "--company-name", "A & B", "--after", "g+/=", "--dry-run")
    assert ran.json == {
        "method": "GET",
        "url": f"{shop.variables['AP_BASE_URL']}/customers?after=g%2B%2F%3D&company_name=A%20%26%20B",
        "headers": {
            "Authorization": "Bearer ***",
            "User-Agent": f"reconciler/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
        "body": None,
    }
    redacted = shop.run("api", "customers", "list", "--company-name", "A & B", "--dry-run", "--redact").json
    assert (redacted["url"].partition("?")[2], shop.requests()) == ("company_name=***", 0)


def test_a_dry_run_needs_no_key(shop: Online) -> None:
    given = {"AP_CLIENT_ID": "", "AP_CLIENT_SECRET": ""}
    assert shop.run("api", "customers", "get", "cus_1", "--dry-run", **given).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("customers", "get", ""), "'' is no id"),
        (("customers", "get", ".."), "'..' is no id"),
        (("customers", "get", "a\udcff"), "this is not UTF-8 text"),
        (("customers", "list", "--limit", "0"), "0 is not in the range x>=1"),
        (("customers", "list", "--created-at-end", "2026-01-01"), "'2026-01-01' is no time such as"),
        (("customers", "list", "--all", "--before", "x"), "--all reads forward and --before backward"),
    ],
)
def test_what_would_be_another_request_is_refused_before_it_is_sent(
    shop: Online, words: tuple[str, ...], said: str
) -> None:
    ran = shop.run("api", *words)
    assert (ran.code, said in ran.err, ran.out, shop.requests()) == (1, True, "", 0)


def test_what_the_api_does_not_know_is_an_error_with_its_words(shop: Online) -> None:
    ran = shop.run("api", "customers", "get", "cus/../1")
    assert (ran.code, ran.out, ran.err) == (
        1,
        "",
        'error: GET /customers/cus%2F..%2F1: 404 not_found: "ID not present in environment"\n',
    )


def test_reading_takes_no_lock_and_writes_no_ledger(shop: Online) -> None:
    shop.run("api", "customers", "list", "--all")
    assert not (shop.folder / ".reconciler").exists()
