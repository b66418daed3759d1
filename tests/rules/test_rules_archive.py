from __future__ import annotations

import pytest
from emulated import NOW, UNKNOWN, ids, made

from reconciler.rules import Account, Behaviour, RuleReply, archive, get, list_customers, patch, restore


def test_nothing_in_a_reply_says_that_a_customer_is_archived() -> None:
    account, ways = Account(), Behaviour(lists_archived=True)
    one = made(account, external_id="acme")
    before = get(account, ways, one, NOW)
    assert archive(account, ways, one, NOW) == before
    assert get(account, ways, one, NOW) == before
    assert list_customers(account, ways, {}, NOW).body["data"] == [before.body]  # type: ignore[index]
    assert restore(account, ways, one, NOW) == before


def test_an_archived_customer_is_hidden_where_the_behaviour_says() -> None:
    account, ways = Account(), Behaviour(lists_archived=False, gets_archived=False, patches_archived=False)
    one = made(account, external_id="acme")
    archive(account, ways, one, NOW)
    assert (ids(list_customers(account, ways, {}, NOW)), get(account, ways, one, NOW)) == ([], UNKNOWN)
    assert patch(account, ways, one, {"city": "Rome"}, NOW) == UNKNOWN
    assert restore(account, ways, one, NOW).status == 200
    assert ids(list_customers(account, ways, {}, NOW)) == [one]


@pytest.mark.parametrize("status", [200, 400, 404])
def test_what_is_done_already_answers_as_the_behaviour_says(status: int) -> None:
    account, ways = Account(), Behaviour(repeated_archive=status, repeated_restore=status)
    one = made(account)
    assert restore(account, ways, one, NOW).status == status
    archive(account, ways, one, NOW)
    assert archive(account, ways, one, NOW).status == status
    assert account.customers[one].archived


def test_a_customer_with_open_invoices_is_not_archived() -> None:
    account = Account()
    one = made(account)
    ways = Behaviour(invoiced=frozenset({one}), invoiced_status=500)
    assert archive(account, ways, one, NOW).status == 500
    assert not account.customers[one].archived


def test_a_restore_may_answer_with_an_empty_body() -> None:
    account, ways = Account(), Behaviour(restore_replies=False)
    one = made(account)
    archive(account, ways, one, NOW)
    assert restore(account, ways, one, NOW) == RuleReply(200, None)
