from __future__ import annotations

import pytest
from emulated import NOW, PLAIN, UNKNOWN, USED, body, made

from reconciler.rules import (
    Account,
    Behaviour,
    RuleReply,
    Unique,
    archive,
    create,
    create_user,
    get,
    get_payment_method,
    list_payment_methods,
    list_users,
    patch,
    restore,
)


def test_a_created_customer_has_every_documented_field_as_a_string() -> None:
    account = Account()
    reply = create(account, PLAIN, {"external_id": "acme", "name": "Acme Corp", "postal_code": "02134", "x": 1}, NOW)
    expected = {
        "id": next(iter(account.customers)),
        "external_id": "acme",
        "customer_integration_id": "",
        "name": "Acme Corp",
        "legal_name": "",
        "ein": "",
        "email": "",
        "street_address": "",
        "sub_premise": "",
        "city": "",
        "state": "",
        "postal_code": "02134",
        "country": "",
        "default_payment_method_id": "",
        "created_at": "2023-11-14T22:13:20.250000Z",
    }
    assert reply == RuleReply(201, expected)
    assert get(account, PLAIN, expected["id"], NOW) == RuleReply(200, expected)


def test_an_unknown_id_answers_404_to_every_request() -> None:
    account = Account()
    assert [
        get(account, PLAIN, "no", NOW),
        patch(account, PLAIN, "no", {}, NOW),
        archive(account, PLAIN, "no", NOW),
        restore(account, PLAIN, "no", NOW),
        list_users(account, PLAIN, "no", {}, NOW),
        create_user(account, PLAIN, "no", {"email": "a@x.example"}, NOW),
        list_payment_methods(account, PLAIN, "no", NOW),
        get_payment_method(account, PLAIN, "no", "pm", NOW),
    ] == [UNKNOWN] * 8


def test_a_field_that_is_no_string_is_named_in_validation_errors() -> None:
    reply = create(Account(), PLAIN, {"name": 5, "city": ["Boston"]}, NOW)
    assert (reply.status, body(reply)["validation_errors"]) == (
        422,
        {"city": "must be a string", "name": "must be a string"},
    )


def test_a_required_field_that_lacks_is_named_in_validation_errors() -> None:
    reply = create(Account(), Behaviour(required=frozenset({"name", "email"})), {"name": "Acme", "email": ""}, NOW)
    assert (reply.status, body(reply)["validation_errors"]) == (422, {"email": "is required"})


@pytest.mark.parametrize(
    ("unique", "while_active", "while_archived"),
    [(Unique.NONE, 201, 201), (Unique.ACTIVE, 400, 201), (Unique.ALL, 400, 400)],
)
def test_an_external_id_is_unique_among_those_that_the_behaviour_says(
    unique: Unique, while_active: int, while_archived: int
) -> None:
    ways = Behaviour(unique=unique)
    account = Account()
    held = made(account, ways, external_id="acme")
    assert create(account, ways, {"external_id": "acme"}, NOW).status == while_active
    account = Account()
    held = made(account, ways, external_id="acme")
    archive(account, ways, held, NOW)
    assert create(account, ways, {"external_id": "acme"}, NOW).status == while_archived


def test_a_taken_external_id_is_refused_in_the_words_seen_live() -> None:
    account = Account()
    made(account, external_id="acme")
    assert create(account, PLAIN, {"external_id": "acme"}, NOW) == RuleReply(400, USED)


def test_two_customers_without_external_id_do_not_exclude_each_other() -> None:
    account = Account()
    assert made(account, external_id="") != made(account, external_id=None)


def test_external_ids_are_compared_as_they_are() -> None:
    account = Account()
    made(account, external_id="acme")
    assert len({made(account, external_id=one) for one in ("Acme", " acme", "acme ", "acm\u00e9", "acme\u0301")}) == 5


def test_a_restore_is_refused_where_an_active_customer_took_the_external_id() -> None:
    account, ways = Account(), Behaviour(unique=Unique.ACTIVE)
    former = made(account, ways, external_id="acme")
    archive(account, ways, former, NOW)
    made(account, ways, external_id="acme")
    assert restore(account, ways, former, NOW) == RuleReply(400, USED)
