"""What an earlier run really did, from its open intents and what is live now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scripted_apply import CREATED_AT, row

from reconciler import bookkeeping
from reconciler.api.times import rfc3339
from reconciler.apply.recover import closing, recovered, repeated
from reconciler.model.core import Action, Address, CustomerId, Live, LiveCustomer, Status
from reconciler.model.ledger import DOUBT_S, Binding, BindingState, Intent, Records, SeenUser
from reconciler.report.messages.failures import ending_text

NOW, LAG_S = 1_000_000.0, 10.0
YOUNG, OLD = NOW - 1.0, NOW - LAG_S - DOUBT_S - 1.0
ACME = CustomerId("cus_acme")


SEVERAL = (
    "Its answer was lost, and it may have created any of cus_1 and cus_2. Compare them, and archive those that are too "
    "many."
)
CLAIMED = (
    "Its answer was lost, and cus_acme, which is bound to another key, has its external_id. Check which of the two "
    "keys it belongs to."
)


def intent(action: Action, *, opened_at: float = OLD, email: str | None = None, **after: str) -> Intent:
    customer = None if action is Action.CREATE else ACME
    return Intent("run", 1, action, Address("acme", email), customer, opened_at, after=after)


def records(one: Intent, *rows: Binding) -> Records:
    return Records({binding.external_id: binding for binding in rows}, intents=(one,), known=True)


def live(*customers: str, **more: object) -> Live:
    listed = {CustomerId(one): LiveCustomer(CustomerId(one), "acme", CREATED_AT, {"name": "Acme"}) for one in customers}
    return Live(listed=listed, read_at=NOW, **more)  # type: ignore[arg-type]


def statuses(one: Records, seen: Live, users: dict[CustomerId, tuple[SeenUser, ...]] | None = None) -> list[object]:
    return [write.intent.status for write in closing(one, seen, LAG_S, users or {})]


def test_without_open_intents_the_records_are_the_same() -> None:
    before = Records({"acme": row("acme")}, known=True)
    assert recovered(before, live(), "default") is before


def test_an_archive_is_seen_where_neither_the_listing_nor_a_narrow_list_holds_the_customer() -> None:
    before = records(intent(Action.ARCHIVE), row("acme"))
    after = recovered(before, live(sought={ACME: False}), "default")
    assert after.bindings["acme"] == bookkeeping.archived(row("acme"), OLD, 10.0)


def test_an_archive_is_not_seen_where_the_customer_was_not_sought_or_is_listed() -> None:
    before = records(intent(Action.ARCHIVE), row("acme"))
    assert recovered(before, live(), "default").bindings["acme"] == row("acme")
    assert recovered(before, live("cus_acme", sought={ACME: False}), "default").bindings["acme"] == row("acme")


def test_an_archive_of_another_customer_of_the_key_says_nothing_of_the_bound_one() -> None:
    before = records(intent(Action.ARCHIVE), row("acme", "cus_other"))
    after = recovered(before, live(sought={CustomerId("cus_other"): False}), "default")
    assert after.bindings["acme"] == row("acme", "cus_other")


def test_a_create_is_bound_to_the_one_customer_with_its_external_id() -> None:
    after = recovered(records(intent(Action.CREATE, name="Acme")), live("cus_acme"), "west")
    found = after.bindings["acme"]
    assert (found.id, found.project, found.applied()) == (ACME, "west", {"name": "Acme"})


def test_a_create_is_bound_to_neither_of_two_customers() -> None:
    assert recovered(records(intent(Action.CREATE)), live("cus_1", "cus_2"), "default").bindings == {}


def messages(one: Records, seen: Live) -> list[tuple[Status | None, CustomerId | None, str]]:
    closed = closing(recovered(one, seen, "default"), seen, LAG_S, {})
    return [(write.intent.status, write.intent.id, ending_text(write.intent.ending)) for write in closed]


@pytest.mark.parametrize("key", ["acme", "ACME"], ids=["exactly", "nearly"])
def test_a_create_that_two_customers_may_be_is_closed_in_doubt_without_the_id_of_either(key: str) -> None:
    two = {CustomerId(one): LiveCustomer(CustomerId(one), key, rfc3339(OLD), {}) for one in ("cus_1", "cus_2")}
    assert messages(records(intent(Action.CREATE)), Live(listed=two, read_at=NOW)) == [(Status.IN_DOUBT, None, SEVERAL)]


def test_a_create_whose_external_id_has_a_customer_of_another_key_is_closed_in_doubt() -> None:
    before = records(intent(Action.CREATE), row("other", "cus_acme"))
    assert messages(before, live("cus_acme")) == [
        (
            Status.IN_DOUBT,
            None,
            CLAIMED,
        )
    ]


def test_two_creates_are_never_bound_to_one_customer() -> None:
    first, second = intent(Action.CREATE), replace(intent(Action.CREATE), seq=2, address=Address("ACME"))
    one = LiveCustomer(ACME, "acme", rfc3339(OLD), {})
    after = recovered(Records(intents=(first, second), known=True), Live(listed={ACME: one}, read_at=NOW), "default")
    assert [row.id for row in after.bindings.values()] == [ACME]


def test_an_archive_or_restore_without_an_answer_makes_the_next_one_a_repetition() -> None:
    assert repeated(records(intent(Action.RESTORE))) == {Address("acme")}
    assert repeated(records(intent(Action.PATCH))) == frozenset()


def test_a_create_that_is_to_be_seen_was_done() -> None:
    assert statuses(records(intent(Action.CREATE, opened_at=YOUNG)), live("cus_acme")) == [Status.DONE]


def test_a_create_that_is_not_to_be_seen_stays_open_until_it_cannot_come_any_more() -> None:
    assert statuses(records(intent(Action.CREATE, opened_at=YOUNG)), live()) == []
    assert statuses(records(intent(Action.CREATE)), live()) == [Status.FAILED]


def test_the_create_of_a_user_is_settled_by_its_email_without_case() -> None:
    one = records(intent(Action.CREATE_USER, opened_at=YOUNG, email="Jane@x.example"), row("acme"))
    assert statuses(one, live("cus_acme"), {ACME: (SeenUser("jane@x.example", {}),)}) == [Status.DONE]
    assert statuses(one, live("cus_acme"), {ACME: ()}) == []


def test_what_is_repeated_safely_is_closed_at_once() -> None:
    assert statuses(records(intent(Action.PATCH, opened_at=YOUNG), row("acme")), live("cus_acme")) == [Status.FAILED]


def by_api(*, opened_at: float = OLD, **after: str | None) -> Intent:
    """Return the open create of a customer by `api`, which binds nothing."""
    values = {"external_id": None, **after}
    address = Address(after.get("external_id") or "")
    return Intent("run", 1, Action.CREATE, address, None, opened_at, after=values)


def unbound(*rows: tuple[str, str, float]) -> Live:
    """Return what is live without an external_id: id, name, and how long before now it was created."""
    return Live(
        listed={
            CustomerId(one): LiveCustomer(CustomerId(one), "", rfc3339(NOW - age_s), {"name": name})
            for one, name, age_s in rows
        },
        read_at=NOW,
    )


def ends(one: Records, seen: Live) -> list[tuple[Status | None, CustomerId | None]]:
    return [(write.intent.status, write.intent.id) for write in closing(one, seen, LAG_S, {})]


def test_a_create_by_api_binds_nothing_also_where_it_is_seen() -> None:
    one = records(by_api(external_id="acme", name="Acme"))
    assert recovered(one, live("cus_acme"), "default").bindings == {}


def test_a_create_by_api_without_an_external_id_is_the_one_customer_like_it_that_came_since() -> None:
    one = records(by_api(name="Acme"))
    age_s = NOW - OLD
    seen = unbound(("cus_old", "Acme", age_s + 60), ("cus_new", "Acme", age_s - 1), ("cus_other", "Other", age_s - 1))
    assert ends(one, seen) == [(Status.DONE, "cus_new")]


def test_a_create_by_api_is_not_a_customer_that_is_bound() -> None:
    one = records(by_api(name="Acme"), row("acme", "cus_bound"))
    assert ends(one, unbound(("cus_bound", "Acme", NOW - OLD - 1))) == [(Status.FAILED, None)]


def test_a_create_by_api_that_two_may_be_stays_in_doubt_and_is_closed() -> None:
    one = records(by_api(name="Acme"))
    assert ends(one, unbound(("cus_1", "Acme", 1.0), ("cus_2", "Acme", 1.0))) == [(Status.IN_DOUBT, None)]


def test_a_young_create_by_api_that_is_not_seen_stays_open() -> None:
    assert ends(records(by_api(name="Acme", opened_at=YOUNG)), unbound()) == []


def test_a_change_of_a_customer_that_no_key_is_bound_to_is_closed_as_in_doubt_a_user_once_it_can_be_seen() -> None:
    gone = Intent("run", 1, Action.ARCHIVE, Address("cus_1"), CustomerId("cus_1"), YOUNG)
    theirs = Intent("run", 2, Action.CREATE_USER, Address("cus_1", "jane@x.example"), CustomerId("cus_1"), OLD)
    young = replace(theirs, seq=3, opened_at=YOUNG)
    closed = closing(Records(intents=(gone, theirs, young), known=True), unbound(), LAG_S, {})
    assert [(write.intent.seq, write.intent.status) for write in closed] == [(1, Status.IN_DOUBT), (2, Status.IN_DOUBT)]


def test_a_patch_an_archive_and_a_restore_that_are_seen_to_be_done_are_closed_as_done() -> None:
    named = records(intent(Action.PATCH, name="Acme"), row("acme"))
    assert statuses(named, live("cus_acme")) == [Status.DONE]
    assert statuses(records(intent(Action.PATCH, name="Other"), row("acme")), live("cus_acme")) == [Status.FAILED]
    archiving = recovered(records(intent(Action.ARCHIVE), row("acme")), live(sought={ACME: False}), "default")
    assert statuses(archiving, live(sought={ACME: False})) == [Status.DONE]
    absent = replace(row("acme"), state=BindingState.ABSENT)
    restoring = recovered(records(intent(Action.RESTORE), absent), live("cus_acme"), "default")
    assert statuses(restoring, live("cus_acme")) == [Status.DONE]
    assert restoring.bindings["acme"] == bookkeeping.restored(absent, OLD, 10.0)
