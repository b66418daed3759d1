from __future__ import annotations

import pytest
from emulated import NOW, PLAIN, UNKNOWN, body, made

from reconciler.rules import (
    Account,
    Behaviour,
    RuleReply,
    UserUnique,
    create_user,
    get,
    get_payment_method,
    list_payment_methods,
    list_users,
)


def test_a_user_is_created_and_listed() -> None:
    account = Account()
    one = made(account)
    sent = {"email": "jane@acme.example", "first_name": "Jane", "last_name": "Doe", "role": "admin"}
    reply = create_user(account, PLAIN, one, sent, NOW)
    shown = {"id": body(reply)["id"], "email": "jane@acme.example", "first_name": "Jane", "last_name": "Doe"}
    assert reply == RuleReply(201, shown)
    assert body(list_users(account, PLAIN, one, {}, NOW))["data"] == [shown]


def test_users_come_in_pages() -> None:
    account = Account()
    one = made(account)
    for place in range(5):
        create_user(account, PLAIN, one, {"email": f"u{place}@x.example"}, NOW)
    first = body(list_users(account, PLAIN, one, {"limit": "3"}, NOW))
    second = body(list_users(account, PLAIN, one, {"limit": "3", "after": first["end_cursor"]}, NOW))
    emails = [[user["email"] for user in page["data"]] for page in (first, second)]
    assert emails == [["u0@x.example", "u1@x.example", "u2@x.example"], ["u3@x.example", "u4@x.example"]]
    assert (first["has_next_page"], second["has_next_page"]) == (True, False)


@pytest.mark.parametrize(
    ("unique", "same_customer", "other_customer"),
    [(UserUnique.NONE, 201, 201), (UserUnique.CUSTOMER, 422, 201), (UserUnique.ACCOUNT, 422, 422)],
)
def test_a_users_email_is_unique_within_what_the_behaviour_says(
    unique: UserUnique, same_customer: int, other_customer: int
) -> None:
    account, ways = Account(), Behaviour(user_unique=unique)
    one, other = made(account), made(account)
    create_user(account, ways, one, {"email": "Jane@x.example"}, NOW)
    statuses = [create_user(account, ways, at, {"email": "jane@x.example"}, NOW).status for at in (one, other)]
    assert statuses == [same_customer, other_customer]


def test_a_user_without_an_email_is_refused() -> None:
    account = Account()
    reply = create_user(account, PLAIN, made(account), {"first_name": "Jane"}, NOW)
    assert (reply.status, body(reply)["validation_errors"]) == (422, {"email": "is required"})


def test_payment_methods_are_found_by_id_or_external_id() -> None:
    account = Account()
    one, other = made(account, external_id="acme"), made(account)
    account.payment_methods |= {"acme": [{"id": "pm_1", "type": "card"}], other: [{"id": "pm_2", "type": "bank"}]}
    assert list_payment_methods(account, PLAIN, one, NOW) == RuleReply(200, {"data": [{"id": "pm_1", "type": "card"}]})
    bare = Behaviour(methods_bare=True)
    assert list_payment_methods(account, bare, other, NOW) == RuleReply(200, [{"id": "pm_2", "type": "bank"}])
    assert get_payment_method(account, PLAIN, one, "pm_1", NOW) == RuleReply(200, {"id": "pm_1", "type": "card"})
    assert get_payment_method(account, PLAIN, one, "pm_2", NOW) == UNKNOWN
    assert body(get(account, PLAIN, one, NOW))["default_payment_method_id"] == "pm_1"
