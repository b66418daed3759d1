"""`seed`: an environment that is not production is filled, to its end, and emptied where it is disposable."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ONE, THREE, Online

pytest_plugins = ("command_fixtures",)

PROFILES = Path(__file__).parents[2] / "examples" / "profiles"
PROJECT = "version: 1\nfiles: [customers.yaml]\nenvironments:\n  default: {disposable: true}\n  kept: {}\n"


def in_project(shop: Online) -> None:
    """Let the environment be one of a project: disposable, unless `-e kept` names the other."""
    shop.write("reconciler.yaml", PROJECT)
    shop.variables["AP_ENVIRONMENT"] = "default"


def active(shop: Online) -> list[str]:
    return sorted(fields["external_id"] for fields, archived, _ in shop.account().values() if not archived)


def seeded(shop: Online, name: str) -> None:
    """Fill the environment from a profile: nothing is left to plan then."""
    ran = shop.run("seed", "-f", str(PROFILES / name), "--auto-approve")
    again = shop.run("plan", "-f", str(PROFILES / name), "--detailed-exitcode", "--format", "json")
    assert (ran.code, again.code, again.json["changes"]) == (0, 0, []), ran.err


def test_a_profile_fills_an_environment_and_then_plans_to_nothing(shop: Online) -> None:
    seeded(shop, "small.yaml")


def test_every_text_of_the_edge_cases_comes_back_as_it_was_written(shop: Online) -> None:
    seeded(shop, "edge-cases.yaml")
    assert shop.named("a/b%2Fc")["name"] == "Slash and Percent"
    assert shop.named("  outer blanks  ")["name"] == "Outer Blanks"
    assert shop.named("looks-like-something-else")["postal_code"] == "00501"
    assert shop.named("decomposed")["name"] == "Cafe\u0301 Noir"
    (users,) = (users for fields, _, users in shop.account().values() if fields["external_id"] == "many-users")
    assert len(users) == 300


def test_generated_customers_fill_an_environment_and_a_second_seed_sends_nothing(shop: Online) -> None:
    words = ("seed", "--customers", "12", "--users", "1", "--auto-approve")
    assert shop.run(*words).code == 0
    writes = len(shop.writes())
    assert (writes, shop.run(*words).code, len(shop.writes())) == (24, 0, 24)


def test_a_seed_that_was_stopped_goes_on_where_it_stopped(shop: Online) -> None:
    words = ("seed", "--customers", "10", "--auto-approve")
    first = shop.run(*words, "--max-requests", "8")
    assert (first.code, 0 < len(shop.writes()) < 10) == (2, True), first.err
    assert (shop.run(*words).code, len(shop.writes()), len(active(shop))) == (0, 10, 10)


def test_a_larger_seed_grows_the_environment(shop: Online) -> None:
    shop.run("seed", "--customers", "3", "--auto-approve")
    small = active(shop)
    shop.run("seed", "--customers", "6", "--auto-approve")
    assert (len(active(shop)), set(small) < set(active(shop))) == (6, True)


def test_a_seed_archives_nobody_unless_it_resets(shop: Online) -> None:
    in_project(shop)
    shop.applied(THREE)
    shop.run("seed", "--customers", "2", "--auto-approve")
    assert len(active(shop)) == 5


def test_a_reset_archives_all_that_is_not_declared_and_has_an_external_id(shop: Online) -> None:
    in_project(shop)
    shop.load({"external_id": "stranger", "name": "Stranger"}, {"name": "Without a key"})
    shop.applied(THREE)
    shop.run("seed", "--customers", "2", "--auto-approve")
    shop.write("one.yaml", ONE)
    ran = shop.run("seed", "-f", "one.yaml", "--reset", "--auto-approve")
    names = sorted(fields["name"] for fields, archived, _ in shop.account().values() if not archived)
    assert (ran.code, names) == (0, ["Acme", "Without a key"]), ran.all
    assert shop.run("plan", "-f", "one.yaml", "--detailed-exitcode").code == 0


def test_a_reset_keeps_what_is_protected(shop: Online) -> None:
    in_project(shop)
    shop.applied(THREE.replace("globex: {", "globex: {protect: true, "))
    shop.write("one.yaml", ONE)
    assert shop.run("seed", "-f", "one.yaml", "--reset", "--auto-approve").code == 3
    assert active(shop) == ["acme", "globex"]


def test_a_reset_wants_the_environments_name_typed(shop: Online) -> None:
    in_project(shop)
    shop.applied(THREE)
    shop.write("one.yaml", ONE)
    refused = shop.run("seed", "-f", "one.yaml", "--reset", stdin=b"yes\ny\n", terminal=True)
    assert (refused.code, active(shop)) == (3, ["acme", "globex", "initech"])
    assert "type default to approve" in refused.err
    assert shop.run("seed", "-f", "one.yaml", "--reset", stdin=b"default\ny\n", terminal=True).code == 0
    assert active(shop) == ["acme"]


def test_a_reset_of_an_environment_that_is_not_disposable_is_refused(shop: Online) -> None:
    in_project(shop)
    shop.applied(THREE)
    requests = shop.requests()
    ran = shop.run("-e", "kept", "seed", "-f", "customers.yaml", "--reset", "--auto-approve")
    assert (ran.code, "disposable: true" in ran.err, shop.requests()) == (3, True, requests)


@pytest.mark.parametrize("host", ["Public-API.alternativepayments.io", "public-api.alternativepayments.io.:443/v1"])
def test_production_is_never_seeded_however_it_is_named_and_written(shop: Online, host: str) -> None:
    project = f"environments: {{test: {{base_url: 'https://{host}', disposable: true}}}}\nfiles: [customers.yaml]\n"
    shop.write("reconciler.yaml", project)
    shop.variables.pop("AP_BASE_URL")
    ran = shop.run("seed", "--reset", "--customers", "1", "--auto-approve")
    assert (ran.code, "does not work in production" in ran.err) == (3, True)


def test_production_is_never_seeded(shop: Online) -> None:
    shop.variables.pop("AP_BASE_URL")
    ran = shop.run("-e", "production", "seed", "--customers", "1", "--auto-approve")
    assert (ran.code, "does not work in production" in ran.err) == (3, True)


@pytest.mark.parametrize("address", ["jane@acme.com", "jane@example.com.evil", "jane@myexample.com"])
def test_an_address_that_may_be_somebodys_is_refused(shop: Online, address: str) -> None:
    shop.write("customers.yaml", f"customers:\n  acme: {{name: Acme, users: {{{address}: {{}}}}}}\n")
    ran = shop.run("seed", "-f", "customers.yaml", "--auto-approve")
    assert (ran.code, address in ran.err, shop.requests()) == (3, True, 0)
    assert shop.run("seed", "-f", "customers.yaml", "--auto-approve", "--real-addresses").code == 0


def test_files_and_a_number_of_customers_are_not_both_taken(shop: Online) -> None:
    assert shop.run("seed", "-f", "customers.yaml", "--customers", "3", "--auto-approve").code == 1
