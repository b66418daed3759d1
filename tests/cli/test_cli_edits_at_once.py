"""What somebody does right after a write of ours: it counts at once, or the state is said not to be verified yet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from command_line import EPOCH_S, ONE, Online, fits
from test_cli_undo import last_run

from reconciler.emulator.fault_settings import switched
from reconciler.emulator.service import Emulator
from reconciler.rules import Behaviour, archive, restore

pytest_plugins = ("command_fixtures",)

DOVER = ONE.replace("Boston", "Dover")
ALBANY = ONE.replace("Boston", "Albany")
UNSURE = "s ago, so its state cannot be verified yet."


@pytest.fixture
def kept(shop: Online) -> Online:
    """Return an account that was applied a minute ago, and patched just now: Boston before, Dover now."""
    assert shop.applied(ONE).code == 0
    shop.later()
    assert shop.applied(DOVER).code == 0
    return shop


def by_hand(shop: Online, **fields: str) -> None:
    shop.load({"id": shop.id_of("acme"), **fields})


def archived_by_hand(shop: Online) -> None:
    emulator: Emulator = shop.emulator
    archive(emulator.account, emulator.behaviour, shop.id_of("acme"), EPOCH_S)


def changes(shop: Online) -> list[tuple[str, str, dict[str, tuple[str, str | None]]]]:
    """Return what is planned: action, cause of its first field, and its fields as they are and shall be."""
    document = shop.run("plan", "-f", "customers.yaml", "--format", "json").json
    assert fits(document, "plan")
    return [
        (
            one["action"],
            one["fields"][0]["cause"] if one["fields"] else "",
            {field["name"]: (field["before"], field["after"]) for field in one["fields"]},
        )
        for one in document["changes"]
    ]


def test_a_field_that_somebody_edits_right_after_our_patch_is_planned_and_drift(kept: Online) -> None:
    by_hand(kept, city="Salem")
    assert changes(kept) == [("patch", "drift", {"city": ("Salem", "Dover")})]
    drift = kept.run("drift", "-f", "customers.yaml", "--format", "json")
    assert (drift.code, [one["kind"] for one in drift.json["findings"]]) == (2, ["changed"])
    assert drift.json["unverified"] == []


def test_a_field_that_somebody_edits_right_after_our_create_counts_whatever_it_is(shop: Online) -> None:
    shop.applied(ONE)
    by_hand(shop, city="", name="Acme Inc")
    assert changes(shop) == [("patch", "drift", {"name": ("Acme Inc", "Acme"), "city": ("", "Boston")})]
    assert shop.run("drift", "-f", "customers.yaml").code == 2


def test_a_plan_that_was_saved_before_an_edit_of_what_it_touches_is_stale(kept: Online) -> None:
    kept.write("customers.yaml", ALBANY)
    assert kept.run("plan", "-f", "customers.yaml", "--out", "today.plan").code == 0
    by_hand(kept, city="Salem")
    ran = kept.run("apply", "today.plan", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, kept.named("acme")["city"]) == (3, "Salem")
    assert "stale" in ran.err


def test_an_undo_of_a_field_that_somebody_edited_right_after_the_run_is_blocked(kept: Online) -> None:
    run = last_run(kept)
    by_hand(kept, city="Salem")
    ran = kept.run("undo", run, "--auto-approve")
    assert (ran.code, kept.named("acme")["city"]) == (3, "Salem")
    assert "city is 'Salem' now, and the run left 'Dover'" in ran.out


def test_an_archive_right_after_our_patch_is_seen_at_once(kept: Online) -> None:
    archived_by_hand(kept)
    assert [action for action, _, _ in changes(kept)] == ["restore"]
    assert kept.run("drift", "-f", "customers.yaml", "--format", "json").json["findings"][0]["kind"] == "archived"


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit"])
def test_a_value_as_before_our_patch_is_neither_drift_nor_no_drift(kept: Online, form: str) -> None:
    by_hand(kept, city="Boston")
    ran = kept.run("drift", "-f", "customers.yaml", "--format", form)
    assert ran.code == 0
    assert "1 customer was written" in ran.out
    assert UNSURE in ran.out
    assert "No drift" not in ran.out


def test_a_plan_names_who_cannot_be_verified_yet_and_until_when(kept: Online) -> None:
    by_hand(kept, city="Boston")
    ran = kept.run("plan", "-f", "customers.yaml", "--format", "json")
    assert (ran.code, ran.json["changes"]) == (0, [])
    (one,) = ran.json["unverified"]
    assert (one["address"], one["id"]) == ("acme", kept.id_of("acme"))
    assert one["written_seconds_ago"] + one["verifiable_in_seconds"] == pytest.approx(10.0, abs=0.01)
    assert UNSURE in ran.json["notes"][0]["text"]
    assert UNSURE in kept.run("plan", "-f", "customers.yaml").out
    assert "it reads as it was before" in " ".join(
        kept.run("show", "acme", "--why", "-f", "customers.yaml").out.split()
    )


def test_an_absence_right_after_our_create_cannot_be_verified_and_is_seen_once_the_lag_has_passed(shop: Online) -> None:
    shop.applied(ONE)
    archived_by_hand(shop)
    assert changes(shop) == []
    assert UNSURE in shop.run("drift", "-f", "customers.yaml").out
    shop.later()
    assert [action for action, _, _ in changes(shop)] == ["restore"]


def test_a_presence_right_after_our_archive_cannot_be_verified_and_is_seen_once_the_lag_has_passed(
    shop: Online,
) -> None:
    shop.write("reconciler.yaml", "environments: {default: {server: {lists_archived: false}}}\n")
    shop.applied(ONE)
    shop.later()
    text = ONE.replace("city: Boston", "archived: true")
    assert shop.applied(text).code == 0
    emulator = shop.emulator
    restore(emulator.account, emulator.behaviour, shop.id_of("acme"), EPOCH_S)
    assert changes(shop) == []
    assert UNSURE in shop.run("drift", "-f", "customers.yaml").out
    shop.later()
    assert [action for action, _, _ in changes(shop)] == ["archive"]


def test_what_api_patches_right_after_an_apply_is_drift(kept: Online) -> None:
    assert kept.run("api", "customers", "patch", kept.id_of("acme"), "--city", "Salem").code == 0
    assert changes(kept) == [("patch", "drift", {"city": ("Salem", "Dover")})]


def test_what_api_patches_is_known_also_while_lists_lag(kept: Online) -> None:
    kept.later()
    kept.emulator.behaviour = Behaviour(lag_s=5.0)
    assert kept.run("api", "customers", "patch", kept.id_of("acme"), "--city", "Salem").code == 0
    assert changes(kept) == [("patch", "drift", {"city": ("Salem", "Dover")})]


def test_a_user_that_somebody_adds_right_after_our_create_is_not_created_again(shop: Online) -> None:
    shop.applied(ONE)
    by_hand_user = {"email": "jane@acme.example", "first_name": "Jane"}
    shop.load({"id": shop.id_of("acme"), "users": [by_hand_user]})
    ran = shop.applied(ONE.replace("city: Boston", "users: {jane@acme.example: {first_name: Jane}}"))
    assert ran.code == 0
    assert [users for _, _, users in shop.account().values()] == [["jane@acme.example"]]


def test_a_user_that_we_just_created_is_not_forgotten_where_a_list_lacks_it(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    shop.emulator.behaviour = Behaviour(lag_s=5.0)
    users = "users: {jane@acme.example: {first_name: Jane}, joe@acme.example: {first_name: Joe}}"
    assert (
        shop.applied(ONE.replace("city: Boston", users.replace(", joe@acme.example: {first_name: Joe}", ""))).code == 0
    )
    for _ in range(2):
        assert shop.applied(ONE.replace("city: Boston", users)).code == 0
    assert [users for _, _, users in shop.account().values()] == [["jane@acme.example", "joe@acme.example"]]


@pytest.mark.parametrize("replies", [True, False], ids=["the restore replies", "its body is empty"])
@pytest.mark.parametrize("gets", [True, False], ids=["gets answer", "gets do not"])
def test_a_customer_restored_and_patched_in_one_run_records_what_the_server_made_of_it(
    shop: Online, *, replies: bool, gets: bool
) -> None:
    ways = switched(Behaviour(), {"rewrites": ["country"]})
    shop.emulator.behaviour = replace(ways, restore_replies=replies, gets_archived=gets)
    shop.applied(ONE)
    shop.later()
    shop.applied(ONE.replace("city: Boston", "archived: true"))
    shop.later()
    assert shop.applied(ONE.replace("city: Boston", "country: USA")).code == 0
    assert shop.named("acme")["country"] == "US"
    recorded = shop.run("show", "acme", "-f", "customers.yaml", "--format", "json").json["recorded"]
    assert (recorded["applied"]["country"], recorded["observed"]["country"]) == ("USA", "US")
    assert changes(shop) == []
    shop.later()
    assert changes(shop) == []
