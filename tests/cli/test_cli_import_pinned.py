"""`import` in a project of several environments: entries with an `id` line go into an overlay, or nothing is bound."""

from __future__ import annotations

import json

import pytest
from command_line import Online

pytest_plugins = ("command_fixtures",)

PROJECT = """\
version: 1
files: [customers/]
environments:
  production: {overlays: [overlays/production.yaml]}
  demo: {}
"""


@pytest.fixture
def account(shop: Online) -> Online:
    """Return an account with every kind of customer, and a project of two environments over it."""
    shop.load(
        {"external_id": "acme", "name": "Acme"},
        {"name": "Nobody's"},
        {"email": "a@x.example"},
        {"external_id": "twice", "name": "One"},
        {"external_id": "twice", "name": "Two"},
    )
    shop.write("reconciler.yaml", PROJECT)
    (shop.folder / "customers").mkdir()
    (shop.folder / "overlays").mkdir()
    shop.variables["AP_ENVIRONMENT"] = "production"
    return shop


def test_what_needs_an_id_line_goes_into_the_overlay_and_the_next_plan_is_empty(account: Online) -> None:
    places = ("-o", "customers/live.yaml", "--pinned", "overlays/production.yaml")
    ran = account.run("import", *places, "--bind")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "5 customers bound")
    assert "id:" not in (account.folder / "customers/live.yaml").read_text()
    plan = account.run("plan", "--format", "json", "--detailed-exitcode")
    assert (plan.code, plan.json["bindings"], plan.json["summary"]["unchanged"]) == (0, [], 5)


def test_without_a_place_for_the_id_lines_nothing_is_written_or_bound_and_the_way_is_said(account: Online) -> None:
    ran = account.run("import", "-o", "customers/live.yaml", "--bind")
    assert (ran.code, list((account.folder / "customers").iterdir())) == (1, [])
    assert json.loads(account.ledger()) == {"bindings": []}
    assert account.requests() == 2  # the token and the page: no users were paid for in vain
    assert "4 customers need an `id:` line" in ran.err
    assert "--pinned overlays/production.yaml" in ran.err


def test_without_binding_it_is_a_warning(account: Online) -> None:
    ran = account.run("import", "-o", "customers/live.yaml")
    assert (ran.code, "warning: 4 customers need an `id:` line" in ran.err) == (0, True)


def test_those_with_an_external_id_alone_need_no_overlay(account: Online) -> None:
    account.write("overlays/production.yaml", "customers: {}\n")
    assert account.run("import", "a*", "-o", "customers/live.yaml", "--bind").code == 0
    assert account.run("plan", "--format", "json").json["changes"] == []


def test_one_path_is_no_two_places(account: Online) -> None:
    ran = account.run("import", "-o", "x.yaml", "--pinned", "./x.yaml")
    assert (ran.code, account.requests(), "name the same path" in ran.err) == (1, 0, True)


@pytest.mark.parametrize("place", ["customers/copy.yaml", "customers/", "overlays/../customers/x/copy.yaml"])
def test_who_is_made_up_is_not_written_where_the_account_itself_would_get_it(account: Online, place: str) -> None:
    (account.folder / "customers/x").mkdir()
    ran = account.run("import", "--anonymise", "-o", place, RECONCILER_ANONYMISE_KEY="k" * 32)
    assert (ran.code, account.requests(), list((account.folder / "customers").rglob("*.yaml"))) == (1, 0, [])
    assert "create the made-up customers beside the originals" in ran.err


def test_who_is_made_up_seeds_another_environment(account: Online) -> None:
    (account.folder / "demo").mkdir()
    account.write("overlays/production.yaml", "customers: {}\n")
    words = ("import", "--anonymise", "?*", "-o", "demo/copy.yaml")
    assert account.run(*words, RECONCILER_ANONYMISE_KEY="k" * 32).code == 0
    assert account.run("validate", "-f", "demo/", AP_ENVIRONMENT="demo").code == 0
