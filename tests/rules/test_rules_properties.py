from __future__ import annotations

from emulated import NOW, flat, made, read_all
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rules import Account, Behaviour, Order, Paging, StoredCustomer, Unique, archive, put, remove, restore

STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "archive", "restore", "remove", "put"]), st.integers(0, 9), st.integers(0, 5)),
    max_size=40,
)


@given(STEPS, st.sampled_from(Order), st.sampled_from(Paging), st.booleans())
def test_lists_hold_exactly_the_customers_that_are_to_be_seen(
    steps: list[tuple[str, int, int]], order: Order, paging: Paging, lists_archived: bool
) -> None:
    ways = Behaviour(unique=Unique.NONE, order=order, paging=paging, lists_archived=lists_archived)
    account = Account()
    for step, place, moment in steps:
        known = sorted(account.customers)
        one = known[place % len(known)] if known else ""
        match step:
            case "create":
                made(account, ways, NOW - moment, external_id=f"e{place}")
            case "archive" if one:
                archive(account, ways, one, NOW)
            case "restore" if one:
                restore(account, ways, one, NOW)
            case "remove" if one:
                remove(account, one)
            case "put" if one:
                put(account, StoredCustomer(one, moment, {"external_id": f"e{moment}"}, archived=bool(place % 2)))
    seen = flat(read_all(account, ways, limit="3"))
    expected = sorted(one.id for one in account.customers.values() if lists_archived or not one.archived)
    assert sorted(seen) == expected
    holders = {(external_id, one) for external_id, held in account.holders.items() for one in held}
    assert holders == {(one.external_id, one.id) for one in account.customers.values() if one.external_id}
