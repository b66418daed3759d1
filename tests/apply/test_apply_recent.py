"""What a reply leaves in the ledger of the values before it, so that a list which lags is known as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from api_ways import Ways
from plan_values import customer, declared, there
from scripted_apply import row
from world import World

from reconciler import bookkeeping
from reconciler.model.core import Action, Address, LiveCustomer, Reason, Status
from reconciler.model.ledger import Binding, BindingState, Recent, RecentWrite
from reconciler.model.plan import Change, FieldChange

LAG_S = 10.0
ACME = replace(row("acme", "cus_1"), written_at=0.0)


def patched(before: Binding, at: float, **fields: tuple[str, str]) -> Binding:
    """Return the row after a patch of fields, each (before, after), that the server takes."""
    changes = tuple(FieldChange(name, former, after) for name, (former, after) in fields.items())
    change = Change(Action.PATCH, Address("acme"), before.id, Reason.DECLARED, fields=changes)
    reply = there("cus_1", "acme", **{name: after for name, (_, after) in fields.items()})
    return bookkeeping.patched(before, change, reply, at, LAG_S).binding


def test_a_patch_keeps_what_each_field_held_before_and_what_it_holds_now() -> None:
    held = patched(ACME, 100.0, city=("Boston", "Dover"), state=("", "DE")).recent()
    assert held == Recent(
        0.0, {"city": RecentWrite("Dover", (("Boston", 100.0),)), "state": RecentWrite("DE", (("", 100.0),))}
    )


def test_several_patches_within_the_lag_leave_all_earlier_values_and_what_somebody_wrote_between_them() -> None:
    first = patched(ACME, 100.0, city=("Boston", "Dover"))
    second = patched(first, 105.0, city=("Salem", "Albany"))
    earlier = (("Boston", 100.0), ("Salem", 105.0), ("Dover", 105.0))
    assert second.recent().fields == {"city": RecentWrite("Albany", earlier)}


def test_a_value_that_is_written_again_is_no_earlier_one_until_it_is_replaced_again() -> None:
    back = patched(patched(ACME, 100.0, city=("Boston", "Dover")), 102.0, city=("Dover", "Boston"))
    assert back.recent().fields == {"city": RecentWrite("Boston", (("Dover", 102.0),))}
    on = patched(back, 104.0, city=("Boston", "Albany"))
    assert on.recent().fields == {"city": RecentWrite("Albany", (("Dover", 102.0), ("Boston", 104.0)))}


def test_values_that_no_read_can_show_any_more_are_dropped_when_the_row_is_next_written() -> None:
    first = patched(ACME, 100.0, city=("Boston", "Dover"))
    second = patched(first, 110.5, state=("", "DE"))
    assert list(second.recent().fields) == ["state"]
    assert bookkeeping.archived(first, 111.0, LAG_S).recent_json is None


def test_a_create_an_archive_and_a_restore_store_nothing_more_than_their_time() -> None:
    archived = bookkeeping.archived(ACME, 100.0, LAG_S)
    restored = bookkeeping.restored(archived, 103.0, LAG_S)
    assert (archived.recent_json, archived.recent()) == (None, Recent(100.0))
    assert (restored.recent_json, restored.recent(), restored.state) == (None, Recent(103.0), BindingState.ACTIVE)


def test_a_customer_patched_and_then_archived_within_the_lag_keeps_both() -> None:
    row_now = bookkeeping.archived(patched(ACME, 100.0, city=("Boston", "Dover")), 104.0, LAG_S)
    assert row_now.recent() == Recent(104.0, {"city": RecentWrite("Dover", (("Boston", 100.0),))})


def test_a_user_created_on_a_customer_that_is_long_there_does_not_make_it_one_that_may_be_unlisted() -> None:
    assert bookkeeping.rewritten(ACME, (), {}, 100.0, LAG_S).recent() == Recent(0.0)
    just_created = replace(ACME, written_at=98.0)
    assert bookkeeping.rewritten(just_created, (), {}, 100.0, LAG_S).recent() == Recent(98.0)


def test_what_the_server_makes_of_a_value_is_what_it_holds_now() -> None:
    change = Change(Action.PATCH, Address("acme"), ACME.id, Reason.DECLARED, fields=(FieldChange("city", "B", "D"),))
    reply: LiveCustomer = there("cus_1", "acme", city="DOVER")
    assert bookkeeping.patched(ACME, change, reply, 1.0, LAG_S).binding.recent().fields["city"].value == "DOVER"


def test_a_value_that_the_server_did_not_take_leaves_nothing_before_it() -> None:
    change = Change(Action.PATCH, Address("acme"), ACME.id, Reason.DECLARED, fields=(FieldChange("city", "B", "D"),))
    kept = bookkeeping.patched(ACME, change, there("cus_1", "acme", city="B"), 100.0, LAG_S).binding
    assert kept.recent() == Recent()


def _bound(world: World) -> Binding:
    with world.ledger() as ledger:
        return ledger.records().bindings["acme"]


def test_a_customer_that_is_created_because_its_restore_found_nothing_is_recorded_as_a_first_create(
    tmp_path: Path,
) -> None:
    fields = {"name": "Acme", "city": "Boston", "state": None, "country": "US"}
    desired = declared(customer("acme", fields=fields, ignore_changes=frozenset({"city"})))
    first, second = World(tmp_path / "first", Ways()), World(tmp_path / "second", Ways())
    first.apply(desired)
    second.api.account.add({"external_id": "acme", "name": "ACME", "state": "NY"})
    second.apply(declared(customer("acme", fields={"name": "ACME"})))
    second.wait(60)
    second.api.account.delete(second.api.account.customers()[0].id)
    second.wait(60)
    assert [one.status for one in second.apply(desired).outcomes] == [Status.DONE, Status.DONE]
    rows = [_bound(world) for world in (first, second)]
    assert [(row.applied(), row.observed(), row.trouble(), row.via, row.recent_json) for row in rows] == [
        (
            {"name": "Acme", "state": None, "country": "US"},
            {"name": "Acme", "state": "", "country": "US"},
            {},
            "created",
            None,
        )
    ] * 2
