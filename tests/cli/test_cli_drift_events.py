"""Drift of the customers that webhooks name: those alone, at a request each, and what webhooks never say is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from command_line import EPOCH_S, Online, Ran, fits

from reconciler.api.times import rfc3339
from reconciler.emulator.service import ApiKey
from reconciler.rules import archive
from reconciler.rules.behaviour import Behaviour

pytest_plugins = ("command_fixtures",)

KEYS = tuple(f"c{number:02}" for number in range(12))
FILES = ("-f", "customers.yaml")


@pytest.fixture
def applied(shop: Online) -> Online:
    """Return a shop with twelve customers, created a minute apart and applied, a page each."""
    shop.emulator.behaviour = Behaviour(page_max=1)
    shop.load(
        *(
            {"external_id": key, "name": key, "city": "Boston", "created_at": rfc3339(EPOCH_S + 60 * number)}
            for number, key in enumerate(KEYS)
        )
    )
    ran = shop.applied("customers:\n" + "".join(f"  {key}: {{name: {key}, city: Boston}}\n" for key in KEYS))
    assert ran.code == 0, ran.err
    shop.later()
    shop.run("drift", *FILES)
    shop.emulator.requests.clear()
    shop.emulator.counts.clear()
    return shop


def event(topic: str, customer: str) -> Mapping[str, object]:
    return {"topic": topic, "data": {"id": customer, "email": "jane@acme.example"}}


def heard(shop: Online, *bodies: object, words: tuple[str, ...] = (), text: bytes | None = None) -> Ran:
    """Run `drift --events` on bodies, one on each line."""
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in bodies) if text is None else text
    shop.write("events.jsonl", lines)
    return shop.run("drift", *FILES, "--events", "events.jsonl", *words)


def found(shop: Online, *bodies: object) -> dict[str, str]:
    """Return the kind of each finding by key; the JSON fits its schema."""
    document: Any = heard(shop, *bodies, words=("--format", "json")).json
    assert fits(document, "drift")
    assert document["requests"] == shop.requests()
    return {one["external_id"]: one["kind"] for one in document["findings"]}


def test_the_customers_that_events_name_are_checked_at_a_request_each(applied: Online) -> None:
    changed, same, other = (applied.id_of(key) for key in ("c01", "c02", "c03"))
    applied.load({"id": changed, "city": "Salem"}, {"id": other, "city": "Dover"})
    bodies = [event("customer_updated", one) for one in (changed, same, changed)]
    assert found(applied, *bodies) == {"c01": "changed"}
    assert applied.requests() == 1 + 2


def test_the_price_is_said_before_beside_that_of_the_account(applied: Online) -> None:
    applied.write("events.jsonl", json.dumps(event("customer_updated", applied.id_of("c01"))))
    ran = applied.run("drift", *FILES, "--events", "events.jsonl", RECONCILER_RATE="1000")
    assert "reading 1 customer alone: about 2 requests" in ran.err
    assert "the whole account takes 13" in ran.err


def test_the_exit_code_and_the_next_step_are_those_of_drift(applied: Online) -> None:
    customer = applied.id_of("c01")
    assert heard(applied, event("customer_updated", customer)).code == 0
    applied.load({"id": customer, "city": "Salem"})
    ran = heard(applied, event("customer_updated", customer))
    assert (ran.code, ran.out.splitlines()[-1]) == (2, "Drift: 1 changed. 1 customer checked, named by 1 event.")
    assert "To revert it: reconciler apply -f customers.yaml --target c01" in ran.err
    assert "To accept it: reconciler drift --accept -f customers.yaml --target c01" in ran.err


def test_what_webhooks_never_say_is_stated(applied: Online) -> None:
    ran = heard(applied, event("customer_updated", applied.id_of("c01")))
    assert "The API sends no webhook when someone restores a customer or changes its users" in " ".join(ran.out.split())


def test_a_customer_that_is_archived_is_found_without_a_request_more(applied: Online) -> None:
    customer = applied.id_of("c01")
    archive(applied.emulator.account, applied.emulator.behaviour, customer, EPOCH_S)
    assert found(applied, event("customer_updated", customer), event("customer_archived", customer)) == {
        "c01": "archived"
    }
    assert applied.requests() == 1 + 1


def test_an_archived_customer_of_which_only_an_update_was_heard_is_asked_for_once_more(applied: Online) -> None:
    customer = applied.id_of("c01")
    archive(applied.emulator.account, applied.emulator.behaviour, customer, EPOCH_S)
    assert list(found(applied, event("customer_updated", customer))) == ["c01"]
    assert applied.requests() == 1 + 2


def test_many_archived_customers_are_no_reason_to_list_the_account(applied: Online) -> None:
    ids = [applied.id_of(key) for key in KEYS[:6]]
    for one in ids:
        archive(applied.emulator.account, applied.emulator.behaviour, one, EPOCH_S)
    kinds = found(applied, *(event("customer_archived", one) for one in ids))
    assert kinds == dict.fromkeys(KEYS[:6], "archived")
    assert applied.requests() == 1 + 6


def test_a_customer_that_someone_else_created_is_new_and_not_managed(applied: Online) -> None:
    created = rfc3339(EPOCH_S + 10**9)
    named, unnamed = applied.load(
        {"external_id": "new", "name": "New", "created_at": created}, {"name": "Nameless", "created_at": created}
    )
    bodies = [event("customer_created", one) for one in (named, unnamed)]
    assert found(applied, *bodies) == {"new": "unmanaged", unnamed: "unmanaged"}
    assert applied.requests() == 1 + 2


def test_a_customer_that_was_created_with_an_external_id_of_ours_is_a_duplicate(applied: Online) -> None:
    applied.emulator.behaviour = Behaviour(page_max=1)
    (twin,) = applied.load({"external_id": "c01", "name": "Twin", "created_at": rfc3339(EPOCH_S + 10**9)})
    assert "duplicated" in found(applied, event("customer_created", twin)).values()


def test_ids_of_another_account_are_named_and_are_no_drift(applied: Online) -> None:
    ran = heard(applied, event("customer_updated", "6a1f0c9e-5b0e-4f64-9d9a-0d5b8f1c2e3d"))
    assert ran.code == 0
    assert "1 id is unknown to this account: 6a1f0c9e-5b0e-4f64-9d9a-0d5b8f1c2e3d" in ran.err
    assert ran.out.splitlines()[-1] == "No drift. 0 customers checked, named by 1 event."


def test_other_topics_are_counted_and_named(applied: Online) -> None:
    bodies = [{"topic": "invoice_paid", "data": {"id": "inv"}}, {"topic": "refund_made"}, {"topic": "invoice_paid"}]
    ran = heard(applied, *bodies, words=("--format", "json"))
    assert (ran.code, applied.requests()) == (0, 0)
    topics = {one["topic"]: one["events"] for one in ran.json["events"]["other_topics"]}
    assert topics == {"invoice_paid": 2, "refund_made": 1}
    assert "'invoice_paid' (2), 'refund_made' (1)" in ran.err


@pytest.mark.parametrize(
    "shape",
    [
        '{"topic": "customer_updated", "customer_id": "ID"}',
        '{"topic": "customer_updated", "id": "ID"}',
        '{"topic": "customer_updated", "id": "evt_1", "data": {"id": "ID"}}',
        '{"event": "customer_updated", "id": "evt_1", "payload": {"customer": {"id": "ID"}}}',
        '{"event_type": "customer_updated", "id": "evt_1", "data": {"object": {"id": "ID"}}}',
        '{"type": "customer_updated", "data": [{"id": "ID"}]}',
        '{"topic": "customer_updated", "payload": "{\\"id\\": \\"ID\\"}"}',
        '{"id": "ID", "external_id": "c01", "name": "c01"}',
        '{"topic": "customer_updated", "id": "ID", "number": ' + "1" * 5000 + "}",
        '\ufeff{"topic": "customer_updated", "customer": "ID"}',
    ],
)
def test_bodies_of_any_likely_shape_are_read(applied: Online, shape: str) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    ran = heard(applied, text=shape.replace("ID", customer).encode() + b"\r\n\n", words=("--format", "brief"))
    assert (ran.code, ran.out.split(" ")[:2]) == (2, ["changed", "c01:"]), ran.all


WRONG = {
    "cut short": (b'{"topic": "customer_updated", "data": {"id": "SECRET', "the JSON is cut short"),
    "not JSON": (b"id=SECRET", "this is not JSON, at character 1"),
    "a list": (b'["SECRET"]', "this is not a JSON object"),
    "not UTF-8": (b'{"topic": "customer_updated", "SECRET": "\xff"}', "is not UTF-8"),
    "no id": (b'{"topic": "customer_updated", "data": {"name": "SECRET"}}', "names no customer"),
    "an id that is none": (b'{"topic": "customer_updated", "id": "SECRET\\n"}', "is not one"),
    "too deep": (b'{"a":' * 100_000, "nested too deeply"),
    "too long": (b'{"SECRET": "' + b"x" * (1024**2 + 1) + b'"}', "longer than 1 MiB"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG)
def test_a_line_that_cannot_be_read_is_an_error_with_its_number_and_none_of_its_content(
    applied: Online, line: bytes, said: str
) -> None:
    good = json.dumps(event("customer_updated", applied.id_of("c01"))).encode()
    ran = heard(applied, text=good + b"\n\n" + line + b"\n")
    assert (ran.code, ran.out, applied.requests()) == (1, "", 0)
    assert ran.err.startswith("events.jsonl:3: ")
    assert said in ran.err
    assert "SECRET" not in ran.err
    assert "Traceback" not in ran.err


def test_many_lines_that_cannot_be_read_are_counted(applied: Online) -> None:
    ran = heard(applied, text=b"x\n" * 1000)
    assert "980 more lines cannot be read" in ran.err


def test_events_come_by_standard_input(applied: Online) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    body = json.dumps(event("customer_updated", customer)).encode()
    assert applied.run("drift", *FILES, "--events", "-", stdin=body).code == 2
    ran = applied.run("drift", "-f", "-", "--events", "-", stdin=body)
    assert (ran.code, "cannot both read standard input" in ran.err) == (1, True)


def test_events_are_of_one_account_and_not_of_several_environments(applied: Online) -> None:
    applied.write("reconciler.yaml", "environments: {one: {}, two: {}}\nfiles: [customers.yaml]\n")
    ran = applied.run("-e", "one", "-e", "two", "drift", "--events", "-")
    assert (ran.code, "--events names customers of one account" in ran.err) == (1, True)


def test_no_events_are_no_drift_and_no_request(applied: Online) -> None:
    ran = heard(applied, text=b"")
    assert (ran.code, applied.requests()) == (0, 0)
    assert ran.out.splitlines()[-1] == "No drift. 0 customers checked, named by 0 events."


def test_a_file_of_events_that_is_not_there_is_an_error(applied: Online) -> None:
    ran = applied.run("drift", *FILES, "--events", "nosuch.jsonl")
    assert (ran.code, "nosuch.jsonl: this cannot be read" in ran.err) == (1, True)


def test_targets_and_events_are_not_given_together(applied: Online) -> None:
    ran = heard(applied, words=("--target", "c01"))
    assert (ran.code, "cannot be used with --target" in ran.err) == (1, True)


def test_a_customer_that_is_excluded_is_not_asked_for(applied: Online) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    assert heard(applied, event("customer_updated", customer), words=("--exclude", "c01")).code == 0
    assert applied.requests() == 0


def test_an_edit_that_is_not_applied_is_pending_and_no_drift(applied: Online) -> None:
    text = (applied.folder / "customers.yaml").read_text("utf-8")
    applied.write("customers.yaml", text.replace("name: c01, city: Boston", "name: c01, city: Lynn"))
    ran = heard(applied, event("customer_updated", applied.id_of("c01")))
    assert (ran.code, "1 edit is not applied yet" in ran.out) == (0, True)


def test_drift_of_events_is_accepted_into_the_files(applied: Online) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    assert heard(applied, event("customer_updated", customer), words=("--accept",)).code == 0
    assert "name: c01, city: Salem" in (applied.folder / "customers.yaml").read_text("utf-8")


def test_a_key_that_the_ledger_does_not_know_yet_is_told_what_to_run(applied: Online) -> None:
    applied.emulator.tokens.keys["reader"] = ApiKey("reader", "reader", frozenset({"customers:read"}))
    body = json.dumps(event("customer_updated", applied.id_of("c01"))).encode()
    applied.write("events.jsonl", body)
    words = ("drift", *FILES, "--events", "events.jsonl")
    ran = applied.run(*words, AP_CLIENT_ID="reader", AP_CLIENT_SECRET="reader")
    assert (ran.code, "does not know this API key yet" in ran.err) == (1, True)
    assert applied.run("drift", *FILES, AP_CLIENT_ID="reader", AP_CLIENT_SECRET="reader").code == 0
    assert applied.run(*words, AP_CLIENT_ID="reader", AP_CLIENT_SECRET="reader").code == 0


def test_without_a_ledger_each_id_is_asked_for_and_compared_with_the_files(applied: Online) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    applied.write("events.jsonl", json.dumps(event("customer_updated", customer)))
    ran = applied.run("drift", *FILES, "--events", "events.jsonl", RECONCILER_STATE="other.db")
    assert (ran.code, applied.requests()) == (2, 1 + 1)
    assert "Unknown: There is no ledger yet" in ran.out


@pytest.mark.parametrize("form", ["markdown", "html", "junit", "brief", "github", "sarif", "gitlab"])
def test_every_format_reports_events(applied: Online, form: str) -> None:
    customer = applied.id_of("c01")
    applied.load({"id": customer, "city": "Salem"})
    ran = heard(applied, event("customer_updated", customer), words=("--format", form, "--redact"))
    assert (ran.code, "c01" in ran.out, "Salem" in ran.out) == (2, True, False)
