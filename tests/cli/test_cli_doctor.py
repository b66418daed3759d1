"""`doctor`: one line for each check, each failing for itself, and a report that can be shown to anybody."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import object_server
import pytest
from command_line import ONE, Online, Place, Ran, answers, fits, raw, variables_of, web_server

from reconciler.clock import RealClock
from reconciler.ledger.lock import take_lock
from reconciler.ledger.objects.store import open_store
from reconciler.ledger.sqlite_file import shipped

pytest_plugins = ("command_fixtures",)

ALL = ["project", "files", "credentials", "reachability", "scopes", "clock", "contract", "state", "lock", "learned"]
NOWHERE = "http://127.0.0.1:1"


def doctor(place: Place, *words: str, **variables: str) -> Ran:
    return place.run("doctor", "--format", "json", *words, **variables)


def verdicts(ran: Ran) -> dict[str, str]:
    assert fits(ran.json, "doctor")
    assert ran.code == (0 if ran.json["healthy"] else 1)
    return {one["check"]: one["verdict"] for one in ran.json["checks"]}


def found(ran: Ran, check: str) -> Mapping[str, Any]:
    return {one["check"]: one for one in ran.json["checks"]}[check]


def apart_from(ran: Ran, *verdict: str) -> dict[str, str]:
    return {check: one for check, one in verdicts(ran).items() if one not in (verdict or ("ok",))}


def test_all_is_well_with_an_account_that_answers_and_a_ledger_that_was_used(shop: Online) -> None:
    shop.applied(ONE)
    before = shop.requests()
    ran = doctor(shop)
    assert list(verdicts(ran).items()) == [(check, "ok") for check in ALL]
    assert (ran.code, ran.json["requests"], shop.requests() - before) == (0, 2, 2)
    assert found(ran, "state")["facts"]["customers"] == 1


def test_the_price_is_said_before_it_is_paid_and_nothing_is_written(shop: Online) -> None:
    ran = shop.run("doctor", RECONCILER_RATE="5")
    assert "2 requests at most, 0.4 s at 5 a second; nothing is changed" in ran.err
    assert (shop.writes(), [one.name for one in shop.folder.iterdir()]) == ([], ["state"])


def test_in_a_narrow_terminal_every_line_is_as_narrow(shop: Online) -> None:
    ran = shop.run("doctor", COLUMNS="40")
    assert max(map(len, ran.out.splitlines())) <= 40
    assert "All is well." in ran.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("files: [a\n  x: [", "reconciler.yaml:2:4: this is not YAML"),
        ("version: 1\nenvironments: {a: {}, b: {}}\n", "there are several environments: a, b"),
        ("version: 1\nenvironments: {a: {colour: red}}\n", "colour"),
        ("", "the file is empty"),
    ],
)
def test_a_project_file_that_cannot_be_used_is_the_one_thing_that_is_wrong(here: Place, text: str, said: str) -> None:
    here.write("reconciler.yaml", text)
    ran = doctor(here)
    assert verdicts(ran) == {"project": "wrong", **dict.fromkeys(ALL[1:], "skipped")}
    assert said in found(ran, "project")["said"]
    assert ran.json["environment"] is None


def test_without_credentials_network_clock_and_ledger_are_looked_at_all_the_same(shop: Online) -> None:
    ran = doctor(shop, AP_CLIENT_ID="", AP_CLIENT_SECRET="")
    assert apart_from(ran) == {
        "credentials": "wrong",
        "scopes": "skipped",
        "contract": "skipped",
        "lock": "skipped",
    }
    assert "AP_CLIENT_ID" in found(ran, "credentials")["said"]


def test_wrong_credentials_are_told_from_an_api_that_is_not_reached(shop: Online) -> None:
    refused, unreached = doctor(shop, AP_CLIENT_SECRET="other"), doctor(shop, AP_BASE_URL=NOWHERE)
    assert apart_from(refused) == {"credentials": "wrong", "scopes": "skipped", "contract": "skipped"}
    assert apart_from(unreached) == {
        "credentials": "skipped",
        "reachability": "wrong",
        "scopes": "skipped",
        "clock": "skipped",
        "contract": "skipped",
    }
    assert found(unreached, "reachability")["facts"]["stage"] == "connection"


def test_a_key_that_may_not_read_lacks_a_scope(shop: Online) -> None:
    keys = shop.emulator.tokens.keys
    kept = keys["read-only"]
    keys["read-only"] = type(kept)("read-only", "read-only", frozenset({"payouts:read"}))
    try:
        ran = doctor(shop, AP_CLIENT_ID="read-only", AP_CLIENT_SECRET="read-only")
    finally:
        keys["read-only"] = kept
    assert apart_from(ran) == {"scopes": "wrong", "contract": "skipped"}
    assert "customers:read" in found(ran, "scopes")["mend"]


@pytest.mark.parametrize(("jump_s", "side"), [(90.0, "behind"), (-3700.0, "ahead of")])
def test_a_clock_that_differs_is_a_warning_with_the_side_and_the_time(shop: Online, jump_s: float, side: str) -> None:
    shop.emulator.offset_s = jump_s
    ran = doctor(shop)
    assert apart_from(ran) == {"clock": "warning"}
    assert side in found(ran, "clock")["said"]
    assert abs(found(ran, "clock")["facts"]["ahead_s"] - jump_s) < 3


def test_what_is_no_api_is_found_out_at_its_first_answer(here: Place) -> None:
    with web_server(lambda *_: (200, "text/html", b"<h1>Welcome\x1b[2J</h1>")) as (url, _):
        ran = doctor(here, **variables_of(url))
    assert verdicts(ran)["reachability"] == "wrong"
    assert found(ran, "reachability")["facts"]["stage"] == "answer"


def test_a_list_that_is_no_list_is_wrong_and_names_the_base_url(here: Place) -> None:
    with web_server(answers(lambda _: {"customers": []})) as (url, _):
        ran = doctor(here, **variables_of(url))
    assert verdicts(ran)["reachability"] == "wrong"


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"x", "this file is not a ledger"), (b"\0" * 9000, "this file is not a ledger"), (None, "this is a folder")],
)
def test_a_ledger_that_is_none_is_wrong_and_the_rest_is_looked_at(shop: Online, content: bytes, said: str) -> None:
    if content is None:
        (shop.folder / "ledger.db").mkdir()
    else:
        shop.write("ledger.db", content)
    ran = doctor(shop, RECONCILER_STATE="ledger.db")
    assert apart_from(ran) == {"state": "wrong", "learned": "skipped"}
    assert said in found(ran, "state")["said"]


def _formatted(shop: Online, version: int) -> None:
    shop.applied(ONE)
    with closing(sqlite3.connect(shop.folder / ".reconciler" / "default.db")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def test_the_ledger_of_a_newer_version_is_wrong_and_both_formats_are_said(shop: Online) -> None:
    _formatted(shop, 99)
    ran = doctor(shop)
    assert apart_from(ran) == {"state": "wrong", "learned": "skipped"}
    assert found(ran, "state")["mend"] == "update reconciler"
    assert found(ran, "state")["facts"]["format"] == 99


def test_a_ledger_in_a_kind_of_place_that_is_not_supported_is_wrong_and_its_password_is_not_shown(shop: Online) -> None:
    ran = doctor(shop, RECONCILER_STATE="redis://me:hidden@host/0")
    assert apart_from(ran) == {"state": "wrong", "learned": "skipped"}
    assert "hidden" not in ran.all


def test_credentials_in_the_url_of_a_bucket_are_wrong_and_not_shown(shop: Online) -> None:
    ran = doctor(shop, RECONCILER_STATE="s3://me:hidden@bucket/state")
    assert apart_from(ran) == {"state": "wrong", "lock": "wrong", "learned": "skipped"}
    assert "hidden" not in ran.all


def test_a_ledger_in_a_bucket_is_looked_at_and_nothing_is_left_there(shop: Online) -> None:
    shop.variables["RECONCILER_STATE"] = object_server.url_of(object_server.bucket())
    shop.applied(ONE)
    before = open_store(shop.variables["RECONCILER_STATE"]).keys("")
    ran = doctor(shop)
    facts = found(ran, "state")["facts"]
    assert (apart_from(ran), facts["format"], facts["kind"]) == ({}, len(shipped()), "objects")
    assert open_store(shop.variables["RECONCILER_STATE"]).keys("") == before


def test_who_holds_the_lock_is_a_warning(shop: Online) -> None:
    lock = take_lock(
        base_url=shop.variables["AP_BASE_URL"],
        client_id="local",
        doing="apply",
        clock=RealClock(),
        who="ana@build 7",
        folder=shop.folder / "state" / "reconciler",
    )
    with asyncio.run(lock):
        ran = doctor(shop)
    assert apart_from(ran) == {"lock": "warning"}
    assert "apply by ana@build 7 since" in found(ran, "lock")["said"]


def test_what_was_learned_of_the_server_is_said(shop: Online) -> None:
    shop.applied("customers:\n  acme: {name: Acme, email: a@acme.example, archived: false}\n")
    shop.applied("customers:\n  acme: {name: Acme, email: a@acme.example, archived: true}\n")
    shop.later()
    shop.run("apply", "-f", "customers.yaml", "--auto-approve")
    facts = found(doctor(shop), "learned")["facts"]
    assert (facts["lists_archived"], facts["gets_archived"]) == (False, True)


def test_a_report_names_no_path_no_host_no_key_and_no_person(shop: Online) -> None:
    shop.applied(ONE)
    shop.write("reconciler.yaml", "version: 1\nproject: marked-project\nenvironments: {marked-env: {}}\n")
    text, document = shop.run("doctor", "--report"), doctor(shop, "--report")
    told = (text, document, shop.run("doctor", "--report", AP_BASE_URL=NOWHERE))
    for ran in told:
        for marked in (str(shop.folder), "127.0.0.1", "marked", "acme", "Acme", "said", "lineage", "sha256"):
            assert marked not in ran.out
    assert fits(document.json, "doctor")
    assert document.json["server"] == "this machine"


def test_no_hostile_text_of_a_variable_or_a_file_comes_out_raw(here: Place) -> None:
    hostile = "a\x1b[31m\u202e\u2028b"
    here.write("reconciler.yaml", f"version: 1\nenvironments:\n  '{hostile}': {{}}\n")
    assert raw(here.run("doctor", AP_BASE_URL=hostile).all) == []
    assert raw(here.run("doctor", AP_ENVIRONMENT=hostile).all) == []
    (here.folder / "reconciler.yaml").unlink()
    assert raw(here.run("doctor", RECONCILER_STATE=hostile, **variables_of(NOWHERE)).all) == []


# --- the contract ----------------------------------------------------------------------------------------


def test_a_field_that_the_contract_lacks_is_named_and_nothing_is_wrong(here: Place) -> None:
    page = {"data": [{"id": "cus_1", "archived_at": None, "x y": 1}], "has_next_page": False, "total": 1}
    cursor = {"end_cursor": "gaFpxBACEaXBVABEYbHG+X9LyLnH"}
    with web_server(answers(lambda _: {**page, **cursor})) as (url, _):
        ran = doctor(here, **variables_of(url))
    one = found(ran, "contract")
    assert (one["verdict"], one["facts"]) == ("ok", {"new_fields": "archived_at total", "cursor": "keyset"})
    assert one["said"].startswith("new fields: archived_at, total; its cursor is a random id")


def test_an_openapi_file_that_is_our_contract_differs_in_nothing(here: Place) -> None:
    here.write("ours.yaml", here.run("schema", "openapi").out)
    ran = here.run("doctor", "--openapi", "ours.yaml", "--format", "json")
    assert (ran.code, ran.json) == (0, {"compatible": True, "differences": []})
    assert fits(ran.json, "contract")
    text = here.run("doctor", "--openapi", "ours.yaml")
    assert text.out == "The file and the contract agree in all that Reconciler uses.\n"


def test_what_an_openapi_file_removes_is_listed_with_exit_code_1(here: Place) -> None:
    ours = here.run("schema", "openapi").out
    here.write("theirs.yaml", ours.replace("- name: company_name", "- name: name_like"))
    ran = here.run("doctor", "--openapi", "theirs.yaml", "--format", "json")
    assert (ran.code, ran.json["compatible"]) == (1, False)
    assert [(one["change"], one["part"], one["name"]) for one in ran.json["differences"]] == [
        ("removed", "parameter", "company_name"),
        ("added", "parameter", "name_like"),
    ]
    assert fits(ran.json, "contract")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("customers: {}\n", "it has no `openapi: 3"),
        ('{"openapi": "2.0"}', "it has no `openapi: 3"),
        ('{"openapi": "3.1.0"}', "it has no `paths`"),
        ('{"openapi": "3.1.0", "paths": {}, "servers": [{"url": "https://pets.example/v1"}]}', "another server: pets"),
        ('{"openapi": ', "this is no OpenAPI file"),
        ('{"a":' * 90_000, "nested too deep"),
        ("a: [1, 2\n", "this is no OpenAPI file"),
        ("", "it is empty"),
    ],
    ids=["other YAML", "version 2", "no paths", "other servers", "broken JSON", "deep", "broken YAML", "empty"],
)
def test_a_file_that_is_not_the_vendors_openapi_file_is_an_error(here: Place, text: str, why: str) -> None:
    here.write("theirs.yaml", text)
    ran = here.run("doctor", "--openapi", "theirs.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: theirs.yaml: ")
    assert why in ran.err


def test_an_openapi_file_of_twenty_megabytes_is_not_read(here: Place) -> None:
    with (here.folder / "theirs.json").open("wb") as file:
        file.truncate(20 * 1024**2)
    ran = here.run("doctor", "--openapi", "theirs.json")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error: theirs.json: it cannot be read: larger than 16 MiB")
