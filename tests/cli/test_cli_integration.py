"""An integration writes into the same account: what it owns, in plan, apply, drift, show and import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from command_line import Online, Ran

from reconciler.desired.write import write_customers
from reconciler.emulator.integration import Integration, SyncedRecord
from reconciler.rules import Behaviour
from reconciler.rules.behaviour import MethodsScope, SyncUndoes, UsersScope
from reconciler.synthetic.people import generate_customers

pytest_plugins = ("command_fixtures",)

PROJECT = "version: 1\nfiles: [customers.yaml]\nenvironments:\n  production: {{synced: {rules}}}\n"
OBSERVE = "{lifecycle: observe, fields: [name, city]}"
MANAGE = "{}"
PEOPLE = ("harbor", "juniper", "meridian", "quarry", "saddle")


def record(word: str, **given: Any) -> SyncedRecord:  # noqa: ANN401 - its fields by name
    fields = {"name": f"{word.title()} LLC", "email": f"billing@{word}.example", "city": "Boston"}
    return SyncedRecord(f"qbo-{word}", fields, number=word, **given)


def entry(word: str, *lines: str) -> str:
    text = f"  {word}:\n    name: {word.title()} LLC\n    email: billing@{word}.example\n    city: Boston\n"
    return text + "".join(f"    {line}\n" for line in lines)


class Synced:
    """A project over an account that an integration fills."""

    def __init__(self, shop: Online, rules: str) -> None:
        self.shop = shop
        shop.variables["AP_ENVIRONMENT"] = "production"
        shop.write("reconciler.yaml", PROJECT.format(rules=rules))
        shop.emulator.connect(Integration(records=tuple(map(record, PEOPLE))))
        shop.emulator.sync()
        shop.later()

    def declare(self, *entries: str) -> None:
        self.shop.write("customers.yaml", f"customers:\n{''.join(entries)}" if entries else "customers: {}\n")

    def pinned(self, word: str, *lines: str) -> str:
        return entry(word, f"id: {self.id_of(word)}", *lines)

    def id_of(self, word: str) -> str:
        synced = self.shop.account().items()
        return next(key for key, one in synced if one[0].get("customer_integration_id") == f"qbo-{word}")

    def is_archived(self, word: str) -> bool:
        return self.shop.account()[self.id_of(word)][1]

    def edit(self, word: str, **given: Any) -> None:  # noqa: ANN401 - its fields by name
        assert self.shop.emulator.integration is not None
        row: Mapping[str, Any] = {"id": f"qbo-{word}", **given}
        self.shop.emulator.integration.edit((row,))
        self.shop.emulator.sync()
        self.shop.later()

    def apply(self) -> Ran:
        ran = self.shop.run("apply", "--auto-approve", "--max-archives", "100%", "--max-restores", "100%")
        self.shop.emulator.offset_s += 24 * 3600
        return ran


@pytest.fixture
def observed(shop: Online) -> Synced:
    return Synced(shop, OBSERVE)


@pytest.fixture
def managed(shop: Online) -> Synced:
    return Synced(shop, MANAGE)


def test_whom_the_integration_deletes_stays_archived_and_plan_drift_and_show_say_so(observed: Synced) -> None:
    observed.declare(*map(observed.pinned, PEOPLE))
    assert observed.apply().code == 0
    observed.edit("harbor", deleted=True)
    plan = observed.shop.run("plan", "--detailed-exitcode")
    assert (plan.code, "The integration archived it" in plan.out) == (0, True), plan.out
    assert observed.apply().code == 0
    assert observed.is_archived("harbor")
    drift = observed.shop.run("drift")
    assert (drift.code, "harbor" in drift.out, "leaves it archived" in drift.out) == (2, True, True), drift.out
    shown = observed.shop.run("show", "harbor", "--why")
    assert "An integration syncs it: its customer_integration_id is 'qbo-harbor'" in " ".join(shown.out.split())
    assert "the integration decides whether it is active" in " ".join(shown.out.split())
    observed.edit("harbor", deleted=False)
    assert (observed.apply().code, observed.is_archived("harbor")) == (0, False)
    assert observed.shop.run("drift").code == 0


def test_a_field_that_the_integration_owns_is_reported_and_never_patched(observed: Synced) -> None:
    observed.declare(*map(observed.pinned, PEOPLE))
    observed.apply()
    observed.edit("juniper", city="Salem")
    plan = observed.shop.run("plan", "--detailed-exitcode")
    assert (plan.code, "city is 'Salem' in the account and 'Boston' in the file" in plan.out) == (0, True), plan.out
    drift = observed.shop.run("drift")
    assert (drift.code, "Salem" in drift.out, "integration owns" in drift.out) == (2, True, True), drift.out
    assert "An integration owns it" in observed.shop.run("show", "juniper", "--why").out
    assert observed.apply().code == 0
    assert observed.shop.account()[observed.id_of("juniper")][0]["city"] == "Salem"
    assert observed.shop.run("drift", "--accept").code in (0, 2)
    assert "city: Salem" in (observed.shop.folder / "customers.yaml").read_text()
    assert observed.shop.run("drift").code == 0


def test_removing_the_entry_of_a_synced_customer_archives_nobody_where_the_environment_observes(
    observed: Synced,
) -> None:
    observed.declare(*map(observed.pinned, PEOPLE))
    observed.apply()
    observed.declare(*map(observed.pinned, PEOPLE[1:]))
    ran = observed.apply()
    assert (ran.code, observed.is_archived("harbor")) == (0, False), ran.out
    assert "stays active: an integration syncs it" in ran.out + ran.err
    assert observed.shop.run("plan", "--detailed-exitcode").code == 0


def test_a_synced_customer_that_is_declared_archived_is_blocked_with_a_fix_that_works(observed: Synced) -> None:
    observed.declare(observed.pinned("harbor", "archived: true"))
    ran = observed.apply()
    assert (observed.is_archived("harbor"), "An integration keeps it active" in ran.out + ran.err) == (False, True)
    observed.edit("harbor", deleted=True)
    plan = observed.shop.run("plan", "--format", "json")
    assert (plan.json["changes"], plan.json.get("blocked", [])) == ([], [])


def test_every_archive_and_restore_of_a_synced_customer_is_noted(managed: Synced) -> None:
    managed.declare(*map(managed.pinned, PEOPLE))
    managed.apply()
    managed.edit("harbor", deleted=True)
    managed.declare(managed.pinned("juniper", "archived: true"), *map(managed.pinned, ("harbor", *PEOPLE[2:])))
    plan = managed.shop.run("plan")
    assert "An integration syncs it and may archive it again" in plan.out, plan.out
    assert "An integration syncs it and may restore it" in plan.out
    managed.declare(*map(managed.pinned, PEOPLE[:4]))
    assert "An integration syncs it and may restore it" in managed.shop.run("plan").out


def test_a_week_leaves_nothing_fought_over_and_nobody_archived_or_doubled(shop: Online) -> None:
    for rules in (MANAGE, OBSERVE):
        shop.emulator.connect(None)
        shop.emulator.account.__init__()  # type: ignore[misc] - an empty account
        week(Synced(shop, rules))


def week(synced: Synced) -> None:
    """Let the integration work for a week, beside a repository that plans and applies each day."""
    shop = synced.shop
    shop.variables["RECONCILER_STATE"] = f"ledger-{len(shop.emulator.requests)}.db"
    shop.emulator.behaviour = type(shop.emulator.behaviour)(sync_undoes=frozenset(SyncUndoes))
    synced.declare(*map(synced.pinned, PEOPLE))
    sent: list[list[str]] = []
    for day in range(7):
        if day == 1:
            synced.edit("harbor", deleted=True)
            synced.edit("juniper", city="Salem")
        if day == 2:
            synced.edit("tundra", name="Tundra LLC", email="billing@tundra.example", city="Boston", number="tundra")
        if day == 4:
            synced.edit("quarry", name="Quarry Group")
        before = len(shop.writes())
        synced.apply()
        sent.append(shop.writes()[before:])
    active = [fields["name"] for fields, archived, _ in shop.account().values() if not archived]
    assert (
        sorted(active)
        == sorted(set(active))
        == sorted(["Juniper LLC", "Meridian LLC", "Quarry Group", "Saddle LLC", "Tundra LLC"])
    )
    assert not [line for day in sent for line in day if line.startswith("DELETE")]
    every = [line for day in sent for line in day]
    assert max((every.count(line) for line in every), default=0) <= 2, every
    assert sent[-1] == []
    plan = shop.run("plan", "--format", "json").json
    assert plan["changes"] == []


def test_import_marks_synced_customers_and_writes_them_alone_or_leaves_them_out(managed: Synced) -> None:
    managed.shop.load({"external_id": "ours", "name": "Ours"})
    everyone = managed.shop.run("import", "--no-users")
    assert everyone.out.count("# synced by an integration") == len(PEOPLE)
    assert "  ours:\n" in everyone.out
    only = managed.shop.run("import", "--no-users", "--synced", "only")
    assert (only.out.count("name:"), "ours" in only.out) == (len(PEOPLE), False)
    without = managed.shop.run("import", "--no-users", "--synced", "exclude")
    assert (without.out.count("name:"), "ours" in without.out) == (1, True)


def test_a_key_that_is_the_customer_integration_id_is_a_sure_match(shop: Online) -> None:
    shop.load({"name": "Harbor Works", "customer_integration_id": "harbor-7"})
    shop.write("customers.yaml", "customers:\n  harbor-7: {name: Something Else}\n")
    plan = shop.run("plan", "-f", "customers.yaml")
    assert ("customer_integration_id" in plan.out, "id: " in plan.out) == (True, True), plan.out
    shop.write("found.yaml", "customers:\n  harbor-7: {name: Something Else}\n")
    assert shop.run("import", "--match", "-f", "found.yaml", "-o", "found.yaml").code == 0
    assert f"id: {next(iter(shop.account()))}" in (shop.folder / "found.yaml").read_text()


def other_words(fields: dict[str, str], number: int) -> dict[str, str]:
    """Return what the integration has of a company: written otherwise in one way."""
    other = dict(fields)
    name, (mailbox, domain) = fields["name"], fields["email"].split("@")
    match number % 5:
        case 0:
            other["name"] = f"{name.removesuffix(' LLC').removesuffix(' Inc').upper()}, Inc."
        case 1:
            other["email"] = f"accounts.{mailbox}@{domain}"
        case 2:
            other |= {"street_address": "1 Elsewhere Road", "postal_code": "99999", "city": "Elsewhere"}
        case 3:
            other["name"] = f"{name[:3]}{name[4:]}"
        case _:
            other["name"] = f"The {name.replace(' and ', ' & ')}"
    return other


def test_an_account_that_an_integration_filled_is_adopted_without_a_duplicate(shop: Online) -> None:
    count = 250
    people = list(generate_customers(count, 0, 3))
    shop.write("customers.yaml", write_customers(people, schema=""))
    records = []
    for number, one in enumerate(people):
        fields = {name: value for name, value in one.fields.items() if value and name != "ein"}
        records.append(SyncedRecord(f"qbo-{number}", other_words(fields, number)))
    shop.emulator.connect(Integration(records=tuple(records)))
    shop.emulator.sync()
    shop.later()
    assert len(shop.account()) == count
    match = shop.run("import", "--match", "-f", "customers.yaml", "-o", "customers.yaml")
    found = (shop.folder / "customers.yaml").read_text().count("    id: ")
    assert (match.code, found >= 0.95 * count) == (0, True), (found, match.err)
    ran = shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    assert len(shop.account()) == count, ran.out
    bound = {row["id"] for row in json.loads(shop.ledger())["bindings"]}
    assert len(bound) >= found
    right = {shop.account()[row["id"]][0]["customer_integration_id"] for row in json.loads(shop.ledger())["bindings"]}
    assert len(right) == len(bound)


def test_a_key_without_the_scope_of_users_or_payment_methods_learns_which_request_needs_it(shop: Online) -> None:
    assert shop.applied("customers:\n  acme: {name: Acme, email: a@acme.example}\n").code == 0
    shop.emulator.behaviour = Behaviour(users_scope=UsersScope.USERS, methods_scope=MethodsScope.PAYMENTS)
    shop.variables |= {"AP_CLIENT_ID": "read-only", "AP_CLIENT_SECRET": "read-only"}
    listed = shop.run("import")
    assert (listed.code, "/users: 403" in listed.err, "users:read" in listed.err) == (1, True, True), listed.err
    shop.write("customers.yaml", "customers: {}\n")
    plan = shop.run("plan", "-f", "customers.yaml")
    assert (plan.code, "/payment-methods: 403" in plan.err, "payments:read" in plan.err) == (1, True, True), plan.err


def test_an_archive_by_the_integration_between_plan_and_apply_stops_the_saved_plan(managed: Synced) -> None:
    managed.declare(*map(managed.pinned, PEOPLE))
    managed.apply()
    managed.declare(managed.pinned("harbor").replace("Boston", "Dover"), *map(managed.pinned, PEOPLE[1:]))
    assert managed.shop.run("plan", "--out", "saved.plan").code == 0
    managed.edit("harbor", deleted=True)
    before = managed.shop.writes()
    ran = managed.shop.run("apply", "saved.plan", "--auto-approve")
    stale = "the plan is stale" in ran.err and "patch harbor" in ran.err + ran.out
    assert (ran.code, managed.shop.writes() == before, stale) == (3, True, True), ran.err


def test_a_customer_that_the_integration_renames_to_another_ones_name_stays_itself(managed: Synced) -> None:
    managed.declare(*map(managed.pinned, PEOPLE), "  new: {name: Harbor LLC, email: new@new.example}\n")
    managed.apply()
    ids = {word: managed.id_of(word) for word in PEOPLE}
    for _ in range(4):
        managed.edit("juniper", name=f"Harbor LLC{' '}")
        managed.edit("juniper", name="Harbor LLC")
        managed.apply()
    account = managed.shop.account()
    assert {word: managed.id_of(word) for word in PEOPLE} == ids
    assert not any(archived for _, archived, _ in account.values())
    assert managed.shop.writes().count(f"PATCH /customers/{ids['juniper']}") <= 2
    blocked = managed.shop.run("plan").out
    assert ("changed back each time" in blocked, "UTC" in blocked, "synced.fields" in blocked) == (True, True, True)
    managed.shop.write("reconciler.yaml", PROJECT.format(rules="{fields: [name]}"))
    assert "Blocked" not in managed.shop.run("plan").out
