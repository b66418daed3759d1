"""`api … create`, `patch`, `archive`, `restore`: sent, journalled, undone; and what the policy does not allow."""

from __future__ import annotations

import json
from typing import Any

import postgres_server
import pytest
from command_line import EPOCH_S, ONE, Online, raw

from reconciler.rules import Behaviour
from reconciler.rules.behaviour import Unique

pytest_plugins = ("command_fixtures",)

PROJECT = """\
files: [customers.yaml]
environments:
  production:
    base_url: {url}
    client_id: ${{AP_CLIENT_ID}}
    client_secret: ${{AP_CLIENT_SECRET}}
    policy: {policy}
"""


def runs(shop: Online) -> list[Any]:
    rows = shop.run("history", "--format", "json").json["runs"]
    assert isinstance(rows, list)
    return rows


def states(shop: Online) -> dict[str, str]:
    return {row["external_id"]: row["state"] for row in json.loads(shop.ledger())["bindings"]}


def under(shop: Online, policy: str) -> None:
    """Write a project with an environment under a policy, and use it from now on."""
    shop.write("reconciler.yaml", PROJECT.format(url=shop.variables["AP_BASE_URL"], policy=policy))
    shop.variables |= {"AP_BASE_URL": "", "AP_ENVIRONMENT": "production"}


