"""`drift`: what others changed since the last apply, and what of it does not count."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from command_line import EPOCH_S, THREE, Online, Ran, fits, raw

from reconciler.model.reasons import UnknownKind
from reconciler.report.messages import said
from reconciler.report.messages.plan import UNKNOWN
from reconciler.rules import archive, restore

pytest_plugins = ("command_fixtures",)

KINDS = ("changed", "archived", "restored", "gone", "duplicated", "unmanaged")


@pytest.fixture
def kept(shop: Online) -> Online:
    """Return an account as it was applied, a minute ago."""
    assert shop.applied(THREE).code == 0
    shop.later()
    return shop


def drift(shop: Online, *words: str) -> Ran:
    return shop.run("drift", "-f", "customers.yaml", *words)


def told(shop: Online, *words: str) -> Any:  # noqa: ANN401 - a document
    """Return the drift as JSON, having seen that nothing was written to the account."""
    before = (shop.account(), shop.writes())
    ran = drift(shop, "--format", "json", *words)
    assert ran.code == (2 if ran.json["drifted"] else 0), ran.err
    assert (shop.account(), shop.writes()) == before
    assert fits(ran.json, "drift")
    return ran.json


def found(shop: Online, *words: str) -> list[tuple[str, str]]:
    return [(one["kind"], one["address"]) for one in told(shop, *words)["findings"]]


def by_hand(shop: Online, rule: Any, key: str) -> None:  # noqa: ANN401 - archive or restore
    account = shop.emulator.account
    rule(account, shop.emulator.behaviour, shop.id_of(key), EPOCH_S)


def test_an_account_as_it_was_applied_has_no_drift(kept: Online) -> None:
    document = told(kept)
    assert (document["findings"], document["coverage"]) == ([], {"managed": 3, "live": 3, "share": 1.0})


def test_a_field_that_somebody_changed_is_drift_with_all_three_values(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    (finding,) = told(kept)["findings"]
    assert (finding["kind"], finding["source"]["file"]) == ("changed", "customers.yaml")
    assert finding["fields"] == [
        {"name": "city", "applied": "Boston", "live": "Dover", "declared": "Boston", "cause": "drift"}
    ]


def test_what_is_live_as_it_is_declared_is_no_drift_whatever_the_ledger_says(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    kept.write("customers.yaml", THREE.replace("Boston", "Dover"))
    assert found(kept) == []


def test_an_edit_that_is_not_applied_is_pending_and_no_drift(kept: Online) -> None:
    kept.write("customers.yaml", THREE.replace("Boston", "Salem") + "  new: {name: New, email: n@new.example}\n")
    document = told(kept)
    pending = [(one["action"], one["address"], one["fields"]) for one in document["pending"]]
    assert (document["findings"], pending) == ([], [("patch", "acme", ["city"]), ("create", "new", [])])


def test_a_field_that_both_sides_moved_is_drift(kept: Online) -> None:
    kept.write("customers.yaml", THREE.replace("Boston", "Salem"))
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    (finding,) = told(kept)["findings"]
    assert [(one["applied"], one["live"], one["declared"], one["cause"]) for one in finding["fields"]] == [
        ("Boston", "Dover", "Salem", "both")
    ]


def test_without_a_record_a_difference_is_drift_of_unknown_cause(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "billing@acme.example", "city": "Dover"})
    shop.write("customers.yaml", THREE)
    document = told(shop)
    (finding,) = document["findings"]
    assert [(one["applied"], one["cause"]) for one in finding["fields"]] == [(None, "unknown")]
    assert document["unknown"] != []


def test_without_a_record_another_email_is_drift_of_unknown_cause_too(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "email": "other@acme.example", "city": "Boston"})
    shop.write("customers.yaml", THREE)
    document = told(shop)
    (finding,) = document["findings"]
    assert finding["fields"] == [
        {
            "name": "email",
            "applied": None,
            "live": "other@acme.example",
            "declared": "billing@acme.example",
            "cause": "unknown",
        }
    ]
    assert document["blocked"] == []


def test_an_email_that_somebody_changed_is_drift_though_no_request_can_undo_it(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "email": "other@acme.example"})
    (finding,) = told(kept)["findings"]
    assert [(one["name"], one["applied"], one["live"]) for one in finding["fields"]] == [
        ("email", "billing@acme.example", "other@acme.example")
    ]


def test_an_external_id_that_somebody_changed_is_drift(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "external_id": "acme-2"})
    (finding,) = [one for one in told(kept)["findings"] if one["kind"] == "changed"]
    assert (finding["address"], finding["fields"][0]["live"]) == ("acme", "acme-2")


def test_a_customer_that_somebody_archived_is_drift(kept: Online) -> None:
    by_hand(kept, archive, "acme")
    assert found(kept) == [("archived", "acme")]


def test_a_customer_that_is_hidden_or_gone_is_drift(kept: Online) -> None:
    kept.emulator.behaviour = replace(kept.emulator.behaviour, gets_archived=False)
    by_hand(kept, archive, "acme")
    assert found(kept) == [("gone", "acme")]


def test_a_customer_that_we_archived_and_somebody_restored_is_drift(kept: Online) -> None:
    kept.applied(THREE.replace("globex: {name", "globex: {archived: true, name"))
    kept.later()
    kept.applied(THREE.replace("globex: {name", "globex: {archived: true, name"))
    by_hand(kept, restore, "globex")
    assert found(kept) == [("restored", "globex")]


@pytest.mark.parametrize(
    ("gets_archived", "unobservable"),
    [
        (
            False,
            [
                UNKNOWN[UnknownKind.ARCHIVES_INVISIBLE].what,
                "For the same reason, we cannot see whether someone restored 1 customer that we archived.",
            ],
        ),
        (
            True,
            [
                said(UNKNOWN[UnknownKind.RESTORES_UNCERTAIN].what, {"customers": 1}),
            ],
        ),
    ],
    ids=["known, as a get hides it", "not known"],
)
def test_where_archived_ones_are_listed_it_says_what_cannot_be_observed(
    kept: Online, *, gets_archived: bool, unobservable: list[str]
) -> None:
    ways = replace(kept.emulator.behaviour, lists_archived=True, gets_archived=gets_archived)
    kept.emulator.behaviour = ways
    archived = THREE.replace("globex: {name", "globex: {archived: true, name")
    kept.applied(archived)
    kept.later()
    kept.applied(archived)
    by_hand(kept, restore, "globex")
    document = told(kept)
    assert document["findings"] == []
    assert document["unobservable"] == unobservable


def test_a_customer_that_appeared_since_the_last_apply_is_drift_and_an_older_one_is_not(shop: Online) -> None:
    shop.load({"external_id": "old", "name": "Old", "created_at": "2025-01-01T00:00:00Z"})
    shop.applied(THREE)
    shop.later()
    account = shop.emulator.account
    assert found(shop) == []
    shop.run("drift", "-f", "customers.yaml")
    load_now(shop, {"external_id": "new", "name": "New"})
    document = told(shop)
    assert [(one["kind"], one["address"]) for one in document["findings"]] == [("unmanaged", "new")]
    assert (document["coverage"]["managed"], document["coverage"]["live"], len(account.customers)) == (3, 5, 5)


def load_now(shop: Online, *customers: dict[str, object]) -> None:
    """Put customers into the account as if they were created now."""
    from reconciler.emulator.service import load  # noqa: PLC0415

    load(shop.emulator.account, customers, shop.emulator.now())


def test_two_active_customers_with_one_external_id_are_drift(kept: Online) -> None:
    first = kept.id_of("acme")
    (twin,) = kept.load({"external_id": "acme", "name": "Twin"})
    (finding,) = told(kept)["findings"]
    assert (finding["kind"], sorted(finding["ids"])) == ("duplicated", sorted([first, twin]))


def test_targets_and_excludes_narrow_what_is_told(kept: Online) -> None:
    for key in ("acme", "globex"):
        kept.load({"id": kept.id_of(key), "name": "Other"})
    assert found(kept, "--target", "a*") == [("changed", "acme")]
    assert found(kept, "--exclude", "a*") == [("changed", "globex")]


RULES = """\
version: 1
ignore:
  - {key: "a*", kinds: [changed], fields: [city], until: 2999-01-31, reason: they are moving}
  - {key: globex, until: 2001-01-31, reason: long ago}
