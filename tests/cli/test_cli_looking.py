"""`show`, `state`, `schema`, `init`: what they say, and that they change nothing they should not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ONE, THREE, Online, Place, fits, raw

from reconciler.resources import shipped
from reconciler.rules import Behaviour

pytest_plugins = ("command_fixtures",)


def test_show_says_all_sides_of_a_customer(shop: Online) -> None:
    shop.applied(THREE)
    shop.load({"id": shop.id_of("acme"), "city": "Lima"})
    ran = shop.run("show", "acme", "-f", "customers.yaml", "--format", "json")
    view = ran.json
    assert (ran.code, view["external_id"], view["declared"]["source"]) == (0, "acme", "customers.yaml:2:3")
    assert [view[side]["fields"]["city"] for side in ("declared", "live")] == ["Boston", "Lima"]
    assert view["recorded"]["applied"]["city"] == "Boston"
    assert [user["email"] for user in view["live"]["users"]] == ["jane@acme.example"]


def test_show_needs_no_file(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"})
    ran = shop.run("show", "acme")
    assert (ran.code, "declared         no" in ran.out, ran.err) == (0, True, "")


def test_show_of_nobody_is_an_error(shop: Online) -> None:
    ran = shop.run("show", "acme")
    assert (ran.code, ran.out, ran.err) == (
        1,
        "",
        (
            "error: acme: no such customer is declared, live or recorded\n"
            "  check the external_id: it is compared exactly, and a / in it is written %2F\n"
        ),
    )


def test_show_does_not_choose_between_two_live_customers(shop: Online) -> None:
    ids = shop.load({"external_id": "acme", "name": "One"}, {"external_id": "acme", "name": "Two"})
    ran = shop.run("show", "acme")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"error: acme: 2 live customers have this external_id: {ids[1]}, {ids[0]}\n")


def test_show_takes_an_address_with_a_slash_in_it(shop: Online) -> None:
    shop.load({"external_id": "a/b%", "name": "One"})
    assert shop.run("show", "a%2Fb%25").code == 0


def test_show_redacts(shop: Online) -> None:
    shop.applied(THREE)
    ran = shop.run("show", "acme", "-f", "customers.yaml", "--redact")
    assert ran.code == 0
    assert not {"billing@acme.example", "jane@acme.example", "Jane"} & set(ran.out.split())


def test_show_raw_prints_the_reply_to_a_get_with_fields_that_are_not_known(shop: Online) -> None:
    shop.emulator.behaviour = Behaviour(extra_fields=True)
    shop.applied(ONE)
    sent = shop.requests()
    ran = shop.run("show", "acme", "--raw")
    assert (ran.code, shop.requests() - sent) == (0, 2)  # a token and the get
    assert ran.json == shop.run("api", "customers", "get", shop.id_of("acme")).json
    assert ran.json["balance"] == {"amount": 0, "currency": "USD"}
    assert shop.run("show", "acme", "--raw", "--redact").json["name"] == "***"


def test_show_raw_finds_one_that_is_not_bound_by_its_external_id(shop: Online) -> None:
    (customer,) = shop.load({"external_id": "acme", "name": "Acme"})
    assert shop.run("show", "acme", "--raw").json["id"] == customer
    ran = shop.run("show", "globex", "--raw")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: globex: no live customer has this external_id\n")


def test_the_state_lists_what_is_bound_and_what_matches(shop: Online) -> None:
    shop.applied(THREE)
    assert [row["external_id"] for row in json.loads(shop.ledger())["bindings"]] == ["acme", "globex", "initech"]
    ran = shop.run("state", "list", "[ag]*", "--format", "json")
    assert [row["external_id"] for row in ran.json["bindings"]] == ["acme", "globex"]
    assert shop.run("state", "list", "none").out == "0 customers.\n"


def test_the_state_asks_the_api_nothing(shop: Online) -> None:
    shop.applied(ONE)
    sent = shop.requests()
    assert shop.run("state", "list").code == shop.run("state", "show", "acme").code == 0
    assert shop.run("state", "rm", "acme").code == 0
    assert shop.requests() == sent


def test_the_state_shows_one_customer(shop: Online) -> None:
    shop.applied(ONE)
    ran = shop.run("state", "show", "acme", "--format", "json")
    assert (ran.code, ran.json["recorded"]["applied"]["city"]) == (0, "Boston")
    ran = shop.run("state", "show", "globex")
    assert (ran.code, ran.err) == (
        1,
        "error: globex: the ledger does not have it\n  `reconciler state list` shows what it has\n",
    )


def test_the_state_of_an_environment_without_a_ledger_is_empty_and_makes_none(shop: Online) -> None:
    assert shop.run("state", "list").out == "0 customers.\n"
    assert not (shop.folder / ".reconciler").exists()


def test_what_the_state_forgets_stays_as_it_is_and_is_found_again(shop: Online) -> None:
    shop.applied(THREE)
    before = shop.account()
    dry = shop.run("state", "rm", "g*", "--dry-run")
    assert (dry.code, dry.out) == (
        0,
        (
            f"globex ({shop.id_of('globex')}): would be forgotten\n"
            "  declared, the next plan finds it again by its external_id; otherwise no plan mentions it\n"
        ),
    )
    ran = shop.run("state", "rm", "g*", "acme")
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
    assert [row["external_id"] for row in json.loads(shop.ledger())["bindings"]] == ["initech"]
    plan = shop.run("plan", "-f", "customers.yaml", "--format", "json", "--detailed-exitcode")
    assert (plan.code, [row["action"] for row in plan.json["bindings"]]) == (0, ["adopt", "adopt"])
    assert shop.account() == before


def test_the_state_forgets_nothing_where_nothing_matches(shop: Online) -> None:
    shop.applied(ONE)
    before = shop.ledger()
    ran = shop.run("state", "rm", "x*")
    assert (ran.code, ran.out, shop.ledger()) == (1, "", before)


@pytest.mark.parametrize("name", ["customers", "project", "plan"])
def test_a_schema_is_printed_as_it_is_shipped(here: Place, name: str) -> None:
    ran = here.run("schema", name)
    assert (ran.code, ran.out) == (0, shipped(f"schema/{name}.schema.json").read_text("utf-8"))


def test_the_schema_of_customers_files_is_the_usual_one(here: Place) -> None:
    assert here.run("schema").out == here.run("schema", "customers").out


def test_a_starter_project_is_valid_and_plans(shop: Online) -> None:
    ran = shop.run("init")
    assert ran.code == 0
    assert ran.out.endswith("Next: reconciler -e local plan\n")
    assert {"reconciler.yaml", "customers", ".gitignore", ".github"} <= {one.name for one in shop.folder.iterdir()}
    valid = shop.run("validate", "--strict")
    assert (valid.code, valid.err) == (0, "")
    assert shop.run("-e", "local", "plan", AP_ENVIRONMENT="").code == 0


def test_a_starter_project_keeps_a_file_that_is_there_and_writes_the_rest(here: Place) -> None:
    here.write("new/.gitignore", "mine\n")
    ran = here.run("init", "new")
    assert ran.code == 0
    assert "kept  new/.gitignore, which already exists\n" in ran.out
    assert ran.err == "new/.gitignore: add a line `.reconciler/`, because the ledger there contains personal data\n"
    assert (here.folder / "new/.gitignore").read_text() == "mine\n"
    assert here.run("validate", "-p", "new/reconciler.yaml").code == 0


def test_a_starter_project_made_twice_changes_nothing(here: Place) -> None:
    here.run("init")
    before = {path: path.read_bytes() for path in here.folder.rglob("*") if path.is_file()}
    ran = here.run("init")
    after = {path: path.read_bytes() for path in here.folder.rglob("*") if path.is_file()}
    assert (ran.code, ran.err, after) == (0, "", before)


def test_a_starter_project_adds_no_customers_to_those_that_are_declared(here: Place) -> None:
    here.write("customers/west.yaml", ONE)
    ran = here.run("init")
    assert "left  customers/customers.yaml out: the project already has customers\n" in ran.out
    assert not (here.folder / "customers/customers.yaml").exists()
    assert here.run("validate").out.startswith("Valid: 1 customer declared.")


def test_a_starter_project_never_shows_a_path_raw(here: Place) -> None:
    ran = here.run("init", "new\x1b[31m")
    assert (ran.code, raw(ran.all)) == (0, [])


@pytest.mark.parametrize("folder", ["file/new", "/proc/new"])
def test_a_starter_project_where_nothing_can_be_written_is_an_error(here: Place, folder: str) -> None:
    here.write("file", "")
    ran = here.run("init", folder)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith("\n  choose another folder\n")


def test_a_validation_as_json_is_one_document(here: Place) -> None:
    here.write("customers.yaml", "customers: {acme: {name: Acme, ein: 1}}\n")
    ran = here.run("validate", "-f", "customers.yaml", "--format", "json")
    assert (ran.code, ran.err, ran.json["summary"]) == (1, "", {"errors": 1, "warnings": 0})
    assert Path(ran.json["problems"][0]["file"]) == Path("customers.yaml")
    assert fits({"customers": {}}, "customers")


def test_the_environment_may_be_named_after_the_command(shop: Online) -> None:
    shop.write("reconciler.yaml", "files: [customers.yaml]\nenvironments: {west: {}, east: {}}\n")
    shop.write("customers.yaml", ONE)
    assert "Environment west" in shop.run("plan", "-e", "west").out
    assert "Environment west" in shop.run("-e", "east", "plan", "-e", "west").out


def test_the_project_file_and_the_environment_may_be_named_below_a_command_of_commands(shop: Online) -> None:
    shop.write("other.yaml", "environments: {west: {}, east: {}}\n")
    ran = shop.run("state", "list", "-p", "other.yaml", "-e", "north")
    assert (ran.code, ran.err) == (1, "-e: there is no environment 'north'; there are: west, east\n")
