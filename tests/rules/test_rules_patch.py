from __future__ import annotations

from typing import Any

import pytest
from emulated import NOW, PLAIN, body, made

from reconciler.rules import (
    Account,
    Behaviour,
    Clears,
    PatchIdentity,
    Rewrite,
    RuleReply,
    StoredCustomer,
    Synced,
    get,
    patch,
    put,
)


def test_a_patch_changes_what_it_names_and_nothing_else() -> None:
    account = Account()
    one = made(account, external_id="acme", name="Acme", city="Boston")
    before = body(get(account, PLAIN, one, NOW))
    assert patch(account, PLAIN, one, {"city": "New York", "tier": "gold"}, NOW) == RuleReply(
        200, {**before, "city": "New York"}
    )


def test_a_patch_leaves_email_and_external_id_as_they_are_without_a_word() -> None:
    account = Account()
    one = made(account, external_id="acme", email="a@x.example")
    reply = patch(account, PLAIN, one, {"email": "b@x.example", "external_id": "other"}, NOW)
    assert reply == get(account, PLAIN, one, NOW)
    assert (body(reply)["email"], body(reply)["external_id"]) == ("a@x.example", "acme")


def test_a_patch_of_email_can_be_refused() -> None:
    account, ways = Account(), Behaviour(patch_identity=PatchIdentity.REFUSE)
    one = made(account, email="a@x.example", city="Boston")
    reply = patch(account, ways, one, {"email": "b@x.example", "city": "Rome"}, NOW)
    assert (reply.status, body(reply)["validation_errors"]) == (422, {"email": "cannot be changed"})
    assert body(get(account, ways, one, NOW))["city"] == "Boston"


@pytest.mark.parametrize(
    ("clears", "after_text", "after_null"),
    [
        (Clears.TEXT, "", "Boston"),
        (Clears.NULL, "Boston", ""),
        (Clears.BOTH, "", ""),
        (Clears.NOTHING, "Boston", "Boston"),
    ],
)
def test_a_field_is_emptied_by_what_the_behaviour_says(clears: Clears, after_text: str, after_null: str) -> None:
    ways = Behaviour(clears=clears)
    account = Account()
    one, other = made(account, city="Boston"), made(account, city="Boston")
    assert body(patch(account, ways, one, {"city": ""}, NOW))["city"] == after_text
    assert body(patch(account, ways, other, {"city": None}, NOW))["city"] == after_null


def test_what_does_not_empty_a_field_can_be_refused() -> None:
    account, ways = Account(), Behaviour(clears=Clears.NULL, clears_refused=True)
    one = made(account, city="Boston")
    reply = patch(account, ways, one, {"city": ""}, NOW)
    assert (reply.status, body(reply)["validation_errors"]) == (422, {"city": "cannot be cleared this way"})


def test_rewrites_change_what_is_kept() -> None:
    account, ways = Account(), Behaviour(rewrites=frozenset(Rewrite), email_lowered=True)
    sent: dict[str, Any] = {
        "external_id": " Acme ",
        "name": " Acme ",
        "ein": "12-3456789",
        "state": "ny",
        "country": "United States",
        "street_address": "1  Main St.",
        "email": "Ana@X.example",
    }
    one = made(account, ways, **sent)
    kept = {name: body(get(account, ways, one, NOW))[name] for name in sent}
    assert kept == {
        "external_id": " Acme ",
        "name": "Acme",
        "ein": "123456789",
        "state": "NY",
        "country": "US",
        "street_address": "1 Main Street",
        "email": "ana@x.example",
    }
    assert body(patch(account, ways, one, {"country": "USA"}, NOW))["country"] == "US"


def test_a_patch_silently_ignores_the_fields_that_the_behaviour_says() -> None:
    account, ways = Account(), Behaviour(ignores=frozenset({"country"}))
    one = made(account, ways, country="USA", city="Boston")
    reply = body(patch(account, ways, one, {"country": "CAN", "city": "Rome"}, NOW))
    assert (reply["country"], reply["city"]) == ("USA", "Rome")


@pytest.mark.parametrize(
    ("synced", "status", "city"), [(Synced.TAKE, 200, "Rome"), (Synced.IGNORE, 200, ""), (Synced.REFUSE, 422, "")]
)
def test_a_patch_of_a_synced_customer_does_what_the_behaviour_says(synced: Synced, status: int, city: str) -> None:
    account, ways = Account(), Behaviour(synced=synced)
    put(account, StoredCustomer("cus_1", 0, {"customer_integration_id": "psa-1"}))
    assert patch(account, ways, "cus_1", {"city": "Rome"}, NOW).status == status
    assert body(get(account, ways, "cus_1", NOW))["city"] == city
