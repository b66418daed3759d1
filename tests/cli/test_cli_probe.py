"""`doctor --probe`: who may be probed, what is said before, what is left, and what the next run knows."""

from __future__ import annotations

import json
import re

import pytest
from command_line import ONE, Online, Ran, fits, raw

from reconciler.emulator.fault_settings import switched
from reconciler.emulator.service import ApiKey

pytest_plugins = ("command_fixtures",)

DISPOSABLE = "version: 1\nfiles: [customers.yaml]\nenvironments: {default: {disposable: true}}\n"
ARCHIVED = "customers:\n  acme: {name: Acme, email: billing@acme.example, city: Boston, archived: true}\n"


def disposable(shop: Online) -> None:
    shop.write("reconciler.yaml", DISPOSABLE)
    shop.variables["AP_ENVIRONMENT"] = "default"
    hides(shop)


def hides(shop: Online, **ways: object) -> None:
    """Let an archived customer answer no get: what is not to be seen at once is not waited for."""
    shop.emulator.behaviour = switched(shop.emulator.behaviour, {"gets_archived": False, **ways})


def probe(shop: Online, *words: str, **how: object) -> Ran:
    return shop.run("doctor", "--probe", *words, **how)


def answers(ran: Ran) -> dict[str, str | None]:
    assert fits(ran.json, "doctor")
    return {one["question"]: one["answer"] for one in ran.json["probe"]["answers"]}


def test_an_account_that_is_not_disposable_is_refused_and_the_flag_that_allows_it_is_said(shop: Online) -> None:
    hides(shop)
    ran = probe(shop, "--auto-approve")
    assert (ran.code, shop.requests()) == (3, 0)
    (flag,) = re.findall(r"--account (default/[0-9a-f]{8})", ran.err)
    allowed = probe(shop, "--auto-approve", "--account", flag, "--format", "json")
    assert (allowed.code, allowed.json["probe"]["complete"]) == (0, True), allowed.err


def test_another_account_than_the_named_one_is_refused_also_where_it_is_disposable(shop: Online) -> None:
    disposable(shop)
    ran = probe(shop, "--auto-approve", "--account", "production/00000000")
    assert (ran.code, shop.requests()) == (3, 0)
    assert "production/00000000" in ran.err


def test_without_a_terminal_and_without_consent_nothing_is_sent(shop: Online) -> None:
    disposable(shop)
    ran = probe(shop)
    assert (ran.code, shop.requests()) == (3, 0)


@pytest.mark.parametrize(("typed", "code", "made"), [(b"n\n", 3, 0), (b"", 3, 0), (b"yes\n", 0, 1)])
def test_what_will_be_made_is_said_before_it_is_asked_for(shop: Online, typed: bytes, code: int, made: int) -> None:
    disposable(shop)
    ran = probe(shop, stdin=typed, terminal=True)
    before, _, _ = ran.err.partition("Probe this account? [y/N]: ")
    assert "leaves it archived: the API cannot delete it" in before
    assert (ran.code, len(shop.account())) == (code, made)


def test_one_archived_customer_is_left_and_the_next_probe_leaves_one_more(shop: Online) -> None:
    disposable(shop)
    for times in (1, 2):
        assert probe(shop, "--auto-approve").code == 0
        assert [archived for _, archived, _ in shop.account().values()] == [True] * times
    assert all(email.endswith("@example.com") for _, _, users in shop.account().values() for email in users)


def test_the_answers_are_printed_and_kept_for_later(shop: Online) -> None:
    disposable(shop)
    hides(shop, clears="null")
    ran = probe(shop, "--auto-approve", "--format", "json")
    assert (answers(ran)["clears"], answers(ran)["lists_archived"]) == ("null", "no")
    later = {one["check"]: one for one in shop.run("doctor", "--format", "json").json["checks"]}["learned"]["facts"]
    assert (later["empties"], later["lists_archived"], later["probe_clears"]) == ("null", False, "null")


def test_a_table_says_what_was_not_asked_and_why(shop: Online) -> None:
    disposable(shop)
    ran = probe(shop, "--auto-approve", COLUMNS="80")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "Does archiving a customer with open invoices fail? The probe's customer has no invoices." in " ".join(
        ran.out.split()
    )
    assert "It made 1 customer with the external_id Reconciler-probe-" in ran.out


def test_where_something_is_wrong_nothing_is_probed(shop: Online) -> None:
    disposable(shop)
    shop.write(".reconciler/default.db", b"\0" * 9000)
    ran = probe(shop, "--auto-approve")
    assert (ran.code, shop.account()) == (1, {})
    assert "not probed" in ran.err


def test_a_key_that_may_only_read_stops_the_probe_before_anything_is_made(shop: Online) -> None:
    disposable(shop)
    shop.emulator.tokens.keys["reader"] = ApiKey("reader", "reader", frozenset({"customers:read"}))
    ran = probe(shop, "--auto-approve", AP_CLIENT_ID="reader", AP_CLIENT_SECRET="reader")
    assert (ran.code, shop.account()) == (1, {})
    assert "customers:write" in ran.err


@pytest.mark.parametrize("lists", [False, True])
def test_other_commands_leave_the_archived_customer_alone(shop: Online, lists: bool) -> None:
    disposable(shop)
    hides(shop, lists_archived=lists)
    shop.applied(ONE)
    probe(shop, "--auto-approve")
    shop.later()
    plan = shop.run("plan", "--detailed-exitcode", "--format", "json")
    assert (plan.code, plan.json["notes"]) == (0, [])
    drift = shop.run("drift", "--format", "json")
    assert (drift.code, drift.json["findings"]) == (0, []), drift.out
    assert "probe" not in shop.run("import").out
    seed = shop.run("seed", "--reset", "--auto-approve", "--format", "json")
    assert (seed.code, len(seed.json["outcomes"])) == (0, 0), seed.all


def test_a_new_key_for_the_account_is_accepted_after_a_probe(shop: Online) -> None:
    disposable(shop)
    shop.applied(ONE)
    probe(shop, "--auto-approve")
    shop.emulator.tokens.keys["newer"] = ApiKey("newer", "newer")
    ran = shop.run("plan", AP_CLIENT_ID="newer", AP_CLIENT_SECRET="newer")
    assert (ran.code, "The ledger does not know this API key yet" in ran.out) == (0, True), ran.all


def test_a_probe_can_be_seen_in_the_history_and_there_is_nothing_of_it_to_undo(shop: Online) -> None:
    disposable(shop)
    probe(shop, "--auto-approve")
    (run,) = shop.run("history", "--format", "json").json["runs"]
    assert (run["command"], run["outcome"]) == ("doctor --probe", "done")
    undone = shop.run("undo", run["id"], "--auto-approve")
    assert (undone.code, [archived for _, archived, _ in shop.account().values()]) == (3, [True])
    assert "there is nothing to undo" in undone.err


def test_an_answer_that_quotes_the_server_comes_out_safe_and_a_report_has_none(shop: Online) -> None:
    disposable(shop)
    hides(shop, extra_fields=True)
    assert raw(probe(shop, "--auto-approve").out) == []
    report = probe(shop, "--auto-approve", "--report", "--format", "json")
    assert fits(report.json, "doctor")
    said = [{name: value for name, value in one.items() if name != "asked"} for one in report.json["probe"]["answers"]]
    for named in ("risk_tier", "Reconciler-probe", "why", "external_id is"):
        assert named not in json.dumps(said)
        assert named == "external_id is" or named not in report.out
