"""`import --bind`: what is written is bound too, so that the next plan has nothing to do and nothing to adopt."""

from __future__ import annotations

import json

import pytest
from command_line import Online

pytest_plugins = ("command_fixtures",)


def planned(shop: Online, *paths: str) -> tuple[int, list[object], list[object]]:
    """Return a plan's detailed exit code, its changes and its bindings."""
    named = [word for path in paths for word in ("-f", path)]
    ran = shop.run("plan", *named, "--format", "json", "--detailed-exitcode")
    return ran.code, ran.json["changes"], ran.json["bindings"]


def bound(shop: Online) -> dict[str, str]:
    """Return the id that each key is bound to."""
    return {row["external_id"]: row["id"] for row in json.loads(shop.ledger())["bindings"]}


def test_what_is_imported_is_bound_and_the_next_plan_is_empty(shop: Online) -> None:
    acme, nameless = shop.load(
        {"external_id": "acme", "name": "Acme", "users": [{"email": "jane@acme.example"}]}, {"name": "Initech"}
    )
    ran = shop.run("import", "-o", "customers.yaml", "--bind")
    assert (ran.code, ran.out, ran.err.splitlines()[-1]) == (0, "", "2 customers bound")
    assert bound(shop) == {"acme": acme, nameless: nameless}
    assert planned(shop, "customers.yaml") == (0, [], [])
    assert shop.writes() == []


def test_the_binding_remembers_the_file_so_that_an_entry_that_goes_is_archived(shop: Online) -> None:
    shop.load(*({"external_id": key, "name": key} for key in ("acme", "globex")))
    shop.run("import", "-o", "customers/", "--bind")
    (shop.folder / "customers" / "globex.yaml").unlink()
    _, changes, _ = planned(shop, "customers")
    assert [(one["action"], one["address"]) for one in changes] == [("archive", "globex")]


def test_an_account_is_adopted_in_batches_with_an_empty_plan_after_each(shop: Online) -> None:
    sides = ("north", "south")
    shop.load(
        *(
            {
                **({} if number % 2 else {"external_id": f"{sides[number // 2 % 2]}-{number}"}),
                "name": f"N{number}",
                "users": [{"email": f"u{number}@x.example"}],
            }
            for number in range(40)
        )
    )
    for pattern, so_far in (("north-*", 10), ("south-*", 20), ("", 40)):
        assert shop.run("import", pattern, "-o", "customers/", "--bind").code == 0
        assert (len(bound(shop)), planned(shop, "customers")) == (so_far, (0, [], []))
    assert shop.writes() == []


def test_an_apply_after_it_sends_nothing(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme", "users": [{"email": "jane@acme.example"}]})
    shop.run("import", "-o", "customers.yaml", "--bind")
    sent = shop.requests()
    assert shop.run("apply", "-f", "customers.yaml", "--auto-approve").code == 0
    assert (shop.writes(), shop.requests() - sent) == ([], 2)  # the token and one page: the users are known


def test_what_is_bound_already_stays_bound_to_its_file(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"}, {"external_id": "globex", "name": "Globex"})
    shop.applied("customers:\n  acme: {name: Acme}\n")
    before = json.loads(shop.ledger())["bindings"]
    ran = shop.run("import", "-o", "all.yaml", "--bind")
    assert ran.err.splitlines()[-2:] == ["1 customer bound", "1 is already bound and not changed"]
    assert [row for row in json.loads(shop.ledger())["bindings"] if row["external_id"] == "acme"] == before


def test_a_customer_that_another_key_is_bound_to_is_not_bound_twice(shop: Online) -> None:
    (live,) = shop.load({"name": "Acme"})
    shop.applied(f"customers:\n  acme: {{id: {live}, name: Acme}}\n")
    ran = shop.run("import", "", "-o", "all.yaml", "--bind")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"not bound: {live}; the next plan says why")
    assert bound(shop) == {"acme": live}


def test_what_the_environment_leaves_out_is_not_bound(shop: Online) -> None:
    shop.write("reconciler.yaml", 'version: 1\nenvironments:\n  default: {exclude: ["legacy-*"]}\n')
    acme, _ = shop.load({"external_id": "acme", "name": "Acme"}, {"external_id": "legacy-1", "name": "Old"})
    assert shop.run("import", "-o", "customers.yaml", "--bind").code == 0
    assert bound(shop) == {"acme": acme}


def test_the_history_says_that_it_was_bound(shop: Online) -> None:
    shop.load({"external_id": "acme", "name": "Acme"})
    shop.run("import", "-o", "customers.yaml", "--bind")
    (run,) = shop.run("history", "--format", "json").json["runs"]
    assert (run["command"], run["outcome"], run["changes"]) == ("import --bind", "done", 0)


def test_a_ledger_of_another_account_binds_nothing_and_the_file_is_said_to_be_there(shop: Online) -> None:
    ids = shop.load(*({"external_id": f"c-{number}", "name": "N"} for number in range(4)))
    shop.run("import", "-o", "one.yaml", "--bind")
    shop.load(*({"id": one, "external_id": f"other-{one}"} for one in ids))
    ran = shop.run("import", "-o", "two.yaml", "--bind")
    assert (ran.code, sorted(bound(shop))) == (3, [f"c-{number}" for number in range(4)])
    assert (shop.folder / "two.yaml").exists()
    assert "it was written, but nothing was bound" in ran.err


@pytest.mark.parametrize("words", [(), ("-o", "x.yaml", "--anonymise")])
def test_without_a_file_of_this_account_there_is_nothing_to_bind(shop: Online, words: tuple[str, ...]) -> None:
    ran = shop.run("import", *words, "--bind")
    assert (ran.code, "error: --bind: " in ran.err, shop.requests()) == (1, True, 0)


def test_customers_that_are_nearly_alike_are_written_as_distinct_so_that_the_file_loads_without_a_warning(
    shop: Online,
) -> None:
    keys = ["Acme", "acme", "00123", "123", "other"]
    shop.load(*({"external_id": key, "name": "One", "email": "billing@x.example"} for key in keys))
    assert shop.run("import", "-o", "customers.yaml").code == 0
    assert (shop.folder / "customers.yaml").read_text().count("distinct_from: [") == 2
    assert shop.run("validate", "-f", "customers.yaml", "--strict").code == 0
    assert planned(shop, "customers.yaml")[:2] == (0, [])


def test_who_is_nearly_alike_is_not_named_where_nobody_of_the_account_is(shop: Online) -> None:
    shop.load({"external_id": "Globex", "name": "One"}, {"external_id": "globex", "name": "Two"})
    made = shop.run("import", "--anonymise", RECONCILER_ANONYMISE_KEY="0123456789abcdef")
    assert (made.code, "globex" in made.out.casefold()) == (0, False)