def test_a_customer_is_created_with_the_fields_given_and_its_reply_printed(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(extra_fields=True)
    ran = shop.run(
        "api", "customers", "create", "--external-id", "acme", "--name", "Acme", "--street-address", "1 Main St"
    )
    assert (ran.code, ran.err, ran.json["balance"]["currency"]) == (0, "", "USD")
    assert {name: text for name, text in shop.named("acme").items() if text} == {
        "external_id": "acme",
        "name": "Acme",
        "street_address": "1 Main St",
    }
    assert states(shop) == {}


def test_a_call_stands_in_the_history_with_its_requests(shop: Online) -> None:
    shop.run("api", "customers", "create", "--name", "Acme", "--external-id", "acme")
    (run,) = runs(shop)
    assert (run["command"], run["outcome"], run["changes"], run["requests"]) == ("api customers create", "done", 1, 3)
    (change,) = shop.run("history", run["id"], "--format", "json").json["changes"]
    assert change.pop("at")
    assert change == {
        "run": run["id"],
        "command": "api customers create",
        "reason": "direct",
        "source": None,
        "action": "create",
        "address": "acme",
        "id": shop.id_of("acme"),
        "before": {"external_id": "", "name": ""},
        "after": {"external_id": "acme", "name": "Acme"},
        "status": "done",
        "message": "",
        "code": None,
        "parts": {},
        "cause": None,
        "values_removed": False,
        "who": run["who"],
    }


def test_a_patch_sends_what_is_given_empty_or_null(shop: Online) -> None:
    (customer,) = shop.load({"external_id": "acme", "name": "Acme", "city": "Rome", "state": "NY"})
    ran = shop.run("api", "customers", "patch", customer, "--city", "", "--null", "state", "--country", "USA")
    assert (ran.code, ran.json["city"], ran.json["country"]) == (0, "", "USA")
    assert shop.writes() == [f"PATCH /customers/{customer}"]
    printed = shop.run("api", "customers", "patch", customer, "--city", "", "--null", "state", "--dry-run").json
    assert (printed["method"], printed["body"]) == ("PATCH", {"city": "", "state": None})


def test_a_user_is_created(shop: Online) -> None:
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("api", "users", "create", customer, "--email", "jane@acme.example", "--last-name", "Doe")
    assert (ran.code, ran.json["email"], ran.json["last_name"]) == (0, "jane@acme.example", "Doe")
    assert shop.account()[customer][2] == ["jane@acme.example"]


def test_archive_and_restore_keep_the_binding_true_so_that_the_next_plan_is_right(shop: Online) -> None:
    shop.applied(ONE)
    acme = shop.id_of("acme")
    assert (shop.run("api", "customers", "archive", acme).code, states(shop)) == (0, {"acme": "archived"})
    assert (shop.run("api", "customers", "restore", acme).code, states(shop)) == (0, {"acme": "active"})
    plan = shop.run("plan", "-f", "customers.yaml", "--detailed-exitcode")
    assert plan.code == 0


def test_an_empty_reply_is_null(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(restore_replies=False)
    (customer,) = shop.load({"external_id": "acme", "name": "Acme", "archived": True})
    ran = shop.run("api", "customers", "restore", customer)
    assert (ran.code, ran.out) == (0, "null\n")


def test_an_archive_by_api_is_undone_and_a_create_is_not(shop: Online) -> None:
    shop.run("api", "customers", "create", "--name", "Acme", "--external-id", "acme")
    acme = shop.id_of("acme")
    shop.run("api", "customers", "archive", acme)
    assert shop.run("undo", runs(shop)[-1]["id"], "--auto-approve").code == 0
    assert not shop.account()[acme][1]
    ran = shop.run("undo", runs(shop)[0]["id"], "--auto-approve")
    assert (ran.code, shop.account()[acme][1]) == (3, False)
    assert f"The ledger no longer binds {acme}" in " ".join(ran.out.split())


def test_a_create_by_api_of_what_was_adopted_since_is_undone(shop: Online) -> None:
    shop.run("api", "customers", "create", "--name", "Acme", "--external-id", "acme", "--city", "Boston")
    run = runs(shop)[-1]["id"]
    shop.applied("customers: {acme: {name: Acme}}")
    ran = shop.run("undo", run, "--auto-approve", "--max-archives", "1")
    assert (ran.code, shop.account()[shop.id_of("acme")][1]) == (0, True)


def test_a_patch_by_api_of_a_managed_customer_is_undone(shop: Online) -> None:
    shop.applied(ONE)
    shop.later()
    shop.run("api", "customers", "patch", shop.id_of("acme"), "--city", "Lima")
    assert shop.run("undo", runs(shop)[-1]["id"], "--auto-approve").code == 0
    assert shop.named("acme")["city"] == "Boston"


def test_a_dry_run_sends_nothing_and_takes_no_lock(shop: Online) -> None:
    for words in (("create", "--name", "Acme"), ("archive", "cus_1"), ("restore", "cus_1")):
        ran = shop.run("api", "customers", *words, "--dry-run")
        assert (ran.code, ran.json["headers"]["Authorization"]) == (0, "Bearer ***")
    redacted = shop.run("api", "customers", "create", "--name", "Acme", "--country", "USA", "--dry-run", "--redact")
    assert redacted.json["body"] == {"name": "***", "country": "USA"}
    assert (shop.requests(), (shop.folder / ".reconciler").exists()) == (0, False)


@pytest.mark.parametrize(
    "words",
    [("customers", "create"), ("customers", "patch", "cus_1"), ("users", "create", "cus_1")],
)
def test_a_body_without_a_field_is_refused(shop: Online, words: tuple[str, ...]) -> None:
    ran = shop.run("api", *words)
    assert (ran.code, "give at least one field" in ran.err, shop.requests()) == (1, True, 0)


def test_a_field_is_not_both_given_and_null(shop: Online) -> None:
    ran = shop.run("api", "customers", "patch", "cus_1", "--city", "Rome", "--null", "city")
    assert (ran.code, "city: it has both a value and --null" in ran.err) == (1, True)


def test_what_the_api_refuses_is_an_error_and_a_failed_run(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("api", "customers", "create", "--external-id", "acme", "--name", "Other", "--unchecked")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == 'error: POST /customers: 400 bad_request: "This external id is already used"\n'
    assert runs(shop)[-1]["outcome"] == "failed"


def test_a_create_of_an_external_id_that_is_in_use_is_refused_unless_it_is_sent_unchecked(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(unique=Unique.NONE)
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    create = ("api", "customers", "create", "--external-id", "acme", "--name", "Other")
    ran = shop.run(*create)
    assert (ran.code, ran.out, shop.writes()) == (3, "", [])
    assert ran.err.startswith(f"error: acme: {customer} already has this external_id; nothing was sent\n")
    assert (shop.run(*create, "--unchecked").code, shop.writes()) == (0, ["POST /customers"])


def test_a_create_with_an_external_id_lists_an_account_of_several_pages_twice(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(page_max=40)
    shop.load(*({"external_id": f"c{number}", "name": "C"} for number in range(250)))
    sent = []
    for words in (("--external-id", "acme"), ("--external-id", "globex", "--unchecked"), ()):
        before = shop.requests()
        assert shop.run("api", "customers", "create", "--name", "Acme", *words).code == 0
        sent.append(shop.requests() - before)
    # A token and the create each; a listing takes 7 pages.
    assert sent == [2 + 7 + 7, 2, 2]


def test_a_key_that_may_only_read_is_told_which_scope_it_lacks(shop: Online) -> None:
    given = {"AP_CLIENT_ID": "read-only", "AP_CLIENT_SECRET": "read-only"}
    ran = shop.run("api", "customers", "create", "--name", "Acme", **given)
    assert (ran.code, "lacks a scope, such as customers:write" in ran.err) == (1, True)


def test_a_protected_customer_is_not_archived(shop: Online) -> None:
    under(shop, "{protect: [ac*]}")
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("api", "customers", "archive", customer)
    assert (ran.code, ran.out, shop.writes()) == (3, "", [])
    assert ran.err.startswith("error: acme: it is protected, and never archived by Reconciler; nothing was sent\n")


def test_a_customer_is_protected_by_the_external_id_that_it_has_whatever_key_it_is_bound_to(shop: Online) -> None:
    under(shop, "{protect: [vip-*]}")
    (customer,) = shop.load({"external_id": "vip-1", "name": "Acme"})
    shop.write("customers.yaml", f"customers:\n  acme: {{id: {customer}, name: Acme}}\n")
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    ran = shop.run("api", "customers", "archive", customer)
    assert (ran.code, ran.out, shop.writes()) == (3, "", [])
    assert ran.err.startswith("error: acme: it is protected, and never archived by Reconciler; nothing was sent\n")


def test_what_the_policy_wants_approved_is_approved_by_name(shop: Online) -> None:
    under(shop, "{require_approval_for: [archive]}")
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("api", "customers", "archive", customer)
    assert (ran.code, "give --approve archive" in ran.err, shop.writes()) == (3, True, [])
    assert shop.run("api", "customers", "archive", customer, "--approve", "archive").code == 0


def test_outside_a_window_by_the_servers_clock_nothing_is_sent(shop: Online) -> None:
    under(shop, "{windows: [{actions: [create], days: [mon-fri], from: 09:00, to: 17:00, zone: UTC}]}")
    create = ("api", "customers", "create", "--name", "Acme", "--external-id", "acme")
    for hours, code, writes in ((8, 3, []), (10, 0, ["POST /customers"])):
        shop.emulator.set_clock(EPOCH_S + hours * 3600 - shop.emulator.clock.now())
        ran = shop.run(*create)
        assert (ran.code, shop.writes()) == (code, writes)
        assert ("outside a window" in ran.err) is (code == 3)


def test_a_shared_ledger_keeps_calls_as_a_file_does(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = postgres_server.database("calls")
    shop.applied(ONE)
    assert shop.run("api", "customers", "create", "--name", "Globex", "--external-id", "globex").code == 0
    assert shop.run("api", "customers", "archive", shop.id_of("acme")).code == 0
    assert states(shop) == {"acme": "archived"}
    assert [run["command"] for run in runs(shop)] == ["apply", "api customers create", "api customers archive"]


def test_no_character_of_an_error_moves_a_terminal(shop: Online) -> None:
    ran = shop.run("api", "customers", "patch", "cus\x1b[2J\u202e", "--city", "x")
    assert (ran.code, raw(ran.all)) == (1, [])
    shop.load({"external_id": "a\x1b\u2028", "name": "Acme"})
    create = ("api", "customers", "create", "--external-id", "a\x1b\u2028", "--name", "\x7f")
    for words, code in (((), 3), (("--unchecked",), 1)):
        ran = shop.run(*create, *words)
        assert (ran.code, raw(ran.all)) == (code, [])