"""


def test_a_rule_hides_what_it_fits_until_its_day(kept: Online) -> None:
    kept.write("drift-ignore.yaml", RULES)
    kept.load({"id": kept.id_of("acme"), "city": "Dover"}, {"id": kept.id_of("globex"), "name": "Other"})
    document = told(kept)
    assert [one["address"] for one in document["findings"]] == ["globex"]
    assert [(one["finding"]["address"], one["rule"]["key"]) for one in document["ignored"]] == [("acme", "a*")]
    assert [one["key"] for one in document["expired"]] == ["globex"]


def test_a_rule_for_a_field_leaves_the_others_of_the_customer(kept: Online) -> None:
    kept.write("rules.yaml", RULES)
    kept.load({"id": kept.id_of("acme"), "city": "Dover", "name": "Other"})
    (finding,) = told(kept, "--ignore", "rules.yaml")["findings"]
    assert [one["name"] for one in finding["fields"]] == ["name"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("version: 1\nignore:\n  - {key: a, until: 2027-02-30, reason: r}\n", ":3:21", "this is not a date"),
        ("version: 1\nignore:\n  - {key: a, reason: r}\n", ":3:5", "until"),
        ("version: 1\nignore:\n  - {key: a, until: 2027-01-31, reason: r, kind: x}\n", ":3:", "kinds"),
        ("version: 1\n", ":1:1", "ignore"),
        ("", "", "empty"),
        ("- x\n", ":1:1", "mapping"),
    ],
)
def test_a_mistake_in_the_rules_is_said_with_its_place(kept: Online, text: str, place: str, words: str) -> None:
    kept.write("drift-ignore.yaml", text)
    ran = drift(kept)
    assert (ran.code, ran.out, f"drift-ignore.yaml{place}" in ran.err, words in ran.err) == (1, "", True, True), ran.err


def test_rules_that_are_named_and_not_there_are_an_error(kept: Online) -> None:
    ran = drift(kept, "--ignore", "none.yaml")
    assert (ran.code, "none.yaml: this cannot be read" in ran.err) == (1, True)


def test_drift_needs_a_key_that_reads_and_no_more(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    kept.emulator.requests.clear()
    drift(kept)
    assert {line.method for line in kept.emulator.requests if line.path != "/oauth/token"} == {"GET"}


def test_junit_has_a_failed_test_for_each_finding(kept: Online) -> None:
    kept.write("drift-ignore.yaml", RULES)
    kept.load({"id": kept.id_of("acme"), "city": "Dover"}, {"id": kept.id_of("globex"), "name": "a\x01\ufffe]]>"})
    suite = ET.fromstring(drift(kept, "--format", "junit").out)  # noqa: S314 - our own
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    (failure,) = suite.iter("failure")
    assert "name: applied Globex, live a\\x01" in (failure.text or "")


HOSTILE = "<script>alert(1)</script> [x](javascript:1) @bob #1 `a` \u202e\x1b[31m <img src=x>"


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "junit", "brief", "github", "sarif", "gitlab"])
def test_no_form_shows_a_raw_character_that_could_do_harm(kept: Online, form: str) -> None:
    kept.load({"id": kept.id_of("acme"), "city": HOSTILE})
    ran = drift(kept, "--format", form)
    assert (ran.code, raw(ran.out)) == (2, [])


def test_html_has_live_text_as_data_alone(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "city": HOSTILE})
    text = drift(kept, "--format", "html").out
    assert (text.startswith("<!doctype html>\n"), text.count("<script"), "<img" in text) == (True, 2, False)
    assert r"\u003cscript\u003ealert(1)\u003c/script\u003e" in text


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "junit", "brief", "github", "sarif", "gitlab"])
def test_redact_masks_values_in_every_form(kept: Online, form: str) -> None:
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    out = drift(kept, "--format", form, "--redact").out
    assert [value for value in ("Dover", "Boston") if value in out] == []
    assert "acme" in out


def test_markdown_is_cut_to_what_an_issue_takes(shop: Online) -> None:
    keys = [f"customer-{number}" for number in range(900)]
    shop.load(*({"external_id": key, "name": "x" * 200} for key in keys))
    shop.write("customers.yaml", "customers:\n" + "".join(f"  {key}: {{name: y, city: z}}\n" for key in keys))
    text = drift(shop, "--format", "markdown").out
    assert len(text.encode()) < 65_536
    assert "**Cut to fit:** not every entry is shown here" in text


def test_a_narrow_terminal_keeps_every_word(kept: Online) -> None:
    kept.load({"id": kept.id_of("acme"), "city": "Dover"})
    ran = kept.run("drift", "-f", "customers.yaml", COLUMNS="40")
    assert (max(map(len, ran.out.splitlines())) <= 40, "Dover" in ran.out) == (True, True)
